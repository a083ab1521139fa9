"""Programs that import MetaTrader5, each in a process of its own, and the one bridge that they share."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from tests.faults.scene import BridgeProcess, SimulatedProcess, simulated
from tests.processes import environment

EXAMPLES = Path(__file__).with_name("examples")
PROGRAMS = Path(__file__).with_name("programs")
BEGIN = ("--seed", "1", "--start", "2026-03-04 12:00:00")
"""A Wednesday, so that there is a market whenever the tests run, and always the same past."""
PATIENCE_S = 60.0


def examples() -> list[Path]:
    """The documented examples: programs, in the order in which they are run."""
    return sorted(EXAMPLES.glob("*.py"))


def expected(example: Path) -> str:
    """What an example prints."""
    return example.with_suffix(".txt").read_text(encoding="utf-8")


@cache
def package_folder() -> str:
    """The folder that holds the package `MetaTrader5` which goes through a bridge."""
    told = subprocess.run(
        [sys.executable, "-m", "clients.mt5", "--path"],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=environment(),
    )
    return told.stdout.strip()


def with_package(endpoint: str, **changes: str) -> dict[str, str]:
    """The environment in which `import MetaTrader5` is the drop-in, for a bridge at an endpoint."""
    found = os.pathsep.join(filter(None, (package_folder(), os.environ.get("PYTHONPATH"))))
    return environment(**{"PYTHONPATH": found, "MT5BRIDGE_ENDPOINT": endpoint, "PYTHONIOENCODING": "utf-8"} | changes)


@contextlib.contextmanager
def stage(folder: Path, *options: str) -> Iterator[tuple[SimulatedProcess, BridgeProcess]]:
    """A simulated terminal and a bridge attached to it."""
    with simulated(folder, *BEGIN, *options) as terminal:
        bridge = BridgeProcess(folder, terminal, "")
        bridge.start()
        try:
            yield terminal, bridge
        finally:
            bridge.stop()


def run(words: Sequence[str | Path], endpoint: str, cwd: Path, **changes: str) -> str:
    """What a program prints on standard output; one that fails is a failure with what it said."""
    ended = subprocess.run(
        [str(word) for word in words],
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        env=with_package(endpoint, **changes),
        cwd=cwd,
    )
    assert ended.returncode == 0, f"{words[1:]} ended with {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout
