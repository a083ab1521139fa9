"""A time that comes twice: in autumn the server's clock steps back by an hour, and what is traded all night has new ticks with old
times.

Nobody documents what the terminal's history looks like then: whether it keeps ticks in the order of their times, with those of the
second pass among those of the first, or in the order in which they came. So nothing of that is taken for granted. Rows are told
apart by counting: what an answer has beyond the answer before it is new. Only of the first answer some rows may be of either pass.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from bridge.mt5api.structs import TICK_DTYPE
from bridge.session.tail import BATCH, Tail, rows_of
from bridge.ticks import RECORD_BYTES, Tick, last_tick

STEP_S = 600
"""A last tick so much older than the newest one is of a second pass; servers step by half an hour or an hour."""
LONGEST_S = 3_600
"""The second pass began so long ago at most."""
RACE_S = 2
"""The second pass goes on as fast as this machine's clock, give or take so many seconds."""
MARGIN_S = 5
"""Seconds behind the newest one that are read again each time."""
ROWS_PER_S = 20_000
"""Rows that are read again in a second, at most: the history has the rest of the first pass, too."""
MOST_ROWS = 400_000
"""Rows in one question, at most."""


class Repeat:
    """The second pass of a time whose first pass `tail` has delivered. `hint` is the last tick, `since_s` how many seconds ago the
    clock may have stepped back: of that time, what the tail has forgotten may be of either pass, and counts as new.

    It goes on for a few seconds after the first pass has ended, until no answer has rows of either pass any more."""

    def __init__(self, tail: Tail, hint: Tick, since_s: float) -> None:
        self.second = hint.time
        self._tail = tail
        self._ends_s, self._ends_msc = tail.second, tail.newest_msc
        self._from_s = hint.time - 1 - int(min(since_s, LONGEST_S))
        self._known: bytes | None = None
        self._at = 0.0
        self._count = 16 * BATCH
        self._shown: Counter[tuple[int, float, float]] = Counter()

    def question(self) -> tuple[int, int]:
        """From which second, and how many rows, to ask."""
        return max(self._from_s, self.second - MARGIN_S) if self._known is not None else self._from_s, self._count

    @property
    def over(self) -> bool:
        """Whether the next question would not reach back to the first pass any more."""
        return self.question()[0] > self._ends_s

    def marked(self, row: bytes) -> bool:
        """Whether the time of a row was there before."""
        return last_tick(row).time_msc <= self._ends_msc

    def take(self, from_s: int, answer: bytes, hint: Tick, hint_at: float, now: float) -> list[bytes] | None:
        """What is new in the answer to a question; None when the answer is full, so that the question has to be a larger one. The
        last tick was looked at at `hint_at`."""
        if len(answer) >= self._count * RECORD_BYTES and self._count < MOST_ROWS:
            self._count *= 2
            return None
        first = self._known is None
        until_s = hint.time + now - hint_at + RACE_S
        if first:
            self._known = answer
            found = rows_of(answer)
        else:
            found = self._further(from_s, answer)
            until_s = min(until_s, self.second + now - self._at + RACE_S)
        new = [row for row in self._undelivered(found, answer, until_s) if not self._was_shown(row)]
        self._from_s, self._at = from_s, now
        self._count = max(16 * BATCH, 2 * (len(answer) // RECORD_BYTES))
        self._tail.adopt(b"".join(new))
        self.second = max(self.second, max((time for row in new if (time := last_tick(row).time) <= hint.time), default=hint.time))
        return new

    def _undelivered(self, found: list[bytes], answer: bytes, until_s: float) -> list[bytes]:
        """Those of the rows found that were not delivered: what the tail remembers, it knows; of what it has forgotten, they are
        those that the second pass can have reached."""
        floor_s = self._tail.floor_s
        times = [last_tick(row).time for row in found]
        remembered = {row for row, time in zip(found, times, strict=True) if time >= floor_s}
        room: Counter[bytes] = Counter()
        if remembered:
            room.update(row for row in rows_of(answer) if row in remembered)
            room.subtract(row for row in rows_of(self._tail.known(floor_s)) if row in remembered)
        new = []
        for row, time in zip(found, times, strict=True):
            if time < floor_s:
                if time <= until_s:
                    new.append(row)
            elif room[row] > 0:
                room[row] -= 1
                new.append(row)
        return new

    def lacks(self, hint: Tick) -> bool:
        """Whether the last answer does not have the last tick. Then that is published as it is, and not again if it is found."""
        times = np.frombuffer(self._known or b"", TICK_DTYPE)["time_msc"]
        if self._shown[_key(hint)] or bool((times == hint.time_msc).any()):
            return False
        self._shown[_key(hint)] += 1
        return True

    @property
    def pause_s(self) -> float:
        """How long to wait because of the number of rows that are read again each time."""
        return len(self._known or b"") / RECORD_BYTES / ROWS_PER_S

    def _further(self, from_s: int, answer: bytes) -> list[bytes]:
        known = self._known or b""
        within = np.flatnonzero(np.frombuffer(known, TICK_DTYPE)["time"] >= from_s)
        known = known[int(within[0]) * RECORD_BYTES :] if len(within) else b""
        first, last = _same(known, answer)
        end = len(known) - last, len(answer) - last
        waiting = Counter(rows_of(known[first : end[0]]))
        new = []
        for row in rows_of(answer[first : end[1]]):
            if waiting[row]:
                waiting[row] -= 1
            else:
                new.append(row)
        vanished = b"".join(row for row in waiting.elements() if last_tick(row).time >= from_s)  # they may come back
        self._known = answer + vanished
        return new

    def _was_shown(self, row: bytes) -> bool:
        key = _key(last_tick(row))
        if not self._shown[key]:
            return False
        self._shown[key] -= 1
        return True


def _key(tick: Tick) -> tuple[int, float, float]:
    """What the last tick and its row in the history agree in; flags may differ."""
    return tick.time_msc, tick.bid, tick.ask


def _same(one: bytes, other: bytes) -> tuple[int, int]:
    """How many bytes of whole records two answers begin and end with alike."""
    size = min(len(one), len(other))
    first = _alike(one[:size], other[:size])
    rest = size - first
    return first, _alike(one[len(one) - rest :], other[len(other) - rest :], backwards=True) if rest else 0


def _alike(one: bytes, other: bytes, *, backwards: bool = False) -> int:
    differ: npt.NDArray[np.intp] = np.flatnonzero((_table(one) != _table(other)).any(axis=1))
    if not len(differ):
        return len(one)
    return len(one) - int(differ[-1] + 1) * RECORD_BYTES if backwards else int(differ[0]) * RECORD_BYTES


def _table(rows: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(rows, np.uint8).reshape(-1, RECORD_BYTES)
