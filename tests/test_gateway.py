"""Requests in the gateway, in virtual time; orders, topics, snapshots and the session's life have tests of their own."""

from __future__ import annotations

from random import Random
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from bridge import codec
from bridge.connection import State
from bridge.errors import (
    Busy,
    InternalError,
    InvalidParameters,
    MalformedMessage,
    NotConnected,
    UnknownMethod,
    UnknownSymbol,
    WrongProtocol,
)
from bridge.gateway import Gateway, GatewaySettings
from bridge.messages import GetAccount, GetStatus, GetTick, Goodbye, Hello, Ping
from bridge.records import Account
from bridge.replies import LastTick
from bridge.session import link
from tests.scripted_session import BUY, EPOCH, WALL_US, Bench, attached, blank, health, obliging, ticks


def envelope(**changes: Any) -> bytes:
    """A request's frame with something changed; `...` leaves a field out."""
    fields = {"version": 1, "id": "1", "method": "ping", "params": {}} | changes
    return codec.pack({name: value for name, value in fields.items() if value is not ...})


# ---- answers ---------------------------------------------------------------------------------------------------------------------


def test_a_request_is_passed_on_and_its_result_passed_back() -> None:
    bench = Bench().connect()
    bench.run(1.0)
    bench.ask(GetAccount(), deadline_s=3.0)
    (call,) = bench.calls()
    assert (call.method, bytes(call.params), call.deadline_s) == ("account", codec.pack(GetAccount()), 4.0)
    account = blank(Account, login=5)
    bench.say(link.Result(call.id, Raw(link.pack(account))))
    assert bench.result(GetAccount) == account
    reply = bench.reply()
    assert (reply.epoch, reply.time_msc) == (EPOCH, WALL_US // 1000 + 1_000)


def test_several_answers_in_one_frame_go_to_those_who_asked() -> None:
    bench = Bench().connect()
    for _ in range(3):
        bench.ask(GetAccount())
    calls = bench.calls()
    accounts = [blank(Account, login=1, balance=float(number)) for number in range(3)]
    results = [link.Result(call.id, Raw(link.pack(account))) for call, account in zip(calls, accounts, strict=True)]
    bench.gateway.receive_link(link.together([link.pack(message) for message in (link.Idle(), *results)]), bench.now)
    bench.take()
    told = [codec.decode_result("account", reply) for _, reply in bench.replies]
    assert told == accounts


def test_of_a_frame_with_garbage_nothing_counts() -> None:
    bench = Bench().connect()
    bench.ask(GetAccount())
    (call,) = bench.calls()
    result = link.pack(link.Result(call.id, Raw(link.pack(blank(Account, login=1)))))
    bench.gateway.receive_link(link.together([result, b"\x91\xc0"]), bench.now)
    bench.take()
    assert isinstance(bench.error(), NotConnected)


def test_a_failure_is_passed_back_with_all_that_it_says() -> None:
    bench = Bench().connect()
    bench.ask(GetAccount())
    bench.say(link.failed(bench.calls()[0].id, UnknownSymbol("no symbol X", next_step="check it", symbol="X")))
    error = bench.error()
    assert isinstance(error, UnknownSymbol)
    assert (error.message, error.next_step, error.details) == ("no symbol X", "check it", {"symbol": "X"})


def test_answers_go_to_those_who_asked_in_any_order() -> None:
    bench = Bench().connect()
    for peer in (b"a", b"b"):
        for request_id in "12":
            bench.ask(GetAccount(), request_id, peer=peer)
    for call in reversed(bench.calls()):
        bench.say(link.Result(call.id, Raw(codec.pack(blank(Account, login=call.id)))))
    told = {(peer, reply.id): codec.decode_result("account", reply).login for peer, reply in bench.replies}
    assert told == {(b"a", "1"): 1, (b"a", "2"): 2, (b"b", "1"): 3, (b"b", "2"): 4}


def test_answers_to_what_was_never_asked_are_nothing() -> None:
    bench = Bench().connect()
    bench.say(link.Result(99, Raw(b"\xc0")), link.failed(98, NotConnected("no")), link.Started("tick:X", None))
    assert bench.replies == []


# ---- what is no good request -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [[], [envelope(), envelope()], [b"", envelope()], [b"x"] * 8])
def test_a_request_is_one_frame(frames: list[bytes]) -> None:
    bench = Bench()
    bench.send(*frames)
    assert isinstance(bench.error(""), MalformedMessage)
    assert bench.gateway.counters["malformed"] == 1


@pytest.mark.parametrize(
    "frame", [b"", b"\0", b"\xc1", b"hello", codec.pack([1, 2]), b"\x91" * 1_000, b"x" * 70_000, envelope(id=...)]
)
def test_garbage_is_answered(frame: bytes) -> None:
    bench = Bench()
    bench.send(frame)
    assert isinstance(bench.error(""), MalformedMessage)


@pytest.mark.parametrize(
    "changes", [{"method": 5}, {"params": ...}, {"deadline_msc": "soon"}, {"method": "x" * 65}, {"client": "a b"}]
)
def test_a_bad_envelope_is_answered_by_its_id(changes: dict[str, Any]) -> None:
    bench = Bench()
    bench.send(envelope(**changes))
    assert isinstance(bench.error("1"), MalformedMessage)


def test_another_version_of_the_protocol_is_told_which_one_is_spoken() -> None:
    bench = Bench()
    bench.send(envelope(version=2, method=7, later=True))
    error = bench.error("1")
    assert isinstance(error, WrongProtocol)
    assert error.details == {"version": 2, "spoken": 1}


def test_an_unknown_method() -> None:
    bench = Bench().connect()
    bench.send(envelope(method="sell_everything"))
    error = bench.error()
    assert isinstance(error, UnknownMethod)
    assert error.details == {"method": "sell_everything"}


@pytest.mark.parametrize(
    ("method", "params", "field"),
    [
        ("symbol", {}, "symbol"), ("symbol", {"symbol": 5}, "symbol"), ("symbol", {"symbol": ""}, "symbol"), ("rates", [], None),
        ("rates", {"symbol": "X", "timeframe": "M1", "count": 0}, "count"), ("hello", {"name": "x"}, "client_id"),
        ("order", {"request": {"volume": -1.0}}, "request.volume"), ("order", {"request": {"volume": 1.0, "stop": 1.0}}, "stop"),
        ("order", {"request": {"price": float("nan")}}, "request.price"), ("snapshot", {"topics": []}, "topics"),
        ("hello", {"name": "x", "client_id": "a:b"}, "client_id"),
    ],
)  # fmt: skip
def test_a_parameter_that_is_wrong_is_named(method: str, params: Any, field: str | None) -> None:
    bench = Bench().connect()
    bench.send(envelope(method=method, params=params))
    error = bench.error()
    assert isinstance(error, InvalidParameters)
    assert error.details["field"] == field
    assert bench.said == []


def test_unknown_fields_are_tolerated_where_they_do_no_harm() -> None:
    bench = Bench()
    bench.send(envelope(later="news", params={"also": 1}))
    assert bench.result(Ping).state == "stopped"


envelopes = st.builds(envelope, method=st.text(max_size=9), params=st.dictionaries(st.text(), st.none()))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=60) | envelopes))
def test_every_message_gets_one_answer_whatever_it_is(frames: list[bytes]) -> None:
    bench = Bench().connect()
    for frame in frames:
        bench.send(frame)
    assert len(bench.replies) + len(bench.calls()) == len(frames)


