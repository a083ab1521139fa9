"""What one subscription has received: the queue that its program takes events from, and a cursor for each of its topics."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from clients.cursor import Cursor
from clients.events import Item

QUEUE_LIMIT = 100_000
"""Events that wait in one subscription before newer ones are dropped; those are asked for again when there is room."""


@dataclass(slots=True)
class StreamCounters:
    """What a subscription has seen. `gaps` and `missing` (where the number is known) count what stays lost, `replayed` the events
    that the bridge sent again, `backfilled` the records that came from the terminal's history instead."""

    gaps: int = 0
    missing: int = 0
    duplicates: int = 0
    malformed: int = 0
    overflowed: int = 0
    replayed: int = 0
    backfilled: int = 0


class Feed:
    """The events of one subscription, in order of arrival, and a cursor for each of its topics."""

    __slots__ = ("closed", "counters", "cursors", "exact", "heal", "limit", "prefixes", "queue")

    def __init__(self, exact: tuple[str, ...], prefixes: tuple[str, ...], limit: int, heal: Callable[[Cursor], None]) -> None:
        """`heal(cursor)` has somebody find what a topic misses; it may be called again before that is done."""
        self.exact = exact
        self.prefixes = prefixes
        self.limit = limit
        self.heal = heal
        self.queue: deque[Item] = deque()
        self.counters = StreamCounters()
        self.cursors: dict[str, Cursor] = {topic: Cursor(topic, self) for topic in exact}
        self.closed = False

    @property
    def room(self) -> int:
        """How many more events may wait."""
        return self.limit - len(self.queue)

    def join_prefix(self, topic: str) -> Cursor:
        """The cursor of a topic that a prefix matched; such a stream begins with its first event, without a snapshot."""
        cursor = self.cursors[topic] = Cursor(topic, self)
        cursor.begin_anywhere()
        return cursor

    def interrupt(self, epoch: int) -> None:
        """The bridge started anew: no event follows those before it."""
        for cursor in self.cursors.values():
            cursor.interrupt(epoch, joins=cursor.topic in self.exact)
