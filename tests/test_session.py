"""The client session in virtual time, against a scripted bridge."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import codec
from bridge.errors import (
    BridgeUnreachable,
    InvalidParameters,
    MalformedMessage,
    NotConnected,
    OutcomeUnknown,
    TimedOut,
    UnknownSymbol,
    WrongProtocol,
)
from bridge.messages import GetSymbol, Hello, Ping, SendOrder
from bridge.replies import ClockOffset, OrderOutcome
from bridge.trading import OrderResult, TradeRequest
from clients.endpoint import events_endpoint
from clients.events import Connection, Gap, Heartbeat, Ticks
from clients.join import Join, parts
from clients.session import ClientSession
from clients.streams import QUEUE_LIMIT, Feed
from tests.fake_link import FakeLink, after, doubled, lost
from tests.scripted_bridge import START_MSC, Nil, ScriptedBridge, tick_record
from tests.virtual_time import VirtualTime


class World:
    """A session and a bridge, joined."""

    def __init__(self, *, started: bool = True, **bridge: Any) -> None:
        ids = count(1)
        self.time = VirtualTime()
        self.bridge = ScriptedBridge(**bridge)
        self.session = ClientSession(
            "tcp://127.0.0.1:5555", Hello("test", "me"), new_id=lambda: f"id{next(ids)}", random_fraction=lambda: 1.0
        )
        self.link = FakeLink(self.time, self.session, self.bridge)
        if started:
            self.hello = self.session.start(self.time.now, 5.0)
            self.link.work()
            self.time.run_for(0.1)

    def call(self, request: Any, timeout_s: float = 5.0, **kwargs: Any) -> Any:
        """Start a call and let it end."""
        call = self.session.call(request, self.time.now, timeout_s, **kwargs)
        self.link.work()
        self.time.run_while(lambda: not call.done)
        return call

    def join(self, *topics: str, timeout_s: float = 5.0, limit: int = QUEUE_LIMIT) -> Join:
        """Subscribe and let it end."""
        join = self.session.subscribe(topics, self.time.now, timeout_s, queue_limit=limit)
        self.link.work()
        self.time.run_while(lambda: not join.done)
        return join

    def feed(self, *topics: str, limit: int = QUEUE_LIMIT) -> Feed:
        """A subscription in force."""
        join = self.join(*topics, limit=limit)
        assert join.error is None
        return join.feed

    def tick(self, symbol: str = "EURUSD") -> None:
        """The bridge publishes one tick, numbered by its time."""
        number = self.bridge.sequences[f"tick:{symbol}"] + 1
        self.bridge.publish(f"tick:{symbol}", tick_record(number * 1_000 + self.bridge.epoch))
        self.link.work()


def taken(feed: Feed) -> list[Any]:
    """What is in the queue, as (sequence, snapshot) or a gap's (reason, from, to)."""
    found: list[Any] = []
    while feed.queue:
        item = feed.queue.popleft()
        found.append(
            (item.reason, item.from_sequence, item.to_sequence) if isinstance(item, Gap) else (item.sequence, item.snapshot)
        )
    return found


# ---- requests --------------------------------------------------------------------------------------------------------------------


def test_hello_then_a_call() -> None:
    world = World()
    assert world.hello.result().software == "test"
    assert world.session.epoch == 1
    assert world.call(Ping()).result().state == "connected"
    assert world.bridge.methods() == ["hello", "ping"]


def test_the_deadline_is_on_the_bridges_clock_and_never_too_late() -> None:
    world = World(started=False)
    world.link.requests = after(0.1)
    world.link.replies = after(0.3)
    world.hello = world.session.start(world.time.now, 5.0)
    world.link.work()
    world.time.run_for(1.0)
    assert world.bridge.seen[0][2] is None  # nothing is known of the clock before the first reply
    world.call(Ping(), timeout_s=10.0)
    assert world.time.now == pytest.approx(1_001.4)
    deadline_msc = world.bridge.seen[1][2]
    true_msc = START_MSC + 1_000 + 9_000
    assert deadline_msc is not None
    assert true_msc - 401 <= deadline_msc <= true_msc - 299


