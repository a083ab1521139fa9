"""The trade server's clock, as the gateway hears of it, in virtual time."""

from __future__ import annotations

from typing import Any

from bridge.messages import GetStatus, Reconnect
from bridge.session import link
from tests.lives import READY, newest
from tests.scripted_session import WALL_US, Bench, attached, health
from tests.test_standing import OTHER, again

HOURS_MSC = 3_600_000


def quote(bench: Bench, offset_h: float, symbol: str = "A", **changes: Any) -> link.Health:
    """A look at a tick that has just come."""
    return health(quote=(symbol, WALL_US // 1000 + round(bench.now * 1000) + round(offset_h * HOURS_MSC)), **changes)


def measured(bench: Bench, offset_h: float, looks: int = 100, **changes: Any) -> None:
    """The clock of a server is looked at for a while."""
    for number in range(looks):
        bench.run(0.5)
        bench.say(quote(bench, offset_h, "AB"[number % 2], **changes))


def test_the_offset_is_measured_and_told_when_it_changes() -> None:
    bench = Bench().connect()
    known = len(bench.states)
    measured(bench, 2)
    assert [(state.clock.offset_s, state.clock.confidence) for state in bench.states[known:]] == [(7200, "low"), (7200, "high")]
    assert all("+2 h" in state.cause for state in bench.states[known:])
    bench.ask(GetStatus())
    assert bench.result(GetStatus).connection.clock.confidence == "high"


def test_a_clock_that_is_not_known_for_long_is_a_condition_that_stops_nothing() -> None:
    bench = Bench().connect()
    bench.healthy()
    bench.run(29.0)
    assert newest(bench).conditions == ()
    bench.run(2.0)
    assert [(condition.reason, condition.stops) for condition in newest(bench).conditions] == [("clock_unknown", "nothing")]
    assert newest(bench).trading
    bench.silence()
    measured(bench, 2, looks=10)
    assert newest(bench).conditions == ()


def test_another_accounts_server_has_another_clock() -> None:
    bench = Bench().connect()
    measured(bench, 2)
    bench.say(health(**OTHER))
    measured(bench, -5, **OTHER)
    assert (newest(bench).clock.offset_s, newest(bench).clock.confidence) == (7200, "high")
    bench.say(health())
    bench.ask(GetStatus())
    assert bench.result(GetStatus).connection.clock.offset_s == 7200


def test_the_clock_of_an_account_that_is_accepted_begins_anew_and_that_of_the_same_server_goes_on() -> None:
    bench = Bench().connect()
    measured(bench, 2)
    again(bench, attached())
    assert newest(bench).clock.confidence == "high"
    bench.ask(Reconnect())
    bench.exit("the session process ended with status 0")
    bench.say(READY, attached(**OTHER))
    assert newest(bench).clock.confidence == "unknown"
    measured(bench, -5, **OTHER)
    assert (newest(bench).clock.offset_s, newest(bench).clock.confidence) == (-18_000, "high")