def test_a_fault_of_ours_is_answered_and_told() -> None:
    bench = Bench().connect()
    bench.gateway._reception._answers["ping"] = lambda *given: 1 / 0
    bench.ask(Ping())
    assert isinstance(bench.error(), InternalError)
    assert "ZeroDivisionError" in bench.bodies("log")[0].message


# ---- the connection --------------------------------------------------------------------------------------------------------------


def test_without_a_session_requests_are_refused_with_the_cause() -> None:
    bench = Bench()
    bench.ask(GetAccount(), "stopped")
    error = bench.error("stopped")
    assert isinstance(error, NotConnected)
    assert (error.details, error.next_step) == ({"state": "stopped"}, "start the bridge")
    bench.gateway.start(0.0)
    bench.ask(GetAccount(), "starting")
    assert bench.error("starting").details == {"state": "starting"}
    bench.say(link.Ready("token", 1))
    bench.ask(GetAccount(), "connecting")
    assert bench.error("connecting").details == {"state": "connecting"}
    bench.say(attached(), link.Lost("f", -10_004, "gone"))
    bench.ask(GetAccount(), "reconnecting")
    assert "gone" in bench.error("reconnecting").message
    assert bench.calls() == []


def test_without_a_trade_server_one_may_read_but_not_trade() -> None:
    bench = Bench().connect()
    bench.say(health(connected=False))
    bench.ask(GetAccount(), "read")
    bench.ask(BUY, "order")
    assert isinstance(bench.error("order"), NotConnected)
    assert [call.method for call in bench.calls()] == ["account"]


