"""How far one subscription is in one topic: order, duplicates, and what is missing.

An event either follows the one before it, or it is kept until what is missing before it has been found (`healing`), or is known to
stay lost; then a `Gap` says so. While a subscription begins, what comes is kept until the snapshot is there. No I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from msgspec import MsgspecError

from bridge.codec import LARGE, Event, decode_records
from bridge.errors import MalformedMessage
from bridge.messages import LATE, PROTOCOL_VERSION
from bridge.ticks import RECORD_BYTES, TIME_BYTES
from clients.events import Bars, Gap, Item, Ticks, maker
from clients.place import RECENT_BARS, RECENT_TICKS, Recent, prune, second_of
from clients.repeats import Repeats

if TYPE_CHECKING:
    from clients.streams import Feed

KEPT = 10_000
"""Events of one topic that are kept for later; what comes then is missing, too, and found in the same way."""
STATES = frozenset({"account", "forming", "book"})
"""Families of which the newest event says everything."""

Reason = Literal["sequence", "heartbeat", "overflow"]


class Cursor:
    """One topic of one subscription. `healing` is kept by whoever finds what is missing."""

    __slots__ = (
        "_behind", "_held", "_next", "_until",
        "epoch", "family", "feed", "healing", "make", "reason", "recent", "repeats", "sequence", "symbol", "topic", "torn",
    )  # fmt: skip

    def __init__(self, topic: str, feed: Feed) -> None:
        self.topic = topic
        self.family = topic.partition(":")[0]
        self.symbol = topic.removeprefix("tick:") if topic.startswith("tick:") else None
        self.feed = feed
        self.make = maker(topic)
        self.epoch = 0
        self.sequence: int | None = None  # None: the next event is the first, whatever its number
        self.torn = False  # the last event is of a former epoch; its place in the terminal's history is known
        self.healing = False
        self.reason: Reason = "sequence"  # how it was noticed that something is missing
        self.recent: Recent | None = None  # the newest events, where a place in the terminal's history can be told from them
        if self.family in ("tick", "bar"):
            self.recent = deque(maxlen=RECENT_TICKS if self.family == "tick" else RECENT_BARS)
        self.repeats = Repeats(RECORD_BYTES if self.family == "tick" else TIME_BYTES)
        self._next = -1  # the number that needs no second look; -1 while there is none
        self._held: deque[Event] | None = deque()  # events that wait for the snapshot, or for what is missing before them
        self._until = 0  # the newest number that is known of and was not kept
        self._behind: int | None = None  # what the last heartbeat counted beyond `sequence`

    # ---- events ------------------------------------------------------------------------------------------------------------------

    def receive(self, event: Event) -> None:
        """An event of this topic, of the bridge's present epoch."""
        _, epoch, sequence, _, flags, _ = event
        if sequence != self._next or epoch != self.epoch or flags & LATE:
            self._receive_irregular(event)
            return
        try:
            item = self.make(event, False)
        except MalformedMessage:
            self.feed.counters.malformed += 1  # counts as not received: it is found missing when the next one comes
            return
        feed = self.feed
        if len(feed.queue) >= feed.limit:
            self._overflow(sequence)
            return
        self.sequence = sequence
        self._next = sequence + 1
        self.put(item)

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
            or flags & LATE
            or self.symbol is None
            or self.recent is None
            or not records
            or len(records) % RECORD_BYTES
            or len(feed.queue) >= feed.limit
        ):
            return False
        self.sequence = sequence
        self._next = sequence + 1
        item = Ticks(epoch, sequence, time_us, flags, False, self.symbol, records)
        feed.queue.append(item)
        self.recent.append(item)
        return True

    def _receive_irregular(self, event: Event) -> None:
        """An event that is not the next one: kept, first, doubled, or behind others that are missing."""
        if self._held is not None:
            self._keep(self._held, event)
            return
        sequence = event.sequence
        if self.sequence is None or event.epoch != self.epoch:
            self.epoch = event.epoch
            self.sequence = sequence - 1
        if sequence <= self.sequence:
            self.feed.counters.duplicates += 1
        elif sequence > self.sequence + 1:
            self._open("sequence", sequence - 1, event)
        elif self.feed.room <= 0:
            self._overflow(sequence)
        else:
            self.deliver(event)
            self.go_on()

    def deliver(self, event: Event) -> bool:
        """Queue the next event, without what was delivered before; False if it makes no sense."""
        try:
            item = self.make(event, False)
        except MalformedMessage:
            self.feed.counters.malformed += 1
            return False
        self.sequence = event.sequence
        if isinstance(item, Ticks | Bars) and (self.repeats.ahead or item.flags & LATE):
            without = self.repeats.without_inserted if item.flags & LATE else self.repeats.without_ahead
            records = without(item.records)
            if not records:
                return True
            item = self.make(event._replace(body=records), False)
        self.put(item)
        return True

    def put(self, item: Item) -> None:
        """Queue an event, and remember it where it tells a place."""
        self.feed.queue.append(item)
        if self.recent is not None and isinstance(item, Ticks | Bars):
            self.recent.append(item)

    def go_on(self) -> None:
        """From now on the event after `sequence` is the next."""
        self._next = -1 if self.sequence is None or self._held is not None or self.repeats.ahead else self.sequence + 1

    # ---- what is missing ---------------------------------------------------------------------------------------------------------

    def heartbeat(self, newest: int) -> None:
        """The bridge has published up to `newest`: what it counted one heartbeat ago must be here by now."""
        if self._held is not None:
            if self.torn:
                self.feed.heal(self)
            return
        if self.sequence is None:
            return
        if self.recent:
            prune(self.recent)
            self.repeats.pass_by(second_of(self.recent[-1].records, -RECORD_BYTES))
        if self._behind is not None and self._behind > self.sequence:
            until, self._behind = self._behind, None
            self._open("heartbeat", until)
        else:
            self._behind = newest if newest > self.sequence else None

    def _open(self, reason: Reason, until: int, event: Event | None = None) -> None:
        """Events up to `until` are missing; `event` is the one behind them."""
        self.reason = reason
        self._until = until
        self._held = deque() if event is None else deque((event,))
        self._next = -1
        self.feed.heal(self)

    def _overflow(self, sequence: int) -> None:
        self.feed.overflow()
        self._open("overflow", sequence)

    def _keep(self, held: deque[Event], event: Event) -> None:
        """Keep an event for later, or only note that it has come."""
        if len(held) < KEPT and self.feed.room > 0:
            held.append(event)
        else:
            self._until = max(self._until, event.sequence)
            if self.feed.room > 0:
                self.feed.counters.overflowed += 1
            else:
                self.feed.overflow()
        if self.torn:
            self.feed.heal(self)

    def advance(self) -> tuple[int, int] | None:
        """Deliver what was kept and follows; the first and the last number of what is missing then, or None when nothing is and the
        stream goes on."""
        held, feed = self._held, self.feed
        assert self.sequence is not None
        while held and (held[0].sequence <= self.sequence or (held[0].sequence == self.sequence + 1 and feed.room > 0)):
            event = held.popleft()
            if event.sequence > self.sequence and not self.deliver(event):
                self._until = max(self._until, event.sequence)
        if held and held[0].sequence == self.sequence + 1:  # no room: the bridge has them, too
            self.reason = "overflow"
            self._until = max(self._until, held[-1].sequence)
            feed.overflow(len(held))
            held.clear()
        last = held[0].sequence - 1 if held else self._until
        if last > self.sequence:
            return self.sequence + 1, last
        self._held = None
        self._until = 0
        self.go_on()
        return None

    def lose(self, last: int) -> None:
        """What is missing up to `last` stays lost, if anything is."""
        assert self.sequence is not None
        missing = last - self.sequence
        if missing > 0:
            self.feed.counters.missing += missing
            self._gap(Gap(self.topic, self.epoch, self.reason, self.sequence + 1, last, missing))
            self.sequence = last

    def _gap(self, gap: Gap) -> None:
        self.feed.counters.gaps += 1
        self.feed.queue.append(gap)

    # ---- beginning ---------------------------------------------------------------------------------------------------------------

    @property
    def joining(self) -> bool:
        """Whether it waits for a snapshot to begin with."""
        return self._held is not None and not self.torn and not self.healing

    def resume(self, newest: Sequence[Ticks | Bars]) -> None:
        """Go on after these events, the newest that somebody has had: as after a restart of the bridge, which this one may be."""
        assert self.recent is not None
        self.recent.extend(newest)
        self.torn = True
        self.sequence = 0

    def begin_anywhere(self) -> None:
        """Begin with the next event, without a snapshot; what was kept comes first."""
        held, self._held = self._held, None
        self.torn = False
        self.sequence = None
        self._next = -1
        for event in held or ():
            self.receive(event)

    def begin_after(self, epoch: int, sequence: int) -> None:
        """Everything up to `sequence` was delivered, or is known not to be needed: go on with what was kept and is newer."""
        self.torn = False
        self.epoch = epoch
        self.sequence = sequence
        self.reason = "sequence"
        if self.advance() is not None:
            self.feed.heal(self)

    def interrupt(self, epoch: int, *, joins: bool) -> None:
        """The bridge started anew with `epoch`: what comes is kept until it is known what happened in between; without `joins` the
        next event is the first. Of a state the newest is enough. Of other topics nobody has what happened, except where a place in
        the terminal's history is known."""
        self._held = deque()
        self._next = -1
        self._until = 0
        self._behind = None
        self.repeats.clear()
        if self.recent:
            self.torn = True
            return
        if self.sequence is not None and self.family not in STATES:
            self.tear(epoch)
        self.sequence = None
        if not joins:
            self.begin_anywhere()

    def tear(self, epoch: int) -> None:
        """Nobody knows what happened between the last event and those of this epoch."""
        self.epoch = epoch
        self._gap(Gap(self.topic, epoch, "epoch", None, None, None))
