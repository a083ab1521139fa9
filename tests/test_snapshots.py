from __future__ import annotations

from time import perf_counter
from typing import Any

import msgspec
import pytest

from bridge import codec
from bridge.codec import encode_request
from bridge.errors import Busy, DeadlinePassed, InvalidParameters, Stopping, UnknownSymbol
from bridge.messages import EVENT_BODIES, GetSnapshot
from bridge.records import Account
from bridge.replies import ConnectionState, TopicSnapshot, TradeEvent, TradeSnapshot
from bridge.session import link
from bridge.topics import Stream
from tests.records import order, position
from tests.scripted_session import Bench, attached, blank, obliging, ticks


def snapshot_of(bench: Bench, *topics: str, request_id: str = "1") -> tuple[TopicSnapshot, ...]:
    bench.ask(GetSnapshot(topics), request_id)
    return bench.result(GetSnapshot, request_id).topics


def body_of(snapshot: TopicSnapshot) -> Any:
    kind = EVENT_BODIES[snapshot.topic.partition(":")[0]]
    return msgspec.msgpack.decode(snapshot.body, type=kind | None)


def test_what_is_known_is_answered_at_once_in_the_order_asked_for() -> None:
    bench = Bench().connect()
    bench.answers = obliging
    for wire in ("tick:A\0", "tick:B\0"):
        bench.subscribe(wire)
    bench.say(link.Publish([("tick:A", 1, ticks(1.0, 2.0)), ("tick:B", 0, ticks(3.0)), ("tick:A", 0, ticks(4.0))]))
    told = snapshot_of(bench, "tick:B", "connection", "tick:A")
    assert [(one.topic, one.sequence, one.pending, one.flags) for one in told] == [
        ("tick:B", 1, False, 0), ("connection", 3, False, 0), ("tick:A", 2, False, 0),
    ]  # fmt: skip
    assert [body_of(one) for one in told[::2]] == [ticks(3.0), ticks(4.0)]
    state = body_of(told[1])
    assert isinstance(state, ConnectionState)
    assert state.state == "connected"


def test_a_stream_that_is_starting_is_waited_for() -> None:
    bench = Bench().connect()
    bench.subscribe("tick:A\0")
    bench.subscribe("bar:A:M1\0")
    bench.ask(GetSnapshot(("tick:A", "bar:A:M1")))
    bench.say(link.Started("tick:A", ticks(5.0)))
    assert bench.replies == []
    bench.say(link.Started("bar:A:M1", None))
    told = bench.result(GetSnapshot).topics
    assert [(one.sequence, one.pending, body_of(one)) for one in told] == [(0, False, ticks(5.0)), (0, False, None)]


def test_without_a_subscription_a_snapshot_starts_the_stream_and_lets_it_go_again() -> None:
    bench = Bench().connect()
    bench.healthy()
    bench.answers = obliging
    bench.ask(GetSnapshot(("tick:A", "tick:A")), deadline_s=3.0)
    assert len(bench.result(GetSnapshot).topics) == 2
    assert bench.streams() == ["+tick:A"]
    bench.run(6.0)
    assert bench.streams() == ["+tick:A", "-tick:A"]
    assert bench.gateway.topics.find("tick:A\0") is None


def test_a_symbol_that_does_not_exist_fails_the_request_and_every_later_one_asks_again() -> None:
    bench = Bench().connect()
    for number in ("1", "2"):
        bench.ask(GetSnapshot(("tick:NO", "connection")), number)
        bench.say(link.not_started("tick:NO", UnknownSymbol("no symbol NO", symbol="NO")))
        error = bench.error(number)
        assert isinstance(error, UnknownSymbol)
        assert error.details == {"symbol": "NO"}
    assert bench.streams() == ["+tick:NO", "+tick:NO"]


def test_when_time_is_up_what_is_not_known_is_pending() -> None:
    bench = Bench().connect()
    bench.healthy()
    bench.subscribe("tick:A\0")
    bench.ask(GetSnapshot(("connection", "tick:A")), deadline_s=2.0)
    bench.run(1.9)
    assert bench.replies == []
    bench.run(0.2)
    assert [one.pending for one in bench.result(GetSnapshot).topics] == [False, True]
    bench.say(link.Started("tick:A", None))
    assert len(bench.replies) == 1


def test_without_a_session_streams_are_pending_at_once() -> None:
    bench = Bench()
    assert [one.pending for one in snapshot_of(bench, "tick:A", "connection")] == [True, False]
    bench.connect()
    assert bench.gateway.topics.topic("tick:A").stream is Stream.STARTING


@pytest.mark.parametrize("how", ["exit", "lost"])
def test_who_waits_when_the_session_goes_is_told_that_it_is_pending(how: str) -> None:
    bench = Bench().connect()
    bench.ask(GetSnapshot(("tick:A",)))
    if how == "exit":
        bench.exit()
    else:
        bench.say(link.Lost("symbol_info_tick", -10_004, "No IPC connection"))
    assert [one.pending for one in bench.result(GetSnapshot).topics] == [True]


@pytest.mark.parametrize("name", ["client:c1", "tick:", "tick:*", "nonsense", "tick:A\0B"])
def test_what_is_no_topic_is_refused_by_its_name(name: str) -> None:
    bench = Bench().connect()
    bench.ask(GetSnapshot(("connection", name)))
    error = bench.error()
    assert isinstance(error, InvalidParameters)
    assert error.details["value"] == name
    assert bench.streams() == []