def test_reads_under_way_when_the_session_goes_may_be_tried_again() -> None:
    bench = Bench().connect()
    bench.ask(GetAccount())
    bench.exit("it died")
    error = bench.error()
    assert isinstance(error, NotConnected)
    assert error.message == "it died"
    bench.run(20.0)
    assert len(bench.replies) == 1


def test_too_many_requests_are_refused() -> None:
    bench = Bench(max_pending=5).connect()
    for number in range(6):
        bench.ask(GetAccount(), str(number))
    assert isinstance(bench.error("5"), Busy)
    bench.say(link.Result(bench.calls()[0].id, Raw(b"\xc0")))
    bench.ask(GetAccount(), "again")
    assert len(bench.calls()) == 6


# ---- the gateway's own answers ---------------------------------------------------------------------------------------------------


def test_hello_says_where_the_events_are() -> None:
    bench = Bench(heartbeat_s=0.5).connect()
    bench.ask(Hello("strategy", "c1", 7, "here"), client="c1")
    told = bench.result(Hello)
    assert (told.software, told.events, told.heartbeat_ms) == ("1.0", "tcp://127.0.0.1:2", 500)
    assert told.connection == bench.gateway.connection.now
    bench.replies.clear()
    bench.ask(Goodbye(), client="c1")
    bench.result(Goodbye)
    assert len(bench.gateway.peers) == 0


def test_ping_tells_how_old_the_bridges_knowledge_is() -> None:
    bench = Bench()
    bench.ask(Ping(), "before")
    assert (bench.result(Ping, "before").state, bench.result(Ping, "before").session_age_ms) == ("stopped", None)
    bench.connect()
    bench.run(1.25)
    bench.ask(Ping())
    assert (bench.result(Ping).state, bench.result(Ping).session_age_ms) == ("connected", 1_250)


def test_clients_are_counted_by_what_they_ask() -> None:
    bench = Bench().connect()
    bench.hello("c1")
    bench.hello("c2")
    bench.answers = obliging
    for _ in range(3):
        bench.ask(GetAccount(), client="c1")
    bench.ask(BUY, "o1", client="c2")
    bench.ask(GetAccount(), client="stranger")
    counted = {peer.client_id: (peer.requests, peer.orders_done) for peer in bench.gateway.peers}
    assert counted == {"c1": (3, 0), "c2": (1, 1)}
    assert bench.gateway.counters["requests"] == 7


# ---- the last tick ---------------------------------------------------------------------------------------------------------------


def with_stream(bench: Bench) -> Bench:
    bench.subscribe("tick:A\0")
    bench.say(link.Started("tick:A", ticks(1.0)))
    return bench


def age_ms(bench: Bench) -> int | None:
    """Of the last tick as the stream knows it; None when the session was asked instead."""
    bench.replies.clear()
    before = len(bench.calls("tick"))
    bench.ask(GetTick("A"))
    if len(bench.calls("tick")) > before:
        return None
    told: LastTick = bench.result(GetTick)
    assert told.source == "stream"
    return told.age_ms


