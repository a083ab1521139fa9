"""Being told to stop: Ctrl-C, SIGTERM, and on Windows Ctrl-Break."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


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
