"""One topic of one subscription, alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bridge.codec import Event, encode_event
from bridge.messages import BACKFILLED, LATE, REPLAYED, GetSnapshot, GetTicks
from bridge.replies import Records, Snapshots
from clients.cursor import Cursor
from clients.events import Bars, Gap, Ticks
from clients.healing import heal
from clients.place import Filling, rows_of
from clients.splicing import fill, replay
from clients.streams import Feed
from tests.fake_terminal import T0, bar, tick
from tests.scripted_bridge import snapshot_of


def cursor_of(topic: str = "tick:EURUSD", limit: int = 100) -> tuple[Cursor, list[Cursor]]:
    """A cursor that begins anywhere, and every call for healing."""
    called: list[Cursor] = []
    feed = Feed((), ("tick:", "bar:"), limit, called.append)
    return feed.join_prefix(topic), called


def give(cursor: Cursor, sequence: int, *rows: bytes, flags: int = 0, epoch: int = 1) -> None:
    cursor.receive(Event(cursor.topic, epoch, sequence, 0, flags, memoryview(b"".join(rows))))


def taken(cursor: Cursor) -> list[bytes]:
    return [row for item in cursor.feed.queue if isinstance(item, Ticks | Bars) for row in rows_of(item.records)]


def test_what_was_received_already_is_left_out_when_it_comes_again() -> None:
    cursor, called = cursor_of()
    a, b, c, d = (tick(number) for number in range(4))
    give(cursor, 7, a, b)
    fill(cursor, Filling(b"", b"", a + b), snapshot_of(cursor.topic, 0, a), 2, 0)
    give(cursor, 1, tick(-100), flags=LATE, epoch=2)
    give(cursor, 2, a, epoch=2)
    give(cursor, 3, b, c, epoch=2)
    give(cursor, 4, d, a, epoch=2)
    assert taken(cursor) == [a, b, tick(-100), c, d, a]
    assert cursor.sequence == 4
    assert called == []


def test_what_comes_instead_is_all_new() -> None:
    cursor, _ = cursor_of()
    a, b, c = (tick(number) for number in range(3))
    give(cursor, 7, a, b)
    fill(cursor, Filling(b"", b"", a + b), snapshot_of(cursor.topic, 0, a), 2, 0)
    give(cursor, 1, c, a, epoch=2)
    give(cursor, 2, a, epoch=2)
    assert taken(cursor) == [a, b, c, a, a]


def test_what_the_broker_inserted_is_left_out_when_the_bridge_finds_it_after_the_history() -> None:
    cursor, _ = cursor_of()
    give(cursor, 7, tick(0))
    fill(cursor, Filling(tick(-5), tick(1) + tick(2) + tick(3), b""), snapshot_of(cursor.topic, 3, tick(3)), 1, 0)
    give(cursor, 4, tick(2), tick(2), tick(-5), tick(-9), flags=LATE)
    give(cursor, 5, tick(4))
    give(cursor, 6, tick(2), tick(1), flags=LATE)
    give(cursor, 7, tick(1), tick(5))
    assert taken(cursor) == [tick(0), tick(-5), tick(1), tick(2), tick(3), tick(2), tick(-9), tick(4), tick(2), tick(1), tick(5)]
    assert cursor.sequence == 7


def test_what_was_found_in_the_history_is_not_remembered_for_ever() -> None:
    cursor, _ = cursor_of()
    give(cursor, 7, tick(0))
    fill(cursor, Filling(b"", tick(1) + tick(2), b""), snapshot_of(cursor.topic, 3, tick(2)), 1, 0)
    give(cursor, 4, tick(400_000))
    cursor.heartbeat(4)
    give(cursor, 5, tick(1), flags=LATE)
    assert taken(cursor)[-1] == tick(1)


def test_a_bar_that_comes_again_is_known_by_its_time() -> None:
    cursor, _ = cursor_of("bar:EURUSD:M1")
    give(cursor, 7, bar(0, 1.0), bar(60, 1.0))
    fill(cursor, Filling(b"", b"", bar(60, 1.0)), snapshot_of(cursor.topic, 0, bar(0)), 2, 0)
    give(cursor, 1, bar(60, 1.5), bar(120), epoch=2)
    assert taken(cursor) == [bar(0, 1.0), bar(60, 1.0), bar(120)]


def test_what_the_history_has_is_marked_and_carries_the_snapshots_sequence() -> None:
    cursor, _ = cursor_of()
    give(cursor, 7, tick(0))
    fill(cursor, Filling(tick(-5), tick(1) + tick(2), b""), snapshot_of(cursor.topic, 3, tick(2)), 2, 55)
    found = [item for item in cursor.feed.queue if isinstance(item, Ticks)][1:]
    assert [(item.flags, item.sequence, item.epoch, item.time_us, len(item), item.snapshot) for item in found] == [
        (LATE | BACKFILLED, 3, 2, 55, 1, False), (BACKFILLED, 3, 2, 55, 2, False),
    ]  # fmt: skip
    assert (cursor.feed.counters.backfilled, cursor.sequence, cursor.torn) == (3, 3, False)


def test_a_snapshot_may_be_older_than_what_was_received() -> None:
    cursor, _ = cursor_of()
    give(cursor, 7, tick(1_000), tick(5_000), tick(5_001))
    cursor.interrupt(2, joins=True)
    steps = heal(cursor, SimpleNamespace(epoch=2, time_us=0))
    assert next(steps) == GetSnapshot((cursor.topic,), rows=True)
    asked = steps.send(Snapshots((snapshot_of(cursor.topic, 0, tick(1_000)),)))
    assert isinstance(asked, GetTicks)
    assert asked.from_s == T0 + 1
    with pytest.raises(StopIteration):
        steps.send(Records(4, tick(1_000) + tick(5_000) + tick(5_001) + tick(6_000)))
    give(cursor, 1, tick(5_000), tick(5_001), tick(6_000), epoch=2)
    assert taken(cursor) == [tick(1_000), tick(5_000), tick(5_001), tick(6_000)]


def test_frames_of_another_topic_or_epoch_are_not_replayed() -> None:
    cursor, called = cursor_of()
    give(cursor, 1, tick(0))
    give(cursor, 4, tick(3))
    assert called == [cursor]
    frames = [
        encode_event(b"tick:GBPUSD\0", 1, 2, 0, 0, tick(1)),
        encode_event(b"tick:EURUSD\0", 2, 2, 0, 0, tick(1)),
        encode_event(b"tick:EURUSD\0", 1, 1, 0, 0, tick(1)),
        encode_event(b"tick:EURUSD\0", 1, 3, 0, BACKFILLED, tick(2)),
    ]
    replay(cursor, frames)
    assert cursor.advance() is None
    items = list(cursor.feed.queue)
    assert [item.flags for item in items if isinstance(item, Ticks)] == [0, BACKFILLED | REPLAYED, 0]
    assert [item for item in items if isinstance(item, Gap)] == [Gap(cursor.topic, 1, "sequence", 2, 2, 1)]


def test_the_first_event_of_a_full_queue_is_not_lost() -> None:
    cursor, called = cursor_of(limit=1)
    cursor.feed.queue.append(Gap("x", 1, "epoch", None, None, None))
    give(cursor, 5, tick(0))
    assert called == [cursor]
    assert cursor.advance() == (5, 5)
