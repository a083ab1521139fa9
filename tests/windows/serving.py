"""The bridge on Windows with the real package, seen by a client on this side of Wine; see `bridges`.

The order of the tests matters: without a path the package takes any terminal that runs, and one terminal is given its 100 s while
other tests run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.errors import BridgeError, NotConnected
from bridge.replies import Status
from bridge.terminal.launch import MUTE_S
from clients import Client
from tests.windows.bridges import PATIENCE_S, PYTHON, Bridge, Figures, Program, bridge, until, windows, windows_path
from tests.windows.terminal import ENDED, EXE, MUTE, happened, install, want

TIMEOUT_MS = 3_000
"""What the package is told to wait; it does not keep to it."""
LIMIT_S = TIMEOUT_MS / 1000 + 10.0
AT_ONCE_S = 5.0
"""Much less than any freeze that is shown here, and much more than an answer takes."""
HOLDS = "import sys\nwith open(sys.argv[1], 'r+b', buffering=0):\n    print('holds', flush=True)\n    sys.stdin.read()\n"
KILLS = "import os, sys; os.kill(int(sys.argv[1]), 9)"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Installed:
    """A terminal in a folder of drive C:."""

    folder: Path
    path: str

    def happened(self, what: str) -> int:
        """How often."""
        return len(happened(self.folder, what))


@contextlib.contextmanager
def installed(name: str) -> Iterator[Installed]:
    """A terminal that waits to be started, and ends with the block."""
    folder = Path(os.environ["WINEPREFIX"]) / "drive_c" / "terminals" / name
    shutil.rmtree(folder, ignore_errors=True)
    exe = install(folder, PYTHON.parent, windows_path)
    try:
        yield Installed(folder, f"C:\\terminals\\{name}\\{exe.name}")
    finally:
        want(folder, ENDED)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Prints for whoever reads the run."""

    def print_(text: str) -> None:
        with capsys.disabled():
            print(f"\n    {text}")

    return print_


@contextlib.contextmanager
def attaching_to(terminal: Installed) -> Iterator[Bridge]:
    """A bridge that is configured for a terminal."""
    with bridge(MT5_PATH=terminal.path, MT5_TIMEOUT_MS=str(TIMEOUT_MS), MT5_PORTABLE="true") as served:
        yield served


def status(served: Bridge) -> Status:
    """As another client is told."""
    with Client(served.endpoint, name="status", timeout_s=PATIENCE_S) as client:
        return client.status()


def stopped_well(served: Bridge, *, others: int = 0) -> float:
    """Ctrl-C, and everything that has to follow; how long it took. `others` is how many sessions other bridges have."""
    begun_s = time.monotonic()
    assert served.stop() == 0, served.program.errors
    took_s = time.monotonic() - begun_s
    served.watcher.wait(lambda state: state.state == "stopped", "stopped")
    served.watcher.close()
    assert served.watcher.failure is None
    assert [state.state for _, state in served.watcher.states[-2:]] == ["stopping", "stopped"]
    assert served.watcher.gaps == []
    assert not [line for line in served.program.errors if "Traceback" in line or line.startswith(("session:", "mt5bridge:"))]
    until(lambda: sessions() <= others, "its session ended")
    return took_s


def sessions() -> int:
    """How many session processes of ours run; none are seen where there is no `ps`."""
    if shutil.which("ps") is None:
        return 0
    listed = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True, timeout=PATIENCE_S).stdout
    return sum("bridge.session.child" in line and PYTHON.parent.name in line for line in listed.splitlines())


# ---- no terminal -----------------------------------------------------------------------------------------------------------------


