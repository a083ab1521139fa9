"""The calls that wait for the session, in virtual time: deadlines, limits and what ends them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from bridge import codec
from bridge.errors import (
    DeadlinePassed,
    OutcomeUnknown,
    TimedOut,
)
from bridge.messages import GetAccount, GetTick, Ping, Request
from bridge.session import link
from tests.scripted_session import BUY, Bench


def envelope(**changes: Any) -> bytes:
    """A request's frame with something changed; `...` leaves a field out."""
    fields = {"version": 1, "id": "1", "method": "ping", "params": {}} | changes
    return codec.pack({name: value for name, value in fields.items() if value is not ...})


# ---- time ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [GetAccount(), BUY, GetTick("X")])
def test_what_comes_after_its_deadline_is_not_begun(request_: Request[Any]) -> None:
    bench = Bench().connect()
    bench.run(1.0)
    bench.ask(request_, deadline_s=-0.25)
    error = bench.error()
    assert isinstance(error, DeadlinePassed)
    assert error.details["late_s"] == pytest.approx(0.25, abs=0.001)
    assert bench.calls() == []


def test_the_gateways_own_answers_know_no_deadline() -> None:
    bench = Bench()
    bench.ask(Ping(), deadline_s=-100.0)
    bench.result(Ping)


@pytest.mark.parametrize(("asked_s", "given_s"), [(None, 10.0), (2.0, 2.0), (1e6, 300.0)])
def test_reads_that_are_not_answered_time_out(asked_s: float | None, given_s: float) -> None:
    bench = Bench().connect()
    bench.healthy()
    bench.ask(GetAccount(), deadline_s=asked_s)
    (call,) = bench.calls()
    assert call.deadline_s == given_s
    bench.run(given_s - 0.1)
    assert bench.replies == []
    bench.run(0.2)
    assert isinstance(bench.error(), TimedOut)
    bench.say(link.Result(call.id, Raw(b"\xc0")))
    assert len(bench.replies) == 1


def test_orders_have_more_time_and_end_as_unknown() -> None:
    bench = Bench(order_deadline_s=30.0).connect()
    bench.healthy()
    bench.ask(BUY)
    bench.run(29.9)
    assert bench.replies == []
    bench.run(0.2)
    assert isinstance(bench.error(), OutcomeUnknown)


def test_the_next_deadline_is_that_of_the_soonest_request() -> None:
    bench = Bench(heartbeat_s=100.0).connect()
    bench.say(link.Busy("x", 200.0))
    bench.ask(GetAccount(), "slow", deadline_s=9.0)
    bench.ask(GetAccount(), "soon", deadline_s=2.0)
    assert bench.gateway.next_deadline() == pytest.approx(2.0)
    bench.run(3.0)
    assert bench.gateway.next_deadline() == pytest.approx(9.0)
    assert isinstance(bench.error("soon"), TimedOut)
