"""Ten programs share one bridge through the drop-in: nothing of one ever comes to another, not even while the bridge is killed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.dropin.stage import PROGRAMS, stage, with_package

PROGRAM_COUNT = 10
ROUNDS = 3
PATIENCE_S = 90.0
FIRST_MAGIC = 7000


class Running:
    """One of the programs, with what it has said so far."""

    def __init__(self, number: int, folder: Path, endpoint: str) -> None:
        self._said, self._errors = folder / f"{number}.txt", folder / f"{number}.errors.txt"
        words = [sys.executable, str(PROGRAMS / "one_of_ten.py"), str(number), str(folder / "stop")]
        with self._said.open("w") as said, self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=said, stderr=errors, env=with_package(endpoint), cwd=folder
            )

    def rounds(self) -> list[tuple[int, int]]:
        """(rounds, failures before) of each round; an assertion of the program's is one here."""
        assert self.process.poll() in {None, 0}, self._errors.read_text()
        lines = self._said.read_text().splitlines(keepends=True)
        return [(int(line.split()[1]), int(line.split()[2])) for line in lines if line.endswith("\n")]


def wait(until: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < end_s, f"no end of waiting until {what}"
        time.sleep(0.05)


def test_ten_programs_and_a_bridge_that_is_killed(tmp_path: Path) -> None:
    with stage(tmp_path) as (terminal, bridge), contextlib.ExitStack() as stack:
        programs = []
        for number in range(PROGRAM_COUNT):
            programs.append(Running(number, tmp_path, bridge.requests))
            stack.callback(programs[-1].process.kill)
        wait(lambda: all(len(program.rounds()) >= ROUNDS for program in programs), "each has made its rounds")
        assert all(failures == 0 for program in programs for _, failures in program.rounds())
        bridge.kill()
        before = [len(program.rounds()) for program in programs]
        bridge.start()
        wait(
            lambda: all(len(program.rounds()) >= made + ROUNDS for program, made in zip(programs, before, strict=True)),
            "each has made rounds with the new bridge",
        )
        (tmp_path / "stop").touch()
        for program in programs:
            program.process.wait(PATIENCE_S)
        made = [program.rounds()[-1] for program in programs]
        assert any(failures > 0 for _, failures in made), "the bridge's end was noticed by nobody"
        with terminal.inspected() as seen:
            assert not [position for position in seen.positions() if position.magic >= FIRST_MAGIC]
            opened = [deal.magic for deal in seen.deals() if deal.magic >= FIRST_MAGIC and deal.entry == 0]
        # A deal more than rounds for each that was under way when the bridge ended.
        for number, (rounds, failures) in enumerate(made):
            assert rounds <= opened.count(FIRST_MAGIC + number) <= rounds + failures
