"""The streams of one symbol's bars: closed ones, each once, and the forming one."""

from __future__ import annotations

from math import inf

from bridge.messages import BACKFILLED
from bridge.session.quotes import CATCH_UP_S, LATER_S, Event
from bridge.session.suspect import Suspects, of_bars
from bridge.session.tail import batches, rows_of
from bridge.terminal import Terminal
from bridge.ticks import RECORD_BYTES, TIMEFRAME_S, Tick, iter_bars

REREAD_S = 3.0
"""Bars are read this often even if no tick calls for it."""
SOON_S = 0.02
_LOOK = 3
"""The last delivered bar, the one that has just closed, and the forming one."""
THROTTLE_S = 0.25
"""The forming bar is published at most this often."""
_SHORT_TRIES = 3
"""How often an answer that lacks a delivered bar is asked for again before it is taken as it is."""


class BarStream:
    """Closed bars, each once, in order, as the terminal has them.

    A bar is closed when there is a newer one; the clock does not close it. The terminal is only asked when a tick has crossed the
    end of the forming bar, and every few seconds. `resume` is the last record that an earlier session delivered.
    """

    def __init__(self, symbol: str, timeframe: str, resume: bytes | None = None, suspects: Suspects | None = None) -> None:
        self.topic = f"bar:{symbol}:{timeframe}"
        self.symbol = symbol
        self.timeframe = timeframe
        self.due = inf
        self.slow = True
        self.settled = False
        self._length_s = TIMEFRAME_S[timeframe]
        self._suspects = suspects or Suspects()
        self._closed_s = None if resume is None else _opened_s(resume)
        self._forming_s: int | None = None
        self._newest_s: int | None = None
        self._last = resume
        self._live_at = -inf if resume is None else inf
        self._crossed = False
        self._wait_s = SOON_S
        self._shorts = 0
        self._hint_s: int | None = None
        self._quotes = 0

    def quote(self, tick: Tick, now: float) -> None:
        """Is the forming bar over?"""
        self._hint_s = tick.time
        self._quotes += 1
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
        closed_s = self._closed_s
        if gap_to_s is None and closed_s is not None and len(times) > 1 and times[0] > closed_s:
            # Bars between the last delivered one and these may be missing.
            self._newest_s = times[-1]
            self.due = now
            return []
        # A range begins with the bar that it was asked from.
        short = gap_to_s is not None and self._last is not None and _opened_s(self._last) == closed_s and times[0] != closed_s
        if short and self._shorts < _SHORT_TRIES:
            self._shorts += 1
            self._newest_s = gap_to_s
            self.due = now + LATER_S
            return []
        self._shorts = 0
        return self._deliver(answer, times, now, gap_to_s is not None, ("short",) if short else ())

    def _deliver(self, answer: bytes, times: list[int], now: float, again: bool, known: tuple[str, ...]) -> list[Event]:
        events: list[Event] = []
        newest_s = max(times)
        newest_closed_s = max((time for time in times if time < newest_s), default=newest_s - 1)
        closed_s = self._closed_s
        if closed_s is None:
            self._closed_s = newest_closed_s
            self._last = _between(answer, times, newest_closed_s - 1, newest_s)[-RECORD_BYTES:] or None
        elif self._stepped_back(newest_s):
            self._closed_s = newest_closed_s
        else:
            closed = _between(answer, times, closed_s, newest_s)
            if closed:
                events = self._events(closed, BACKFILLED if now < self._live_at else 0, now, known)
                self._closed_s = newest_closed_s
        moved = newest_s != self._forming_s
        self._forming_s = newest_s
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

    def _events(self, closed: bytes, flags: int, now: float, known: tuple[str, ...]) -> list[Event]:
        events: list[Event] = []
        for part in batches(closed):
            found = of_bars(part, None if self._last is None else _opened_s(self._last)).also(*known)
            events += self._suspects.event(self.topic, flags, part, found, now)
            self._last = part[-RECORD_BYTES:]
        return events

    def _stepped_back(self, newest_s: int) -> bool:
        """Whether the newest bar is one that was delivered, or older, and ticks go on in it: the server's clock stepped back, and
        bars are delivered anew from there. The first tick after an outage does not count, for a terminal may begin with an old
        one; and a history that is still being read in has old bars, but no ticks that go on in them."""
        closed_s, hint_s = self._closed_s, self._hint_s
        if closed_s is None or newest_s > closed_s or hint_s is None or self._quotes < 2:
            return False
        return newest_s <= hint_s < newest_s + self._length_s

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
        self._shorts = 0
        self._quotes = 0
        self.due = now


def _between(answer: bytes, times: list[int], after_s: int, before_s: int) -> bytes:
    """The bars that opened after one time and before another, in the order of the answer."""
    return b"".join(row for row, time in zip(rows_of(answer), times, strict=True) if after_s < time < before_s)


def _opened_s(rows: bytes) -> int:
    """When the last of these bars opened."""
    return next(iter_bars(rows[-RECORD_BYTES:])).time


class FormingStream:
    """The bar that is forming, when it has changed, at most four times a second."""

    def __init__(self, symbol: str, timeframe: str, suspects: Suspects | None = None) -> None:
        self.topic = f"forming:{symbol}:{timeframe}"
        self.symbol = symbol
        self.timeframe = timeframe
        self.due = inf
        self.slow = True
        self.settled = False
        self._suspects = suspects or Suspects()
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
        before, self._last = self._last, answer
        if first:
            return []
        found = of_bars(answer, None if before is None else _opened_s(before) - 1)  # the same bar again is no fault here
        return self._suspects.event(self.topic, 0, answer, found, now)

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
