"""How a stream is put together again from its parts: snapshots, events that the bridge sends again, and the terminal's history."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.codec import RECORD_FAMILIES, Event, decode_body, decode_event
from bridge.errors import BridgeError, MalformedMessage
from bridge.messages import BACKFILLED, LATE, REPLAYED
from bridge.replies import TopicSnapshot
from bridge.ticks import RECORD_BYTES
from clients.cursor import Cursor
from clients.events import Bars, Ticks
from clients.place import Filling

BATCH_BYTES = 1_000 * RECORD_BYTES
"""Records in one event that is made from the terminal's history."""
_NIL = b"\xc0"


def has_state(snapshot: TopicSnapshot) -> bool:
    """Whether there is a state at all."""
    return bytes(snapshot.body) != _NIL


def state(snapshot: TopicSnapshot, epoch: int, time_us: int) -> Event:
    """The state as an event. Raises `MalformedMessage` when it is not of the topic's type."""
    event = Event(snapshot.topic, epoch, snapshot.sequence, time_us, snapshot.flags, snapshot.body)
    if snapshot.topic.partition(":")[0] not in RECORD_FAMILIES:
        return event
    records = decode_body(event)
    if not isinstance(records, bytes) or not records or len(records) % RECORD_BYTES or len(snapshot.rows) % RECORD_BYTES:
        raise MalformedMessage(f"the bridge sent a snapshot of {snapshot.topic} without records")
    return event._replace(body=memoryview(records))


def splice(cursor: Cursor, snapshot: TopicSnapshot, epoch: int, time_us: int) -> None:
    """The state of the topic, if it has one, as the first event; then what was kept and is newer.

    Raises `MalformedMessage` when the snapshot is not of the topic's type; the cursor then still waits for one.
    """
    if has_state(snapshot):
        event = state(snapshot, epoch, time_us)
        cursor.feed.queue.append(cursor.make(event, True))
        if cursor.recent is not None:
            rows = memoryview(snapshot.rows)
            place = cursor.make(event._replace(body=rows or event.body), bool(rows))  # of ticks the whole second, if it is told
            assert isinstance(place, Ticks | Bars)
            cursor.recent.clear()
            cursor.recent.append(place)
    cursor.begin_after(epoch, snapshot.sequence)


def replay(cursor: Cursor, frames: Sequence[bytes]) -> None:
    """Events that were missing, as they were published."""
    assert cursor.sequence is not None
    for frame in frames:
        try:
            event = decode_event(frame)
        except BridgeError:
            cursor.feed.counters.malformed += 1
            continue
        if event.topic == cursor.topic and event.epoch == cursor.epoch and event.sequence > cursor.sequence:
            cursor.lose(event.sequence - 1)
            cursor.feed.counters.replayed += cursor.deliver(event._replace(flags=event.flags | REPLAYED))


def fill(cursor: Cursor, filling: Filling, snapshot: TopicSnapshot, epoch: int, time_us: int) -> None:
    """What the terminal's history has up to the place of a snapshot; the stream goes on behind it."""
    cursor.feed.counters.backfilled += (len(filling.late) + len(filling.new)) // RECORD_BYTES
    for flags, records in ((LATE | BACKFILLED, filling.late), (BACKFILLED, filling.new)):
        for at in range(0, len(records), BATCH_BYTES):
            part = memoryview(records)[at : at + BATCH_BYTES]
            cursor.put(cursor.make(Event(cursor.topic, epoch, snapshot.sequence, time_us, flags, part), False))
    cursor.repeats.expect(filling.ahead, filling.late + filling.new)
    cursor.begin_after(epoch, snapshot.sequence)