def test_refusals_that_every_request_knows() -> None:
    bench = Bench().connect()
    bench.ask(GetSnapshot(("tick:A",)), "late", deadline_s=-1.0)
    assert isinstance(bench.error("late"), DeadlinePassed)
    bench.gateway.stop(bench.now)
    bench.ask(GetSnapshot(("tick:A",)), "stopping")
    assert isinstance(bench.error("stopping"), Stopping)


def test_requests_that_wait_are_bounded() -> None:
    bench = Bench(max_pending=20).connect()
    for number in range(20):
        bench.ask(GetSnapshot(("tick:A",)), str(number))
    bench.ask(GetSnapshot(("tick:A",)), "more")
    assert isinstance(bench.error("more"), Busy)
    bench.say(link.Started("tick:A", None))
    assert len(bench.replies) == 21


def test_snapshots_cannot_fill_the_table_of_topics() -> None:
    bench = Bench(max_pending=1_000).connect()
    for number in range(51):
        bench.ask(GetSnapshot(tuple(f"tick:{number}.{symbol}" for symbol in range(2_000))), str(number))
    assert isinstance(bench.error("50"), Busy)
    assert len(list(bench.gateway.topics)) <= 100_000


def test_the_account_is_told_as_an_account() -> None:
    bench = Bench().connect()
    bench.subscribe("account\0")
    bench.say(link.Started("account", link.pack(blank(Account, login=7, balance=100.0))))
    assert body_of(snapshot_of(bench, "account")[0]) == blank(Account, login=7, balance=100.0)
    bench.say(link.Publish([("account", 0, blank(Account, login=7, balance=90.0))]))
    assert body_of(snapshot_of(bench, "account", request_id="2")[0]).balance == 90.0


def open_trades(bench: Bench, request_id: str) -> tuple[int, TradeSnapshot | None]:
    (told,) = snapshot_of(bench, "trade", request_id=request_id)
    return told.sequence, msgspec.msgpack.decode(told.body, type=TradeSnapshot | None)


def test_of_trades_what_is_open_is_told_to_who_comes_late() -> None:
    bench = Bench().connect()
    bench.subscribe("trade\0")
    bench.say(link.Started("trade", link.pack(TradeSnapshot((position(1), position(3)), (order(9),)))))
    assert open_trades(bench, "1") == (0, TradeSnapshot((position(1), position(3)), (order(9),)))
    said = len(bench.said)
    bench.say(link.Publish([
        ("trade", 0, codec.plain_body(event))
        for event in (
            TradeEvent("order_filled", order=order(9)),
            TradeEvent("position_opened", position=position(2)),
            TradeEvent("position_changed", position=position(1, sl=1.5)),
            TradeEvent("position_closed", position=position(3)),
            TradeEvent("order_placed", order=order(8)),
        )
    ]))  # fmt: skip
    assert open_trades(bench, "2") == (5, TradeSnapshot((position(1, sl=1.5), position(2)), (order(8),)))
    assert len(bench.said) == said, "the session is not asked for it"
    bench.exit()
    bench.run(0.5)
    bench.say(link.Ready("token", 1), attached(), link.Started("trade", link.pack(TradeSnapshot((), ()))))
    assert open_trades(bench, "3") == (5, TradeSnapshot((), ()))


def test_what_is_open_is_not_known_before_the_session_has_said_it() -> None:
    bench = Bench().connect()
    bench.subscribe("trade\0")
    bench.say(
        link.Publish([("trade", 0, codec.plain_body(TradeEvent("position_opened", position(2))))]), link.Started("trade", None)
    )
    assert open_trades(bench, "1") == (1, None)


def test_what_a_new_session_knows_replaces_what_the_old_one_knew() -> None:
    bench = Bench().connect()
    bench.subscribe("tick:A\0")
    bench.subscribe("account\0")
    account = blank(Account, balance=100.0)
    bench.say(link.Started("tick:A", ticks(1.0)), link.Started("account", link.pack(account)))
    bench.say(link.Publish([("tick:A", 0, ticks(2.0))]))
    bench.exit()
    bench.run(0.5)
    bench.say(link.Ready("token", 1), attached())
    bench.say(link.Started("tick:A", ticks(8.0)), link.Started("account", link.pack(blank(Account, balance=70.0))))
    tick, told = snapshot_of(bench, "tick:A", "account")
    assert (tick.sequence, body_of(tick)) == (1, ticks(8.0))
    assert body_of(told).balance == 70.0
    assert [body.balance for body in bench.bodies("account")] == [100.0, 70.0], "who follows the account has to hear of it, too"


def test_a_state_that_is_as_it_was_is_not_published_again() -> None:
    bench = Bench().connect()
    bench.subscribe("account\0")
    started = link.Started("account", link.pack(blank(Account, balance=100.0)))
    bench.say(started)
    bench.exit()
    bench.run(0.5)
    bench.say(link.Ready("token", 1), attached(), started)
    assert len(bench.bodies("account")) == 1


def test_many_clients_that_join_at_once_do_not_stop_the_bridge() -> None:
    bench = Bench().connect()
    topics = tuple(f"tick:{number}" for number in range(1_000))
    for client in range(64):
        bench.gateway.receive_request(b"peer", [encode_request(GetSnapshot(topics), str(client))], 0.0)
    frames = [link.pack(link.Started(topic, None)) for topic in topics[:-1]]
    began = perf_counter()
    for frame in frames:
        bench.gateway.receive_link(frame, 0.0)
    assert perf_counter() - began < 1.0
    assert bench.gateway.replies == []
    bench.gateway.receive_link(link.pack(link.Started(topics[-1], None)), 0.0)
    assert len(bench.gateway.replies) == 64
