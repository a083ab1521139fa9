"""Time that passes only when a test says so."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class VirtualTime:
    """A clock that never steps back, and what is to happen when. Things due at the same moment happen in the order they were
    planned."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now
        self._planned: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def __call__(self) -> float:
        return self.now

    def at(self, when_s: float, act: Callable[[], None]) -> None:
        """Plan something; what lies in the past is due at once."""
        heapq.heappush(self._planned, (max(when_s, self.now), next(self._order), act))

    def after(self, delay_s: float, act: Callable[[], None]) -> None:
        """Plan something `delay_s` from now."""
        self.at(self.now + delay_s, act)

    def step(self, until_s: float) -> bool:
        """Let the next planned thing happen, if it is due by `until_s`; otherwise only time passes."""
        if self._planned and self._planned[0][0] <= until_s:
            self.now, _, act = heapq.heappop(self._planned)
            act()
            return True
        self.now = max(self.now, until_s)
        return False

    def run_until(self, until_s: float) -> None:
        """Let everything happen that is due by then."""
        while self.step(until_s):
            pass

    def run_for(self, seconds: float) -> None:
        """Let time pass."""
        self.run_until(self.now + seconds)

    def run_while(self, going_on: Callable[[], bool], limit_s: float = 60.0) -> None:
        """Let time pass while something is so; at most `limit_s` seconds."""
        until_s = self.now + limit_s
        while going_on():
            assert self.step(until_s) or not going_on() or self.now < until_s, "it went on for ever"
