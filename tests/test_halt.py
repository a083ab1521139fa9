"""The kill switch: by itself, kept and taken up again, and in the gateway."""

from __future__ import annotations

import pytest

from bridge.errors import TradingHalted
from bridge.halt import NOTE, Halt, words
from bridge.messages import GetLimits, GetStatus, Hello, Resume
from bridge.messages import Halt as HaltRequest
from bridge.replies import TradingState
from tests.lives import GOOD
from tests.scripted_session import Bench


def test_the_first_time_and_the_last_reason_count() -> None:
    halt = Halt()
    assert not halt
    assert halt.state == TradingState()
    assert halt.halt("news", "ann", 5) == TradingState(True, 5, "news", "ann")
    assert halt.halt("", "bob", 6) == TradingState(True, 5, "news", "ann")
    assert halt.halt("worse\n news", "bob", 7) == TradingState(True, 5, "worse news", "bob")
    assert halt
    assert halt.resume("eve", 8) == TradingState(False, 8, "", "eve")
    assert halt.resume("bob", 9) == TradingState(False, 8, "", "eve")
    assert len(halt.halt("x" * 999, "", 10).reason) == 200


def test_an_order_is_told_why() -> None:
    halt = Halt()
    halt.check()
    halt.halt("news", "ann", 5)
    with pytest.raises(TradingHalted, match="halted by ann: news; nothing was sent; `mt5bridge resume`"):
        halt.check()
    assert words(Halt().state) == "trading is not halted"
    assert words(TradingState(True)) == "trading was halted"


def test_it_is_taken_up_again() -> None:
    halt = Halt()
    halt.halt("news", "ann", 5)
    again = Halt()
    again.restored(halt.note(), 99)
    assert again.state == halt.state
    again.restored(None, 99)
    assert again.state == halt.state
    halt.resume("bob", 7)
    later = Halt()
    later.restored(halt.note(), 99)
    assert later.state == TradingState(False, 7, "", "bob")
    assert NOTE == "halted"


@pytest.mark.parametrize("note", ["", "{", "[]", '{"halted": 1}', "null"])
def test_what_cannot_be_read_is_a_halt(note: str) -> None:
    halt = Halt()
    halt.restored(note, 99)
    assert (halt.state.halted, halt.state.since_msc) == (True, 99)


def test_a_switch_that_was_thrown_since_stays() -> None:
    halt = Halt()
    halt.halt("now", "ann", 5)
    halt.restored(Halt().note(), 99)
    assert halt.state.reason == "now"
    resumed, kept = Halt(), halt.note()
    resumed.resume("bob", 6)
    resumed.restored(kept, 99)
    assert resumed.state == TradingState(False, 6, "", "bob")


# ---- in the gateway --------------------------------------------------------------------------------------------------------------


def test_a_client_halts_and_everybody_sees_it() -> None:
    bench = Bench().connect()
    bench.say(GOOD)
    bench.ask(Hello("ann", "a1"), "1", client="a1")
    bench.ask(HaltRequest("news"), "2", client="a1")
    state = bench.result(HaltRequest, "2")
    assert (state.halted, state.reason, state.by) == (True, "news", "ann")
    told = bench.gateway.connection.now
    assert [(found.reason, found.stops) for found in told.conditions] == [("halted", "trading")]
    assert told.reason == "halted"
    assert told.conditions[0].message == "trading was halted by ann: news"
    assert "mt5bridge resume" in told.conditions[0].next_step
    assert not told.trading
    bench.ask(GetStatus(), "3")
    status = bench.result(GetStatus, "3")
    assert status.trading == state
    assert not status.healthy
    bench.ask(Resume(), "4", client="a1")
    assert not bench.result(Resume, "4").halted
    assert bench.gateway.connection.now.conditions == ()
    assert bench.gateway.connection.now.trading


def test_it_can_be_halted_before_there_is_a_terminal() -> None:
    bench = Bench()
    bench.ask(HaltRequest(), "1")
    assert bench.result(HaltRequest, "1").by == ""
    bench.connect()
    assert [found.reason for found in bench.gateway.connection.now.conditions] == ["halted"]


def test_limits_are_told_by_name_and_for_who_asks() -> None:
    bench = Bench().connect()
    bench.ask(Hello("ann", "a1"), "1", client="a1")
    for number, (request, client, name) in enumerate(
        ((GetLimits(), "a1", "ann"), (GetLimits("bob"), "a1", "bob"), (GetLimits(), None, "")), 2
    ):
        bench.ask(request, str(number), client=client)
        assert bench.result(GetLimits, str(number)).client == name
