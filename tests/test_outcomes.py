"""The books of orders by themselves, and what becomes of an order in the gateway."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import Raw

from bridge import codec
from bridge.errors import (
    BridgeError,
    Busy,
    DeadlinePassed,
    IdReused,
    InternalError,
    NotConnected,
    OrderRejected,
    OutcomeUnknown,
    Stopping,
)
from bridge.messages import GetAccount, Request, SendOrder
from bridge.outcomes import Outcomes, Waiter
from bridge.replies import OrderOutcome
from bridge.session import link
from bridge.trading import OrderResult, TradeRequest
from tests.scripted_session import BUY, Bench, attached, blank, health

REQUEST = BUY.request
OTHER = SendOrder(replace(REQUEST, volume=0.2))
DONE = OrderOutcome("done", blank(OrderResult, retcode=10009, order=11, request=REQUEST))
A, B = (b"a", "1"), (b"b", "1")


def done(call: link.Call) -> link.Result:
    return link.Result(call.id, Raw(codec.pack(DONE)))


# ---- the books -------------------------------------------------------------------------------------------------------------------


def test_everybody_who_waits_for_an_order_is_answered_once() -> None:
    outcomes = Outcomes()
    answered: list[Waiter] = []
    assert outcomes.admit("1", REQUEST, A) is None
    entry = outcomes.admit("1", REQUEST, B)
    assert entry is not None
    assert entry.outcome is None
    outcomes.settle("1", b"done", lambda waiter, entry: answered.append(waiter))
    outcomes.settle("1", b"done", lambda waiter, entry: answered.append(waiter))
    assert answered == [A, B]
    known = outcomes.admit("1", REQUEST, A)
    assert known is not None
    assert known.outcome == b"done"
    assert known.waiters == []


def test_an_id_stands_for_one_content() -> None:
    outcomes = Outcomes()
    outcomes.admit("1", REQUEST, A)
    with pytest.raises(IdReused):
        outcomes.admit("1", OTHER.request, A)


def test_an_order_of_which_nothing_was_sent_leaves_no_trace() -> None:
    outcomes = Outcomes()
    outcomes.admit("1", REQUEST, A)
    outcomes.withdraw("1")
    outcomes.withdraw("1")
    assert outcomes.admit("1", OTHER.request, A) is None
    outcomes.settle("1", NotConnected("no"), lambda waiter, entry: None)
    assert outcomes.admit("1", REQUEST, A) is None
    outcomes.settle("unknown", b"", lambda waiter, entry: None)


def test_orders_in_flight_are_never_forgotten_and_old_outcomes_are() -> None:
    outcomes = Outcomes(limit=3)
    for order_id in "123":
        outcomes.admit(order_id, REQUEST, A)
    with pytest.raises(Busy):
        outcomes.admit("4", REQUEST, A)
    outcomes.settle("2", b"done", lambda waiter, entry: None)
    assert outcomes.admit("4", REQUEST, A) is None
    assert outcomes.admit("1", REQUEST, A) is not None
    assert outcomes.admit("3", REQUEST, A) is not None
    outcomes.settle("4", b"done", lambda waiter, entry: None)
    assert outcomes.admit("2", REQUEST, A) is None, "its outcome was forgotten"


# ---- in the gateway --------------------------------------------------------------------------------------------------------------


def test_an_order_is_sent_once_and_its_outcome_is_kept() -> None:
    bench = Bench().connect()
    bench.ask(BUY, "o1")
    (call,) = bench.calls("order")
    bench.say(done(call))
    assert bench.result(SendOrder, "o1") == DONE
    bench.run(0.5)
    bench.replies.clear()
    bench.ask(BUY, "o1", peer=b"other")
    assert bench.result(SendOrder, "o1", b"other") == DONE
    assert len(bench.calls("order")) == 1


def test_twins_in_flight_are_one_order() -> None:
    bench = Bench().connect()
    bench.hello()
    for number in range(1_000):
        bench.ask(BUY, "o1", peer=b"%d" % number, client="c1")
    (call,) = bench.calls("order")
    bench.say(done(call))
    assert {routing_id for routing_id, _ in bench.replies} == {b"%d" % number for number in range(1_000)}
    assert len(bench.replies) == 1_000
    peer = next(iter(bench.gateway.peers))
    assert (peer.requests, peer.orders_done, peer.orders_failed) == (1_000, 1, 0)


def test_an_id_with_another_content_is_refused_in_flight_and_afterwards() -> None:
    bench = Bench().connect()
    bench.ask(BUY, "o1")
    bench.ask(OTHER, "o1", peer=b"second")
    assert isinstance(bench.error("o1", b"second"), IdReused)
    bench.say(done(bench.calls()[0]))
    bench.ask(OTHER, "o1", peer=b"third")
    assert isinstance(bench.error("o1", b"third"), IdReused)
    assert len(bench.calls()) == 1


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (OrderRejected("no money", retcode=10019), True), (OutcomeUnknown("no answer"), True), (InternalError("oops"), True),
        (DeadlinePassed("too late"), False), (NotConnected("gone"), False),
    ],
)  # fmt: skip
def test_failures_are_kept_except_where_nothing_was_sent(error: BridgeError, kept: bool) -> None:
    bench = Bench().connect()
    bench.ask(BUY, "o1")
    bench.say(link.failed(bench.calls()[0].id, error))
    told = bench.error("o1")
    assert type(told) is type(error)
    assert told.details == error.details
    bench.replies.clear()
    bench.ask(BUY, "o1")
    assert len(bench.calls("order")) == (1 if kept else 2)
    assert len(bench.replies) == (1 if kept else 0)


def test_an_order_that_is_not_answered_in_time_is_unknown_and_its_outcome_still_comes() -> None:
    bench = Bench(order_deadline_s=30.0).connect()
    bench.healthy()
    bench.hello()
    bench.ask(BUY, "o1", client="c1", deadline_s=5.0)
    bench.run(4.9)
    assert bench.replies == []
    bench.run(0.2)
    assert isinstance(bench.error("o1"), OutcomeUnknown)
    peer = next(iter(bench.gateway.peers))
    assert (peer.orders_done, peer.orders_failed) == (0, 1)
    bench.replies.clear()
    bench.ask(BUY, "o1")
    assert isinstance(bench.error("o1"), OutcomeUnknown)
    bench.replies.clear()
    (call,) = bench.calls("order")
    bench.say(done(call))
    assert bench.replies == [], "whoever waited has been answered"
    assert (peer.orders_done, peer.orders_failed) == (1, 0), "every order counts once"
    bench.ask(BUY, "o1")
    assert bench.result(SendOrder, "o1") == DONE
    assert len(bench.calls("order")) == 1


@pytest.mark.parametrize("request_", [BUY, GetAccount()])
def test_the_session_has_a_moment_to_say_that_it_did_not_begin(request_: Request[Any]) -> None:
    bench = Bench(grace_s=0.25).connect()
    bench.ask(request_, "o1", deadline_s=1.0)
    (call,) = bench.calls()
    assert call.deadline_s == 1.0
    bench.run(1.2)
    assert bench.replies == []
    bench.say(link.failed(call.id, DeadlinePassed("still waiting at its deadline")))
    assert isinstance(bench.error("o1"), DeadlinePassed)
    bench.run(1.0)
    assert len(bench.replies) == 1


def test_an_order_that_was_unknown_and_is_lost_with_its_session_counts_once() -> None:
    bench = Bench().connect()
    bench.healthy()
    bench.hello()
    bench.ask(BUY, "o1", client="c1", deadline_s=1.0)
    bench.run(2.0)
    bench.exit()
    peer = next(iter(bench.gateway.peers))
    assert (peer.orders_done, peer.orders_failed) == (0, 1)
    assert len(bench.replies) == 1


@pytest.mark.parametrize("deadline_s", [None, 1.0, -1.0])
def test_the_outcome_is_told_whatever_the_time_and_the_connection(deadline_s: float | None) -> None:
    bench = Bench().connect()
    bench.ask(BUY, "o1")
    bench.say(done(bench.calls()[0]))
    bench.replies.clear()
    bench.exit()
    bench.ask(BUY, "o1", peer=b"reconnecting", deadline_s=deadline_s)
    assert bench.result(SendOrder, "o1", b"reconnecting") == DONE
    bench.gateway.stop(bench.now)
    bench.ask(BUY, "o1", peer=b"stopping", deadline_s=deadline_s)
    assert bench.result(SendOrder, "o1", b"stopping") == DONE


def test_the_deadline_of_a_twin_does_not_deny_the_order_that_is_under_way() -> None:
    bench = Bench().connect()
    bench.ask(BUY, "o1", peer=b"first", deadline_s=10.0)
    bench.ask(BUY, "o1", peer=b"twin", deadline_s=-1.0)
    assert bench.replies == []
    bench.say(done(bench.calls()[0]))
    assert bench.result(SendOrder, "o1", b"twin") == DONE


def test_refused_before_it_was_sent_the_id_is_free() -> None:
    bench = Bench(max_pending=1).connect()
    bench.ask(BUY, "o1", deadline_s=-1.0)
    assert isinstance(bench.error("o1"), DeadlinePassed)
    bench.ask(BUY, "o2")
    bench.ask(BUY, "o3")
    assert isinstance(bench.error("o3"), Busy)
    bench.say(done(bench.calls()[0]))
    bench.say(health(connected=False))
    bench.replies.clear()
    bench.ask(BUY, "o1")
    assert isinstance(bench.error("o1"), NotConnected)
    bench.say(health())
    bench.replies.clear()
    bench.ask(OTHER, "o1")
    bench.say(done(bench.calls()[1]))
    bench.ask(OTHER, "o3")
    assert len(bench.calls("order")) == 3
    assert len(bench.replies) == 1


def test_an_order_that_comes_while_the_bridge_stops_is_not_kept_as_failed() -> None:
    bench = Bench().connect()
    bench.gateway.stop(bench.now)
    bench.ask(BUY, "o1")
    bench.ask(BUY, "o1", peer=b"again")
    assert isinstance(bench.error("o1"), Stopping)
    assert isinstance(bench.error("o1", b"again"), Stopping)
    assert bench.calls() == []


@pytest.mark.parametrize("how", ["exit", "hang", "stop"])
def test_orders_under_way_when_the_session_goes_are_unknown_and_never_sent_again(how: str) -> None:
    bench = Bench().connect()
    bench.ask(BUY, "o1")
    bench.ask(BUY, "o1", peer=b"twin")
    bench.ask(GetAccount(), "r1")
    if how == "exit":
        bench.exit()
    elif how == "hang":
        bench.run(6.0)
    else:
        bench.gateway.stop(bench.now)
        bench.exit("the session process ended with status 0")
    assert isinstance(bench.error("o1"), OutcomeUnknown)
    assert isinstance(bench.error("o1", b"twin"), OutcomeUnknown)
    assert isinstance(bench.error("r1"), NotConnected)
    assert len(bench.replies) == 3
    if how != "stop":
        bench.run(1.0)
        bench.say(link.Ready("token", 2), attached())
        bench.ask(BUY, "o1", peer=b"later")
        assert isinstance(bench.error("o1", b"later"), OutcomeUnknown)
    assert len(bench.calls("order")) == 1


def test_reads_leave_room_for_orders() -> None:
    bench = Bench(max_pending=10).connect()
    for number in range(10):
        bench.ask(GetAccount(), f"r{number}")
    assert isinstance(bench.error("r9"), Busy)
    bench.ask(BUY, "o1")
    assert len(bench.calls("order")) == 1


def test_a_request_without_a_client_is_served_too() -> None:
    bench = Bench().connect()
    bench.ask(SendOrder(TradeRequest()), "o1", client="nobody")
    bench.say(done(bench.calls()[0]))
    assert bench.result(SendOrder, "o1") == DONE
