"""The processes of a measurement: workers that are told what to do over a pipe, and a running bridge.

The bridge is `bridge.serve.serve` itself, in a process of its own; all that is added is a thread that sleeps until it is asked for
the process's CPU time or memory.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.machine import resident_bytes

if TYPE_CHECKING:
    from bridge.session.settings import SessionSettings

ANYWHERE = "tcp://127.0.0.1:*"
PATIENCE_S = 30.0
ROOT = Path(__file__).resolve().parent.parent
_spawn = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Worker:
    """A process and the pipe to it."""

    name: str
    pipe: Connection
    pid: int

    def tell(self, message: Any) -> None:
        """Send it something."""
        self.pipe.send(message)

    def hear(self, patience_s: float = PATIENCE_S) -> Any:
        """What it says next. Raises `RuntimeError` when it says nothing, or has failed (its traceback is on standard error)."""
        if not self.pipe.poll(patience_s):
            raise RuntimeError(f"the {self.name} process does not answer")
        try:
            return self.pipe.recv()
        except EOFError:
            raise RuntimeError(f"the {self.name} process has ended") from None

    def ask(self, message: Any, patience_s: float = PATIENCE_S) -> Any:
        """Send it something and wait for the answer."""
        self.tell(message)
        return self.hear(patience_s)


@contextlib.contextmanager
def worker(name: str, program: Callable[..., None], *arguments: Any) -> Iterator[Worker]:
    """Run `program(pipe, *arguments)` in a process of its own; it should end when its pipe says `None` or ends."""
    ours, theirs = _spawn.Pipe()
    process = _spawn.Process(target=program, args=(theirs, *arguments), name=name)
    process.start()
    theirs.close()
    try:
        yield Worker(name, ours, process.pid or 0)
    finally:
        with contextlib.suppress(OSError):
            ours.send(None)
        process.join(10.0)
        if process.is_alive():
            process.kill()
            process.join()
        ours.close()


def commands(pipe: Connection) -> Iterator[Any]:
    """What a worker is told, until it should end."""
    with contextlib.suppress(EOFError, OSError):
        while (message := pipe.recv()) is not None:
            yield message


@contextlib.contextmanager
def running_bridge(
    terminal: str,
    *,
    path: str | None = None,
    stand_in: str | None = None,
    session: Literal["thread", "process"] = "process",
    journal: str | None = None,
) -> Iterator[tuple[Worker, str]]:
    """A bridge on free ports, and its requests endpoint. Its worker answers `cpu` with its CPU seconds, `resident` with the bytes
    of its memory. `journal` is the folder of its journal of orders, by default one of its own: several bridges of one account stand
    beside each other here, which one folder would not let them.

    `stand_in` is the module whose `run` takes the place of the session's own, with `path` as its credentials' path.
    """
    with contextlib.ExitStack() as stack:
        folder = journal or stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        process = stack.enter_context(worker("bridge", _run_bridge, terminal, path, stand_in, session, folder))
        yield process, process.hear()


def _run_bridge(
    pipe: Connection,
    terminal: str,
    path: str | None,
    stand_in: str | None,
    session: Literal["thread", "process"],
    journal: str,
) -> None:
    # Imported here, because the processes of the reference do without.
    from benchmarks.inside import InsideSessions  # noqa: PLC0415
    from bridge import serve, sessions  # noqa: PLC0415
    from bridge.config import BridgeSection, Mt5Section, Settings  # noqa: PLC0415

    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    if stand_in is not None and session == "thread":
        vars(sessions)["run"] = import_module(stand_in).run
        vars(serve)["Sessions"] = InsideSessions
    elif stand_in is not None:
        vars(sessions)["ChildProcess"] = partial(StandIn, stand_in)
    threading.Thread(target=_answer, args=(pipe,), daemon=True).start()
    settings = Settings(
        BridgeSection(terminal=terminal, session=session, requests=ANYWHERE, events=ANYWHERE, journal=journal),
        Mt5Section(path=path),
    )
    serve.serve(settings, lambda requests, events: pipe.send(requests))


def _answer(pipe: Connection) -> None:
    for command in commands(pipe):
        pipe.send(resident_bytes() if command == "resident" else time.process_time())
    signal.raise_signal(signal.SIGTERM)


class StandIn:
    """A process that speaks the session's side of the link and takes its settings as the session does."""

    def __init__(self, module: str, settings: SessionSettings) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", module], stdin=subprocess.PIPE)
        assert self._process.stdin is not None
        self._process.stdin.write(settings.to_json().encode() + b"\n")
        self._process.stdin.flush()

    def exit_cause(self) -> str | None:
        """Why the process has ended."""
        status = self._process.poll()
        return None if status is None else f"the stand-in for the session ended with status {status}"

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
