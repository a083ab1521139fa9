"""The trade server's clock.

Server time is the wall clock of some zone, written as if it were UTC (seconds or milliseconds since 1970).  With New
York's wall clock plus seven hours, the convention of most MetaTrader 5 brokers, the week runs from Monday 00:00 to
Friday 24:00 all year round.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo

DEFAULT_ZONE = "America/New_York+7"

_ZONE = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_/-]*?)(?P<ahead>[+-]\d{1,2})?")


@cache
def _zone(text: str) -> tuple[ZoneInfo, int]:
    found = _ZONE.fullmatch(text)
    try:
        if found is None:
            raise KeyError(text)
        return ZoneInfo(found["name"]), int(found["ahead"] or 0) * 3600
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{text!r} is no time zone") from error


def zone_offset_s(utc_s: int, zone: str = DEFAULT_ZONE) -> int:
    """How far server time is ahead of UTC at a moment of UTC, in seconds.

    `zone` is a name of the time zone database with hours to add: `America/New_York+7`, `Europe/Athens`, `UTC`,
    `UTC+3`.  Raises ValueError for any other text.
    """
    zone_info, ahead_s = _zone(zone)
    offset = datetime.fromtimestamp(utc_s, UTC).astimezone(zone_info).utcoffset()
    assert offset is not None
    return round(offset.total_seconds()) + ahead_s


def server_time_msc(utc_msc: int, zone: str = DEFAULT_ZONE) -> int:
    """Server time at a moment of UTC, both in milliseconds since 1970."""
    return utc_msc + zone_offset_s(utc_msc // 1000, zone) * 1000


@dataclass(frozen=True, slots=True)
class SimulatedClock:
    """Server time as a function of a monotonic clock's reading, which the caller passes in.

    The clock showed `anchor_msc` when the monotonic clock read `anchor_s`; since then it runs `speed` server seconds
    per second, or stands still while `held`.  Between hold and release no server time passes at all.
    """

    start_msc: int
    speed: float
    held: bool
    anchor_s: float
    anchor_msc: int

    @classmethod
    def starting(cls, start_msc: int, *, monotonic_s: float, speed: float = 1.0, held: bool = False) -> SimulatedClock:
        """A clock that shows `start_msc` at this moment.  Raises ValueError unless `speed` is positive and finite."""
        if not 0 < speed < float("inf"):
            raise ValueError(f"the speed must be a positive number, not {speed}")
        return cls(start_msc, speed, held, monotonic_s, start_msc)

    def now_msc(self, monotonic_s: float) -> int:
        """Server time in milliseconds since 1970; never runs backwards, even if the monotonic reading should."""
        if self.held:
            return self.anchor_msc
        return self.anchor_msc + int(max(0.0, monotonic_s - self.anchor_s) * self.speed * 1000)

    def hold(self, monotonic_s: float) -> SimulatedClock:
        """The clock stopped at its present reading; holding twice changes nothing."""
        return replace(self, held=True, anchor_s=monotonic_s, anchor_msc=self.now_msc(monotonic_s))

    def release(self, monotonic_s: float) -> SimulatedClock:
        """The clock running on from where it was held; releasing twice changes nothing but the anchor."""
        return replace(self, held=False, anchor_s=monotonic_s, anchor_msc=self.now_msc(monotonic_s))
