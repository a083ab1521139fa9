"""Which ticks of a symbol have been delivered, so that none is delivered twice and none is missed.

The terminal's tick history is asked again and again from the newest whole second, because that is the API's precision and many
ticks may share a millisecond. Rows are told apart by their place inside that second or, when the broker inserted some, by counting.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import chain, compress

import numpy as np

from bridge.mt5api.structs import TICK_DTYPE
from bridge.ticks import RECORD_BYTES, last_tick

BATCH = 1_000
"""Records in one question and in one event."""
REMEMBERED = 4_096
"""Delivered rows that are kept to look up when the server's clock steps back."""


def rows_of(packed: bytes) -> list[bytes]:
    """The records one by one."""
    return [packed[at : at + RECORD_BYTES] for at in range(0, len(packed), RECORD_BYTES)]


def batches(packed: bytes) -> Iterator[bytes]:
    """The records in parts of at most `BATCH`."""
    step = BATCH * RECORD_BYTES
    return (packed[at : at + step] for at in range(0, len(packed), step))


class Tail:
    """The delivered rows that matter for the next question.

    Begins at `second` with `rows`, which count as delivered, as does every row up to and including `before_msc`.
    """

    def __init__(self, second: int, rows: bytes = b"", before_msc: int = -1) -> None:
        self.second = second
        """The newest second with a delivered row: the next question begins there."""
        self.newest_msc = before_msc
        self._before_msc = before_msc
        self._floor_s = second
        self._tail = b""
        self._recent: deque[bytes] = deque(maxlen=REMEMBERED)
        if rows:
            self._advance(rows, [])
            self._remember(rows)

    @property
    def rows(self) -> bytes:
        """The delivered rows of the newest second."""
        return self._tail

    def question(self, hint_s: int) -> tuple[int, int]:
        """From which second, and how many rows, to ask when the newest tick is known to be of second `hint_s`.

        The count always exceeds the rows that are known, so that each answer makes progress. A hint before the newest second (a row
        with a false time was delivered, or the server's clock stepped back) moves the question back, as far as memory goes.
        """
        from_s = max(min(self.second, hint_s), self._floor_s)
        return from_s, max(BATCH, 2 * (len(self._known(from_s)) // RECORD_BYTES))

    def take(self, from_s: int, answer: bytes) -> tuple[bytes, bytes]:
        """What is new in the answer to a question: rows that the broker inserted behind delivered ones, and rows after them."""
        known = self._known(from_s)
        vanished: Iterable[bytes] = ()
        if answer.startswith(known):
            late, new = b"", answer[len(known) :]
        else:
            # Some were inserted, or the history is being read in again and is not complete yet.
            late, new, vanished = _unseen(known, answer)
        if late or new:
            self._advance(answer, vanished)
            self._remember(late + new)
            if self._before_msc >= 0:
                late, new = self._after_start(late), self._after_start(new)
        return late, new

    def _known(self, from_s: int) -> bytes:
        if from_s == self.second:
            return self._tail
        return b"".join(row for row in self._recent if last_tick(row).time >= from_s)

    def _advance(self, answer: bytes, vanished: Iterable[bytes]) -> None:
        """Move to the second of the answer's last row; rows that vanished stay known, for they may come back."""
        newest = last_tick(answer)
        self.second = max(self.second, newest.time)
        self.newest_msc = max(self.newest_msc, newest.time_msc)
        inside = np.frombuffer(answer, TICK_DTYPE)["time"] >= self.second
        first = int(inside.argmax())
        ordered = inside[first:].all()
        kept = answer[first * RECORD_BYTES :] if ordered else b"".join(compress(rows_of(answer), inside))
        self._tail = kept + b"".join(row for row in vanished if last_tick(row).time >= self.second)

    def _remember(self, rows: bytes) -> None:
        for row in rows_of(rows):
            if len(self._recent) == REMEMBERED:
                self._floor_s = max(self._floor_s, min(last_tick(self._recent[0]).time + 1, self.second))
            self._recent.append(row)

    def _after_start(self, rows: bytes) -> bytes:
        return b"".join(row for row in rows_of(rows) if last_tick(row).time_msc > self._before_msc)


def _unseen(known: bytes, answer: bytes) -> tuple[bytes, bytes, list[bytes]]:
    """Rows of the answer beyond those known, before and after the last known one; and known rows that the answer lacks."""
    waiting = Counter(rows_of(known))
    unseen: list[tuple[int, bytes]] = []
    last_known = -1
    for place, row in enumerate(rows_of(answer)):
        if waiting[row]:
            waiting[row] -= 1
            last_known = place
        else:
            unseen.append((place, row))
    late = b"".join(row for place, row in unseen if place < last_known)
    new = b"".join(row for place, row in unseen if place > last_known)
    return late, new, list(chain.from_iterable([row] * count for row, count in waiting.items()))