def test_silence_of_a_read_is_timed_out_at_its_deadline() -> None:
    world = World()
    world.bridge.answers["ping"] = lambda request: None
    start = world.time.now
    call = world.call(Ping(), timeout_s=3.0)
    assert isinstance(call.error, TimedOut)
    assert world.time.now == pytest.approx(start + 3.0)


def test_silence_of_an_order_is_an_unknown_outcome_and_names_its_id() -> None:
    world = World()
    world.bridge.answers["order"] = lambda request: None
    call = world.call(SendOrder(TradeRequest(symbol="EURUSD", magic=7)), request_id="mine")
    assert isinstance(call.error, OutcomeUnknown)
    assert (call.error.request_id, call.error.details["symbol"], call.error.details["magic"]) == ("mine", "EURUSD", 7)
    assert world.bridge.methods().count("order") == 1


def test_an_order_that_was_never_sent_is_unreachable_and_not_sent_later() -> None:
    world = World()
    world.link.cut()
    call = world.call(SendOrder(TradeRequest()), timeout_s=2.0)
    assert isinstance(call.error, BridgeUnreachable)
    world.link.heal()
    world.time.run_for(5.0)
    assert "order" not in world.bridge.methods()


def test_an_answer_to_an_order_that_cannot_be_read_is_an_unknown_outcome() -> None:
    world = World()
    world.bridge.answers["order"] = lambda request: Nil
    assert isinstance(world.call(SendOrder(TradeRequest())).error, OutcomeUnknown)
    world.bridge.answers["ping"] = lambda request: Nil
    assert isinstance(world.call(Ping()).error, MalformedMessage)
    assert world.session.counters.malformed == 2


def test_errors_of_the_bridge_are_raised_as_they_are() -> None:
    world = World()

    def refuse(request: GetSymbol) -> None:
        raise UnknownSymbol("no such symbol", symbol=request.symbol)

    world.bridge.answers["symbol"] = refuse
    call = world.call(GetSymbol("XX"))
    with pytest.raises(UnknownSymbol) as caught:
        call.result()
    assert caught.value.details == {"symbol": "XX"}


def test_late_double_and_unknown_replies_are_counted_and_dropped() -> None:
    world = World()
    world.link.replies = after(2.0)
    assert isinstance(world.call(Ping(), timeout_s=1.0).error, TimedOut)
    world.time.run_for(5.0)
    assert world.session.counters.late == 1
    world.link.replies = doubled
    assert world.call(Ping()).error is None
    world.time.run_for(1.0)
    assert world.session.counters.duplicate == 1
    world.session.receive_reply(codec.encode_reply("nobody", 1, START_MSC, codec.pack(None)), world.time.now)
    assert world.session.counters.unknown == 1


def test_a_repeated_order_takes_the_answer_whichever_frame_brings_it() -> None:
    world = World()
    outcome = OrderOutcome("done", OrderResult(10009, 1, 1, 0.1, 1.0, 1.0, 1.0, "", 1, 0, TradeRequest()))
    world.bridge.answers["order"] = lambda request: outcome
    delays = iter([3.0, 9.0])
    world.link.replies = lambda frame: (next(delays),)
    assert isinstance(world.call(SendOrder(TradeRequest()), request_id="mine", timeout_s=1.0).error, OutcomeUnknown)
    again = world.call(SendOrder(TradeRequest()), request_id="mine", timeout_s=5.0)
    assert again.result() == outcome
    assert world.session.counters.late == 0
    world.time.run_for(20.0)
    assert world.session.counters.duplicate == 1


def test_an_id_that_is_under_way_is_refused() -> None:
    world = World()
    world.session.call(SendOrder(TradeRequest()), world.time.now, 1.0, request_id="mine")
    with pytest.raises(InvalidParameters, match="still waiting"):
        world.session.call(SendOrder(TradeRequest()), world.time.now, 1.0, request_id="mine")


def test_a_request_that_cannot_travel_is_refused_at_once() -> None:
    world = World()
    with pytest.raises(InvalidParameters, match="cannot be sent"):
        world.session.call(GetSymbol(object()), world.time.now, 1.0)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameters, match="65536"):
        world.session.call(GetSymbol("x" * 70_000), world.time.now, 1.0)
    assert world.call(Ping()).error is None


