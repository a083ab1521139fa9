"""One appointment with an event loop."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable


class Alarm:
    """Has the loop call a function at the earliest time that was asked for, on the clock `time.monotonic`."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.at_s = math.inf
        self._act = act
        self._timer: asyncio.TimerHandle | None = None

    def set(self, loop: asyncio.AbstractEventLoop, at_s: float) -> None:
        """At this time, unless an earlier one is set."""
        if at_s < self.at_s:
            self.off()
            self.at_s = at_s
            self._timer = loop.call_later(max(0.0, at_s - time.monotonic()), self._ring)

    def _ring(self) -> None:
        self.at_s = math.inf
        self._act()

    def off(self) -> None:
        """Not at all."""
        self.at_s = math.inf
        if self._timer is not None:
            self._timer.cancel()
