"""Which ticks of a symbol have been delivered, so that none is delivered twice and none is missed.

The terminal's tick history is asked again and again from the newest whole second, because that is the API's precision and many
ticks may share a millisecond. Rows are told apart by their place inside that second or, when the broker inserted some, by counting.
What the broker inserted into older seconds is found by reading those once more, see `review`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain

import numpy as np

from bridge.mt5api.structs import TICK_DTYPE
from bridge.ticks import RECORD_BYTES, last_tick

BATCH = 1_000
"""Records in one question and in one event."""
REMEMBERED = 8_192
"""Delivered rows that are kept (480 kB), for `review` and for a server's clock that steps back."""
_FEW = 16
"""Up to so many rows a loop costs less than an array."""
_TIME_BYTES = 8
"""A record begins with its time in seconds."""


def rows_of(packed: bytes) -> list[bytes]:
    """The records one by one."""
    return [packed[at : at + RECORD_BYTES] for at in range(0, len(packed), RECORD_BYTES)]


def batches(packed: bytes) -> Iterator[bytes]:
    """The records in parts of at most `BATCH`."""
    step = BATCH * RECORD_BYTES
    return (packed[at : at + step] for at in range(0, len(packed), step))


class Tail:
    """The delivered rows, second by second, as far as they matter for the next questions.

    Begins at `second` with `rows`, which count as delivered, as does every row up to and including `before_msc`. `past` are rows
    delivered before, complete from the second of the oldest of them on.
    """

    def __init__(self, second: int, rows: bytes = b"", before_msc: int = -1, past: bytes = b"") -> None:
        self.second = second
        """The newest second with a delivered row: the next question begins there."""
        self.newest_msc = before_msc
        self.lacking = 0
        """How many of the known rows the last answer did not have."""
        self._before_msc = before_msc
        self._seen: dict[int, bytes] = {}
        self._size = 0
        before = _by_second(past)
        self.floor_s = min(before, default=second)
        """Nothing is known of what was delivered before this second, so that nothing before it is asked for."""
        for earlier, part in before.items():
            self._put(earlier, part)
        if rows:
            self._remember(rows)
            self.newest_msc = max(before_msc, last_tick(rows).time_msc)

    @property
    def rows(self) -> bytes:
        """The delivered rows of the newest second."""
        return self._seen.get(self.second, b"")

    # ---- what is new -------------------------------------------------------------------------------------------------------------

    def question(self, hint_s: int) -> tuple[int, int]:
        """From which second, and how many rows, to ask when the newest tick is known to be of second `hint_s`.

        The count always exceeds the rows that are known, so that each answer makes progress. A hint before the newest second (a row
        with a false time was delivered, or the server's clock stepped back) moves the question back, as far as memory goes.
        """
        from_s = max(min(self.second, hint_s), self.floor_s)
        return from_s, max(BATCH, 2 * (len(self.known(from_s)) // RECORD_BYTES))

    def take(self, from_s: int, answer: bytes) -> tuple[bytes, bytes]:
        """What is new in the answer to a question: rows that the broker inserted behind delivered ones, and rows after them."""
        known = self.known(from_s)
        if answer.startswith(known):
            late, new, vanished = b"", answer[len(known) :], b""
            self._remember(new)
        else:
            # Some were inserted, or the history is being read in again and is not complete yet.
            late, new, vanished = _unseen(known, answer)
            if late or new:
                # Rows that vanished stay known, for they may come back.
                gone = _by_second(vanished)
                for second, rows in _by_second(answer).items():
                    self._put(second, rows + gone.get(second, b""))
                self._forget()
        self.lacking = len(vanished) // RECORD_BYTES
        if late or new:
            self.newest_msc = max(self.newest_msc, last_tick(answer).time_msc)
            if self._before_msc >= 0:
                late, new = self._after_start(late), self._after_start(new)
        return late, new

    def known(self, from_s: int) -> bytes:
        """The delivered rows from a second on, as far as they are remembered."""
        if from_s == self.second:
            return self._seen.get(from_s, b"")
        return b"".join(self._seen[second] for second in sorted(self._seen) if second >= from_s)

    def _after_start(self, rows: bytes) -> bytes:
        return b"".join(row for row in rows_of(rows) if last_tick(row).time_msc > self._before_msc)

    # ---- older seconds -----------------------------------------------------------------------------------------------------------

    def review_question(self, from_s: int) -> tuple[int, int] | None:
        """From which second, and how many rows, to ask in order to read again what came before the newest second, from `from_s` on
        or from where memory begins; None when there is nothing to read."""
        from_s = max(from_s, self.floor_s)
        if from_s >= self.second:
            return None
        known = sum(len(rows) for second, rows in self._seen.items() if second >= from_s) // RECORD_BYTES
        return from_s, known + BATCH

    def review(self, answer: bytes) -> bytes:
        """Of the answer, the rows before the newest second that were not delivered: the broker inserted them meanwhile. They count
        as delivered from now on."""
        found = []
        for second, rows in _by_second(answer).items():
            known = self._seen.get(second, b"")
            if self.floor_s <= second < self.second and rows != known:
                waiting = Counter(rows_of(known))
                late = b"".join(row for row in rows_of(rows) if _surplus(waiting, row))
                self._put(second, known + late)
                found.append(late)
        self._forget()
        late = b"".join(found)
        return self._after_start(late) if self._before_msc >= 0 else late

    def adopt(self, rows: bytes) -> None:
        """These were delivered, too, as far back as memory goes."""
        for second, part in _by_second(rows).items():
            if second >= self.floor_s:
                self._put(second, self._seen.get(second, b"") + part)
                self.newest_msc = max(self.newest_msc, last_tick(part).time_msc)
        self._forget()

    # ---- memory ------------------------------------------------------------------------------------------------------------------

    def _remember(self, rows: bytes) -> None:
        for second, part in _runs(rows):
            self._put(second, self._seen.get(second, b"") + part)
        self._forget()

    def _put(self, second: int, rows: bytes) -> None:
        self._size += len(rows) - len(self._seen.get(second, b""))
        self._seen[second] = rows
        self.second = max(self.second, second)

    def _forget(self) -> None:
        while self._size > REMEMBERED * RECORD_BYTES:
            oldest = min(self._seen)
            if oldest >= self.second:
                return
            self._size -= len(self._seen.pop(oldest))
            self.floor_s = max(self.floor_s, oldest + 1)


def _runs(packed: bytes) -> Iterator[tuple[int, bytes]]:
    """Neighbouring records of the same second, with that second."""
    size = len(packed)
    if size <= _FEW * RECORD_BYTES:
        edges = [at for at in range(RECORD_BYTES, size, RECORD_BYTES) if _time(packed, at) != _time(packed, at - RECORD_BYTES)]
    else:
        times = np.frombuffer(packed, TICK_DTYPE)["time"]
        edges = ((np.flatnonzero(times[1:] != times[:-1]) + 1) * RECORD_BYTES).tolist()
    start = 0
    for end in (*edges, size) if size else ():
        yield int.from_bytes(_time(packed, start), "little", signed=True), packed[start:end]
        start = end


def _time(packed: bytes, at: int) -> bytes:
    return packed[at : at + _TIME_BYTES]


def _by_second(packed: bytes) -> dict[int, bytes]:
    """The records of each second, in their order."""
    found: dict[int, bytes] = {}
    for second, rows in _runs(packed):
        found[second] = found.get(second, b"") + rows
    return found


def _unseen(known: bytes, answer: bytes) -> tuple[bytes, bytes, bytes]:
    """Rows of the answer beyond those known, before and after the last known one; and known rows that the answer lacks."""
    waiting = Counter(rows_of(known))
    unseen: list[tuple[int, bytes]] = []
    last_known = -1
    for place, row in enumerate(rows_of(answer)):
        if _surplus(waiting, row):
            unseen.append((place, row))
        else:
            last_known = place
    late = b"".join(row for place, row in unseen if place < last_known)
    new = b"".join(row for place, row in unseen if place > last_known)
    return late, new, b"".join(chain.from_iterable([row] * count for row, count in waiting.items()))


def _surplus(waiting: Counter[bytes], row: bytes) -> bool:
    """Whether a row is one more than those that are waited for; else one is waited for less."""
    if waiting[row]:
        waiting[row] -= 1
        return False
    return True