def test_without_a_terminal_the_bridge_says_so_answers_and_ends(say: Say) -> None:
    with bridge(MT5_TIMEOUT_MS=str(TIMEOUT_MS)) as served:
        watcher = served.watcher
        number = watcher.wait(lambda state: state.reason == "no_terminal", "no terminal")
        state = watcher.states[number][1]
        assert (state.state, state.cause_code) == ("reconnecting", -10_003)
        assert "MetaTrader 5 x64 not found" in state.cause
        assert "MT5_PATH" in state.next_step
        with Client(served.endpoint, name="asker", timeout_s=PATIENCE_S) as client:
            asked = timed(client.ping, 200), timed(client.status, 50)
            refused = [timed(lambda ask=ask: refusal(ask), 10) for ask in reads(client)]  # type: ignore[misc]
            assert client.status().session_pid is not None
            assert not client.status().healthy
        say(f"no terminal: ping {asked[0]}")
        say(f"no terminal: status {asked[1]}")
        say(f"no terminal: refused reads {max(refused, key=lambda figures: figures.most)}")
        assert all(figures.most < AT_ONCE_S * 1000 for figures in (*asked, *refused))
        again = watcher.wait(lambda later: later.reason == "no_terminal" and later.attempt > state.attempt, "another try")
        assert watcher.states[again][1].next_attempt_msc is not None
        say(f"no terminal: stopped by Ctrl-C in {stopped_well(served):.1f} s")


def reads(client: Client) -> list[Callable[[], object]]:
    """Calls that need a terminal."""
    return [
        client.account,
        client.terminal,
        client.positions,
        lambda: client.tick("EURUSD"),
        lambda: client.rates("EURUSD", "M1", count=10),
        lambda: client.order({"action": 1, "symbol": "EURUSD", "volume": 0.1}),
    ]


def refusal(ask: Callable[[], object]) -> None:
    """It is refused for want of a terminal."""
    with pytest.raises(BridgeError) as caught:
        ask()
    assert isinstance(caught.value, NotConnected)
    assert caught.value.next_step


def timed(ask: Callable[[], object], times: int) -> Figures:
    """How long each of several calls took."""
    took_s = []
    for _ in range(times):
        begun_s = time.monotonic()
        ask()
        took_s.append(time.monotonic() - begun_s)
    return Figures.of(took_s)


# ---- a terminal that does not open its pipe --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Silent:
    """A terminal that does not open its pipe, and a bridge that waits for it."""

    terminal: Installed
    served: Bridge


@pytest.fixture(scope="module")
def silent() -> Iterator[Silent]:
    with installed("silent") as terminal, attaching_to(terminal) as served:
        yield Silent(terminal, served)


def test_a_terminal_is_started_once_whatever_happens_to_the_session(silent: Silent) -> None:
    watcher, terminal = silent.served.watcher, silent.terminal
    number = watcher.wait(lambda state: state.reason == "starting", "starting")
    state = watcher.states[number][1]
    assert (state.state, state.cause_code) == ("reconnecting", None)
    assert state.next_step
    until(lambda: terminal.happened("started") == 1, "the terminal was started")
    assert happened(terminal.folder, "started")[0].endswith(" /portable")
    told = status(silent.served)
    with windows("-c", KILLS, str(told.session_pid)) as killer:
        killer.wait()
    watcher.wait(lambda state: state.reason == "session_exited", "the end of the session", since=number)
    watcher.wait(
        lambda state: state.reason == "starting" and state.generation > told.connection.generation, "starting again", since=number
    )
    assert terminal.happened("started") == 1


# ---- a terminal that never answers -----------------------------------------------------------------------------------------------


