"""How far the trade server's clock is ahead of UTC, measured from live ticks. No I/O, no clock.

The terminal gives the server's time only in the stamps of ticks (`time_msc`, the server's wall clock written as if it were UTC). A
tick that has just come was stamped a moment ago, so its stamp minus UTC is the offset, less the tick's age. Offsets are multiples
of a quarter of an hour (every zone in use is), which tells an offset from an age. One tick proves little: it may be a late one, or
a bad one. An offset is therefore adopted when ticks of two symbols, or several of one, agree on it and are not outvoted by what was
heard since they began; it is believed (`high`) when they have agreed for a while, steadily.

Three things cannot be seen from here. Quotes that a broker delays by exactly a quarter of an hour look like another zone; among
symbols that disagree a later clock is never overruled with `high`, for quotes are late and not early, but where all are delayed the
offset is wrong. A machine whose own clock is wrong by more than a minute finds no offset, or, by multiples of a quarter of an hour,
a wrong one. A clock whose speed differs from time's by less than about a half is found out only after it has run out of the
tolerance of a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bridge.replies import ClockOffset

QUARTER_MS = 900_000
LARGEST_MS = 14 * 3_600_000
"""Zones lie between 14 hours behind UTC and 14 ahead (they end at -12, but New York + 7 has taught that brokers choose freely)."""
FIT_MS = 60_000
"""A live tick is nearer than this to its offset: the sum of its age and of what this machine's clock is wrong."""
LATENCY_MS = 5_000
"""How much later than another a live tick may be under way; more is another speed, or a queue, and begins the count anew."""
DRIFT = 0.1
"""Slowest change of the residual, per time, that counts as steady for as long as it stays within the latency."""
FORGET_S = 600.0
"""A symbol that nobody looked at for so long is new again, and what it said before has no voice. Well below a quarter of an hour: a
tick that came between two looks may be as old as the time between them."""
HIGH_S = 3_600.0
"""Age of the newest agreeing tick up to which an offset keeps `high`. It is never given up for its age."""

ADOPT_SPAN_S, ADOPT_TICKS = 3.0, 2
"""An offset is adopted when two symbols have that many ticks each, over that time."""
ADOPT_ONE_SPAN_S, ADOPT_ONE_TICKS = 10.0, 5
"""The same for one symbol alone."""
SURE_SPAN_S, SURE_TICKS = 20.0, 3
"""An offset is believed when two symbols have that many ticks each, each over that time."""
SURE_ONE_SPAN_S, SURE_ONE_TICKS = 60.0, 10
"""The same for one symbol alone."""
DOUBTS, MOST_DOUBTS = 2, 10
"""An offset is not believed before that many ticks have said it again for each that said something new, up to a bound. A single odd
tick that happens to say the old offset must not hide that the server's clock has changed."""
SETTLED_SPAN_S, SETTLED_TICKS = 5.0, 3
"""A symbol whose ticks fit the same offset for so long means it, be it right or wrong; one that never gets there, ..."""
ERRATIC_SPAN_S, ERRATIC_TICKS = 30.0, 10
"""... in that many ticks over that time, has a clock that is none: a replay at another speed, quotes that are minutes late."""


