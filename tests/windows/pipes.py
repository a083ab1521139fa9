"""Terminals that do not run, do not open their pipe, are taken, or never answer, and the real package at their pipes.

For pytest on Windows; `tests/windows/run` runs it under Wine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import MetaTrader5
import pytest

from bridge.terminal import Credentials, TerminalError
from bridge.terminal.launch import Launch
from bridge.terminal.metatrader import MetaTrader, open_terminal
from bridge.terminal.pipe import PipeState, pipe_name, probe
from bridge.terminal.processes import running_s
from tests.windows.terminal import ENDED, EXE, MUTE, SILENT, happened, install, want

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")  # terminals outlive us

PATIENCE_S = 60.0
FREEZES = "import sys, MetaTrader5; print('in', flush=True); MetaTrader5.initialize(sys.argv[1], timeout=1000); print('out')"


def until(true: Callable[[], bool]) -> None:
    """Wait for something outside."""
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.05)


class Installed:
    """A terminal in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exe = install(folder, Path(sys.executable).parent)
        self.path = str(self.exe)
        self.pipe = pipe_name(os.path.realpath(self.path))

    def be(self, state: str) -> None:
        """Tell it what to be, and wait until it is."""
        want(self.folder, state)
        if state == ENDED:
            until(lambda: running_s(os.path.realpath(self.path)) is None)
        if state == MUTE:
            until(lambda: probe(self.pipe) is not PipeState.ABSENT)

    def happened(self, what: str) -> int:
        """How often."""
        return len(happened(self.folder, what))

    def attach(self, launch: Launch, *, portable: bool = False) -> str:
        """The reason why the bridge's terminal does not attach, over the real package; it never gets so far as to freeze."""
        with pytest.raises(TerminalError) as caught:
            MetaTrader(MetaTrader5, launch=launch).attach(Credentials(path=self.path, portable=portable))
        return caught.value.reason


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Installed]:
    installed = Installed(tmp_path / "MetaTrader 5 Ünï")
    yield installed
    installed.be(ENDED)


def test_the_bridges_terminal_looks_before_it_connects() -> None:
    """With the real package, whatever the configuration."""
    with pytest.raises(TerminalError) as caught:
        open_terminal("metatrader5").attach(Credentials(path="C:\\nowhere\\terminal64.exe"))
    assert caught.value.reason == "wrong_path"


def test_a_terminal_from_its_start_to_its_end(terminal: Installed) -> None:
    launch = Launch()
    assert probe(terminal.pipe) is PipeState.ABSENT
    assert running_s(os.path.realpath(terminal.path)) is None
    assert terminal.attach(launch, portable=True) == "starting"
    until(lambda: terminal.happened("started") == 1)
    assert happened(terminal.folder, "started")[0].endswith(" /portable")
    assert terminal.attach(launch) == "starting"
    assert terminal.attach(Launch()) == "starting"  # as a session that replaces another
    assert probe(terminal.pipe) is PipeState.ABSENT
    age_s = running_s(os.path.realpath(terminal.path))
    assert age_s is not None
    assert 0 <= age_s < PATIENCE_S
    assert terminal.happened("started") == 1
    terminal.be(MUTE)
    for _ in range(3):
        assert probe(terminal.pipe) is PipeState.FREE
    launch.ready(terminal.path, False)
    assert terminal.happened("connected") == 0  # nobody noticed that it was looked at
    with open(terminal.pipe, "r+b", buffering=0):
        until(lambda: probe(terminal.pipe) is PipeState.BUSY)
        assert terminal.attach(launch) == "busy"
    until(lambda: probe(terminal.pipe) is PipeState.FREE)
    terminal.be(ENDED)
    until(lambda: probe(terminal.pipe) is PipeState.ABSENT)
    assert terminal.attach(launch) == "starting"  # it may come back by itself
    assert terminal.happened("started") == 1
    want(terminal.folder, SILENT)
    assert terminal.attach(Launch()) == "starting"
    until(lambda: terminal.happened("started") == 2)


def test_a_terminal_outlives_the_process_that_started_it(terminal: Installed) -> None:
    code = "import sys; from bridge.terminal.launch import start; start(sys.argv[1], False)"
    subprocess.run([sys.executable, "-c", code, terminal.path], check=True, timeout=PATIENCE_S)
    until(lambda: terminal.happened("started") == 1)
    assert running_s(os.path.realpath(terminal.path)) is not None
    terminal.be(MUTE)


def spellings(path: str) -> Iterator[str]:
    """The same file, as people write it."""
    folder, name = os.path.split(path)
    yield path
    yield path.replace("\\", "/")
    yield os.path.join(folder, "..", os.path.basename(folder), name.upper())


@pytest.mark.parametrize("spelling", range(3))
def test_the_real_package_freezes_at_the_very_pipe_that_is_looked_at(terminal: Installed, spelling: int) -> None:
    path = list(spellings(terminal.path))[spelling]
    with pytest.raises(TerminalError):
        Launch().ready(path, False)
    terminal.be(MUTE)
    Launch().ready(path, False)
    with subprocess.Popen([sys.executable, "-c", FREEZES, path], stdout=subprocess.PIPE) as frozen:
        try:
            until(lambda: terminal.happened("connected") == 1)
            until(lambda: probe(terminal.pipe) is PipeState.BUSY)
            with pytest.raises(subprocess.TimeoutExpired):
                frozen.wait(3.0)  # its time limit was one second
            with pytest.raises(TerminalError) as caught:
                Launch().ready(path, False)
            assert caught.value.reason == "busy"
        finally:
            frozen.kill()
        assert frozen.stdout is not None
        assert frozen.stdout.read().split() == [b"in"]
    until(lambda: probe(terminal.pipe) is PipeState.FREE)
    assert terminal.happened("disconnected") == 1
    assert os.path.basename(os.path.realpath(path)).lower() == EXE
