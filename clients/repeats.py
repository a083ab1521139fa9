"""What a subscription got from the terminal's history, and will get once more from the bridge: left out when that comes. No I/O."""

from __future__ import annotations

from collections import Counter, deque

from bridge.ticks import RECORD_BYTES, TIME_BYTES
from clients.place import rows_of, second_of

REVIEWED_S = 300
"""A bridge finds what the broker inserted at most so much (server time) behind the newest tick."""
MOST_ROWS = 20_000
"""Rows of the history that are remembered for that (3 MB)."""


class Repeats:
    """Of one topic. What is `ahead` comes next, in order; a bar of it may have been corrected meanwhile, and is known by its time.
    What the broker inserted may come late: the terminal's history had it before the bridge found it."""

    __slots__ = ("_ahead", "_inserted", "_until_s", "_width")

    def __init__(self, width: int) -> None:
        """`width` bytes of a record tell it from others."""
        self._width = width
        self._ahead: deque[bytes] = deque()
        self._inserted: Counter[bytes] = Counter()
        self._until_s = 0

    @property
    def ahead(self) -> bool:
        """Whether records that come next are known already."""
        return bool(self._ahead)

    def expect(self, ahead: bytes, history: bytes) -> None:
        """`ahead` was delivered before, and `history` was delivered from the terminal's history."""
        self._ahead.extend(rows_of(ahead))
        if not history or self._width == TIME_BYTES:
            return  # bars are not inserted
        newest_s = second_of(history, -RECORD_BYTES)
        rows = [row for row in rows_of(history[-MOST_ROWS * RECORD_BYTES :]) if second_of(row) >= newest_s - REVIEWED_S]
        self._inserted = Counter(row for row in self._inserted.elements() if second_of(row) >= newest_s - REVIEWED_S)
        self._inserted.update(rows)
        self._until_s = newest_s + REVIEWED_S

    def without_ahead(self, records: memoryview) -> memoryview:
        """Records without those at their begin that are known; what comes instead of those is all new."""
        ahead, width = self._ahead, self._width
        for at in range(0, len(records), RECORD_BYTES):
            if not ahead or records[at : at + width] != ahead[0][:width]:
                ahead.clear()
                return records[at:]
            ahead.popleft()
        return records[:0]

    def without_inserted(self, records: memoryview) -> memoryview:
        """Records that came late, without those that are known."""
        known = self._inserted
        if not known:
            return records
        rows = rows_of(records)
        new = [row for row in rows if not _is_one_of(known, row)]
        return records if len(new) == len(rows) else memoryview(b"".join(new))

    def pass_by(self, second: int) -> None:
        """The newest tick is of this second: nothing that is so much older will come."""
        if self._inserted and second > self._until_s:
            self._inserted.clear()

    def clear(self) -> None:
        """Nothing comes in order any more."""
        self._ahead.clear()


def _is_one_of(known: Counter[bytes], row: bytes) -> bool:
    if not known[row]:
        return False
    known[row] -= 1
    return True
