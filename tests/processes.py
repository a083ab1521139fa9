"""Real processes for the few tests that need them: a bridge on free ports, found by its first line, and never left behind."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ANYWHERE = "tcp://127.0.0.1:*"
PATIENCE_S = 30.0


@dataclass(slots=True)
class Served:
    """A running bridge."""

    process: subprocess.Popen[str]
    requests: str
    events: str


def environment(**changes: str) -> dict[str, str]:
    """This environment without what would configure a bridge."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MT5_", "MT5BRIDGE_"))}
    return kept | {"PYTHONUNBUFFERED": "1"} | changes


def first_line(process: subprocess.Popen[str]) -> str:
    """The first line of a process's standard output, or a failure that quotes what it said instead."""
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    threading.Thread(target=lambda: lines.put(process.stdout.readline()), daemon=True).start()  # type: ignore[union-attr]
    try:
        line = lines.get(timeout=PATIENCE_S)
    except queue.Empty:
        process.kill()
        raise AssertionError("the process said nothing") from None
    if not line:
        raise AssertionError(f"the process ended: {process.stderr.read() if process.stderr else ''}")
    return line


@contextlib.contextmanager
def running(arguments: Sequence[str], cwd: Path | None = None, **changes: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m …` for the length of a block; a bridge without a folder for its journal gets one of its own."""
    with contextlib.ExitStack() as stack:
        if "serve" in arguments and "--journal" not in arguments:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="journal-", ignore_cleanup_errors=True))
            changes = {"MT5BRIDGE_JOURNAL": folder} | changes
        yield stack.enter_context(_running(arguments, cwd, changes))


@contextlib.contextmanager
def _running(arguments: Sequence[str], cwd: Path | None, changes: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**changes),
        cwd=cwd,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@contextlib.contextmanager
def serving(*arguments: str, **changes: str) -> Iterator[Served]:
    """A bridge over a simulated terminal, on free ports."""
    words = ["bridge", "serve", "--terminal", "simulator", "--requests", ANYWHERE, "--events", ANYWHERE, *arguments]
    with running(words, None, **changes) as process:
        told = first_line(process).split()
        assert told[0] == "requests", told
        assert told[2] == "events", told
        yield Served(process, told[1], told[3])
