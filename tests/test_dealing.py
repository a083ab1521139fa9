"""Orders, their audit, the kill switch and the events of `trade`, in a gateway in virtual time."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from msgspec import Raw

from bridge import codec
from bridge.errors import ConfigError, OrderNotExecuted, TradingHalted
from bridge.limits import ClientLimits, Limits
from bridge.messages import GetJournal, Halt, Resume, SendOrder
from bridge.placement import Trace
from bridge.session import link
from bridge.trading import Deal
from tests.fake_scribe import FakeScribe
from tests.records import filled
from tests.scripted_session import BUY, DONE, Bench, attached, done, health


def lines(scribe: FakeScribe) -> list[tuple[str, str]]:
    return [(line.method, line.decision) for line in scribe.audit]


def test_every_decision_is_audited() -> None:
    bench = Bench().connect()
    bench.hello()
    bench.ask(BUY, "o1", client="c1")
    bench.say(done(bench.calls("order")[0]))
    bench.ask(Halt("news"), "h1", client="c1")
    bench.ask(BUY, "o2", client="c1")
    assert isinstance(bench.error("o2"), TradingHalted)
    bench.ask(Resume(), "h2", client="c1")
    assert lines(bench.scribe) == [
        ("order", "accepted"), ("order", "done"), ("halt", "halted"), ("order", "trading_halted"), ("resume", "resumed"),
    ]  # fmt: skip
    accepted, settled = bench.scribe.audit[:2]
    assert (accepted.id, accepted.client) == (settled.id, settled.client) == ("o1", "strategy")
    assert accepted.digest == settled.digest != ""
    assert len(bench.calls("order")) == 1


def test_a_halt_outlives_the_bridge() -> None:
    first = Bench().connect()
    first.ask(Halt("news"), "h1")
    assert [condition.reason for condition in first.states[-1].conditions] == ["halted"]
    bench = Bench(first.scribe).connect()
    bench.ask(BUY, "o1")
    assert isinstance(bench.error("o1"), TradingHalted)
    assert bench.calls("order") == []
    bench.ask(Resume(), "h2")
    again = Bench(first.scribe).connect()
    again.ask(BUY, "o1")
    assert len(again.calls("order")) == 1


def test_a_halt_before_the_journal_is_open_counts_too() -> None:
    bench = Bench()
    bench.ask(Halt("not today"), "h1")
    bench.connect()
    bench.ask(BUY, "o1")
    assert isinstance(bench.error("o1"), TradingHalted)
    assert "halted" in bench.scribe.notes


def test_limits_that_change_hold_for_the_next_order_and_broken_ones_change_nothing() -> None:
    bench = Bench().connect()
    dealing = bench.gateway.dealing
    dealing.limits_changed(Limits(ClientLimits(max_volume=0.05)), bench.now)
    bench.ask(BUY, "o1")
    assert bench.error("o1").details["rule"] == "max_volume"
    dealing.limits_changed(ConfigError("line 3 is none"), bench.now)
    bench.ask(BUY, "o2")
    assert bench.error("o2").details["rule"] == "max_volume"
    dealing.limits_changed(Limits(), bench.now)
    bench.ask(BUY, "o3")
    bench.take()
    assert len(bench.calls("order")) == 1
    told = [event.message for event in bench.bodies("log")]
    assert any("the limits stay as they were: line 3 is none" in text for text in told)
    assert any("can be read again" in text for text in told)


def test_the_journal_is_shown() -> None:
    bench = Bench().connect()
    bench.ask(BUY, "o1")
    bench.ask(BUY, "o2")
    bench.say(done(bench.calls("order")[0]))
    bench.ask(GetJournal(), "j1")
    assert [(entry.id, entry.kind) for entry in bench.result(GetJournal, "j1").entries] == [("o2", None), ("o1", "done")]
    bench.ask(GetJournal(unknown=True), "j2")
    assert [entry.id for entry in bench.result(GetJournal, "j2").entries] == ["o2"]


# ---- events of trade -------------------------------------------------------------------------------------------------------------


def trade(**parts: Any) -> link.Publish:
    return link.Publish([("trade", 0, {"kind": "deal", **parts})], {"trade": b"so far"})


def test_events_say_whose_order_they_come_from_and_go_on_after_a_restart() -> None:
    bench = Bench().connect()
    bench.hello()
    bench.subscribe("trade\0")
    bench.say(link.Started("trade", None))
    bench.ask(BUY, "o1", client="c1")
    bench.say(done(bench.calls("order")[0], order=77, deal=78))
    bench.say(trade(deal=codec.plain_body(filled(Deal, ticket=78, order=77))))
    bench.say(trade(deal=codec.plain_body(filled(Deal, ticket=80, order=79))))
    told = bench.bodies("trade")
    assert [(event.request_id, event.client) for event in told] == [("o1", "strategy"), ("", "")]
    assert base64.b64decode(bench.scribe.notes["trades"]) == b"so far"
    again = Bench(bench.scribe)
    again.subscribe("trade\0")
    again.scribe.held = True
    again.connect()
    assert again.streams() == [], "it is not known yet where to go on"
    again.scribe.held = False
    again.take()
    (start,) = [message for message in again.said if isinstance(message, link.StartStream)]
    assert start.resume == b"so far"


# ---- orders of unknown outcome ---------------------------------------------------------------------------------------------------


def lost(bench: Bench) -> None:
    """The session ends with an order in its hands, and another one attaches."""
    bench.ask(BUY, "o1", deadline_s=200.0)
    bench.exit()
    bench.run(1.0)
    bench.say(link.Ready("token", 2), attached())
    bench.healthy()


def answer(bench: Bench, trace: Trace) -> None:
    for call in bench.calls("trace"):
        bench.said.remove(call)
        bench.say(link.Result(call.id, Raw(codec.pack(trace))))


def test_an_order_that_was_lost_and_is_found_is_answered_and_published() -> None:
    bench = Bench().connect()
    lost(bench)
    bench.run(0.1)
    token = bench.scribe.entries["o1"].intent.token
    request = BUY.request
    deal = filled(
        Deal, ticket=78, order=77, symbol=request.symbol, volume=request.volume, type=request.type, comment=token, reason=3,
        price=1.1, entry=0, position_id=77, time=2_000_000_000, time_msc=2_000_000_000_000,
    )  # fmt: skip
    for _ in range(30):
        answer(bench, Trace((), (), (), (deal,), connected=True))
        bench.run(1.0)
        if bench.replies:
            break
    found = bench.result(SendOrder, "o1")
    assert (found.outcome, found.result.deal, found.result.order) == ("done", 78, 77)
    settlement = bench.scribe.entries["o1"].settlement
    assert settlement is not None
    assert settlement.kind == "done"
    assert "78" in settlement.evidence or "77" in settlement.evidence
    (event,) = bench.bodies("trade")
    assert (event.kind, event.request_id) == ("order_resolved", "o1")
    assert len(bench.calls("order")) == 1, "it was never sent again"


@pytest.mark.parametrize("connected", [True, False])
def test_no_trace_for_a_minute_of_connection_is_not_executed(connected: bool) -> None:
    bench = Bench().connect()
    lost(bench)
    for _ in range(100):
        answer(bench, Trace((), (), (), (), connected=connected))
        bench.run(1.0)
    if connected:
        assert isinstance(bench.error("o1"), OrderNotExecuted)
        assert "no trace" in str(bench.error("o1"))
    else:
        assert bench.replies == [], "what is missing proves nothing without a trade server"


def test_a_broken_link_to_the_broker_begins_the_minute_anew() -> None:
    bench = Bench().connect()
    lost(bench)
    for second in range(70):
        bench.say(health(connected=second not in (40, 41)))
        answer(bench, Trace((), (), (), (), connected=True))
        bench.run(1.0)
    assert DONE is not None
    assert not [reply for _, reply in bench.replies if reply.id == "o1" and reply.error is None]