def test_the_last_tick_comes_from_the_stream() -> None:
    bench = with_stream(Bench().connect())
    bench.healthy(10.0)
    bench.say(link.Publish([("tick:A", 0, ticks(2.0, 3.0))]))
    bench.run(0.25)
    bench.ask(GetTick("A"))
    assert bench.result(GetTick) == LastTick(ticks(3.0), 250, "stream")
    assert bench.calls() == []


def test_a_quiet_symbol_is_as_fresh_as_the_checks_of_the_terminal() -> None:
    bench = with_stream(Bench().connect())
    assert age_ms(bench) is None, "nobody knows yet"
    bench.healthy(0.5)
    bench.run(20.1)
    assert age_ms(bench) == 600
    bench.say(link.Publish([("tick:A", 0, ticks(2.0))]))
    bench.run(0.1)
    assert age_ms(bench) == 100, "what was just published is fresher than that"


def test_after_a_long_call_the_last_tick_is_not_called_fresh() -> None:
    bench = with_stream(Bench().connect())
    bench.healthy(0.5)
    bench.run(10.2)
    bench.silence()
    bench.ask(BUY, "o1")
    bench.say(link.Busy("order", 60.0))
    bench.run(20.0)
    bench.say(link.Result(bench.calls("order")[0].id, Raw(b"\xc0")), health())
    age = age_ms(bench)
    assert age is not None
    assert age >= 20_000


def test_what_an_old_session_knew_keeps_its_age() -> None:
    bench = with_stream(Bench().connect())
    bench.say(link.Publish([("tick:A", 0, ticks(2.0))]))
    bench.exit()
    bench.run(3.0)
    bench.say(link.Ready("token", 1), attached(), link.Started("tick:A", ticks(1.0)))
    assert age_ms(bench) == 3_000


@pytest.mark.parametrize("case", ["fresh", "no stream", "no tick", "starting", "degraded"])
def test_where_the_stream_cannot_say_the_session_is_asked(case: str) -> None:
    bench = Bench().connect()
    if case != "no stream":
        bench.subscribe("tick:A\0")
    if case in ("fresh", "degraded"):
        bench.say(link.Started("tick:A", None), link.Publish([("tick:A", 0, ticks(1.0))]))
    if case == "no tick":
        bench.say(link.Started("tick:A", None))
    if case == "degraded":
        bench.say(health(connected=False))
    bench.ask(GetTick("A", fresh=case == "fresh"))
    assert len(bench.calls("tick")) == 1


# ---- the bench itself ------------------------------------------------------------------------------------------------------------


def test_two_gateways_share_nothing() -> None:
    one, two = (Gateway(GatewaySettings("1.0", epoch, 0), 0.0, Random(1)) for epoch in (1, 2))
    one.start(0.0)
    assert (one.connection.state, two.connection.state) == (State.STARTING, State.STOPPED)
    assert two.events == []


def test_status_is_answered_in_every_state() -> None:
    bench = Bench()
    bench.ask(GetStatus())
    assert bench.result(GetStatus).healthy is False


def test_events_can_be_read_by_any_msgpack() -> None:
    bench = Bench().connect()
    bench.gateway.publish("tick:A", ticks(1.0), 0.5, flags=1)
    topic, _, payload = bench.gateway.events[0].partition(b"\0")
    assert topic == b"tick:A"
    assert msgpack.unpackb(payload) == [1, EPOCH, 1, WALL_US + 500_000, 1, ticks(1.0)]


def test_the_machines_clock_may_be_set_and_the_bridges_does_not_follow() -> None:
    bench = Bench().connect()
    before_us = bench.gateway.time_us(10.0)
    assert bench.gateway.wall_msc(10.0) == before_us // 1000
    bench.gateway.wall_clock(before_us + 3_600_000_000, 10.0)
    assert bench.gateway.wall_msc(11.0) == before_us // 1000 + 3_601_000
    assert bench.gateway.time_us(10.0) == before_us
