"""The trade server's clock.

Server time is New York's wall clock plus seven hours, written as if it were UTC (seconds or milliseconds since 1970):
the convention of most MetaTrader 5 brokers, whose week then runs from Monday 00:00 to Friday 24:00 all year round.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_NEW_YORK = ZoneInfo("America/New_York")
_EPOCH = datetime(1970, 1, 1)
_AHEAD = timedelta(hours=7)


def server_time_msc(utc_msc: int) -> int:
    """Server time at a moment of UTC, both in milliseconds since 1970."""
    moment = datetime.fromtimestamp(utc_msc // 1000, UTC).astimezone(_NEW_YORK)
    wall = moment.replace(tzinfo=None) + _AHEAD - _EPOCH
    return (wall.days * 86400 + wall.seconds) * 1000 + utc_msc % 1000


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
