from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.children import ask_to_end, own_group
from bridge.mt5api.backend import LinkLost
from bridge.terminal.simulator.clock import SimulatedClock
from bridge.terminal.simulator.link import FrameReader, SocketBackend, pack_frame
from bridge.terminal.simulator.process import TerminalProcess, run
from bridge.terminal.simulator.settings import Furnished, TerminalSettings
from bridge.terminal.simulator.world import World
from tests.scripted_market import START_MSC, market, request

EVER = (0, 2**31 - 1, None, None, None)
BOOKS = (
    ("positions_get", (None, None, None)), ("history_orders_get", EVER), ("history_deals_get", EVER), ("account_info", ()),
    ("symbol_info_tick", ("EURUSD",)),
)  # fmt: skip

GARBAGE = (
    b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, pack_frame({"no": "request"}), pack_frame(["f"]), pack_frame([1, []]),
    b"\x01\0\0\0\xc1",
)  # fmt: skip

STATUS = {"now_msc", "start_msc", "speed", "held", "symbols", "attached", "orders", "positions", "deals"}


class Terminal:
    """A terminal served by a thread, with a monotonic clock that stands until it is turned."""

    def __init__(self, held: bool = False) -> None:
        replay = market({"EURUSD": [(-1000, 1.1, 1.1002), (1000, 1.2, 1.2002)]})
        listener = socket.create_server(("127.0.0.1", 0))
        self.monotonic_s = 0.0
        clock = SimulatedClock.starting(START_MSC, monotonic_s=0.0, held=held)
        self.process = TerminalProcess(listener, Furnished(World(replay, START_MSC), clock, replay, None), lambda: self.monotonic_s)
        self.address = "tcp://{}:{}".format(*listener.getsockname())
        self.backends: list[SocketBackend] = []
        self.failure: Exception | None = None
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        try:
            self.process.serve()
        except sqlite3.Error as error:
            self.failure = error

    def attach(self) -> SocketBackend:
        backend = SocketBackend()
        backend.open(self.address)
        self.backends.append(backend)
        return backend

    def raw(self) -> socket.socket:
        host, port = self.address.removeprefix("tcp://").split(":")
        return socket.create_connection((host, int(port)), 5)


@contextmanager
def serving(**options: Any) -> Iterator[Terminal]:
    terminal = Terminal(**options)
    try:
        yield terminal
    finally:
        terminal.process.stopping.set()
        for backend in terminal.backends:
            backend.close()
        terminal.thread.join(5)
        assert not terminal.thread.is_alive()


def ask(backend: SocketBackend, function: str, *args: Any) -> Any:
    code, text, value = backend.call(function, list(args))
    assert (code, text) == (1, "Success"), (function, code, text)
    return value


def test_several_programs_share_one_world() -> None:
    with serving() as terminal:
        first, second = terminal.attach(), terminal.attach()
        result = ask(first, "order_send", request(symbol="EURUSD", volume=0.1))
        assert result[0] == 10009
        assert [row[0] for row in ask(second, "positions_get", None, None, None)] == [result[2]]
        assert ask(second, "control.status")["attached"] == 2


def test_the_status() -> None:
    with serving() as terminal:
        program = terminal.attach()
        status = ask(program, "control.status")
        assert set(status) == STATUS
        assert status["now_msc"] == status["start_msc"] == START_MSC
        span = {"first_msc": START_MSC - 1000, "last_msc": START_MSC + 1000, "rows": 2}
        assert status["symbols"] == {"EURUSD": {**span, "emitted": 1}}
        assert (status["deals"], status["positions"], status["orders"]) == (1, 0, 0)
        terminal.monotonic_s = 1.5
        assert ask(program, "control.status")["symbols"]["EURUSD"]["emitted"] == 2


def test_hold_and_release() -> None:
    with serving(held=True) as terminal:
        program = terminal.attach()
        terminal.monotonic_s = 50.0
        assert ask(program, "symbol_info_tick", "EURUSD")[1] == 1.1
        ask(program, "control.release")
        terminal.monotonic_s = 52.0
        assert ask(program, "symbol_info_tick", "EURUSD")[1] == 1.2
        ask(program, "control.hold")
        terminal.monotonic_s = 99.0
        assert ask(program, "control.status")["now_msc"] == START_MSC + 2000
        assert ask(program, "control.status")["held"] is True


def test_a_program_that_sends_garbage_disturbs_nobody() -> None:
    with serving() as terminal:
        good = terminal.attach()
        for garbage in GARBAGE:
            with terminal.raw() as bad:
                bad.sendall(garbage)
                assert bad.recv(1) == b""
            assert ask(good, "orders_total") == 0
        assert ask(good, "control.status")["attached"] == 1


def test_a_program_that_vanishes_or_does_not_read_disturbs_nobody() -> None:
    with serving() as terminal:
        good, deaf = terminal.attach(), terminal.raw()
        deaf.sendall(pack_frame(["symbols_get", [None]]) * 1000)
        vanished = terminal.raw()
        vanished.sendall(b"\x10\0\0\0half")
        vanished.close()
        for _ in range(20):
            assert ask(good, "positions_total") == 0
        assert max(len(client.unsent) for client in terminal.process.attached.values()) < 200_000
        deaf.close()


