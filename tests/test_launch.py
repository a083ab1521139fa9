"""What is done before the package is let at a terminal: every branch, on every operating system, with a machine that is told what
it shows."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bridge.terminal import TerminalError
from bridge.terminal.launch import MUTE_S, PAUSE_S, Launch, start
from bridge.terminal.pipe import PipeState, pipe_name


class Machine:
    """A machine with one terminal: what its pipe shows, how old its process is, and what was started when."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(b"")
        self.pipe = PipeState.ABSENT
        self.age_s: float | None = None
        self.now_s = 1000.0
        self.started: list[tuple[str, bool]] = []
        self.refusal: OSError | None = None
        self.blind: OSError | None = None
        self.looked = 0

    def launch(self) -> Launch:
        return Launch(self.look, self.running, self.begin, lambda: self.now_s)

    def look(self, name: str) -> PipeState:
        assert name == pipe_name(os.path.realpath(self.path))
        self.looked += 1
        if self.blind is not None:
            raise self.blind
        return self.pipe

    def running(self, path: str) -> float | None:
        assert path == os.path.realpath(self.path)
        return self.age_s

    def begin(self, path: str, portable: bool) -> object:
        if self.refusal is not None:
            raise self.refusal
        self.started.append((path, portable))
        self.age_s = 0.0
        return object()

    def later(self, seconds: float) -> None:
        self.now_s += seconds
        if self.age_s is not None:
            self.age_s += seconds


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "terminal64.exe")


def refused(machine: Machine, launch: Launch, *, portable: bool = False) -> tuple[str, str]:
    """The reason and the text; an error of this kind has no code of the package."""
    with pytest.raises(TerminalError) as caught:
        launch.ready(str(machine.path), portable)
    assert (caught.value.function, caught.value.code, caught.value.link_lost) == ("attach", 0, False)
    return caught.value.reason, caught.value.text


def test_a_terminal_that_waits_is_ready(machine: Machine) -> None:
    machine.pipe = PipeState.FREE
    machine.launch().ready(str(machine.path), False)
    assert machine.started == []


@pytest.mark.parametrize("name", ["none.exe", ""])
def test_a_path_that_is_no_file(machine: Machine, name: str) -> None:
    machine.path = machine.path.parent / name
    reason, text = refused(machine, machine.launch())
    assert reason == "wrong_path"
    assert str(machine.path) in text
    assert machine.looked == 0
    assert machine.started == []


def test_a_terminal_that_does_not_run_is_started_once(machine: Machine) -> None:
    launch = machine.launch()
    assert refused(machine, launch)[0] == "starting"
    for _ in range(5):
        machine.later(1.0)
        assert refused(machine, launch)[0] == "starting"
    machine.pipe = PipeState.FREE
    launch.ready(str(machine.path), False)
    assert machine.started == [(str(machine.path), False)]


def test_it_is_started_as_portable_when_it_is_to_be(machine: Machine) -> None:
    refused(machine, machine.launch(), portable=True)
    assert machine.started == [(str(machine.path), True)]


def test_a_session_that_replaces_another_starts_no_second_terminal(machine: Machine) -> None:
    refused(machine, machine.launch())
    machine.later(1.0)
    assert refused(machine, machine.launch())[0] == "starting"
    assert len(machine.started) == 1


@pytest.mark.parametrize(("age_s", "reason"), [(0.0, "starting"), (MUTE_S - 0.1, "starting"), (MUTE_S, "mute"), (9e9, "mute")])
def test_a_terminal_that_runs_and_has_no_pipe(machine: Machine, age_s: float, reason: str) -> None:
    machine.age_s = age_s
    assert refused(machine, machine.launch())[0] == reason
    assert machine.started == []


def test_a_taken_pipe(machine: Machine) -> None:
    machine.pipe = PipeState.BUSY
    assert refused(machine, machine.launch())[0] == "busy"
    assert machine.started == []


def test_a_terminal_that_ends_at_once_is_started_again_after_a_pause(machine: Machine) -> None:
    launch = machine.launch()
    refused(machine, launch)
    machine.age_s = None
    assert refused(machine, launch)[0] == "not_started"
    machine.later(PAUSE_S - 0.1)
    assert refused(machine, launch)[0] == "not_started"
    machine.later(0.1)
    assert refused(machine, launch)[0] == "starting"
    assert len(machine.started) == 2


@pytest.mark.parametrize("pipe", [PipeState.FREE, PipeState.BUSY])
def test_a_terminal_that_ended_may_come_back_by_itself(machine: Machine, pipe: PipeState) -> None:
    launch = machine.launch()
    machine.pipe = pipe
    if pipe is PipeState.FREE:
        launch.ready(str(machine.path), False)
    else:
        refused(machine, launch)
    machine.later(3600.0)
    machine.pipe = PipeState.ABSENT
    reason, text = refused(machine, launch)
    assert reason == "starting"
    assert "has ended" in text
    machine.later(PAUSE_S / 2)
    machine.age_s = 1.0
    assert "has ended" not in refused(machine, launch)[1]
    machine.age_s = None
    assert "has ended" in refused(machine, launch)[1]
    machine.later(PAUSE_S - 0.1)  # the pause began anew
    assert "has ended" in refused(machine, launch)[1]
    assert machine.started == []
    machine.later(0.1)
    assert "has just been started" in refused(machine, launch)[1]
    assert len(machine.started) == 1


def test_a_terminal_that_cannot_be_started_is_tried_again_every_time(machine: Machine) -> None:
    launch = machine.launch()
    machine.refusal = PermissionError(13, "needs an administrator")
    for _ in range(2):
        reason, text = refused(machine, launch)
        assert reason == "not_started"
        assert "needs an administrator" in text
    machine.refusal = None
    assert refused(machine, launch)[0] == "starting"


def test_what_cannot_be_seen_is_told(machine: Machine) -> None:
    machine.blind = PermissionError(13, "Access is denied")
    reason, text = refused(machine, machine.launch())
    assert reason == "other"
    assert "Access is denied" in text


@pytest.mark.skipif(sys.platform == "win32", reason="the executable is a shell script")
@pytest.mark.parametrize(("portable", "given"), [(False, ""), (True, "/portable")])
def test_the_terminal_has_a_session_of_its_own(tmp_path: Path, portable: bool, given: str) -> None:
    path = tmp_path / "terminal64.exe"
    path.write_text('#!/bin/sh\necho "$1" > "$0.given"\nps -o sid= -p $$ > "$0.session"\n')
    path.chmod(0o755)
    process = start(str(path), portable)
    assert process.wait(30) == 0
    assert path.with_suffix(".exe.given").read_text().strip() == given
    assert int(path.with_suffix(".exe.session").read_text()) == process.pid != os.getsid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="a file without the right to run")
def test_a_file_that_is_no_program(machine: Machine) -> None:
    launch = Launch(machine.look, machine.running, start, lambda: machine.now_s)
    assert refused(machine, launch)[0] == "not_started"


def test_the_default_is_the_real_machine(machine: Machine) -> None:
    """Which shows nothing outside Windows; on Windows there is no such pipe, and an empty file is no program."""
    reason, _ = refused(machine, Launch())
    assert reason == ("not_started" if sys.platform == "win32" else "other")