def test_a_taken_and_a_mute_terminal(say: Say) -> None:
    with installed("mute") as terminal:
        want(terminal.folder, MUTE)
        others = sessions()
        with running(terminal), holding(terminal) as holder, attaching_to(terminal) as served:
            watcher = served.watcher
            busy = watcher.wait(lambda state: state.reason == "busy", "busy")
            assert watcher.states[busy][1].state == "reconnecting"
            assert watcher.states[busy][1].next_step
            again = watcher.wait(lambda state: state.reason == "busy", "busy again", since=busy + 2)
            assert most_age_ms(served, busy, again) < AT_ONCE_S * 1000  # the package was not let at it
            assert terminal.happened("connected") == 1

            holder.end_input()  # the other program ends
            until(lambda: terminal.happened("connected") == 2, "the package connected")
            hung = watcher.wait(lambda state: state.reason == "session_hung", "the freeze was noticed", since=again)
            first = max(number for number in range(hung) if watcher.states[number][1].state == "connecting")
            frozen_s = watcher.states[hung][0] - watcher.states[first][0]
            figures = Figures.of([ping.took_s for ping in watcher.between(first, hung)])
            say(f"frozen for {frozen_s:.1f} s: ping {figures}; session silent for {most_age_ms(served, first, hung) / 1000:.1f} s")
            assert LIMIT_S - 1.0 < frozen_s < LIMIT_S + 3 * AT_ONCE_S
            assert figures.most < AT_ONCE_S * 1000
            assert figures.count > 20
            assert most_age_ms(served, first, hung) > (LIMIT_S - AT_ONCE_S) * 1000
            state = watcher.states[hung][1]
            assert state.state == "reconnecting"
            assert state.cause
            assert state.next_step

            until(lambda: terminal.happened("connected") == 3, "the next session's package connected")
            assert terminal.happened("disconnected") == 2  # the first session is gone
            told = status(served)
            assert told.connection.generation == state.generation + 1
            kept = [client for client in told.clients if client.name == "watcher"]
            assert [client.subscribed for client in kept] == [True]
            assert watcher.gaps == []
            assert terminal.happened("started") == 1
            say(f"frozen: stopped by Ctrl-C in {stopped_well(served, others=others):.1f} s")
        until(lambda: terminal.happened("disconnected") == 3, "the second session is gone")


@contextlib.contextmanager
def running(terminal: Installed) -> Iterator[None]:
    """Start a terminal as a person would."""
    exe = str(terminal.folder / EXE)
    process = subprocess.Popen(["wine", exe], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    try:
        until(lambda: terminal.happened("started") == 1, "the terminal runs")
        yield
    finally:
        want(terminal.folder, ENDED)
        process.wait(PATIENCE_S)
        process.stdout.close()


@contextlib.contextmanager
def holding(terminal: Installed) -> Iterator[Program]:
    """Another program that is attached to the terminal, until its standard input ends."""
    code = f"from bridge.terminal.pipe import pipe_name; print(pipe_name({terminal.path!r}))"
    with windows("-c", code) as asked:
        pipe = asked.line()
    with windows("-c", HOLDS, pipe) as holder:
        assert holder.line() == "holds"
        until(lambda: terminal.happened("connected") == 1, "the other program is attached")
        yield holder


def most_age_ms(served: Bridge, first: int, last: int) -> int:
    """How long the session was silent at most, as the pings between two states tell."""
    return max((ping.answer.session_age_ms or 0 for ping in served.watcher.between(first, last)), default=0)


# ---- 100 s later -----------------------------------------------------------------------------------------------------------------


def test_a_terminal_without_a_pipe_after_100_s_is_mute(silent: Silent, say: Say) -> None:
    served, terminal = silent.served, silent.terminal
    watcher = served.watcher
    first = watcher.wait(lambda state: state.reason == "starting", "starting")
    mute = watcher.wait(lambda state: state.reason == "mute", "mute", patience_s=MUTE_S + PATIENCE_S)
    state = watcher.states[mute][1]
    assert state.state == "reconnecting"
    assert "dialog" in state.next_step
    waited_s = watcher.states[mute][0] - watcher.states[first][0]
    figures = Figures.of([ping.took_s for ping in watcher.between(first, mute)])
    say(f"no pipe for {waited_s:.1f} s: ping {figures}; session silent for {most_age_ms(served, first, mute) / 1000:.1f} s")
    assert MUTE_S - 1.0 < waited_s < MUTE_S + PATIENCE_S
    assert figures.most < AT_ONCE_S * 1000
    hung = [number for number in range(first, mute) if watcher.states[number][1].reason == "session_hung"]
    assert len(hung) < 2  # none, or it was the machine: the package would have frozen one after the other
    assert terminal.happened("started") == 1
    say(f"no pipe: stopped by Ctrl-C in {stopped_well(served):.1f} s")
    assert terminal.happened("started") == 1
