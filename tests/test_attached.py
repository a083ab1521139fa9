"""Answers that are withheld from attached programs, and a process that ends and comes back, over real sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.mt5api.backend import LinkLost
from bridge.terminal.simulator import process as process_module
from bridge.terminal.simulator.faults import inflict, listed
from bridge.terminal.simulator.lifetime import listen
from bridge.terminal.simulator.link import FrameReader, pack_frame
from bridge.terminal.simulator.process import TerminalProcess
from bridge.terminal.simulator.settings import TerminalSettings, furnish
from tests.scripted_market import START_MSC, request
from tests.test_process import ask, serving

BUY = request(symbol="EURUSD", volume=0.1)


def eventually(told: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 10
    while not told():
        assert time.monotonic() < until_s
        time.sleep(0.005)


@pytest.mark.parametrize("executes", [True, False])
def test_a_program_that_vanishes_in_a_hanging_call(executes: bool) -> None:
    with serving() as terminal:
        other, program = terminal.attach(), terminal.raw()
        ask(other, "control.fault", "hang", {"function": "order_send", "executes": executes})
        program.sendall(pack_frame(["order_send", [BUY]]))
        eventually(lambda: any(client.withheld for client in terminal.process.attached.values()))
        assert ask(other, "positions_total") == executes
        program.close()
        eventually(lambda: ask(other, "control.faults") == [])
        assert ask(other, "positions_total") == executes


def test_requests_behind_a_withheld_one_wait_their_turn() -> None:
    with serving() as terminal, terminal.raw() as program:
        other = terminal.attach()
        ask(other, "control.fault", "hang", {"function": "version", "seconds": 5.0})
        program.sendall(pack_frame(["orders_total", []]) + pack_frame(["version", []]) + pack_frame(["positions_total", []]))
        reader = FrameReader()
        assert [reply[2] for reply in reader.feed(program.recv(65536))] == [0]
        eventually(lambda: any(client.withheld for client in terminal.process.attached.values()))
        assert ask(other, "orders_total") == 0
        terminal.monotonic_s = 5.0
        replies: list[Any] = []
        while len(replies) < 2:
            replies += reader.feed(program.recv(65536))
        assert [replies[0][2][0], replies[1][2]] == [500, 0]


def test_a_request_that_is_not_executed_yet_is_executed_when_the_hang_ends() -> None:
    with serving() as terminal, terminal.raw() as program:
        other = terminal.attach()
        ask(other, "control.fault", "hang", {"executes": False})
        program.sendall(pack_frame(["order_send", [BUY]]))
        eventually(lambda: any(client.withheld for client in terminal.process.attached.values()))
        assert ask(other, "positions_total") == 0
        ask(other, "control.clear")
        (reply,) = FrameReader().feed(program.recv(65536))
        assert reply[2][0] == 10009
        assert ask(other, "positions_total") == 1


def test_what_a_fault_shows_is_not_kept(tmp_path: Path) -> None:
    """Another account and another time are gone when the terminal is started again; orders of the own account are not."""
    given = TerminalSettings(start_msc=START_MSC, held=True, fresh=True, state=tmp_path / "account.sqlite")
    given_faults: list[dict[str, dict[str, Any]]] = [{"clock_jump": {"seconds": 7200}}, {"account_switched": {}}, {}]
    for run, faults in enumerate(given_faults):
        furnished = furnish(given, utc_msc=0, monotonic_s=0.0)
        assert furnished.store is not None
        world = furnished.world
        assert (world.now_msc, world.credentials.login, listed(world)) == (START_MSC, 5_000_001, [])
        assert len(world.server.ledger.positions) == min(run, 1)
        terminal = TerminalProcess(socket.create_server(("127.0.0.1", 0)), furnished, lambda: 0.0)
        for name, arguments in faults.items():
            inflict(world, name, arguments, START_MSC)
        world.call("order_send", [BUY], START_MSC)
        terminal.stopping.set()
        terminal.save()
        terminal.serve()
        furnished.store.close()


def test_a_lost_answer_breaks_one_connection_only() -> None:
    with serving() as terminal:
        program, other = terminal.attach(), terminal.attach()
        ask(other, "control.fault", "unanswered")
        with pytest.raises(LinkLost) as lost:
            program.call("order_send", [BUY])
        assert lost.value.sending is False
        assert ask(other, "positions_total") == 1
        assert ask(other, "control.faults") == []


def test_a_crash_is_death_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    deaths: list[int] = []
    monkeypatch.setattr(process_module, "die", lambda: deaths.append(1))
    with serving() as terminal:
        ask(terminal.attach(), "control.fault", "crash")
        eventually(lambda: deaths == [1])


def test_a_terminal_comes_back_as_soon_as_its_port_is_free() -> None:
    with serving() as terminal:
        program = terminal.attach()
        host, port = terminal.address.removeprefix("tcp://").split(":")
        ask(program, "control.fault", "restart", {"seconds": 2.0})
        with pytest.raises(LinkLost):
            program.call("version", [])
        eventually(lambda: terminal.process._back_s is not None)
        taken: list[socket.socket] = []

        def take() -> bool:
            try:
                taken.append(listen((host, int(port))))
            except OSError:
                return False
            return True

        eventually(take)
        terminal.monotonic_s = 3.0
        time.sleep(0.1)
        taken[0].close()
        eventually(lambda: terminal.process._back_s is None)
        assert ask(terminal.attach(), "version")[0] == 500


def test_controls_say_what_is_wrong_with_them() -> None:
    with serving() as terminal:
        program = terminal.attach()
        refused = (-2, "control.fault takes the name of a fault and a map of its arguments", None)
        for args in ([], [1], ["hang", []], ["hang", {}, 1]):
            assert program.call("control.fault", args) == refused
        assert program.call("control.fault", ["hang", {"nth": 0}])[1] == "nth must be from 1 to 1e+06, not 0"
        assert program.call("control.fault", ["nope"])[1].startswith("there is no fault 'nope'")
        assert program.call("control.clear", ["nope"])[1] == "control.clear takes the name of a fault, or nothing"
        assert program.call("control.clear", [["hang"]])[0] == -2
