"""Server time and UTC: by the offset that the bridge has measured, or by a zone that the caller names. Nothing is assumed.

A measured offset holds for the time of its measurement, and reaches back to the last change of daylight saving at most: before that
the server's clock may have stood an hour otherwise. Whether this server changes its clock, and by whose rule, cannot be measured in
one afternoon; so an offset is not applied to anything before the last change of any rule that servers are known to follow. It is
the caller who may know better, and names the zone; a zone that contradicts a measurement is refused.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from bridge.errors import InvalidParameters, TryAgain
from bridge.replies import ClockOffset

if TYPE_CHECKING:
    import pandas as pd

RULES = ("America/New_York", "Europe/Athens")
"""Zones whose daylight saving the clocks of trade servers follow, if they follow any."""
MARGIN_MSC = 12 * 3_600_000
"""Servers are changed while the currency markets are closed, not all in the minute of the rule: from so long after it an offset
that was measured since is surely the one."""
EXAMPLE = "America/New_York+7"

_DAY_S = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZONE = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_/-]*?)(?P<ahead>[+-]\d{1,2})?")


class ServerTime(Protocol):
    """Tells one from the other, both in milliseconds since 1970. Raises `InvalidParameters` for a time that it cannot tell."""

    def utc_msc(self, server_msc: int) -> int:
        """UTC at a time of the server's clock."""

    def server_msc(self, utc_msc: int) -> int:
        """The server's clock at a time of UTC."""

    def utc_index(self, index: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """The same for an index of server time that is labelled UTC; it keeps its resolution."""


class MeasuredTime:
    """One offset, from `since_msc` (UTC) on."""

    def __init__(self, clock: ClockOffset) -> None:
        """Raises `TryAgain` while the offset is not known."""
        if clock.offset_s is None or clock.measured_msc is None:
            raise TryAgain(
                "the offset of the trade server's clock is not known: nothing is quoted, or its clock runs at another speed",
                next_step=f"wait until something is quoted, or name the server's zone, for example {EXAMPLE!r}",
            )
        self.offset_s = clock.offset_s
        self.since_msc = last_change_s(clock.measured_msc // 1000) * 1000 + MARGIN_MSC

    def utc_msc(self, server_msc: int) -> int:
        """UTC at a time of the server's clock."""
        return self._checked(server_msc - self.offset_s * 1000)

    def server_msc(self, utc_msc: int) -> int:
        """The server's clock at a time of UTC."""
        return self._checked(utc_msc) + self.offset_s * 1000

    def utc_index(self, index: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """UTC at times of the server's clock."""
        if len(index):
            self.utc_msc(index.min().value // 1_000_000)
        return (index - timedelta(seconds=self.offset_s)).as_unit(index.unit)

    def _checked(self, utc_msc: int) -> int:
        if utc_msc < self.since_msc:
            raise InvalidParameters(
                f"{_text(utc_msc)} UTC is before the last change of daylight saving ({_text(self.since_msc)}): the offset that was "
                "measured since may not hold for it",
                next_step=f"ask for nothing earlier, or name the server's zone, for example {EXAMPLE!r}",
                field="utc",
            )
        return utc_msc


class ZoneTime:
    """A zone of the time zone database and hours to add, as the trade server's clock is set: `America/New_York+7`, `Europe/Athens`,
    `UTC+3`.

    Of the hour that the clock repeats when daylight saving ends, the first pass is meant. A time that the clock leaves out when
    it begins does not exist: then the zone is not the server's, or not to the minute.
    """

    def __init__(self, text: str) -> None:
        """Raises `InvalidParameters` for what is no zone."""
        found = _ZONE.fullmatch(text)
        try:
            self._zone = ZoneInfo(found["name"] if found else text)
        except (KeyError, ValueError, OSError):
            found = None
        if found is None:
            raise InvalidParameters(f"{text!r} is no time zone", next_step=f"name one like {EXAMPLE!r}", field="utc")
        self._text = text
        self._ahead = timedelta(hours=int(found["ahead"] or 0))

    def utc_msc(self, server_msc: int) -> int:
        """UTC at a time of the server's clock."""
        wall = (_EPOCH + timedelta(milliseconds=server_msc) - self._ahead).replace(tzinfo=self._zone)
        utc_msc = _msc(wall.astimezone(UTC))
        if self.server_msc(utc_msc) != server_msc:
            raise self._missing(server_msc)
        return utc_msc

    def server_msc(self, utc_msc: int) -> int:
        """The server's clock at a time of UTC."""
        wall = (_EPOCH + timedelta(milliseconds=utc_msc)).astimezone(self._zone)
        return _msc(wall.replace(tzinfo=UTC) + self._ahead)

    def utc_index(self, index: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """UTC at times of the server's clock."""
        import numpy as np  # noqa: PLC0415 - who has an index has it

        wall = (index - self._ahead).as_unit(index.unit).tz_localize(None)
        utc = wall.tz_localize(self._zone, ambiguous=np.ones(len(index), bool), nonexistent="NaT").tz_convert("UTC")
        lost = index[utc.isna()]
        if len(lost):
            raise self._missing(lost[0].value // 1_000_000)
        return utc

    def verify(self, clock: ClockOffset) -> None:
        """Raises `InvalidParameters` when the server's clock was surely measured to be another than the zone's."""
        if clock.offset_s is None or clock.measured_msc is None or clock.confidence != "high":
            return
        ahead_s = (self.server_msc(clock.measured_msc) - clock.measured_msc) // 1000
        if ahead_s != clock.offset_s:
            raise InvalidParameters(
                f"the trade server's clock is not that of {self._text}: it was measured {_hours(clock.offset_s)} from UTC at "
                f"{_text(clock.measured_msc)}, not {_hours(ahead_s)}",
                next_step="name the server's zone",
                field="utc",
            )

    def _missing(self, server_msc: int) -> InvalidParameters:
        return InvalidParameters(
            f"a clock of {self._text} never shows {_text(server_msc)}: it leaves that hour out",
            next_step="name the server's zone, or leave that hour out",
            field="utc",
        )


def server_time(clock: ClockOffset, utc: bool | str) -> ServerTime:
    """By the measured offset, or by a zone where one is named. Raises `TryAgain` when neither is known, `InvalidParameters`."""
    if not isinstance(utc, str):
        return MeasuredTime(clock)
    zone = ZoneTime(utc)
    zone.verify(clock)
    return zone


def as_datetime(utc_msc: int) -> datetime:
    """Milliseconds of UTC as an aware datetime."""
    return _EPOCH + timedelta(milliseconds=utc_msc)


@lru_cache(maxsize=64)
def last_change_s(utc_s: int) -> int:
    """When daylight saving last began or ended by any of the `RULES`, at or before a moment; seconds of UTC."""
    return max(_last_change_s(ZoneInfo(name), utc_s) for name in RULES)


def _last_change_s(zone: ZoneInfo, utc_s: int) -> int:
    offset = _offset(zone, utc_s)
    late = utc_s
    while late > 0 and _offset(zone, late - _DAY_S) == offset:
        late -= _DAY_S
    early = late - _DAY_S  # the change is behind it, and not behind `late`
    while late - early > 1:
        middle = (early + late) // 2
        if _offset(zone, middle) == offset:
            late = middle
        else:
            early = middle
    return late


def _offset(zone: ZoneInfo, utc_s: int) -> timedelta | None:
    return (_EPOCH + timedelta(seconds=utc_s)).astimezone(zone).utcoffset()


def _msc(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _text(msc: int) -> str:
    return as_datetime(msc).strftime("%Y-%m-%d %H:%M")


def _hours(offset_s: int) -> str:
    minutes = abs(offset_s) // 60
    return f"{'-' if offset_s < 0 else '+'}{minutes // 60}:{minutes % 60:02d}"
