"""Sees to it that a terminal waits at its pipe before the MetaTrader5 package is let at it.

`initialize()` starts a terminal that does not run and then waits 100 s for its pipe, with Python's lock held; at a pipe that is
taken it waits without end. So the terminal is started here, the pipe is looked at first, and what is not ready is told at once: the
bridge tries again by itself.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from typing import NoReturn

from bridge.children import outliving
from bridge.replies import Reason
from bridge.terminal import TerminalError
from bridge.terminal.pipe import PipeState, pipe_name, probe
from bridge.terminal.processes import running_s

MUTE_S = 100.0
"""A terminal that has not opened its pipe by then is not merely slow: this is how long the package itself would wait."""
PAUSE_S = 10.0
"""A terminal that has ended is left this long before it is started again: one that updates itself ends and comes back, and one
that ends as soon as it starts must not be started every second."""


def start(path: str, portable: bool) -> subprocess.Popen[bytes]:
    """Start a terminal that outlives this process and shares neither console nor streams with it. Raises `OSError`."""
    return subprocess.Popen([path, "/portable"] if portable else [path], **outliving())


class Launch:
    """The way to one terminal. It remembers only when it may start it: whether the terminal runs, and since when, is asked of the
    operating system, so that a session that replaces another does not start a second one.

    `look`, `running`, `begin` and `clock` are `pipe.probe`, `processes.running_s`, `start` and a monotonic clock.
    """

    def __init__(
        self,
        look: Callable[[str], PipeState] = probe,
        running: Callable[[str], float | None] = running_s,
        begin: Callable[[str, bool], object] = start,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._running = running
        self._begin = begin
        self._clock = clock
        self._begun: object = None
        self._seen = self._had_pipe = False
        self._begin_at_s: float | None = None

    def ready(self, path: str, portable: bool) -> None:
        """Return once `initialize()` would find the terminal of this executable, and nobody else with it.

        Raises `TerminalError` with a reason otherwise: `wrong_path`, `not_started` (it could not be, or it ends as it starts),
        `starting`, `mute` (it runs, but its pipe does not come), `busy`, `other` (Windows refuses to tell).
        """
        if not os.path.isfile(path):
            raise _error("wrong_path", f"{path} is not a file")
        try:
            final = os.path.realpath(path, strict=True)
            state = self._look(pipe_name(final))
            age_s = self._running(final) if state is PipeState.ABSENT else None
        except OSError as error:
            raise _error("other", f"whether {path} runs cannot be found out: {error}") from error
        if state is PipeState.ABSENT and age_s is None:
            self._absent(path, portable)
        self._seen, self._begin_at_s = True, None
        self._had_pipe = self._had_pipe or state is not PipeState.ABSENT
        if state is PipeState.BUSY:
            raise _error("busy", "another program is attached to the terminal, or it does not take a new one yet")
        if age_s is not None:
            if age_s < MUTE_S:
                raise _error("starting", "the terminal has been started and has not opened its pipe yet")
            raise _error("mute", f"the terminal has run for more than {MUTE_S:.0f} s and has not opened its pipe")

    def _absent(self, path: str, portable: bool) -> NoReturn:
        """Start the terminal, or leave it a moment."""
        now = self._clock()
        if self._begin_at_s is None:
            self._begin_at_s = now + PAUSE_S if self._seen else now
        if now < self._begin_at_s:
            again = f"it is started again unless it comes back by itself within {PAUSE_S:.0f} s"
            if self._had_pipe:
                raise _error("starting", f"the terminal has ended; {again}")
            raise _error("not_started", f"the terminal was started and has ended without opening its pipe; {again}")
        try:
            self._begun = self._begin(path, portable)  # kept, for it complains when it is forgotten
        except OSError as error:
            raise _error("not_started", f"{path} could not be started: {error}") from error
        self._seen, self._had_pipe, self._begin_at_s = True, False, now + PAUSE_S
        raise _error("starting", f"{path} has just been started")


def _error(reason: Reason, text: str) -> TerminalError:
    return TerminalError("attach", 0, text, reason)