@dataclass(slots=True)
class _Voice:
    """What a symbol's ticks have said. A *run* is of consecutive ticks that fit the same offset (None: that fit none), steadily."""

    looked_s: float
    looked_msc: int
    tick_msc: int
    offset_ms: int | None = None
    ticks: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    first_residual_ms: int = 0
    first_gap_ms: int = 0
    unsettled_ticks: int = 0
    unsettled_s: float = 0.0

    @property
    def span_s(self) -> float:
        return self.last_s - self.first_s

    @property
    def settled(self) -> bool:
        return self.offset_ms is not None and self.ticks >= SETTLED_TICKS and self.span_s >= SETTLED_SPAN_S

    @property
    def erratic(self) -> bool:
        return self.unsettled_ticks >= ERRATIC_TICKS and self.last_s - self.unsettled_s >= ERRATIC_SPAN_S

    def hear(self, offset_ms: int | None, residual_ms: int, gap_ms: int, now: float) -> None:
        """A live tick, no older than `gap_ms` when it came in sight."""
        if (
            not self.ticks
            or offset_ms != self.offset_ms
            or now - self.last_s > FORGET_S
            or not self._steady(residual_ms, gap_ms, now)
        ):
            self.offset_ms, self.ticks, self.first_s = offset_ms, 0, now
            self.first_residual_ms, self.first_gap_ms = residual_ms, gap_ms
        if now - self.last_s > FORGET_S:
            self.unsettled_ticks = 0
        self.ticks += 1
        self.last_s = now
        if self.settled:
            self.unsettled_ticks = 0
            return
        if not self.unsettled_ticks:
            self.unsettled_s = now
        self.unsettled_ticks += 1

    def _steady(self, residual_ms: int, gap_ms: int, now: float) -> bool:
        """Whether the ages that the ticks can have explain how the residual moved since the run began."""
        if self.offset_ms is None:
            return True
        moved_ms = residual_ms - self.first_residual_ms
        oldest_ms = self.first_gap_ms if moved_ms > 0 else gap_ms
        return abs(moved_ms) <= oldest_ms + LATENCY_MS + DRIFT * (now - self.first_s) * 1e3


class ServerClock:
    """The offset of one trade server's clock; another account's server needs another `ServerClock`.

    All symbols share the clock, but not its ticks: each has a voice of its own, and the majority of those that were heard decides.
    """

    def __init__(self) -> None:
        self._voices: dict[str, _Voice] = {}
        self._offset_ms: int | None = None
        self._measured_msc: int | None = None
        self._measured_s = 0.0
        self._symbols = 0
        self._sure = False
        self._doubts = 0  # of ticks that said something new; ticks that said the offset since have taken some away
        self._told: tuple[int | None, str] = (None, "unknown")

    def heard(self, symbol: str, server_msc: int, utc_msc: int, now: float) -> bool:
        """Somebody looked at a symbol's newest tick, which is stamped `server_msc` (0: there is none yet).

        `utc_msc` is UTC at that moment by the machine's wall clock (one that is kept right, not one that only started right), `now`
        the same moment in seconds of a clock that never steps back. To be told of every look, also of those that found nothing new:
        the time between two looks bounds the age of a tick. Returns whether the offset or the confidence is another than after the
        look before.
        """
        self._look(symbol, server_msc, utc_msc, now)
        told = self._told
        self._told = self._shown_s(), self._confidence(now)
        return self._told != told

    def offset(self, now: float) -> ClockOffset:
        """What is known at `now`. Without an offset nothing is known; with one, `confidence` says how it is to be taken."""
        if self._offset_ms is None:
            return ClockOffset()
        return ClockOffset(self._shown_s(), self._measured_msc, self._confidence(now), self._symbols)

    def _shown_s(self) -> int | None:
        return None if self._offset_ms is None else self._offset_ms // 1_000

    def _confidence(self, now: float) -> Literal["unknown", "low", "high"]:
        if self._offset_ms is None:
            return "unknown"
        return "high" if self._sure and not self._doubts and now - self._measured_s <= HIGH_S else "low"

    def _look(self, symbol: str, server_msc: int, utc_msc: int, now: float) -> None:
        if server_msc <= 0:
            self._voices.pop(symbol, None)  # what comes next may be the last tick of an earlier day
            return
        voice = self._voices.get(symbol)
        if voice is None:
            self._voices = {name: each for name, each in self._voices.items() if now - each.looked_s <= FORGET_S}
            self._voices[symbol] = _Voice(now, utc_msc, server_msc)
            return
        gap_ms = max(round((now - voice.looked_s) * 1e3), utc_msc - voice.looked_msc, 0)
        fresh = server_msc != voice.tick_msc
        voice.looked_s, voice.looked_msc, voice.tick_msc = now, utc_msc, server_msc
        if not fresh or gap_ms > FORGET_S * 1e3:
            return
        sample_ms = server_msc - utc_msc
        offset_ms = round(sample_ms / QUARTER_MS) * QUARTER_MS
        residual_ms = sample_ms - offset_ms
        fits = abs(residual_ms) < FIT_MS and abs(offset_ms) <= LARGEST_MS
        if not fits and -sample_ms % QUARTER_MS <= gap_ms + FIT_MS:
            return  # it may have come soon after the look before: no sign of anything
        former_ms = voice.offset_ms
        voice.hear(offset_ms if fits else None, residual_ms, gap_ms, now)
        self._weigh(voice, former_ms, utc_msc, now)

    def _weigh(self, voice: _Voice, former_ms: int | None, utc_msc: int, now: float) -> None:
        """Draw the conclusions from a voice that has just been heard, and said `former_ms` before."""
        heard = [each for each in self._voices.values() if each.ticks and now - each.last_s <= FORGET_S]
        if 2 * sum(each.erratic for each in heard) > sum(each.erratic or each.offset_ms is not None for each in heard):
            self._adopt(None, utc_msc, now)
            return
        said = None if voice.erratic else voice.offset_ms
        if said is not None and said != self._offset_ms and self._convinces(said, heard):
            self._adopt(said, utc_msc, now)
        if self._offset_ms is None:
            return
        backers, against = _sides(self._offset_ms, heard, 1)
        if said == self._offset_ms:
            self._sure = self._sure and now - self._measured_s <= HIGH_S
            self._measured_msc, self._measured_s, self._symbols = utc_msc, now, len(backers)
            self._doubts = max(0, self._doubts - 1)
        elif not voice.settled and (not voice.erratic or former_ms == self._offset_ms):
            self._doubts = min(self._doubts + DOUBTS, MOST_DOUBTS)
        if len(against) >= max(1, len(backers)) or _overruled(self._offset_ms, against):
            self._sure = False
        elif _is_sure(backers, against):
            self._sure = True

    def _convinces(self, offset_ms: int, heard: list[_Voice]) -> bool:
        """Whether an offset that is not the present one is to be it."""
        if self._measured_msc is None:
            return True  # the first of all: better than none, and called low
        backers, against = _sides(offset_ms, heard, ADOPT_TICKS)
        if len(against) > len(backers) or (len(against) == len(backers) and _overruled(offset_ms, against)):
            return False
        if self._offset_ms is None:
            return _is_sure(backers, against)  # a clock that was none may fit by chance
        if len(backers) > 1 and max(each.last_s for each in backers) - min(each.first_s for each in backers) >= ADOPT_SPAN_S:
            return True
        return any(each.ticks >= ADOPT_ONE_TICKS and each.span_s >= ADOPT_ONE_SPAN_S for each in backers)

    def _adopt(self, offset_ms: int | None, utc_msc: int, now: float) -> None:
        self._offset_ms, self._measured_msc, self._measured_s, self._symbols = offset_ms, utc_msc, now, 0
        self._sure = False
        self._doubts = 0


