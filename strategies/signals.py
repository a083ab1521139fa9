"""Being told to stop: Ctrl-C, SIGTERM, and on Windows Ctrl-Break."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ORPHAN_S = 5.0
"""What has lost its parent ends within this time, in order or not: its next supervisor waits for no longer."""


class StopRequest:
    """Whether this process was told to stop, why, and how long ago."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._at_s = 0.0

    def __call__(self) -> str | None:
        """The reason, or None."""
        return self.reason

    @property
    def age_s(self) -> float:
        """Seconds since it was told; 0.0 before."""
        return 0.0 if self.reason is None else time.monotonic() - self._at_s

    def take(self, number: int, _frame: FrameType | None) -> None:
        """A signal came."""
        if self.reason is None:
            self.reason, self._at_s = signal.Signals(number).name, time.monotonic()

    def follow_parent(self) -> None:
        """Count the end of standard input as being told to stop: whoever holds its other end has ended, however that was."""
        threading.Thread(target=self._await_end_of_input, name="parent", daemon=True).start()

    def _await_end_of_input(self) -> None:
        # Not through sys.stdin.buffer: a thread that waits in it makes Python abort when the process ends otherwise.
        while os.read(sys.stdin.fileno(), 4096):
            pass
        if self.reason is None:
            self.reason, self._at_s = "its supervisor ended", time.monotonic()
        time.sleep(ORPHAN_S)
        os._exit(1)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Within it, the signals to stop are noted instead of ending the process. For the main thread only."""
    request = StopRequest()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGBREAK"):
        numbers.append(signal.SIGBREAK)
    before = {number: signal.signal(number, request.take) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
