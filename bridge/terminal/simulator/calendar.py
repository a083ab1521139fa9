"""When a synthetic symbol is quoted: open minutes of each hour, holidays, and the times of news.

Indices count from the epoch of server time: day d begins at second 86400 d, hour h at 3600 h, minute m at 60 m.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bridge.terminal.simulator.draws import Floats, Ints, bits_at, key_of, quantile, uniform
from bridge.terminal.simulator.sessions import HOLIDAYS, SCHEDULES

Bools = npt.NDArray[np.bool_]

FIRST_DAY = 14_610  # 2010-01-01
LAST_DAY = 24_836  # 2037-12-31: server times are 32-bit seconds in the API
_EPOCH_WEEKDAY = 4  # 1970-01-01 was a Thursday; Sunday is 0
_FRIDAY = 5
_FRIDAY_CLOSE = 1437  # 23:57


def weekdays(days: Ints) -> Ints:
    """Day of the week of each day; Sunday is 0."""
    return (days + _EPOCH_WEEKDAY) % 7


class Hours:
    """The minutes in which a schedule is quoted.

    Of each hour one run of minutes, `first <= minute < last`; none on holidays (`sessions.HOLIDAYS`) unless the schedule
    is "always", and nothing outside 2010-01-01 … 2037-12-31.
    """

    def __init__(self, schedule: str) -> None:
        self._everyday = schedule == "always"
        self._spans = np.zeros((7, 24, 2), np.int64)
        self.day_open = np.zeros(7, np.int64)
        for day, spans in enumerate(SCHEDULES[schedule]):
            for start, end in spans:
                stop = end if self._everyday or day != _FRIDAY else min(end, _FRIDAY_CLOSE)
                for hour in range(start // 60, (stop + 59) // 60):
                    self._spans[day, hour] = max(start - 60 * hour, 0), min(stop - 60 * hour, 60)
            self.day_open[day] = spans[0][0] if spans else 0
        self.open_minutes = self._spans[:, :, 1] - self._spans[:, :, 0]

    def of(self, hours: Ints) -> tuple[Ints, Ints]:
        """First and last (exclusive) quoted minute of each hour; equal when it is closed."""
        days = hours // 24
        spans = self._spans[weekdays(days), hours % 24]
        closed = (days < FIRST_DAY) | (days > LAST_DAY)
        if not self._everyday:
            closed |= _is_holiday(days)
        first = np.where(closed, 0, spans[..., 0])
        return first, np.where(closed, 0, spans[..., 1])

    def is_open(self, hours: Ints) -> Bools:
        """Whether the hour has a quoted minute."""
        first, last = self.of(hours)
        return last > first

    def day_is_open(self, days: Ints) -> Bools:
        """Whether the day has a quoted hour."""
        quoted: Bools = np.any(self.open_minutes[weekdays(days)] > 0, axis=1)
        return quoted if self._everyday else quoted & ~_is_holiday(days)


def _is_holiday(days: Ints) -> Bools:
    date = days.astype("datetime64[D]")
    month = date.astype("datetime64[M]").astype(np.int64) % 12 + 1
    day = (date - date.astype("datetime64[M]")).astype(np.int64) + 1
    holiday = np.zeros(days.shape, np.bool_)
    for its_month, its_day in HOLIDAYS:
        holiday |= (month == its_month) & (day == its_day)
    return holiday


# Minute counts around a release relative to its first minute, as in the payrolls window of 2014-05-02.
_DECAY = (1.0, 0.27, 0.25, 0.20, 0.12, 0.09, 0.07, 0.06, 0.05, 0.045, *(0.4 / k for k in range(11, 31)))
# hour, minute, chance on a working day, smallest and largest magnitude
_RELEASES = ((15, 30, 0.30, 0.03, 0.35), (17, 0, 0.15, 0.02, 0.15), (21, 0, 0.05, 0.20, 0.80))


def _release_curves() -> tuple[npt.NDArray[np.intp], Floats]:
    slots = np.full(24, -1, np.intp)
    curves = np.zeros((24, 60))
    for slot, (hour, minute, *_) in enumerate(_RELEASES):
        slots[hour] = slot
        tail = np.array(_DECAY)[: 60 - minute]
        curves[hour, minute : minute + tail.size] = tail
    return slots, curves


class News:
    """Releases that all symbols share: the US payrolls on the first Friday of a month at 15:30, lesser ones by chance."""

    def __init__(self, seed: int) -> None:
        self._key = key_of(seed, "news")
        self._slots, self.curves = _release_curves()

    def magnitude(self, hours: Ints) -> Floats:
        """Size of the release that falls into each hour: 1 for typical payrolls, 0 for none."""
        slots = self._slots[hours % 24]
        days = hours // 24
        magnitude = np.zeros(hours.shape)
        some = np.flatnonzero((slots >= 0) & (weekdays(days) % 6 != 0))
        if not some.size:
            return magnitude
        slot, day = slots[some], days[some]
        draws = bits_at(self._key, day * len(_RELEASES) + slot)
        table: npt.NDArray[Any] = np.array(_RELEASES)
        chance, low, high = table[slot, 2], table[slot, 3], table[slot, 4]
        size = uniform(draws)
        value = np.where(quantile(draws) < chance * 4096, low + (high - low) * size, 0.0)
        day_of_month = day.astype("datetime64[D]") - day.astype("datetime64[D]").astype("datetime64[M]")
        payrolls = (slot == 0) & (weekdays(day) == _FRIDAY) & (day_of_month.astype(np.int64) < 7)
        magnitude[some] = np.where(payrolls, 0.7 + 0.6 * size, value)
        return magnitude

    def minutes(self, hours: Ints) -> Floats:
        """Shape (len(hours), 60): intensity the release adds to each minute, relative to its first minute at magnitude 1."""
        return self.magnitude(hours)[:, None] * self.curves[hours % 24]
