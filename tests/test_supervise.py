"""The supervisor with real processes: what is killed comes back, what is stopped stays so, and nothing outlives it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner

import strategies.child
import strategies.supervisor
from bridge.errors import BridgeUnreachable, ConfigError, InvalidParameters
from strategies.child import LOG_FILES, Child, Voice
from strategies.commands import commands
from strategies.control import Answer, Control, Question, Row, ask
from strategies.signals import ORPHAN_S, StopRequest
from strategies.steering import exit_words, show
from strategies.supervise import STOP_LIMIT_S, supervise
from strategies.supervisor import STOP_S
from strategies.wanted import Wanted, hold, read_wanted, state_path, write_wanted
from tests.processes import PATIENCE_S, environment, serving

T = TypeVar("T")
WAITS = "import os, sys\nprint('up', os.getpid(), flush=True)\nsys.stdin.read()\n"
"""A strategy that needs no bridge: it ends when its standard input does."""
DEAF = "import signal, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(60)\n"


def until(look: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
    """Look again and again until there is something."""
    until_s = time.monotonic() + patience_s
    while not (found := look()):
        assert time.monotonic() < until_s, "it never came"
        time.sleep(0.05)
    return found


class Supervised:
    """A folder with a roster, and the supervisor that runs it."""

    def __init__(self, folder: Path, text: str, **scripts: str) -> None:
        for name, script in scripts.items():
            (folder / f"{name}.py").write_text(script, encoding="utf-8")
        self.path = folder / "strategies.toml"
        self.path.write_text('log_folder = "logs"\n[defaults]\nbackoff_s = 0.1\n' + text, encoding="utf-8")
        self.said = folder / "said.txt"

    @contextlib.contextmanager
    def running(self, **changes: str) -> Iterator[subprocess.Popen[bytes]]:
        with self.said.open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "strategies", "supervise", str(self.path)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=environment(**changes),
            )
        try:
            until(lambda: self.reachable(process))
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(PATIENCE_S)

    def reachable(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, self.said.read_text()
        with contextlib.suppress(ConfigError):
            return read_wanted(self.path).pid == process.pid
        return False

    def rows(self) -> dict[str, Row]:
        known = read_wanted(self.path)
        return {row.instance: row for row in ask(known.port, Question(known.token, "status"), str(self.path))}

    def pid(self, instance: str, *, not_: int | None = None) -> int:
        """Of a process that has spoken."""

        def look() -> int | None:
            row = self.rows()[instance]
            return row.pid if row.pid not in (None, not_) and row.last_line.endswith(str(row.pid)) else None

        return until(look) or 0

    def call(self, *words: str) -> tuple[int, str]:
        answer = CliRunner().invoke(commands, [words[0], str(self.path), *words[1:]])
        return answer.exit_code, answer.output


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


posix_only = pytest.mark.skipif(sys.platform == "win32", reason="kills by number, as POSIX does")


@posix_only
def test_a_day_of_two_strategies(tmp_path: Path) -> None:
    house = Supervised(
        tmp_path,
        '[strategy.a]\nfile = "w.py"\n[strategy.b]\nfile = "w.py"\n[strategy.off]\nfile = "w.py"\nenabled = false',
        w=WAITS,
    )
    with house.running() as first:
        a, b = house.pid("a"), house.pid("b")
        os.kill(a, signal.SIGKILL)
        again = house.pid("a", not_=a)
        row = house.rows()["a"]
        assert (row.restarts, row.last_exit, row.state) == (1, -signal.SIGKILL, "running")
        assert house.pid("b") == b, "nobody else noticed"
        code, shown = house.call("status")
        assert code == 0
        assert [line.split()[0] for line in shown.splitlines()] == ["name", "a", "b", "off"]
        assert "SIGKILL" in shown
        assert "disabled" in shown
        code, shown = house.call("status", "--json")
        assert [json.loads(line)["pid"] for line in shown.splitlines()] == [again, b, None]

        code, shown = house.call("stop", "b")
        assert (code, house.rows()["b"].state) == (0, "stopped")
        assert not is_alive(b)
        assert house.call("restart", "a")[0] == 0
        last = house.pid("a", not_=again)
        assert house.rows()["a"].restarts == 1, "a restart that was asked for is none of its own"

        assert house.call("start", "nobody")[0] == 2
        assert house.call("start", "off")[0] == 2
        assert house.call("start")[0] == 2
        assert house.call("stop", "--all", "a")[0] == 2
        second = subprocess.run(
            [sys.executable, "-m", "strategies", "supervise", str(house.path)],
            capture_output=True,
            text=True,
            env=environment(),
            timeout=60,
            check=False,
        )
        assert (second.returncode, second.stderr.count("\n")) == (2, 1)
        assert f"another supervisor (pid {first.pid:010d}) runs" in second.stderr

        first.kill()
        first.wait(PATIENCE_S)
    until(lambda: not is_alive(last), ORPHAN_S)
    assert house.call("status")[0] == 1, "no supervisor"
    with house.running() as next_:
        assert house.rows()["a"].state == "backoff", "its former process might still be ending"
        newest = house.pid("a", not_=last)
        assert house.rows()["b"].state == "stopped", "as it was"
        assert house.call("start", "--all")[0] == 0
        house.pid("b")
        next_.terminate()
        assert next_.wait(PATIENCE_S) == 0
    assert not is_alive(newest)
    assert read_wanted(house.path) == Wanted()
    log = (tmp_path / "logs" / "a.log").read_text(encoding="utf-8").splitlines()
    assert log == [f"up {pid}" for pid in (a, again, last, newest)]
    assert f"a | up {a}\n" in house.said.read_text()
    assert "supervisor asked to stop b" in house.said.read_text()


@posix_only
def test_ends_are_judged_and_a_deaf_one_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house = Supervised(
        tmp_path,
        '[strategy.done]\nfile = "done.py"\n[strategy.wrong]\nfile = "wrong.py"\n[strategy.deaf]\nfile = "deaf.py"\n',
        done="print('done')", wrong="import sys; sys.exit('no') if len(sys.argv) < 2 else sys.exit(2)", deaf=DEAF,
    )  # fmt: skip
    monkeypatch.setattr(strategies.supervisor, "STOP_S", 0.3)
    looks: list[dict[str, Row]] = []

    def steer() -> None:
        until(lambda: state_path(house.path).exists() and read_wanted(house.path).port)
        until(lambda: house.rows()["done"].state == "stopped")
        until(lambda: house.rows()["wrong"].state == "failed")
        until(lambda: house.rows()["deaf"].last_line == "deaf")
        assert read_wanted(house.path).stopped == [], "they ended by themselves: nobody stopped them for good"
        looks.append(house.rows())

    thread = threading.Thread(target=steer)
    thread.start()
    supervise(house.path, lambda: "SIGINT" if not thread.is_alive() else None)
    deaf = looks[0]["deaf"].pid
    assert deaf is not None
    assert not is_alive(deaf)
    assert "deaf did not stop in time and is killed" in caplog.text
    assert STOP_S < STOP_LIMIT_S < 6.0
    assert read_wanted(house.path) == Wanted()


def test_a_packaged_strategy_on_a_bridge(tmp_path: Path) -> None:
    house = Supervised(tmp_path, "[strategy.eur]\nname = 'ma_crossover'\ntimeframe = 'M1'\nparams = { fast = 2, slow = 5 }")
    with serving() as served, house.running(MT5BRIDGE_ENDPOINT=served.requests):
        log = tmp_path / "logs" / "eur.log"
        until(lambda: log.exists() and "INFO    ma_crossover/eur live after" in log.read_text(encoding="utf-8"))
        assert house.call("stop", "eur")[0] == 0
        row = house.rows()["eur"]
        assert (row.state, row.wanted, row.symbol, row.timeframe) == ("stopped", False, "EURUSD", "M1")
        if sys.platform != "win32":
            assert row.last_exit == 0
            assert "stopped reason=SIGTERM" in row.last_line


def test_a_typo_is_one_line_and_nothing_is_started(tmp_path: Path) -> None:
    house = Supervised(tmp_path, '[strategy.a]\nfile = "w.py"\ntimefame = "M5"\n', w=WAITS)
    done = subprocess.run(
        [sys.executable, "-m", "strategies", "supervise", str(house.path)],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"python -m strategies: {house.path}:6: strategy.a.timefame: no such field; ")
    assert done.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["strategies.toml", "w.py"]


@posix_only
def test_a_strategy_ends_with_its_parent_even_while_it_waits_for_a_bridge() -> None:
    command = [sys.executable, "-m", "strategies", "run", "ma_crossover", "--endpoint", "tcp://127.0.0.1:9", "--exit-with-parent"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdin is not None
        time.sleep(0.5)
        process.stdin.close()
        assert process.wait(PATIENCE_S) in (0, 1)


# ---- its parts -------------------------------------------------------------------------------------------------------------------


def test_what_does_not_stop_when_its_parent_ended_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    ended: list[Any] = []
    done = threading.Event()
    with open(reading) as standard_input:
        monkeypatch.setattr(sys, "stdin", standard_input)
        monkeypatch.setattr(time, "sleep", ended.append)

        def leave(code: int) -> None:
            ended.append(code)
            done.set()

        monkeypatch.setattr(os, "_exit", leave)
        request = StopRequest()
        request.follow_parent()
        os.write(writing, b"x")
        os.close(writing)
        assert done.wait(PATIENCE_S)
    assert request() == "its supervisor ended"
    assert ended == [ORPHAN_S, 1]


def test_the_state_is_private_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roster = tmp_path / "s.toml"
    assert read_wanted(roster) == Wanted()
    wanted = Wanted(["a"], 5, 6, "secret")
    write_wanted(roster, wanted)
    assert read_wanted(roster) == wanted
    if sys.platform != "win32":
        assert state_path(roster).stat().st_mode & 0o777 == 0o600
    replace, refused = os.replace, [PermissionError(13, "in use")] * 2

    def busy(source: Path, target: Path) -> None:
        if refused:
            raise refused.pop()
        replace(source, target)

    waits: list[float] = []
    monkeypatch.setattr(os, "replace", busy)
    write_wanted(roster, Wanted(), waits.append)
    assert len(waits) == 2
    assert read_wanted(roster) == Wanted()
    refused[:] = [PermissionError(13, "in use")] * 100
    with pytest.raises(ConfigError, match="cannot be written: in use"):
        write_wanted(roster, wanted, waits.append)
    assert read_wanted(roster) == Wanted()
    state_path(roster).write_text('{"stopped": [')
    with pytest.raises(ConfigError, match=r"remove it; then all that is enabled is started"):
        read_wanted(roster)


def test_one_supervisor_for_a_file(tmp_path: Path) -> None:
    roster = tmp_path / "s.toml"
    with hold(roster), pytest.raises(ConfigError, match="another supervisor"):
        hold(roster)
    with hold(roster):
        pass
    with pytest.raises(ConfigError, match="cannot be written"):
        hold(tmp_path / "none" / "s.toml")


def test_only_who_has_the_token_is_answered() -> None:
    with contextlib.closing(Control()) as control:
        taken: list[Question] = []
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                question = control.take(0.02)
                if question is not None:
                    taken.append(question)
                    control.answer(Answer())

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with pytest.raises(InvalidParameters, match="the token is not that of this supervisor"):
                ask(control.port, Question("guessed", "stop"), "s.toml")
            with pytest.raises(InvalidParameters, match="not a question"):
                ask(control.port, Question("x", "dance"), "s.toml")  # type: ignore[arg-type]
            assert ask(control.port, Question(control.token, "status", ["a"]), "s.toml") == []
        finally:
            over.set()
            thread.join()
        assert taken == [Question(control.token, "status", ["a"])]
        port = control.port
    with pytest.raises(BridgeUnreachable, match=r"no supervisor runs s\.toml"):
        ask(port, Question("x", "status"), "s.toml")
    with pytest.raises(BridgeUnreachable, match="no supervisor"):
        ask(99_999, Question("x", "status"), "s.toml")


def test_the_log_rotates_and_bears_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(strategies.child, "LOG_BYTES", 100)
    voice = Voice("a", tmp_path)
    for number in range(60):
        voice.say(f"line {number:04d}")
    voice.say("2026-01-02T03:04:05.678Z INFO    x/a said")
    voice.say("")
    voice.close()
    assert voice.last_line == "2026-01-02T03:04:05.678Z INFO    x/a said"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log", *(f"a.log.{n}" for n in range(1, LOG_FILES))]
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "a | line 0000"
    assert told[-2] == voice.last_line
    lost = Voice("a", tmp_path / "none")
    lost.say("kept")
    assert lost.last_line == "kept"
    assert capsys.readouterr().err == "a | kept\n"


def test_a_child_speaks_whatever_bytes_and_is_asked_by_the_end_of_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    voice = Voice("a", None)
    script = (
        "import sys; sys.stdout.buffer.write(b'\\xff' + b'y' * 9000 + b'\\n'); sys.stdout.flush(); sys.stdin.read(); print('bye')"
    )
    child = Child([sys.executable, "-c", script], voice)
    until(lambda: voice.last_line.startswith("y"))
    assert child.exit_code() is None

    def unreachable(_process: object) -> None:
        raise OSError("no console")

    monkeypatch.setattr(strategies.child, "ask_to_end", unreachable)
    child.ask()
    assert until(lambda: [child.exit_code()] if child.exit_code() is not None else []) == [0]
    child.forget(PATIENCE_S)
    child.kill()
    assert voice.last_line == "bye"


def test_exits_in_words() -> None:
    assert [exit_words(code) for code in (None, 0, 2, -9, -250)] == ["-", "0", "2", "SIGKILL", "signal 250"]


def test_a_table_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    show([], as_json=False)
    assert capsys.readouterr().out.split() == [
        "name",
        "strategy",
        "symbol",
        "timeframe",
        "state",
        "pid",
        "restarts",
        "since",
        "last",
        "exit",
        "last",
        "line",
    ]
