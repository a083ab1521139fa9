"""Ticks that the broker inserts into older seconds are found by reading these again, slowly: one symbol at a time, in turns."""

from __future__ import annotations

from collections import deque
from math import inf

from bridge.session.quotes import Event, TickStream
from bridge.terminal import Terminal

REVIEW_S = 30.0
"""Each symbol has its turn this often."""
SETTLE_S = 5.0
"""Time after the session is back in which the terminal itself catches up."""


class Review:
    """Gives each stream of ticks its turn to read again what it delivered lately; one call to the terminal a turn."""

    def __init__(self) -> None:
        self.due = inf
        self._turns: deque[TickStream] = deque()
        self._present: TickStream | None = None

    @property
    def slow(self) -> bool:
        """Whether the next turn may rightly take long."""
        return bool(self._turns) and self._turns[0].reviews_far

    @property
    def topic(self) -> str:
        """The topic whose turn it was last."""
        return "tick:" if self._present is None else self._present.topic

    def add(self, stream: TickStream) -> None:
        """One more, behind the others."""
        self._turns.append(stream)
        if self.due == inf:
            self.due = -inf  # the first turn only sets the pace

    def discard(self, stream: TickStream) -> None:
        """One less, if it is there."""
        if stream in self._turns:
            self._turns.remove(stream)
        if not self._turns:
            self.due = inf

    def poll(self, terminal: Terminal, now: float) -> list[Event]:
        """The next one's turn."""
        paced = self.due > -inf
        self.due = now + REVIEW_S / len(self._turns)
        if not paced:
            return []
        self._present = self._turns[0]
        self._turns.rotate(-1)
        return self._present.review(terminal, now)

    def restore(self, now: float) -> None:
        """The session was lost and is back: begin soon."""
        if self._turns:
            self.due = now + SETTLE_S