def test_nothing_is_answered_that_could_not_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk:
        def save(self, world: World) -> None:
            if world.server.ledger.positions:
                raise sqlite3.OperationalError("disk is full")

    with serving() as terminal:
        program = terminal.attach()
        assert ask(program, "positions_total") == 0
        monkeypatch.setattr(terminal.process, "store", FullDisk())
        with pytest.raises(LinkLost):
            program.call("order_send", [request(symbol="EURUSD", volume=0.1)])
        terminal.thread.join(5)
        assert str(terminal.failure) == "disk is full"


def test_pipelined_requests_are_answered_in_order() -> None:
    with serving() as terminal, terminal.raw() as program:
        program.sendall(b"".join(pack_frame([name, []]) for name in ("orders_total", "version", "no_such")))
        reader = FrameReader()
        replies: list[Any] = []
        while len(replies) < 3:
            replies += reader.feed(program.recv(65536))
        assert [reply[0] for reply in replies] == [1, 1, -2]
        assert replies[1][2][0] == 500


def test_a_fault_of_the_simulator_is_an_answer(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with serving() as terminal:
        monkeypatch.setattr(terminal.process.world, "call", lambda *_: 1 / 0)
        program = terminal.attach()
        assert program.call("version", []) == (-1, "Terminal: Call failed", None)
        assert "division by zero" in caplog.text
        monkeypatch.undo()
        assert ask(program, "version")[0] == 500


def test_switches_and_forced_return_codes() -> None:
    with serving() as terminal:
        program = terminal.attach()
        buy = request(symbol="EURUSD", volume=0.1)
        ask(program, "control.switch", "trade_allowed", False)
        assert ask(program, "terminal_info")[4] is False
        assert ask(program, "order_send", buy)[0] == 10027
        ask(program, "control.switch", "trade_allowed", True)
        ask(program, "control.refuse", 10012, 2)
        assert [ask(program, "order_send", buy)[0] for _ in range(3)] == [10012, 10012, 10009]
        assert program.call("control.switch", ["colour", True])[0] == -2
        assert program.call("control.refuse", [10009, 1])[1].startswith("control.refuse takes the return code of a refusal")


def test_a_port_in_use_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(TerminalSettings(listen=("127.0.0.1", port))) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"terminal: cannot listen on 127.0.0.1:{port}: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"profile": "nobody"}, "no broker profile 'nobody'"),
        ({"speed": 0.0}, "speed must be a positive number"),
        ({"recordings": (("NOPE", Path("x.csv")),)}, "no symbol 'NOPE'"),
        ({"recordings": (("EURUSD", Path("missing.csv")),)}, "missing.csv"),
    ],
)
def test_wrong_settings_are_one_line_and_exit_code_1(
    changes: dict[str, Any], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(TerminalSettings(listen=("127.0.0.1", 0), **changes)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err
    assert err.count("\n") == 1


def test_a_replay_begins_just_before_its_first_row(tmp_path: Path) -> None:
    file = tmp_path / "EURUSD.csv"
    file.write_text("time_msc,bid,ask\n1704880800500,1.1,1.1002\n1704880801000,1.2,1.2002\n")
    with real(f"recordings=(('EURUSD', Path({str(file)!r})),), held=True") as (process, program):
        status = ask(program, "control.status")
        first_msc = 1_704_880_800_500 + 2 * 3_600_000  # New York + 7 h is UTC + 2 h in winter
        assert status["start_msc"] == status["now_msc"] == first_msc - 1
        assert status["symbols"]["EURUSD"]["emitted"] == 0
        assert program.call("symbol_info_tick", ["EURUSD"])[0] == -4
        assert ask(program, "symbol_info_tick", "USDJPY")[5] < first_msc
        ask(program, "control.stop")
        assert process.wait(10) == 0


SCRIPT = """
import sys
from pathlib import Path
from bridge.terminal.simulator.process import run
from bridge.terminal.simulator.settings import Furnished, TerminalSettings
if __name__ == "__main__":
    sys.exit(run(TerminalSettings(listen=("127.0.0.1", 0), {options})))
"""


@contextmanager
def real(options: str = "") -> Iterator[tuple[subprocess.Popen[str], SocketBackend]]:
    """A terminal in a process of its own, and a program attached to it."""
    root = str(Path(__file__).parent.parent)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(options=options)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **own_group(),
        env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    backend = SocketBackend()
    try:
        line = process.stdout.readline()
        assert line.startswith("terminal listening on tcp://127.0.0.1:")
        backend.open(line.split()[-1])
        yield process, backend
    finally:
        backend.close()
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()


def test_a_stop_signal_ends_a_real_process_cleanly() -> None:
    with real() as (process, program):
        assert ask(program, "account_info")[0] == 5_000_001
        ask_to_end(process)
        assert process.wait(10) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""


def test_an_account_survives_a_killed_terminal(tmp_path: Path) -> None:
    options = f"state=Path({str(tmp_path / 'state.db')!r}), start_msc={START_MSC}, held=True"
    with real(options) as (process, program):
        result = ask(program, "order_send", request(symbol="EURUSD", volume=0.1))
        before = [ask(program, name, *args) for name, args in BOOKS]
        process.kill()
    with real(options) as (_, program):
        assert [ask(program, name, *args) for name, args in BOOKS] == before
        closing = request(symbol="EURUSD", volume=0.1, type=1, position=result[2])
        assert ask(program, "order_send", closing)[2] == result[2] + 1


def test_a_real_process_ends_with_its_parent() -> None:
    with real("exit_with_parent=True") as (process, program):
        assert ask(program, "symbols_total") > 30
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0
