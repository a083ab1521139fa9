"""What one subscription has received: the queue that its program takes events from, and a cursor for each of its topics."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.errors import InvalidParameters
from clients.cursor import Cursor
from clients.events import Bars, Item, Ticks

if TYPE_CHECKING:
    from clients.staleness import Staleness

QUEUE_LIMIT = 100_000
"""Events that wait in one subscription before newer ones are dropped; those are asked for again when there is room."""
After = Mapping[str, Sequence[Ticks | Bars]]
"""By topic, the newest events that a program had before it ended."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class StreamCounters:
    """What a subscription has seen. `gaps` and `missing` (where the number is known) count what stays lost, `replayed` the events
    that the bridge sent again, `backfilled` the records that came from the terminal's history instead, `overflowed` the events that
    found no room when they came, `full` how often the queue was found full."""

    gaps: int = 0
    missing: int = 0
    duplicates: int = 0
    malformed: int = 0
    overflowed: int = 0
    full: int = 0
    replayed: int = 0
    backfilled: int = 0


class Feed:
    """The events of one subscription, in order of arrival, and a cursor for each of its topics."""

    __slots__ = ("_is_full", "closed", "counters", "cursors", "exact", "heal", "limit", "prefixes", "queue", "staleness")

    def __init__(self, exact: tuple[str, ...], prefixes: tuple[str, ...], limit: int, heal: Callable[[Cursor], None]) -> None:
        """`heal(cursor)` has somebody find what a topic misses; it may be called again before that is done."""
        self.exact = exact
        self.prefixes = prefixes
        self.limit = limit
        self.heal = heal
        self.queue: deque[Item] = deque()
        self.counters = StreamCounters()
        self.cursors: dict[str, Cursor] = {topic: Cursor(topic, self) for topic in exact}
        self.staleness: Staleness | None = None
        self.closed = False
        self._is_full = False

    def resume(self, after: After) -> None:
        """Go on where somebody stopped: the newest events that were had of topics of ticks and bars. Raises `InvalidParameters`."""
        for topic, newest in after.items():
            cursor = self.cursors.get(topic)
            if cursor is None or cursor.recent is None:
                raise InvalidParameters(
                    f"{topic} is not one of the topics of ticks and bars that are subscribed", field="after", value=topic
                )
            if newest:
                cursor.resume(newest)

    @property
    def room(self) -> int:
        """How many more events may wait."""
        return self.limit - len(self.queue)

    def overflow(self, events: int = 1) -> None:
        """So many events find no room. That is said once, and again when a heartbeat found the queue half empty in between."""
        self.counters.overflowed += events
        if self._is_full:
            return
        self._is_full = True
        self.counters.full += 1
        _log.warning(
            "a queue is full: %d events wait, and the program does not take them as fast as they come; "
            "those that come now are asked for again when there is room",
            len(self.queue),
        )

    def beat(self) -> None:
        """A heartbeat came."""
        if self._is_full and 2 * len(self.queue) <= self.limit:
            self._is_full = False

    def join_prefix(self, topic: str) -> Cursor:
        """The cursor of a topic that a prefix matched; such a stream begins with its first event, without a snapshot."""
        cursor = self.cursors[topic] = Cursor(topic, self)
        cursor.begin_anywhere()
        return cursor

    def interrupt(self, epoch: int) -> None:
        """The bridge started anew: no event follows those before it."""
        for cursor in self.cursors.values():
            cursor.interrupt(epoch, joins=cursor.topic in self.exact)
