"""What becomes of an order in the gateway, in virtual time: its journal, its session, its answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.errors import (
    BridgeError,
    Busy,
    DeadlinePassed,
    IdReused,
    InternalError,
    JournalDamaged,
    JournalUnavailable,
    NotConnected,
    OrderRejected,
    OutcomeUnknown,
    Stopping,
)
from bridge.messages import GetAccount, Request, SendOrder
from bridge.session import link
from bridge.trading import TradeRequest
from tests.fake_scribe import FakeScribe
from tests.scripted_session import BUY, DONE, Bench, attached, done, health

OTHER = SendOrder(replace(BUY.request, volume=0.2))


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
        (OrderRejected("no money", retcode=10019), True),
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
    bench.replies.clear()
    bench.ask(BUY, "o1", deadline_s=1.0)
    assert bench.replies == [], "it may still be answered"
    bench.run(1.1)
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


def test_orders_of_unknown_outcome_are_in_nobodys_way() -> None:
    bench = Bench(max_orders=1).connect()
    bench.healthy()
    bench.ask(BUY, "o1")
    bench.say(link.failed(bench.calls("order")[0].id, OutcomeUnknown("no answer")))
    bench.ask(BUY, "o2")
    assert len(bench.calls("order")) == 2
    bench.ask(BUY, "o3")
    assert isinstance(bench.error("o3"), Busy)


@pytest.mark.parametrize("error", [OutcomeUnknown("no answer"), InternalError("oops")])
def test_what_proves_nothing_is_waited_for_until_the_deadline(error: BridgeError) -> None:
    bench = Bench().connect()
    bench.healthy()
    bench.ask(BUY, "o1", deadline_s=5.0)
    bench.say(link.failed(bench.calls("order")[0].id, error))
    assert bench.replies == []
    bench.run(5.1)
    assert type(bench.error("o1")) is type(error)
    assert len(bench.calls("order")) == 1


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
    bench = Bench(max_orders=1).connect()
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
    bench.ask(BUY, "o1", deadline_s=20.0)
    bench.ask(BUY, "o1", peer=b"twin", deadline_s=20.0)
    bench.ask(GetAccount(), "r1")
    if how == "exit":
        bench.exit()
    elif how == "hang":
        bench.run(6.0)
    else:
        bench.gateway.stop(bench.now)
        bench.exit("the session process ended with status 0")
    assert isinstance(bench.error("r1"), NotConnected)
    if how != "stop":
        assert len(bench.replies) == 1, "its outcome may still be found before the deadline"
        bench.run(20.1)
    assert isinstance(bench.error("o1"), OutcomeUnknown)
    assert isinstance(bench.error("o1", b"twin"), OutcomeUnknown)
    if how != "stop":
        bench.say(link.Ready("token", 2), attached())
        bench.ask(BUY, "o1", peer=b"later", deadline_s=1.0)
        bench.run(1.1)
        assert isinstance(bench.error("o1", b"later"), OutcomeUnknown)
    assert len(bench.calls("order")) == 1


def test_reads_leave_room_for_orders() -> None:
    bench = Bench(max_pending=10).connect()
    for number in range(11):
        bench.ask(GetAccount(), f"r{number}")
    assert isinstance(bench.error("r10"), Busy)
    bench.ask(BUY, "o1")
    assert len(bench.calls("order")) == 1


def test_a_request_without_a_client_is_served_too() -> None:
    bench = Bench().connect()
    bench.ask(SendOrder(TradeRequest()), "o1", client="nobody")
    bench.say(done(bench.calls()[0]))
    assert bench.result(SendOrder, "o1") == DONE


# ---- the journal -----------------------------------------------------------------------------------------------------------------


def test_nothing_is_sent_before_it_is_written_down_and_nothing_told_before_its_outcome_is() -> None:
    bench = Bench().connect()
    bench.scribe.held = True
    bench.ask(BUY, "o1")
    assert bench.calls() == []
    bench.scribe.held = False
    bench.take()
    (call,) = bench.calls("order")
    bench.scribe.held = True
    bench.say(done(call))
    assert bench.replies == []
    bench.scribe.held = False
    bench.take()
    assert bench.result(SendOrder, "o1") == DONE
    assert bench.scribe.entries["o1"].settlement is not None


def test_an_order_that_is_written_down_too_late_is_not_sent() -> None:
    bench = Bench(grace_s=0.1).connect()
    bench.healthy()
    bench.scribe.held = True
    bench.ask(BUY, "o1", deadline_s=1.0)
    bench.run(2.0)
    assert isinstance(bench.error("o1"), OutcomeUnknown)
    bench.scribe.held = False
    bench.take()
    assert bench.calls() == []
    assert bench.scribe.entries["o1"].settlement is not None
    bench.replies.clear()
    bench.ask(BUY, "o1", deadline_s=1.0)
    assert len(bench.calls("order")) == 1, "nothing was sent, so the id is free"


def test_an_order_whose_session_went_while_it_was_written_is_not_sent() -> None:
    bench = Bench().connect()
    bench.scribe.held = True
    bench.ask(BUY, "o1")
    bench.exit()
    bench.scribe.held = False
    bench.take()
    assert isinstance(bench.error("o1"), NotConnected)
    assert bench.calls() == []


@pytest.mark.parametrize("gone", [False, True])
def test_an_order_that_was_accepted_before_the_bridge_stops_comes_to_its_end(gone: bool) -> None:
    bench = Bench().connect()
    bench.healthy()
    bench.scribe.held = True
    bench.ask(BUY, "o1")
    bench.gateway.stop(bench.now)
    if gone:
        bench.exit()
    bench.scribe.held = False
    bench.take()
    if gone:
        assert bench.calls("order") == []
        assert isinstance(bench.error("o1"), Stopping | OutcomeUnknown)
    else:
        bench.say(done(bench.calls("order")[0]))
        assert bench.result(SendOrder, "o1") == DONE


def test_while_nothing_can_be_written_down_no_order_is_sent_and_everything_else_goes_on() -> None:
    bench = Bench().connect()
    bench.healthy()
    bench.scribe.failing = JournalUnavailable("no space left on device", next_step="make room")
    bench.ask(BUY, "o1")
    assert isinstance(bench.error("o1"), JournalUnavailable)
    assert [condition.reason for condition in bench.states[-1].conditions] == ["journal"]
    assert bench.states[-1].trading is False
    bench.ask(GetAccount(), "r1")
    assert len(bench.calls("account")) == 1
    bench.ask(BUY, "o2")
    assert isinstance(bench.error("o2"), JournalUnavailable)
    bench.scribe.failing = None
    bench.run(1.1)
    assert bench.states[-1].conditions == ()
    bench.replies.clear()
    bench.ask(BUY, "o1")
    bench.say(done(bench.calls("order")[0]))
    assert bench.result(SendOrder, "o1") == DONE


def test_an_outcome_that_cannot_be_written_is_told_and_written_later() -> None:
    bench = Bench().connect()
    bench.healthy()
    bench.ask(BUY, "o1")
    bench.scribe.failing = JournalUnavailable("no space left on device")
    bench.say(done(bench.calls("order")[0]))
    assert bench.result(SendOrder, "o1") == DONE
    assert bench.scribe.entries["o1"].settlement is None
    bench.scribe.failing = None
    bench.run(1.1)
    settlement = bench.scribe.entries["o1"].settlement
    assert settlement is not None
    assert settlement.kind == "done"


def test_a_journal_that_cannot_be_opened_is_tried_again() -> None:
    scribe = FakeScribe()
    scribe.failing = JournalUnavailable("permission denied")
    bench = Bench(scribe).connect()
    bench.healthy()
    bench.ask(BUY, "o1")
    assert isinstance(bench.error("o1"), JournalUnavailable)
    bench.run(2.5)
    assert scribe.opens >= 3
    scribe.failing = None
    bench.run(1.1)
    bench.replies.clear()
    bench.ask(BUY, "o1")
    assert len(bench.calls("order")) == 1


# ---- another run of the bridge ---------------------------------------------------------------------------------------------------


def test_outcomes_are_known_after_a_restart() -> None:
    first = Bench().connect()
    first.ask(BUY, "done")
    first.say(done(first.calls("order")[0]))
    first.ask(BUY, "rejected")
    first.say(link.failed(first.calls("order")[1].id, OrderRejected("no money", retcode=10019, comment="No money")))
    told = first.error("rejected")
    bench = Bench(first.scribe).connect()
    bench.ask(BUY, "done")
    bench.ask(BUY, "rejected")
    bench.ask(OTHER, "done", peer=b"other")
    assert bench.result(SendOrder, "done") == DONE
    assert (str(bench.error("rejected")), bench.error("rejected").details) == (str(told), told.details)
    assert isinstance(bench.error("done", b"other"), IdReused)
    assert bench.calls() == []


def test_an_id_that_was_not_sent_in_an_earlier_run_is_free() -> None:
    first = Bench().connect()
    first.ask(BUY, "free")
    first.say(link.failed(first.calls("order")[0].id, NotConnected("the link to the terminal was lost", next_step="try again")))
    assert isinstance(first.error("free"), NotConnected)
    bench = Bench(first.scribe).connect()
    bench.ask(BUY, "free")
    bench.say(done(bench.calls("order")[0]))
    assert bench.result(SendOrder, "free") == DONE


@pytest.mark.parametrize("durable", [True, False])
def test_an_order_that_a_crash_left_open_is_unknown_and_never_sent_again(durable: bool) -> None:
    first = Bench().connect()
    first.ask(BUY, "o1")
    if not durable:
        first.scribe.held = True
        first.say(done(first.calls("order")[0]))
        first.scribe.crash()
        first.scribe.held = False
    bench = Bench(first.scribe).connect()
    bench.ask(BUY, "o1", deadline_s=2.0)
    bench.ask(OTHER, "o1", peer=b"other")
    bench.run(2.1)
    assert isinstance(bench.error("o1"), OutcomeUnknown)
    assert isinstance(bench.error("o1", b"other"), IdReused)
    assert bench.calls("order") == []


def test_an_id_that_only_the_journal_knows_is_answered_from_there() -> None:
    first = Bench().connect()
    first.ask(BUY, "old")
    first.say(done(first.calls("order")[0]))
    entry = first.scribe.entries.pop("old")
    bench = Bench(first.scribe).connect()
    bench.scribe.entries["old"] = entry  # too old to be told at opening
    bench.ask(BUY, "old")
    assert bench.result(SendOrder, "old") == DONE
    bench.ask(OTHER, "old", peer=b"other")
    assert isinstance(bench.error("old", b"other"), IdReused)
    assert bench.calls() == []


def test_settled_orders_are_forgotten_but_not_by_the_journal() -> None:
    bench = Bench().connect()
    bench.gateway.dealing.execution._limit = 3
    for number in range(10):
        bench.ask(BUY, f"o{number}")
        bench.say(done(bench.calls("order")[-1], order=number + 1))
    assert len(bench.gateway.dealing.execution._orders) == 3
    bench.replies.clear()
    bench.ask(BUY, "o0")
    assert bench.result(SendOrder, "o0").result.order == 1
    assert len(bench.calls("order")) == 10


def test_an_order_that_comes_while_the_journal_is_being_opened_waits_for_that() -> None:
    scribe = FakeScribe()
    scribe.held = True
    bench = Bench(scribe).connect()
    bench.healthy()
    bench.ask(BUY, "o1")
    bench.run(1.0)
    assert bench.replies == []
    scribe.held = False
    bench.take()
    (call,) = bench.calls("order")
    bench.say(done(call))
    assert bench.result(SendOrder, "o1") == DONE


def test_a_journal_that_does_not_open_is_not_waited_for_without_end() -> None:
    scribe = FakeScribe()
    scribe.held = True
    bench = Bench(scribe).connect()
    bench.healthy()
    bench.ask(BUY, "o1")
    bench.run(2.1)
    assert isinstance(bench.error("o1"), JournalUnavailable)
    assert bench.calls("order") == []


def test_a_damaged_journal_is_opened_again_when_an_operator_has_decided() -> None:
    scribe = FakeScribe()
    scribe.failing = JournalDamaged("row 3 was changed", next_step="salvage")
    bench = Bench(scribe).connect()
    bench.healthy()
    bench.ask(BUY, "o1")
    assert isinstance(bench.error("o1"), JournalDamaged)
    bench.run(5.0)
    assert scribe.opens == 1, "nothing but a person can help"
    scribe.failing = None
    bench.gateway.reconnect("asked", bench.now)
    bench.take()
    bench.exit("the session process ended with status 0")
    bench.run(1.0)
    bench.say(link.Ready("token", 2), attached())
    bench.replies.clear()
    bench.ask(BUY, "o1")
    assert len(bench.calls("order")) == 1