def test_another_version_of_the_protocol_fails_the_hello_clearly() -> None:
    world = World(started=False)
    hello = world.session.start(world.time.now, 5.0)
    world.session.receive_reply(codec.pack({"version": 9, "id": "x", "epoch": 1, "time_msc": 1, "result": None}), world.time.now)
    assert isinstance(hello.error, WrongProtocol)
    world.session.on_time(world.time.now + 10)
    assert isinstance(hello.error, WrongProtocol)


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_no_bytes_raise(noise: bytes) -> None:
    world = World()
    world.session.receive_reply(noise, world.time.now)
    for frame in (noise, b"tick:EURUSD\0" + noise, b"heartbeat\0" + noise, b"connection\0" + noise, b"client:me:1\0" + noise):
        world.session.receive_event(frame, world.time.now)
    assert world.call(Ping()).error is None


def test_a_heartbeat_with_a_wrong_body_is_counted() -> None:
    world = World()
    world.session.receive_event(codec.encode_event(b"heartbeat\0", 1, 1, 0, 0, 5), world.time.now)
    assert world.session.counters.malformed == 1
    assert world.session.subscriptions.heartbeat is None


# ---- subscriptions ---------------------------------------------------------------------------------------------------------------


def test_subscribing_takes_the_steps_in_order() -> None:
    world = World()
    world.feed("tick:EURUSD")
    own = [b"heartbeat\0", b"connection\0", b"client:me\0"]
    assert world.bridge.subscriptions == [*own, b"tick:EURUSD\0", b"client:me:1\0"]
    assert b"client:me:1\0" not in world.link.subscribed  # the proof is not needed any more
    assert world.bridge.methods() == ["hello", "snapshot"]
    assert world.link.events_endpoint == "tcp://127.0.0.1:5556"


def test_the_snapshot_comes_first_and_the_stream_goes_on_behind_it() -> None:
    world = World()
    for _ in range(3):
        world.tick()
    feed = world.feed("tick:EURUSD")
    for _ in range(2):
        world.tick()
    world.time.run_for(1.0)
    assert taken(feed) == [(3, True), (4, False), (5, False)]


def test_a_topic_without_an_event_begins_with_the_first() -> None:
    world = World()
    feed = world.feed("tick:EURUSD")
    assert not feed.queue
    world.tick()
    world.time.run_for(1.0)
    item = feed.queue[0]
    assert isinstance(item, Ticks)
    assert (item.sequence, item.snapshot, item.symbol, len(item)) == (1, False, "EURUSD", 1)


