"""How old the newest tick of a symbol is, and whether that is longer than it is expected to be silent. No I/O, no clock.

How long a symbol is silent at ordinary times is learned from itself: markets differ a hundredfold, and hours tenfold. When its
market is open is learned from the bars of the last week, for the terminal's package knows no sessions: where they show none at that
hour, silence says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from bridge.ticks import TIMEFRAME_S

SHORTEST_S = 5.0
"""Nobody is worried by less silence than this."""
TIMES = 4.0
"""A silence is too long when it is so many times as long as one in a hundred."""
RARE = 0.01
GAIN = 0.25
"""How fast the expected silence follows: by this factor after a rare one, by a hundredth of it after each other."""
LEAST = 50
"""Silences that are seen before anything is expected."""
LEAST_S, MOST_S = 0.5, 3_600.0
"""Bounds of the silence of which one in a hundred is longer."""

TIMEFRAME = "M5"
SLOT_S = TIMEFRAME_S[TIMEFRAME]
WEEK_S = 7 * 24 * 3600
SLOTS = WEEK_S // SLOT_S
MOST_SLOTS = 2 * SLOTS


class Rhythm:
    """How long a topic is silent, learned from when its events were published (`*_us`, the bridge's clock).

    The silence of which one in a hundred is longer is followed by steps of a fixed factor: a weekend counts as one long silence,
    and no more than any other. Events are looked at once a second, so that it costs the same at any rate, and a silence is
    known to a second.
    """

    __slots__ = ("_long_s", "_seen", "newest_us")

    def __init__(self) -> None:
        self.newest_us: int | None = None
        self._long_s = LEAST_S
        self._seen = 0

    def heard(self, newest_us: int) -> None:
        """The newest event was published then."""
        before_us, self.newest_us = self.newest_us, newest_us
        if before_us is None or newest_us <= before_us:
            return
        longer = (newest_us - before_us) / 1e6 > self._long_s
        self._long_s *= 1 + GAIN * (1 - RARE) if longer else 1 - GAIN * RARE
        self._long_s = min(max(self._long_s, LEAST_S), MOST_S)
        self._seen += 1

    @property
    def expected_s(self) -> float | None:
        """The longest silence that is nothing unusual; None before it is known."""
        return max(SHORTEST_S, TIMES * self._long_s) if self._seen >= LEAST else None


class Week:
    """When a symbol is traded, as the times of its bars in one week tell (server time, seconds).

    The first and the last slot of each session do not count: who knows when in it the market opens, or closes.
    """

    __slots__ = ("_open",)

    def __init__(self, bar_times_s: Iterable[int]) -> None:
        """The times of bars of `TIMEFRAME`."""
        traded = {time_s % WEEK_S // SLOT_S for time_s in bar_times_s}
        self._open = {slot for slot in traded if (slot - 1) % SLOTS in traded and (slot + 1) % SLOTS in traded}

    def open_s(self, from_s: float, to_s: float) -> float:
        """For how many of the seconds between two times the market was open; at most as many as a week has."""
        from_s = max(from_s, to_s - WEEK_S)
        open_s, at_s = 0.0, from_s
        for _ in range(MOST_SLOTS):
            if at_s >= to_s:
                break
            end_s = min(to_s, (at_s // SLOT_S + 1) * SLOT_S)
            if at_s % WEEK_S // SLOT_S in self._open:
                open_s += end_s - at_s
            at_s = end_s
        return open_s


def is_stale(age_s: float, expected_s: float | None, newest_s: float, week: Week | None) -> bool | None:
    """Whether the newest tick, of server time `newest_s`, is too old; None when nobody can tell."""
    if expected_s is None:
        return None
    if age_s <= expected_s:
        return False
    return None if week is None else week.open_s(newest_s, newest_s + age_s) > expected_s
