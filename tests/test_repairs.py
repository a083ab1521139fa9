"""How missing events are asked for: of a scripted bridge, in virtual time."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from itertools import count, pairwise
from typing import Any

import pytest

from bridge import codec
from bridge.errors import BridgeError, Busy, InternalError, NotConnected, Stopping
from bridge.messages import REPLAYED, GetReplay, Hello
from bridge.replies import Replayed, Snapshots, TradeEvent, TradeSnapshot
from clients.cursor import KEPT
from clients.events import Bars, Gap, Heartbeat, Item, OpenTrades, Ticks, TradeUpdate
from clients.repairs import RETRY_S, TOPICS_AT_ONCE
from clients.session import ClientSession
from clients.streams import QUEUE_LIMIT, Feed
from tests.fake_link import FakeLink, after, lost
from tests.records import position
from tests.scripted_bridge import ScriptedBridge, bar_record, snapshot_of, tick_record
from tests.virtual_time import VirtualTime

TOPIC = "tick:EURUSD"


class World:
    """A session and a bridge that knows what it published."""

    def __init__(self, **bridge: Any) -> None:
        ids = count(1)
        self.time = VirtualTime()
        self.bridge = ScriptedBridge(replays=True, **bridge)
        self.session = ClientSession("tcp://127.0.0.1:5555", Hello("test", "me"), new_id=lambda: f"id{next(ids)}")
        self.link = FakeLink(self.time, self.session, self.bridge)
        self.session.start(self.time.now, 5.0)
        self.link.work()
        self.time.run_for(0.1)

    def feed(self, *topics: str, limit: int = QUEUE_LIMIT) -> Feed:
        join = self.session.subscribe(topics or (TOPIC,), self.time.now, 5.0, queue_limit=limit)
        self.link.work()
        self.time.run_while(lambda: not join.done)
        return join.feed

    def ticks(self, number: int = 1, topic: str = TOPIC) -> None:
        for _ in range(number):
            self.bridge.publish(topic, tick_record(1_000 * (self.bridge.sequences[topic] + 1)))
        self.link.work()

    def miss(self, number: int, topic: str = TOPIC) -> None:
        """Events that are dropped on their way, and one behind them that is not."""
        self.link.events = lost
        self.ticks(number, topic)
        self.link.events = after()
        self.ticks(1, topic)

    def asked(self, method: str = "replay") -> list[Any]:
        return [request for name, request, _ in self.bridge.seen if name == method]

    def wait(self, seconds: float = 0.1) -> None:
        self.time.run_for(seconds)


def taken(feed: Feed) -> list[Any]:
    """What is in the queue: a sequence, with a cross where it was replayed, or the first, the last and the number of a gap."""
    found = [_short(item) for item in feed.queue]
    feed.queue.clear()
    return found


def _short(item: Item) -> Any:
    if isinstance(item, Gap):
        return item.from_sequence, item.to_sequence, item.missing
    return f"+{item.sequence}" if item.flags & REPLAYED else item.sequence


def test_what_was_missed_comes_again_in_its_place() -> None:
    world = World()
    feed = world.feed()
    world.ticks(2)
    world.miss(3)
    world.ticks(1)
    world.wait()
    world.ticks(1)
    world.wait()
    assert taken(feed) == [1, 2, "+3", "+4", "+5", 6, 7, 8]
    assert world.asked() == [GetReplay(TOPIC, 3, 5)]
    counters = feed.counters
    assert (counters.replayed, counters.gaps, counters.missing, counters.duplicates) == (3, 0, 0, 0)


def test_what_comes_meanwhile_waits_and_a_second_hole_is_healed_in_the_same_way() -> None:
    world = World()
    world.link.replies = after(1.0)
    feed = world.feed()
    world.ticks(1)
    world.miss(2)
    world.wait(0.5)
    world.miss(2)
    world.wait(0.5)
    assert taken(feed) == [1]
    world.wait(2.0)
    assert taken(feed) == ["+2", "+3", 4, "+5", "+6", 7]
    assert world.asked() == [GetReplay(TOPIC, 2, 3), GetReplay(TOPIC, 5, 6)]


def test_a_lost_tail_is_healed_when_the_heartbeats_tell_of_it() -> None:
    world = World(heartbeat_s=1.0)
    feed = world.feed()
    world.ticks(1)
    world.wait()
    world.link.events = lambda frame: () if frame.startswith(b"tick") else (0.001,)
    world.ticks(2)
    world.wait(3.0)
    assert taken(feed) == [1, "+2", "+3"]


def test_much_is_asked_for_in_parts() -> None:
    world = World()
    feed = world.feed()
    world.ticks(1)
    world.miss(4_500)
    world.wait(0.5)
    assert taken(feed) == [1, *(f"+{number}" for number in range(2, 4_502)), 4_502]
    assert [request.from_sequence for request in world.asked()] == [2, 2_002, 4_002]


def test_what_the_bridge_has_no_more_is_a_gap_with_its_number() -> None:
    world = World()
    feed = world.feed()
    world.ticks(1)
    world.link.events = lost
    world.ticks(5)
    for _ in range(4):
        world.bridge.kept[TOPIC].popleft()
    world.link.events = after()
    world.ticks(1)
    world.wait()
    assert taken(feed) == [1, (2, 4, 3), "+5", "+6", 7]
    assert (feed.counters.gaps, feed.counters.missing, feed.counters.replayed) == (1, 3, 2)
    assert world.bridge.methods().count("snapshot") == 2, "the terminal's history was looked at, and this one has none"


def test_what_was_not_asked_for_yet_is_not_given_up() -> None:
    world = World()
    feed = world.feed(limit=8)
    world.ticks(1)
    world.link.events = lost
    world.ticks(19)
    for _ in range(12):
        world.bridge.kept[TOPIC].popleft()
    world.link.events = after()
    world.ticks(1)
    found = []
    for _ in range(5):
        world.wait(30.0)
        found += taken(feed)
        world.link.work()
    assert found == [1, (2, 8, 7), (9, 12, 4), *(f"+{number}" for number in range(13, 21)), 21]


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: Replayed(request.topic, 1, 0, 9, ()),
        lambda request: Replayed(request.topic, 10**9, 10**9, 9, ()),
        lambda request: Replayed(request.topic, 2, 0, 9, (b"junk", b"tick:EURUSD\0junk")),
        lambda request: Replayed("tick:X", 2, 0, 0, (b"",) * 50),
        lambda request: 5,
    ],
)
def test_an_answer_that_makes_no_sense_ends_in_a_gap(answer: Any) -> None:
    world = World()
    world.bridge.answers["replay"] = answer
    feed = world.feed()
    world.ticks(1)
    world.miss(2)
    world.wait(40.0)
    assert taken(feed) == [1, (2, 3, 2), 4]
    assert len(world.asked()) == 1
    assert world.session.next_deadline() is None or world.session.next_deadline() > world.time.now  # type: ignore[operator]


def test_an_event_that_cannot_be_read_is_a_gap_of_one() -> None:
    world = World()
    feed = world.feed()
    world.ticks(1)
    world.bridge.publish(TOPIC, b"short")
    world.ticks(2)
    world.wait()
    assert taken(feed) == [1, (2, 2, 1), 3, 4]
    world.link.events = lost
    world.ticks(1)
    world.bridge.publish(TOPIC, b"short")
    world.ticks(1)
    world.link.events = after()
    world.ticks(1)
    world.wait()
    assert taken(feed) == ["+5", (6, 6, 1), "+7", 8]
    world.link.events = lost
    world.bridge.publish(TOPIC, b"short")
    world.link.events = after()
    world.ticks(1)
    world.wait()
    assert taken(feed) == [(9, 9, 1), 10]


@pytest.mark.parametrize("error", [Busy("later"), NotConnected("later"), Stopping("later")])
def test_a_refusal_for_now_is_asked_again_with_growing_pauses(error: BridgeError) -> None:
    world = World()
    good = world.bridge.answers["replay"]
    times: list[float] = []

    def refuse(request: Any) -> Any:
        times.append(world.time.now)
        if len(times) < 7:
            raise error
        return good(request)

    world.bridge.answers["replay"] = refuse
    feed = world.feed()
    world.ticks(1)
    world.miss(1)
    world.wait(60.0)
    assert taken(feed) == [1, "+2", 3]
    pauses = [round(later - before, 1) for before, later in pairwise(times)]
    assert pauses == ([0.5] * 6 if isinstance(error, NotConnected) else [*RETRY_S, RETRY_S[-1], RETRY_S[-1]])


def test_silence_is_no_answer_and_asked_again() -> None:
    world = World()
    good = world.bridge.answers["replay"]
    world.bridge.answers["replay"] = lambda request: None
    feed = world.feed()
    world.ticks(1)
    world.miss(1)
    world.wait(15.0)
    world.bridge.answers["replay"] = good
    world.wait(15.0)
    assert taken(feed) == [1, "+2", 3]
    assert len(world.asked()) == 3


def test_a_refusal_for_good_is_a_gap() -> None:
    world = World()

    def refuse(request: Any) -> None:
        raise InternalError("a fault")

    world.bridge.answers["replay"] = refuse
    feed = world.feed()
    world.ticks(1)
    world.miss(1)
    world.wait(60.0)
    assert taken(feed) == [1, (2, 2, 1), 3]
    assert len(world.asked()) == 1


def test_few_topics_are_asked_for_at_a_time_and_each_once() -> None:
    world = World()
    topics = [f"tick:S{number:02}" for number in range(20)]
    feed = world.feed(*topics)
    good = world.bridge.answers["replay"]
    under_way: Counter[float] = Counter()

    def answer(request: Any) -> Any:
        under_way[round(world.time.now, 4)] += 1
        return good(request)

    world.bridge.answers["replay"] = answer
    for topic in topics:
        world.ticks(1, topic)
    for topic in topics:
        world.miss(1, topic)
    world.wait(1.0)
    assert len(world.asked()) == len(topics)
    assert set(under_way.values()) == {TOPICS_AT_ONCE}
    assert feed.counters.replayed == len(topics)
    assert (len(feed.queue), feed.counters.gaps) == (3 * len(topics), 0)


def test_of_a_bridge_without_a_session_little_is_asked() -> None:
    world = World(heartbeat_s=1.0)
    topics = [f"tick:S{number:02}" for number in range(30)]
    feed = world.feed(*topics)
    for topic in topics:
        world.ticks(1, topic)
    world.wait()
    again = ScriptedBridge(epoch=2, heartbeat_s=1.0, replays=True)
    again.answers["snapshot"] = lambda request: Snapshots(
        tuple(snapshot_of(topic, 0, None, pending=True) for topic in request.topics)
    )
    again.now = world.time.now
    world.link.heal(again)
    world.wait(10.0)
    assert 20 <= again.methods().count("snapshot") <= 25 * TOPICS_AT_ONCE
    assert feed.counters.gaps == 0


def test_a_snapshot_that_comes_twice_counts_once() -> None:
    world = World()
    world.ticks(1)
    good = world.bridge.answers["snapshot"]
    world.bridge.answers["snapshot"] = lambda request: Snapshots(good(request).topics * 2)
    assert taken(world.feed()) == [1]


def test_who_unsubscribes_or_meets_a_new_bridge_is_not_healed_any_more() -> None:
    world = World()
    feeds = [world.feed(TOPIC), world.feed(TOPIC)]
    world.bridge.answers["replay"] = lambda request: None
    world.ticks(1)
    world.miss(1)
    world.wait(1.0)
    world.session.unsubscribe(feeds[0])
    world.wait(30.0)
    asked = len(world.asked())
    assert 2 < asked < 6
    world.session.unsubscribe(feeds[1])
    world.wait(60.0)
    assert len(world.asked()) == asked
    assert world.session.next_deadline() is None or world.session.next_deadline() > world.time.now  # type: ignore[operator]


def test_no_more_than_a_bound_is_kept_and_the_rest_is_asked_for() -> None:
    world = World()
    feed = world.feed()
    world.ticks(1)
    world.link.replies = after(1.0)
    world.miss(1)
    world.ticks(KEPT + 100)
    world.wait(0.5)
    assert feed.counters.overflowed == 101
    world.link.replies = after()
    world.wait(1.0)
    assert [item.sequence for item in feed.queue if isinstance(item, Ticks)] == list(range(1, KEPT + 104))
    assert feed.counters.gaps == 0


def test_a_full_queue_gets_the_rest_when_there_is_room() -> None:
    world = World()
    feed = world.feed(limit=4)
    world.ticks(11)
    world.wait(5.0)
    assert (taken(feed), world.asked()) == ([1, 2, 3, 4], [])
    assert feed.counters.overflowed == 7
    world.link.work()
    world.wait()
    world.ticks(1)
    world.wait()
    assert taken(feed) == ["+5", "+6", "+7", "+8"]
    world.link.work()
    world.wait()
    assert taken(feed) == ["+9", "+10", "+11", "+12"]
    world.ticks(1)
    world.wait()
    assert taken(feed) == [13]
    assert (feed.counters.gaps, feed.counters.missing) == (0, 0)


def test_events_are_not_asked_for_one_at_a_time() -> None:
    world = World()
    feed = world.feed(limit=8)
    world.ticks(20)
    world.wait()
    for room in range(1, 8):
        feed.queue.popleft()
        world.link.work()
        world.wait()
        assert len(world.asked()) == (room >= 4)
    assert world.asked()[0] == GetReplay(TOPIC, 9, 12)


def test_a_program_that_takes_nothing_is_told_once_and_costs_no_more_than_a_bound(caplog: pytest.LogCaptureFixture) -> None:
    world = World(heartbeat_s=1.0)
    world.bridge.answers["replay"] = lambda request: None
    feed = world.feed(limit=500)

    def flood() -> int:
        begin = tracemalloc.get_traced_memory()[0]
        for _ in range(5_000):
            world.bridge.publish(TOPIC, tick_record(1_000 * (world.bridge.sequences[TOPIC] + 1)))
            world.bridge.kept.clear()
            world.session.receive_event(world.bridge.events.pop(), world.time.now)
        return tracemalloc.get_traced_memory()[0] - begin

    tracemalloc.start()
    try:
        grown, further = flood(), flood()
    finally:
        tracemalloc.stop()
    assert grown < 1_000_000
    assert further < 10_000
    assert (len(feed.queue), feed.counters.overflowed, feed.counters.full) == (500, 9_500, 1)
    assert [record.message for record in caplog.records].count(caplog.records[0].message) == 1
    world.bridge.answers["replay"] = world.bridge._replay
    feed.queue.clear()
    world.wait(15.0)
    assert len(feed.queue) > 0
    for _ in range(3):
        feed.queue.clear()
        world.wait(3.0)
    world.ticks(700)
    world.wait()
    assert (feed.counters.full, len(caplog.records)) == (2, 2), "it is told again when it happens again"


def test_a_full_queue_of_one_subscription_does_not_hold_up_another() -> None:
    world = World()
    topics = [f"tick:S{number}" for number in range(2 * TOPICS_AT_ONCE)]
    full = world.feed(*topics, limit=1)
    for topic in topics:
        world.ticks(2, topic)
    other = world.feed()
    world.ticks(1)
    world.miss(1)
    world.wait(1.0)
    assert taken(other) == [1, "+2", 3]
    for _ in range(40):
        full.queue.clear()
        world.link.work()
        world.wait(0.01)
    assert not any(cursor.healing for cursor in full.cursors.values())
    assert full.counters.gaps == 0


def test_what_nobody_keeps_is_a_gap_at_once() -> None:
    world = World(heartbeat_s=1.0)
    feed = world.feed("heartbeat")
    world.wait(1.5)
    world.link.events = lost
    world.wait(2.0)
    world.link.events = after()
    world.wait(1.0)
    assert [item if isinstance(item, Gap) else type(item) for item in feed.queue] == [
        Heartbeat,
        Gap("heartbeat", 1, "sequence", 2, 3, 2),
        Heartbeat,
    ]
    assert world.asked() == []


def test_other_topics_are_replayed_too() -> None:
    world = World()
    feed = world.feed("trade", "log:*")
    for number in range(1, 5):
        world.link.events = lost if number in (2, 3) else after()
        world.bridge.publish("trade", TradeEvent("position_changed", position(number)))
        world.link.work()
    world.wait()
    assert taken(feed) == [1, "+2", "+3", 4]


def test_of_a_state_the_newest_is_enough() -> None:
    world = World()
    feed = world.feed("forming:EURUSD:M1")
    for number in range(1, 8):
        world.link.events = lost if number in (3, 4, 5, 6) else after()
        world.bridge.publish("forming:EURUSD:M1", bar_record(60, float(number)))
        if number == 5:
            world.bridge.kept["forming:EURUSD:M1"].clear()
        world.link.work()
    world.wait()
    assert [(item.sequence, item.snapshot) for item in feed.queue if isinstance(item, Bars)] == [(1, False), (2, False), (7, True)]
    assert (len(feed.queue), feed.counters.gaps) == (3, 0)


@pytest.mark.parametrize("known", [True, False])
def test_what_happened_on_the_account_and_is_lost_is_told_with_what_is_open_now(known: bool) -> None:
    world = World()
    feed = world.feed("trade")
    for number in range(1, 8):
        world.link.events = lost if number in (3, 4, 5, 6) else after()
        world.bridge.publish("trade", TradeEvent("position_changed", position(number)))
        if number == 5:
            world.bridge.kept["trade"].clear()
        if known:
            world.bridge.newest["trade"] = codec.plain_body(TradeSnapshot((position(number),), ()))
        world.link.work()
    world.wait()
    gap = Gap("trade", 1, "sequence", 3, 7, 5)
    rest = [item for item in feed.queue if isinstance(item, OpenTrades)]
    assert [item for item in feed.queue if isinstance(item, Gap)] == [gap]
    assert [(item.sequence, item.open.positions) for item in rest] == ([(7, (position(7),))] if known else [])
    world.bridge.publish("trade", TradeEvent("position_changed", position(8)))
    world.link.work()
    world.wait()
    assert feed.queue[-1] == TradeUpdate(1, 8, feed.queue[-1].time_us, 0, False, TradeEvent("position_changed", position(8)))  # type: ignore[union-attr]


def test_a_proof_that_is_lost_is_asked_for_again() -> None:
    world = World()
    world.link.events = lambda frame: () if frame.startswith(b"client:me:") else (0.001,)
    join = world.session.subscribe([TOPIC], world.time.now, 30.0)
    world.link.work()
    world.wait(7.0)
    assert not join.done
    world.link.events = after()
    world.wait(9.0)
    assert join.done
    assert join.error is None
