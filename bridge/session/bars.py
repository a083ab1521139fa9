"""The streams of one symbol's bars: closed ones, each once, and the forming one."""

from __future__ import annotations

from math import inf

from bridge.messages import BACKFILLED
from bridge.session.quotes import CATCH_UP_S, LATER_S, Event
from bridge.session.tail import batches
from bridge.terminal import Terminal
from bridge.ticks import RECORD_BYTES, TIMEFRAME_S, Tick, iter_bars

REREAD_S = 3.0
"""Bars are read this often even if no tick calls for it."""
SOON_S = 0.02
_LOOK = 3
"""The last delivered bar, the one that has just closed, and the forming one."""
THROTTLE_S = 0.25
"""The forming bar is published at most this often."""


class BarStream:
    """Closed bars, each once, in order, as the terminal has them.

    A bar is closed when there is a newer one; the clock does not close it. The terminal is only asked when a tick has crossed the
    end of the forming bar, and every few seconds. `resume` is the last record that an earlier session delivered.
    """

    def __init__(self, symbol: str, timeframe: str, resume: bytes | None = None) -> None:
        self.topic = f"bar:{symbol}:{timeframe}"
        self.symbol = symbol
        self.timeframe = timeframe
        self.due = inf
        self.slow = True
        self.settled = False
        self._length_s = TIMEFRAME_S[timeframe]
        self._closed_s = None if resume is None else next(iter_bars(resume[-RECORD_BYTES:])).time
        self._forming_s: int | None = None
        self._newest_s: int | None = None
        self._last = resume
        self._live_at = -inf if resume is None else inf
        self._crossed = False
        self._wait_s = SOON_S

    def quote(self, tick: Tick, now: float) -> None:
        """Is the forming bar over?"""
        if self._forming_s is None or (not self._crossed and tick.time >= self._forming_s + self._length_s):
            self._crossed = self._forming_s is not None
            self._wait_s = SOON_S
            self.due = min(self.due, now)

    def poll(self, terminal: Terminal, now: float) -> list[Event]:
        """Read the last bars, or the missing ones when those do not reach back to the last one delivered."""
        gap_to_s = self._newest_s
        if gap_to_s is not None and self._closed_s is not None:
            answer = terminal.rates_range(self.symbol, self.timeframe, self._closed_s, gap_to_s)
        else:
            answer = terminal.rates_from_pos(self.symbol, self.timeframe, 0, _LOOK)
        self._newest_s = None
        self.settled = True
        self.slow = False
        times = [bar.time for bar in iter_bars(answer)]
        if not times:
            self.due = now + REREAD_S
            return []
        if gap_to_s is None and self._closed_s is not None and len(times) == _LOOK and times[0] > self._closed_s:
            # Bars between the last delivered one and these may be missing.
            self._newest_s = times[-1]
            self.due = now
            return []
        return self._deliver(answer, times, now, again=gap_to_s is not None)

    def _deliver(self, answer: bytes, times: list[int], now: float, again: bool) -> list[Event]:
        events: list[Event] = []
        if self._closed_s is None:
            self._closed_s = times[-2] if len(times) > 1 else times[-1] - 1
            self._last = answer[-2 * RECORD_BYTES : -RECORD_BYTES] or None
        else:
            first = sum(time <= self._closed_s for time in times[:-1])
            closed = answer[first * RECORD_BYTES : -RECORD_BYTES]
            if closed:
                self._closed_s = times[-2]
                self._last = closed[-RECORD_BYTES:]
                flags = BACKFILLED if now < self._live_at else 0
                events = [(self.topic, flags, part) for part in batches(closed)]
        moved = times[-1] != self._forming_s
        self._forming_s = times[-1]
        if moved:
            self._crossed = False
        if again:
            self.due = now if events else now + LATER_S
        elif self._crossed:
            # A tick beyond the bar's end, but no newer bar yet.
            self.due = now + self._wait_s
            self._wait_s = min(2 * self._wait_s, LATER_S)
        else:
            self._live_at = min(self._live_at, now + CATCH_UP_S)
            self.due = now + REREAD_S
        return events

    def body(self) -> bytes | None:
        """The last closed bar."""
        return self._last

    def without_history(self) -> None:
        """The first bars that the terminal has later are the starting point."""
        self.settled = True

    def restore(self, now: float) -> None:
        """Bars that closed meanwhile are found afterwards."""
        self.slow = True
        self._live_at = inf
        self._newest_s = None
        self._crossed = False
        self.due = now


class FormingStream:
    """The bar that is forming, when it has changed, at most four times a second."""

    def __init__(self, symbol: str, timeframe: str) -> None:
        self.topic = f"forming:{symbol}:{timeframe}"
        self.symbol = symbol
        self.timeframe = timeframe
        self.due = inf
        self.slow = True
        self.settled = False
        self._last: bytes | None = None
        self._earliest = -inf

    def quote(self, tick: Tick, now: float) -> None:
        """The bar has probably changed."""
        self.due = min(self.due, max(now, self._earliest))

    def poll(self, terminal: Terminal, now: float) -> list[Event]:
        """Read the bar."""
        answer = terminal.rates_from_pos(self.symbol, self.timeframe, 0, 1)
        first, self.settled, self.slow = not self.settled, True, False
        self.due = now + REREAD_S
        self._earliest = now + THROTTLE_S
        if not answer or answer == self._last:
            return []
        self._last = answer
        return [] if first else [(self.topic, 0, answer)]

    def body(self) -> bytes | None:
        """The bar as last read."""
        return self._last

    def without_history(self) -> None:
        """Its first state is published when there is one."""
        self.settled = True

    def restore(self, now: float) -> None:
        """Read it again."""
        self.slow = True
        self.due = now
