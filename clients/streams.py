"""What one subscription has received of each topic: order, duplicates, gaps, and where a snapshot joins the stream.

The rule of joining is that of the ZeroMQ Guide's Clone pattern: subscribe, keep what comes, ask for the snapshot, deliver it, drop
what is not newer, go on. Every event after that either follows the one before it or is preceded by a `Gap`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from msgspec import MsgspecError

from bridge.codec import LARGE, Event, decode_records
from bridge.errors import MalformedMessage
from bridge.messages import PROTOCOL_VERSION
from bridge.ticks import RECORD_BYTES
from clients.events import Gap, Item, Ticks, maker

QUEUE_LIMIT = 100_000
"""Events that wait in one subscription before newer ones are dropped (and reported as a gap of reason `overflow`)."""


@dataclass(slots=True)
class StreamCounters:
    """What a subscription has seen; `missing` counts events of gaps whose size is known."""

    gaps: int = 0
    missing: int = 0
    duplicates: int = 0
    malformed: int = 0
    overflowed: int = 0


class Feed:
    """The events of one subscription, in order of arrival, and a cursor for each of its topics."""

    __slots__ = ("_overflow", "closed", "counters", "cursors", "exact", "has_overflow", "limit", "prefixes", "queue")

    def __init__(self, exact: tuple[str, ...], prefixes: tuple[str, ...], limit: int = QUEUE_LIMIT) -> None:
        self.exact = exact
        self.prefixes = prefixes
        self.limit = limit
        self.queue: deque[Item] = deque()
        self.counters = StreamCounters()
        self.cursors: dict[str, Cursor] = {topic: Cursor(topic, self) for topic in exact}
        self.closed = False
        self.has_overflow = False  # events were dropped that have not been reported yet
        self._overflow: dict[str, tuple[int, int, int]] = {}  # topic: epoch, first and last sequence that found no room

    def push(self, item: Item, topic: str) -> None:
        """Queue an event, or note that there was no room for it; for a gap there always is."""
        if len(self.queue) < self.limit or isinstance(item, Gap):
            if self.has_overflow:
                self.flush_overflow()
            self.queue.append(item)
        else:
            epoch, first, _ = self._overflow.get(topic, (item.epoch, item.sequence, 0))
            self._overflow[topic] = epoch, first, item.sequence
            self.has_overflow = True
            self.counters.overflowed += 1

    def flush_overflow(self) -> None:
        """Report what found no room; called when there is room again."""
        for topic, (epoch, first, last) in self._overflow.items():
            missing = last - first + 1
            self.counters.gaps += 1
            self.counters.missing += missing
            self.queue.append(Gap(topic, epoch, "overflow", first, last, missing))
        self._overflow.clear()
        self.has_overflow = False

    def join_prefix(self, topic: str) -> Cursor:
        """The cursor of a topic that a prefix matched; such a stream begins with its first event, without a snapshot."""
        cursor = self.cursors[topic] = Cursor(topic, self)
        cursor.begin_anywhere()
        return cursor

    def interrupt(self, epoch: int) -> None:
        """The bridge started anew: report it for every topic, and keep what comes until the snapshots are there."""
        for cursor in self.cursors.values():
            cursor.interrupt(epoch, begin_anywhere=cursor.topic not in self.exact)


class Cursor:
    """How far one subscription is in one topic."""

    __slots__ = ("_behind", "_held", "_make", "_next", "epoch", "feed", "sequence", "symbol", "topic")

    def __init__(self, topic: str, feed: Feed) -> None:
        self.topic = topic
        self.symbol = topic.removeprefix("tick:") if topic.startswith("tick:") else None
        self.feed = feed
        self.epoch = 0
        self.sequence: int | None = None  # None: the next event is the first, whatever its number
        self._next = -1  # the number that needs no second look; -1 while there is none
        self._make = maker(topic)
        self._held: deque[Event] | None = deque(maxlen=feed.limit)  # events that wait for the snapshot
        self._behind: int | None = None  # what the last heartbeat counted beyond `sequence`

    def begin_anywhere(self) -> None:
        """Begin with the next event, without a snapshot."""
        self._held = None

    def receive(self, event: Event) -> None:
        """An event of this topic, of the bridge's present epoch."""
        _, epoch, sequence, _, _, _ = event
        if sequence != self._next or epoch != self.epoch:
            self._receive_irregular(event)
            return
        try:
            item = self._make(event, False)
        except MalformedMessage:
            self.feed.counters.malformed += 1  # counts as not received: the next event will show the gap
            return
        self.sequence = sequence
        self._next = sequence + 1
        feed = self.feed
        if feed.has_overflow or len(feed.queue) >= feed.limit:
            feed.push(item, self.topic)
        else:
            feed.queue.append(item)

    def receive_next(self, frame: bytes, start: int, present: int | None) -> bool:
        """Ticks that follow those before them, read without a detour from the frame behind its NUL; False, and nothing done, when
        the event needs a second look."""
        try:
            version, epoch, sequence, time_us, flags, records = decode_records(
                frame[start:] if len(frame) < LARGE else memoryview(frame)[start:]
            )
        except (MsgspecError, ValueError):
            return False
        feed = self.feed
        if (
            sequence != self._next
            or epoch != present
            or epoch != self.epoch
            or version != PROTOCOL_VERSION
            or self.symbol is None
            or not records
            or len(records) % RECORD_BYTES
            or feed.has_overflow
            or len(feed.queue) >= feed.limit
        ):
            return False
        self.sequence = sequence
        self._next = sequence + 1
        feed.queue.append(Ticks(epoch, sequence, time_us, flags, False, self.symbol, records))
        return True

    def _receive_irregular(self, event: Event) -> None:
        """An event that is not the next one: kept, first, doubled, or behind a gap."""
        if self._held is not None:
            self._held.append(event)
            return
        sequence = event.sequence
        first = sequence
        if self.sequence is not None and event.epoch == self.epoch:
            if sequence <= self.sequence:
                self.feed.counters.duplicates += 1
                return
            first = self.sequence + 1
        try:
            item = self._make(event, False)
        except MalformedMessage:
            self.feed.counters.malformed += 1
            return
        if sequence != first:
            self._gap(False, first, sequence - 1)
        self.epoch = event.epoch
        self._set(sequence)
        self.feed.push(item, self.topic)

    def _set(self, sequence: int | None) -> None:
        self.sequence = sequence
        self._next = -1 if sequence is None or self._held is not None else sequence + 1

    def splice(self, snapshot: Event | None, epoch: int, sequence: int) -> None:
        """The state of the topic at `sequence`, or None when there is none yet; then what was kept and is newer.

        Raises `MalformedMessage` when the snapshot is not of the topic's type; the cursor then still waits for one.
        """
        if snapshot is not None:
            self.feed.push(self._make(snapshot, True), self.topic)
        held, self._held = self._held, None
        self.epoch = epoch
        self._set(sequence)
        for event in held or ():
            if event.epoch == epoch and event.sequence > sequence:
                self.receive(event)

    def interrupt(self, epoch: int, *, begin_anywhere: bool) -> None:
        """The bridge started anew with `epoch`."""
        if self.sequence is not None:
            self.feed.counters.gaps += 1
            self.feed.push(Gap(self.topic, epoch, "epoch", None, None, None), self.topic)
        self._behind = None
        self._held = None if begin_anywhere else deque(maxlen=self.feed.limit)
        self._set(None)

    def heartbeat(self, newest: int) -> None:
        """The bridge has published up to `newest`: what it counted one heartbeat ago must be here by now."""
        if self.sequence is None or self._held is not None:
            return
        if self._behind is not None and self._behind > self.sequence:
            self._gap(True, self.sequence + 1, self._behind)
            self._set(self._behind)
        self._behind = newest if newest > self.sequence else None

    def _gap(self, by_heartbeat: bool, first: int, last: int) -> None:
        missing = last - first + 1
        self.feed.counters.gaps += 1
        self.feed.counters.missing += missing
        reason: Literal["heartbeat", "sequence"] = "heartbeat" if by_heartbeat else "sequence"
        self.feed.push(Gap(self.topic, self.epoch, reason, first, last, missing), self.topic)
