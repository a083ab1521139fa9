"""Replaying as fast as programs read: time does not pass by itself, but as recorded ticks are asked for.

A symbol is followed while some program copies its ticks.  The clock moves on as soon as the slowest of the followed
symbols has been read, over so many ticks of it that a program which copies ticks never waits for the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bridge.terminal.simulator.bars import Rows
from bridge.terminal.simulator.clock import SimulatedClock
from bridge.terminal.simulator.replay import Replay

AHEAD = 1_000
"""Ticks by which the clock is ahead of what has been read."""

FOLLOWED_S = 5.0
"""A symbol that was not read for so long does not hold up the clock any more."""


class PacedReplay(Replay):
    """A replay that notes how far its ticks have been read; arguments as Replay."""

    def __init__(self, recordings: Mapping[str, Rows]) -> None:
        super().__init__(recordings)
        self._read: dict[str, tuple[int, float]] = {}  # up to which time, and when that was
        self._monotonic_s = 0.0
        self._reached_msc = 0

    def first_ticks(self, symbol: str, from_msc: int, count: int, before_msc: int) -> Rows:
        """As Replay.first_ticks."""
        rows = super().first_ticks(symbol, from_msc, count, before_msc)
        read_msc = before_msc if len(rows) < count else int(rows["time_msc"][-1])
        before, _ = self._read.get(symbol, (0, 0.0))
        self._read[symbol] = max(before, read_msc), self._monotonic_s
        return rows

    def now_msc(self, monotonic_s: float) -> int:
        """The time that has been reached at this reading of the monotonic clock; 0 before anything was read."""
        self._monotonic_s = monotonic_s
        reaches = [
            self._ahead_of(symbol, read_msc)
            for symbol, (read_msc, seen_s) in self._read.items()
            if monotonic_s - seen_s < FOLLOWED_S
        ]
        if reaches:
            self._reached_msc = max(self._reached_msc, min(reaches))
        return self._reached_msc

    def _ahead_of(self, symbol: str, read_msc: int) -> int:
        times_msc = self._times_msc[symbol]
        place = int(np.searchsorted(times_msc, read_msc)) + AHEAD
        return int(times_msc[min(place, times_msc.size) - 1]) + 1


@dataclass(frozen=True, slots=True)
class PacedClock(SimulatedClock):
    """A clock that shows what a paced replay has reached, and never less than where it began; its speed is infinite."""

    replay: PacedReplay = field(kw_only=True)

    @classmethod
    def of(cls, clock: SimulatedClock, replay: PacedReplay) -> PacedClock:
        """A clock that goes on from another one."""
        return cls(clock.start_msc, float("inf"), clock.held, clock.anchor_s, clock.anchor_msc, replay=replay)

    def now_msc(self, monotonic_s: float) -> int:
        """Server time in milliseconds since 1970."""
        return self.anchor_msc if self.held else max(self.anchor_msc, self.replay.now_msc(monotonic_s))