def _sides(offset_ms: int, heard: list[_Voice], ticks: int) -> tuple[list[_Voice], list[_Voice]]:
    """Who says that offset, with at least so many ticks, and who has said another since they began, with more than one."""
    backers = [each for each in heard if each.offset_ms == offset_ms and not each.erratic and each.ticks >= ticks]
    since_s = min((each.first_s for each in backers), default=0.0)
    against = [
        each for each in heard if each.last_s >= since_s and (each.erratic or (each.offset_ms != offset_ms and each.ticks > 1))
    ]
    return backers, against


def _overruled(offset_ms: int, against: list[_Voice]) -> bool:
    """Whether one of them has seen a later clock: quotes may be late, but not early."""
    return any(not each.erratic and each.offset_ms is not None and each.offset_ms > offset_ms for each in against)


def _is_sure(backers: list[_Voice], against: list[_Voice]) -> bool:
    """Whether an offset may be called `high`, as far as its backers go."""
    if _count(backers, SURE_TICKS, SURE_SPAN_S) > 1:
        return True
    return not against and _count(backers, SURE_ONE_TICKS, SURE_ONE_SPAN_S) > 0


def _count(voices: list[_Voice], ticks: int, span_s: float) -> int:
    return sum(each.ticks >= ticks and each.span_s >= span_s for each in voices)
