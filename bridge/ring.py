"""The newest events, kept for subscribers that missed some: bounded in bytes, oldest first out. No I/O.

There are two pools, so that a flood of ticks does not push out the few bars and trade events: a *stream* pool for what comes often
and a *record* pool for what comes seldom. Inside a pool all topics together have one bound; each has its events without holes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

from bridge.codec import decode_event

OVERHEAD_BYTES = 80
"""What an event costs beyond its bytes: the object, and its places in two queues."""
RECORD_SHARE = 8
"""The pool for what comes seldom has this part of the whole."""
EVENTS_AT_ONCE = 2_000
BYTES_AT_ONCE = 1 << 20
"""Most that one reply carries; who missed more asks again."""

Frames = deque[bytes]


class Pool:
    """Events of several topics with one bound. `order` has, for each event, the queue it is in; `size` is in bytes."""

    __slots__ = ("limit", "order", "size")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.order: deque[Frames] = deque()
        self.size = 0

    def trim(self) -> None:
        """Forget the oldest until the bound holds."""
        order, size, limit = self.order, self.size, self.limit
        while size > limit and order:
            size -= len(order.popleft().popleft()) + OVERHEAD_BYTES
        self.size = size


class Ring:
    """Both pools. `limit_bytes` bounds what they keep together."""

    def __init__(self, limit_bytes: int) -> None:
        records = limit_bytes // RECORD_SHARE
        self.streams = Pool(limit_bytes - records)
        self.records = Pool(records)

    def pool(self, name: str) -> Pool | None:
        """Where the events of a topic belong; None for those that nobody misses."""
        family = name.partition(":")[0]
        if family in ("heartbeat", "client"):
            return None
        return self.streams if family in ("tick", "forming", "book", "account") else self.records

    def trim(self) -> None:
        """Forget what is too much."""
        if self.streams.size > self.streams.limit:
            self.streams.trim()
        if self.records.size > self.records.limit:
            self.records.trim()

    @property
    def size(self) -> int:
        """Bytes in use."""
        return self.streams.size + self.records.size


def cut(frames: Frames, newest: int, first: int, last: int) -> tuple[int, tuple[bytes, ...]]:
    """The events from sequence `first` to `last` that are still there, as many as one reply carries, and the sequence of the first
    of them (`last` + 1 when there is none)."""
    oldest = newest - len(frames) + 1
    begin = max(first, oldest)
    found: list[bytes] = []
    size = 0
    for at in range(begin - oldest, min(last, newest) - oldest + 1):
        frame = frames[at]
        size += len(frame) + OVERHEAD_BYTES
        if found and (size > BYTES_AT_ONCE or len(found) == EVENTS_AT_ONCE):
            break
        found.append(frame)
    return (begin if found else last + 1), tuple(found)


def first_since(frames: Frames, newest: int, time_us: int) -> int:
    """The sequence of the first event that was published at or after a time; `newest` + 1 when there is none."""
    return newest - len(frames) + 1 + bisect_left(frames, time_us, key=lambda frame: decode_event(frame).time_us)