@given(st.lists(st.integers(0, 40), max_size=25), st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_every_event_arrives_once_whenever_it_is_published_while_joining(moments_ms: list[int], snapshot_ms: int) -> None:
    world = World()
    world.link.replies = after(snapshot_ms / 1e3)
    for moment_ms in moments_ms:
        world.time.after(moment_ms / 1e3, world.tick)
    feed = world.feed("tick:EURUSD")
    world.time.run_for(1.0)
    found = taken(feed)
    numbers = [number for number, _ in found]
    assert [snapshot for _, snapshot in found] == [True] * bool(found and found[0][1]) + [False] * (
        len(found) - bool(found and found[0][1])
    )
    assert numbers == list(range(numbers[0], len(moments_ms) + 1)) if numbers else not moments_ms
    assert (feed.counters.gaps, feed.counters.duplicates) == (0, 0)


def test_lost_events_are_one_gap_before_the_next() -> None:
    world = World()
    feed = world.feed("tick:EURUSD")
    world.tick()
    world.time.run_for(0.1)
    world.link.events = lost
    for _ in range(3):
        world.tick()
    world.link.events = after()
    world.tick()
    world.time.run_for(0.1)
    assert taken(feed) == [(1, False), ("sequence", 2, 4), (5, False)]
    assert (feed.counters.gaps, feed.counters.missing) == (1, 3)


def test_doubled_and_reordered_events_are_delivered_once_and_forward() -> None:
    world = World()
    feed = world.feed("tick:EURUSD")
    world.link.events = doubled
    world.tick()
    world.time.run_for(0.1)
    delays = iter([0.010, 0.001])
    world.link.events = lambda frame: (next(delays),)
    world.tick()
    world.tick()
    world.time.run_for(0.1)
    assert taken(feed) == [(1, False), ("sequence", 2, 2), (3, False)]
    assert feed.counters.duplicates == 2


def test_a_lost_tail_is_noticed_at_the_second_heartbeat() -> None:
    world = World(heartbeat_s=1.0)
    feed = world.feed("tick:EURUSD")
    world.tick()
    world.time.run_for(0.1)
    world.link.events = lambda frame: () if frame.startswith(b"tick") else (0.001,)
    world.tick()
    world.time.run_for(1.0)
    assert taken(feed) == [(1, False)]
    world.time.run_for(1.0)
    assert taken(feed) == [("heartbeat", 2, 2)]
    world.link.events = after()
    world.tick()
    world.time.run_for(0.1)
    assert taken(feed) == [(3, False)]


def test_a_heartbeat_ahead_of_an_event_that_is_on_its_way_is_no_gap() -> None:
    world = World(heartbeat_s=1.0)
    feed = world.feed("tick:EURUSD")
    world.link.events = lambda frame: (0.5,) if frame.startswith(b"tick") else (0.001,)
    world.time.run_for(0.8)
    world.tick()
    world.time.run_for(5.0)
    assert taken(feed) == [(1, False)]


def test_an_unreadable_event_is_a_gap_and_does_not_stop_the_stream() -> None:
    world = World()
    feed = world.feed("tick:EURUSD")
    world.bridge.publish("tick:EURUSD", b"short")
    world.link.work()
    world.tick()
    world.time.run_for(0.1)
    assert taken(feed) == [("sequence", 1, 1), (2, False)]
    assert feed.counters.malformed == 1


def test_a_full_queue_reports_what_it_could_not_take() -> None:
    world = World()
    feed = world.feed("tick:EURUSD", limit=3)
    for _ in range(6):
        world.tick()
    world.time.run_for(0.1)
    assert (len(feed.queue), feed.counters.overflowed) == (3, 3)
    assert taken(feed) == [(1, False), (2, False), (3, False)]
    world.tick()
    world.time.run_for(0.1)
    assert taken(feed) == [("overflow", 4, 6), (7, False)]


def test_an_unknown_symbol_fails_the_subscription_and_takes_it_back() -> None:
    world = World()

    def refuse(request: Any) -> None:
        raise UnknownSymbol("no such symbol")

    world.bridge.answers["snapshot"] = refuse
    join = world.join("tick:NOPE", "connection")
    assert isinstance(join.error, UnknownSymbol)
    assert b"tick:NOPE\0" not in world.link.subscribed
    assert b"connection\0" in world.link.subscribed  # the session's own stays
    assert world.session.subscriptions.feeds == []


def test_events_that_never_arrive_are_told_with_the_endpoint() -> None:
    world = World(started=False)
    world.bridge.proving = False
    world.session.start(world.time.now, 5.0)
    world.link.work()
    world.time.run_for(0.1)
    join = world.join("tick:EURUSD", timeout_s=4.0)
    assert isinstance(join.error, BridgeUnreachable)
    assert "5556" in str(join.error)


def test_two_subscriptions_share_the_socket_and_each_gets_everything() -> None:
    world = World()
    first = world.feed("tick:EURUSD")
    world.tick()
    world.time.run_for(0.1)
    second = world.feed("tick:EURUSD", "connection")
    world.tick()
    world.time.run_for(0.1)
    assert taken(first) == [(1, False), (2, False)]
    assert taken(second) == [(1, True), (2, False)]
    assert world.bridge.subscriptions.count(b"tick:EURUSD\0") == 1
    world.session.unsubscribe(first)
    world.link.work()
    world.tick()
    world.time.run_for(0.1)
    assert taken(second) == [(3, False)]
    world.session.unsubscribe(second)
    world.session.unsubscribe(second)
    world.link.work()
    assert b"tick:EURUSD\0" not in world.link.subscribed


def test_a_prefix_gets_every_topic_from_its_first_event_on() -> None:
    world = World()
    world.tick("GBPUSD")
    exact = world.feed("tick:EURUSD")
    every = world.feed("tick:*")
    world.tick("GBPUSD")
    world.tick("EURUSD")
    world.tick("EURUSD")
    world.time.run_for(0.1)
    assert taken(every) == [(2, False), (1, False), (2, False)]
    assert taken(exact) == [(1, False), (2, False)]
    late = world.feed("tick:GBPUSD")
    world.tick("GBPUSD")
    world.time.run_for(0.1)
    assert taken(late) == [(2, True), (3, False)]
    assert taken(every) == [(3, False)]
    world.session.unsubscribe(every)
    world.tick("GBPUSD")
    world.time.run_for(0.1)
    assert taken(late) == [(4, False)]


def test_a_prefix_sees_a_topic_that_was_subscribed_by_name_before_any_event() -> None:
    world = World()
    every = world.feed("tick:*")
    exact = world.feed("tick:EURUSD")
    world.tick()
    world.time.run_for(0.1)
    assert (taken(every), taken(exact)) == ([(1, False)], [(1, False)])


@pytest.mark.parametrize("topics", [(), ("",), ("*",), ("a\0",), ("x" * 201,)])
def test_what_is_no_topic_is_refused(topics: tuple[str, ...]) -> None:
    world = World()
    with pytest.raises(InvalidParameters):
        world.session.subscribe(topics, world.time.now, 1.0)


def test_many_topics_are_asked_for_in_parts() -> None:
    topics = tuple(f"tick:{'S' * 30}{number}" for number in range(3_000))
    found = list(parts(topics))
    assert [topic for part in found for topic in part] == list(topics)
    assert all(len(part) <= 2_000 and sum(map(len, part)) < 60_000 for part in found)
    world = World()
    world.feed(*(f"tick:{'S' * 60}{number}" for number in range(1_500)))
    assert world.bridge.methods().count("snapshot") == 3


def test_more_topics_than_a_client_may_follow_are_refused_and_none_is_subscribed() -> None:
    world = World()
    feed = world.feed("tick:*", "account")
    world.link.work()
    subscribed, sent = dict(world.link.subscribed), len(world.link.sent)
    with pytest.raises(InvalidParameters, match="1999 topics beside the 2 of this client are more than 2000") as refused:
        world.session.subscribe((f"tick:{number}" for number in range(1_999)), world.time.now, 1.0)
    assert refused.value.details == {"field": "topics", "wanted": 1_999, "present": 2, "limit": 2_000}
    with pytest.raises(InvalidParameters):
        world.session.subscribe((f"tick:{number}" for number in range(100_000)), world.time.now, 1.0)
    world.link.work()
    assert (world.link.subscribed, len(world.link.sent), world.session.subscriptions.feeds) == (subscribed, sent, [feed])
    world.tick()
    world.time.run_for(0.1)
    assert len(feed.queue) == 1
    world.session.unsubscribe(feed)
    world.feed(*(f"tick:{number}" for number in range(2_000)))


# ---- the bridge goes and comes ---------------------------------------------------------------------------------------------------


def test_a_new_bridge_is_greeted_and_every_stream_begins_again_behind_a_gap() -> None:
    world = World(heartbeat_s=1.0)
    feed = world.feed("tick:EURUSD")
    every = world.feed("bar:*")
    world.tick()
    world.time.run_for(0.1)
    world.link.cut()
    world.time.run_for(3.0)
    assert world.session.is_silent(world.time.now)
    world.bridge = ScriptedBridge(epoch=2, heartbeat_s=1.0)
    world.bridge.now = world.time.now
    world.tick()
    world.link.heal(world.bridge)
    world.time.run_for(2.0)
    world.tick()
    world.time.run_for(0.5)
    assert taken(feed) == [(1, False), ("epoch", None, None), (1, True), (2, False)]
    assert taken(every) == []
    assert world.bridge.methods()[0] == "hello"
    assert world.session.counters.restarts == 1
    assert not world.session.is_silent(world.time.now)


def test_a_new_bridge_is_greeted_before_anything_else_is_asked_of_it() -> None:
    world = World()
    ping = world.session.call(Ping(), world.time.now, 5.0)
    world.bridge.epoch = 2
    world.session.receive_event(world.bridge.publish("connection", world.bridge.connection), world.time.now)
    world.link.work()
    world.time.run_while(lambda: not ping.done)
    assert world.bridge.methods() == ["hello", "hello", "ping"]


def test_messages_of_a_bridge_that_is_no_more_are_dropped() -> None:
    world = World()
    feed = world.feed("tick:EURUSD")
    old = world.bridge.publish("tick:EURUSD", tick_record(1))
    world.bridge.events.clear()
    world.bridge.epoch = 2
    world.bridge.sequences.clear()
    world.call(Ping())
    world.time.run_for(2.0)
    world.session.receive_event(old, world.time.now)
    assert world.session.counters.stale == 1
    assert all(isinstance(item, Gap) or item.snapshot for item in feed.queue)


def test_a_snapshot_that_fails_after_a_restart_is_asked_for_again() -> None:
    world = World()
    feed = world.feed("tick:EURUSD")
    world.tick()
    world.time.run_for(0.1)
    taken(feed)
    good = world.bridge.answers["snapshot"]
    attempts: list[float] = []

    def refuse(request: Any) -> Any:
        attempts.append(world.time.now)
        if len(attempts) < 3:
            raise NotConnected("not yet")
        return good(request)

    world.bridge.answers["snapshot"] = refuse
    world.bridge.epoch = 2
    world.bridge.sequences.clear()
    world.tick()
    world.time.run_for(10.0)
    assert len(attempts) == 3
    assert taken(feed) == [("epoch", None, None), (1, True)]


def test_a_hello_that_a_restarted_bridge_does_not_answer_is_repeated() -> None:
    world = World()
    world.bridge.epoch = 2
    good = world.bridge.answers.pop("hello")
    world.bridge.answers["hello"] = lambda request: None
    world.call(Ping())
    world.time.run_for(6.0)
    world.bridge.answers["hello"] = good
    world.time.run_for(10.0)
    assert world.bridge.methods().count("hello") >= 3
    before = len(world.bridge.seen)
    world.time.run_for(30.0)
    assert len(world.bridge.seen) == before


def test_a_cut_without_a_restart_shows_only_what_was_missed() -> None:
    world = World(heartbeat_s=1.0)
    feed = world.feed("tick:EURUSD")
    world.tick()
    world.time.run_for(0.1)
    world.link.cut()
    world.tick()
    world.tick()
    world.time.run_for(1.0)
    world.link.heal()
    world.tick()
    world.time.run_for(3.0)
    assert taken(feed) == [(1, False), ("sequence", 2, 3), (4, False)]
    assert world.session.counters.restarts == 0


def test_a_cut_while_joining_begins_the_join_again() -> None:
    world = World()
    world.link.replies = after(0.5)
    join = world.session.subscribe(["tick:EURUSD"], world.time.now, 10.0)
    world.link.work()
    world.time.run_for(0.01)
    world.link.cut()
    world.tick()
    world.time.run_for(1.0)
    world.link.heal()
    world.time.run_while(lambda: not join.done)
    assert join.error is None
    assert taken(join.feed) == [(1, True)]


@given(st.integers(0, 10_000), st.floats(0.0, 0.4), st.floats(0.0, 0.3))
@settings(max_examples=40, deadline=None)
def test_under_any_loss_and_doubling_every_event_is_delivered_or_in_a_gap(seed: int, loss: float, doubling: float) -> None:
    random = Random(seed)

    def fault(frame: bytes) -> list[float]:
        copies = 0 if random.random() < loss else 2 if random.random() < doubling else 1
        return [random.uniform(0.001, 0.05) for _ in range(copies)]

    world = World(heartbeat_s=1.0)
    feed = world.feed("tick:EURUSD")
    world.link.events = fault
    for _ in range(40):
        world.tick()
        world.time.run_for(random.uniform(0.0, 0.1))
    world.link.events = after()
    world.time.run_for(3.0)
    expected = 1
    for item in feed.queue:
        if isinstance(item, Gap):
            assert item.from_sequence == expected
            assert item.to_sequence is not None
            assert item.missing == item.to_sequence - expected + 1
            expected = item.to_sequence + 1
        else:
            assert item.sequence == expected
            expected += 1
    assert expected == 41


def test_connection_and_heartbeat_events_reach_subscribers_and_the_session() -> None:
    world = World(heartbeat_s=1.0)
    feed = world.feed("connection", "heartbeat")
    world.bridge.publish("connection", world.bridge.connection)
    world.link.work()
    world.time.run_for(1.5)
    kinds = [type(item) for item in feed.queue]
    assert kinds == [Connection, Heartbeat]
    assert world.session.connection == world.bridge.connection
    age_s = world.session.heartbeat_age_s(world.time.now)
    assert age_s is not None
    assert 0.0 <= age_s < 1.0
    assert world.session.is_silent(world.time.now + 3.5)


def test_a_bridge_whose_events_do_not_come_is_silent_though_it_answers() -> None:
    world = World(heartbeat_s=1.0)
    assert not world.session.is_silent(world.time.now)
    world.link.events = lost
    world.time.run_for(20.0)
    assert world.session.is_silent(world.time.now)
    assert 5 < world.bridge.methods().count("hello") < 12
    world.link.events = after()
    world.time.run_for(2.0)
    assert not world.session.is_silent(world.time.now)


def test_a_new_bridge_is_not_silent_before_its_first_heartbeat() -> None:
    world = World(heartbeat_s=1.0)
    world.link.cut()
    world.time.run_for(10.0)
    assert world.session.is_silent(world.time.now)
    bridge = ScriptedBridge(epoch=2, heartbeat_s=100.0)
    bridge.now = world.time.now
    world.link.heal(bridge)
    world.time.run_for(1.0)
    assert not world.session.is_silent(world.time.now)


def test_the_link_of_a_client_is_its_event_stream() -> None:
    world = World(heartbeat_s=1.0)
    world.feed("tick:EURUSD")
    world.tick()
    world.link.events = lost
    world.tick()
    world.link.events = after()
    world.tick()
    world.time.run_for(1.2)
    own = world.session.link_status(world.time.now)
    assert (own.link, own.up, own.detail) == ("client", True, "1 subscriptions, 1 events missing")
    assert own.age_ms is not None
    assert 0 <= own.age_ms <= 1_000
    later = world.session.link_status(world.time.now + 10.0)
    assert (later.up, later.age_ms) == (False, own.age_ms + 10_000)


def test_a_client_without_its_event_connection_has_no_link() -> None:
    world = World(heartbeat_s=1.0, started=False)
    assert (world.session.link_status(world.time.now).up, world.session.link_status(world.time.now).age_ms) == (False, None)
    world.bridge.proving = False
    world.session.start(world.time.now, 5.0)
    world.link.work()
    world.time.run_for(0.5)
    own = world.session.link_status(world.time.now)
    assert (own.up, own.detail) == (False, "the event connection is not established")


def test_the_servers_clock_is_that_of_the_newest_connection() -> None:
    world = World()
    assert world.session.server_clock == ClockOffset()
    known = ClockOffset(7_200, START_MSC, "low", 1)
    world.bridge.publish("connection", replace(world.bridge.connection, clock=known))
    world.link.work()
    world.time.run_for(0.1)
    assert world.session.server_clock == known


# ---- the module ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requests", "events", "expected"),
    [
        ("tcp://10.0.0.5:5555", "tcp://0.0.0.0:5556", "tcp://10.0.0.5:5556"),
        ("tcp://bridge.lan:5555", "tcp://*:7000", "tcp://bridge.lan:7000"),
        ("tcp://[fe80::1]:5555", "tcp://[::]:7000", "tcp://[fe80::1]:7000"),
        ("tcp://10.0.0.5:5555", "tcp://10.0.0.6:5556", "tcp://10.0.0.6:5556"),
        ("ipc:///run/x", "ipc:///run/y", "ipc:///run/y"),
    ],
)
def test_where_the_events_are(requests: str, events: str, expected: str) -> None:
    assert events_endpoint(requests, events) == expected


CORE = (
    "session", "subscriptions", "streams", "cursor", "join", "splicing", "place", "healing", "repairs", "exchange", "calls",
    "clock", "endpoint", "events", "freshness", "history", "orders", "repeats", "server_time", "staleness", "topics",
)  # fmt: skip


@pytest.mark.parametrize("name", CORE)
def test_the_core_imports_neither_sockets_nor_a_clock(name: str) -> None:
    tree = ast.parse((Path(__file__).parent.parent / "clients" / f"{name}.py").read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {module.split(".")[0] for module in imported} & {"zmq", "time", "socket", "threading", "asyncio"}
    assert not imported & {"clients.driver", "clients.sockets", "clients.blocking"}


def test_importing_the_client_needs_neither_numpy_nor_pandas() -> None:
    program = "import sys, clients; print(sorted({'numpy', 'pandas', 'MetaTrader5'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "[]"
