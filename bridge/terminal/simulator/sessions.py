"""Trading sessions: when the simulated trade server accepts requests for a symbol.

Sessions are not readable through the Python package; a request outside of them gets 10018 (market closed).  Times are
minutes of the server's day; days count from Sunday = 0, as in MQL5's ENUM_DAY_OF_WEEK.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

DAY_S = 86_400
_EPOCH_WEEKDAY = 4  # 1970-01-01 was a Thursday

_FULL_DAY = ((0, 1440),)
_WORKDAYS = range(1, 6)


def _workdays(*spans: tuple[int, int]) -> tuple[tuple[tuple[int, int], ...], ...]:
    return tuple(tuple(spans) if day in _WORKDAYS else () for day in range(7))


SCHEDULES: Mapping[str, tuple[tuple[tuple[int, int], ...], ...]] = {
    "always": (_FULL_DAY,) * 7,
    "forex": _workdays((0, 1440)),
    "metals": _workdays((60, 1440)),
    "index": _workdays((60, 1440)),
    "stocks": _workdays((990, 1380)),
}
"""Schedule by name: for each day of the week the spans [from, to) in minutes of the day."""

HOLIDAYS = ((12, 25), (1, 1))
"""Month and day of the days on which nothing is traded but what is always traded."""


def weekday(time_s: int) -> int:
    """Day of the week of a server time in seconds; Sunday is 0."""
    return (time_s // DAY_S + _EPOCH_WEEKDAY) % 7


def day_start(time_s: int) -> int:
    """Midnight that begins the server day of `time_s`, in seconds."""
    return time_s - time_s % DAY_S


def is_open(schedule: str, time_msc: int) -> bool:
    """Whether requests are accepted at this server time."""
    time_s = time_msc // 1000
    minute = time_s % DAY_S // 60
    date = datetime.fromtimestamp(time_s, UTC)
    if schedule != "always" and (date.month, date.day) in HOLIDAYS:
        return False
    return any(start <= minute < end for start, end in SCHEDULES[schedule][weekday(time_s)])
