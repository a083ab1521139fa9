"""The events that are kept for those who missed some."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codec import decode_event, encode_event
from bridge.errors import InvalidParameters
from bridge.messages import GetReplay, GetSnapshot
from bridge.replies import Replayed
from bridge.ring import BYTES_AT_ONCE, EVENTS_AT_ONCE, OVERHEAD_BYTES, Frames, Ring, cut, first_since
from bridge.session import link
from tests.scripted_session import WALL_US, Bench, obliging, ticks


def frames_of(count: int, size: int = 10) -> Frames:
    return deque(encode_event(b"tick:A\0", 1, number, 10 * number, 0, b"x" * size) for number in range(1, count + 1))


def test_what_is_asked_for_is_cut_out() -> None:
    frames = frames_of(10)
    first, found = cut(frames, 110, 103, 105)  # sequences 101 to 110
    assert (first, found) == (103, tuple(frames)[2:5])
    assert cut(frames, 110, 90, 102) == (101, tuple(frames)[:2])
    assert cut(frames, 110, 109, 200) == (109, tuple(frames)[8:])
    assert cut(frames, 110, 90, 95) == (96, ())
    assert cut(deque(), 0, 1, 5) == (6, ())


def test_one_reply_is_bounded_in_events_and_bytes() -> None:
    assert len(cut(frames_of(EVENTS_AT_ONCE + 5), EVENTS_AT_ONCE + 5, 1, 10**9)[1]) == EVENTS_AT_ONCE
    large = frames_of(30, 60_000)
    found = cut(large, 30, 1, 30)[1]
    assert 1 < len(found) < 30
    assert sum(map(len, found)) <= BYTES_AT_ONCE
    assert len(cut(frames_of(3, 2 * BYTES_AT_ONCE), 3, 1, 3)[1]) == 1, "one event always fits"


@pytest.mark.parametrize(("time_us", "sequence"), [(0, 101), (10, 101), (11, 102), (100, 110), (101, 111)])
def test_by_time(time_us: int, sequence: int) -> None:
    assert first_since(frames_of(10), 110, time_us) == sequence


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["tick:A", "tick:B", "bar:A:M1", "account", "trade"]), st.integers(1, 300)), max_size=80))
def test_the_bound_holds_and_what_is_kept_has_no_holes(published: list[tuple[str, int]]) -> None:
    bench = Bench(replay_bytes=8_000).connect()
    for name, size in published:
        bench.gateway.publish(name, b"x" * 60 * size, bench.now)
    ring = bench.gateway._ring
    assert ring.streams.size <= 7_000
    assert ring.records.size <= 1_000
    kept = 0
    for topic in bench.gateway.topics:
        sequences = [decode_event(frame).sequence for frame in topic.frames]
        assert sequences == list(range(topic.sequence - len(sequences) + 1, topic.sequence + 1))
        kept += sum(len(frame) + OVERHEAD_BYTES for frame in topic.frames)
    assert kept == ring.size


def test_ticks_do_not_push_bars_out() -> None:
    bench = Bench(replay_bytes=80_000).connect()
    bench.gateway.publish("bar:A:M1", b"b" * 60, bench.now)
    for _ in range(2_000):
        bench.gateway.publish("tick:A", ticks(1.1), bench.now)
    topics = {topic.name: topic for topic in bench.gateway.topics}
    assert len(topics["bar:A:M1"].frames) == 1
    assert 0 < len(topics["tick:A"].frames) < 2_000


def test_nobody_misses_a_heartbeat() -> None:
    assert Ring(100).pool("heartbeat") is None
    assert Ring(100).pool("client:x:3") is None


# ---- the request -----------------------------------------------------------------------------------------------------------------


def published(count: int) -> Bench:
    bench = Bench().connect()
    for number in range(count):
        bench.now = number / 1_000
        bench.gateway.publish("tick:A", ticks(float(number)), bench.now)
    bench.take()
    return bench


def replayed(bench: Bench, **asked: int) -> Replayed:
    bench.replies.clear()
    bench.ask(GetReplay("tick:A", **asked))
    return bench.result(GetReplay)


def test_events_come_again_as_they_were() -> None:
    bench = published(5)
    before = [event for event in bench.events if event.topic == "tick:A"]
    told = replayed(bench, from_sequence=2, to_sequence=4)
    assert (told.topic, told.first, told.missing, told.newest) == ("tick:A", 2, 0, 5)
    assert [decode_event(frame) for frame in told.events] == before[1:4]
    assert replayed(bench).events == replayed(bench, from_sequence=1, to_sequence=99).events
    assert len(replayed(bench).events) == 5
    assert [decode_event(frame).sequence for frame in replayed(bench, since_us=WALL_US + 3_000).events] == [4, 5]
    assert replayed(bench, from_sequence=6).events == ()


def test_what_is_not_kept_is_counted() -> None:
    bench = Bench(replay_bytes=2_000).connect()
    for number in range(50):
        bench.gateway.publish("tick:A", ticks(float(number)), bench.now)
    told = replayed(bench, from_sequence=11)
    kept = len(told.events)
    assert 0 < kept < 40
    assert (told.first, told.missing) == (51 - kept, 40 - kept)
    gone = replayed(bench, from_sequence=3, to_sequence=5)
    assert (gone.first, gone.missing, gone.events) == (6, 3, ())


@pytest.mark.parametrize("request_", [GetReplay("tick:B"), GetReplay("heartbeat"), GetReplay("tick:A", 5, 4)])
def test_what_makes_no_sense_is_refused(request_: GetReplay) -> None:
    bench = published(5)
    bench.replies.clear()
    bench.ask(request_)
    assert isinstance(bench.error(), InvalidParameters)


def test_a_stream_that_ended_begins_a_new_row() -> None:
    bench = Bench(linger_s=1.0).connect()
    bench.answers = obliging
    bench.healthy()
    bench.subscribe("tick:A\0")
    bench.say(link.Publish([("tick:A", 0, ticks(1.0)), ("tick:A", 0, ticks(2.0))]))
    bench.unsubscribe("tick:A\0")
    bench.run(3.0)
    bench.subscribe("tick:A\0")
    bench.say(link.Publish([("tick:A", 0, ticks(3.0))]))
    told = replayed(bench)
    assert (told.first, told.missing, told.newest, len(told.events)) == (4, 3, 4, 1)


def test_the_place_in_the_terminals_history_is_told_where_it_is_asked_for() -> None:
    bench = Bench().connect()
    bench.answers = lambda message: [link.Started(message.topic, ticks(1.0, 2.0))] if isinstance(message, link.StartStream) else []
    bench.subscribe("tick:A\0")
    bench.say(link.Publish([("tick:A", 0, ticks(3.0))]))
    for rows, told in ((False, b""), (True, ticks(1.0, 2.0, 3.0))):
        bench.replies.clear()
        bench.ask(GetSnapshot(("tick:A",), rows))
        snapshot = bench.result(GetSnapshot).topics[0]
        assert snapshot.rows == told
        assert bytes(snapshot.body)[-60:] == ticks(3.0)
