"""What a terminal that answers says about itself, and what the gateway makes of it, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.conditions import Identity
from bridge.errors import AccountChanged, NotConnected
from bridge.messages import (
    BACKFILLED,
    FOREIGN,
    LATE,
    CallAccount,
    FindSymbol,
    GetAccount,
    GetConnectionHistory,
    GetDeals,
    GetHistoryOrders,
    GetOrders,
    GetPositions,
    GetTerminal,
    Reconnect,
    Request,
)
from bridge.replies import ConnectionState
from bridge.session import link
from bridge.session.owner import OF_ACCOUNT
from tests.scripted_session import BUY, WALL_US, Bench, attached, health, obliging, ticks

READY = link.Ready("token", 77)
LOST = link.Lost("terminal_info", -10_004, "No IPC connection")
OTHER: dict[str, Any] = {"login": 7, "server": "Elsewhere"}


def newest(bench: Bench) -> ConnectionState:
    return bench.gateway.connection.now


def told(bench: Bench, since: int = 0) -> list[tuple[str, str]]:
    return [(state.state, state.reason) for state in bench.states[since:]]


def again(bench: Bench, answer: link.Attached) -> Bench:
    """The terminal goes, and is another one when it comes back."""
    bench.say(LOST)
    bench.run(0.2)
    bench.say(answer)
    return bench


# ---- whose account it is ---------------------------------------------------------------------------------------------------------


def test_the_first_account_that_answers_is_the_bridges() -> None:
    bench = again(Bench().connect(), attached(**OTHER))
    assert bench.said == [link.Connect(2, 5001, "Demo")]
    assert (newest(bench).state, newest(bench).reason, newest(bench).login, newest(bench).server) == (
        "degraded", "wrong_account", 5001, "Demo",
    )  # fmt: skip
    assert "7 at Elsewhere" in newest(bench).cause


def test_the_account_stays_the_bridges_when_the_session_is_replaced() -> None:
    bench = Bench().connect()
    bench.exit()
    bench.run(0.2)
    bench.say(READY, attached(**OTHER))
    assert bench.said == [link.Connect(2, 5001, "Demo")]
    assert (newest(bench).state, newest(bench).reason) == ("degraded", "wrong_account")


def test_a_configured_account_is_the_bridges_from_the_start() -> None:
    bench = Bench(identity=Identity(7, "Elsewhere")).connect()
    assert (newest(bench).state, newest(bench).reason) == ("degraded", "wrong_account")
    bench.ask(BUY)
    assert isinstance(bench.error(), AccountChanged)
    bench.say(health(**OTHER))
    assert (newest(bench).state, newest(bench).login) == ("connected", 7)


def test_the_same_number_at_another_server_is_another_account() -> None:
    bench = Bench().connect()
    bench.say(health(server="Real"))
    assert newest(bench).reason == "wrong_account"


def test_reconnect_accepts_the_account_that_is_logged_in() -> None:
    bench = Bench().connect()
    bench.say(health(**OTHER))
    bench.ask(Reconnect())
    bench.exit("the session process ended with status 0")
    bench.said.clear()
    bench.say(READY, attached(**OTHER))
    assert bench.said == [link.Connect(1, None, None)]
    assert (newest(bench).state, newest(bench).login, newest(bench).server) == ("connected", 7, "Elsewhere")


def test_reconnect_does_not_forget_what_the_configuration_says() -> None:
    bench = Bench(identity=Identity(5001, "Demo")).connect()
    bench.say(health(**OTHER))
    bench.ask(Reconnect())
    bench.exit("the session process ended with status 0")
    bench.said.clear()
    bench.say(READY, attached(**OTHER))
    assert bench.said == [link.Connect(1, 5001, "Demo")]
    assert newest(bench).reason == "wrong_account"


def test_another_configuration_names_another_account_and_the_same_one_changes_nothing() -> None:
    bench = Bench().connect()
    bench.gateway.configured(Identity())
    bench.exit()
    bench.run(0.2)
    bench.gateway.configured(Identity(7, "Elsewhere"))
    bench.say(READY, attached(**OTHER))
    assert bench.said == [link.Connect(2, 7, "Elsewhere")]
    assert (newest(bench).state, newest(bench).login) == ("connected", 7)


# ---- while it is another's -------------------------------------------------------------------------------------------------------


def test_nothing_of_an_account_is_asked_of_another_one() -> None:
    bench = Bench().connect()
    bench.say(health(**OTHER))
    requests: list[Request[Any]] = [
        BUY, GetAccount(), GetPositions(), GetOrders(), GetHistoryOrders(position=1), GetDeals(position=1), FindSymbol("A"),
            CallAccount("positions_get"),
    ]  # fmt: skip
    assert {request.method for request in requests} == OF_ACCOUNT | {"order"}
    for request in requests:
        bench.ask(request, request.method)
        error = bench.error(request.method)
        assert isinstance(error, AccountChanged), request
        assert "reconnect" in error.next_step
    assert bench.calls() == []
    bench.ask(GetTerminal(), "terminal")
    assert len(bench.calls()) == 1
    bench.say(health())
    bench.ask(BUY, "order")
    assert len(bench.calls("order")) == 1, "it was not sent before: its id is free"


def test_while_the_terminal_cannot_be_asked_it_is_nobodys() -> None:
    bench = Bench().connect()
    bench.say(health(**OTHER), LOST)
    bench.ask(BUY)
    assert isinstance(bench.error(), NotConnected)


def followed(bench: Bench) -> Bench:
    """Streams run, and each has delivered something of the bridge's account."""
    bench.answers = lambda message: [] if isinstance(message, link.Connect) else obliging(message)
    for wire in ("tick:A\0", "bar:A:M1\0", "forming:A:M1\0", "account\0", "trade\0"):
        bench.subscribe(wire)
    bench.say(link.Publish([("tick:A", 0, ticks(1.0)), ("bar:A:M1", 0, ticks(2.0))], {"trade": b"kept"}))
    bench.said.clear()
    bench.events.clear()
    return bench


def flags(bench: Bench) -> dict[str, int]:
    return {event.topic: event.flags for event in bench.events if event.topic != "connection"}


FOREIGN_EVENTS: list[tuple[str, int, Any]] = [
    ("tick:A", 0, ticks(7.0)), ("bar:A:M1", BACKFILLED, ticks(8.0)), ("forming:A:M1", 0, ticks(9.0)), ("tick:B", LATE, ticks(6.0)),
]  # fmt: skip
MARKED = {"tick:A": FOREIGN, "bar:A:M1": FOREIGN | BACKFILLED, "forming:A:M1": FOREIGN, "tick:B": FOREIGN | LATE}


def test_data_that_come_meanwhile_are_marked_and_not_what_the_next_session_goes_on_from() -> None:
    bench = followed(Bench().connect())
    bench.say(health(**OTHER), link.Publish(FOREIGN_EVENTS))
    assert flags(bench) == MARKED
    bench.say(health())
    resumed = {message.topic: message.resume for message in bench.said if isinstance(message, link.StartStream)}
    assert resumed == {"tick:A": ticks(1.0), "bar:A:M1": ticks(2.0), "forming:A:M1": None, "account": None, "trade": b"kept"}
    assert bench.streams()[:5] == ["-tick:A", "-bar:A:M1", "-forming:A:M1", "-account", "-trade"]


@pytest.mark.parametrize("session", ["the same", "a new one"])
def test_data_are_marked_from_the_first_event_when_the_terminal_comes_back_with_another_account(session: str) -> None:
    bench = followed(Bench().connect())
    if session == "the same":
        again(bench, attached(**OTHER))
    else:
        bench.exit()
        bench.run(0.2)
        bench.say(READY, attached(**OTHER))
    bench.events.clear()
    bench.say(link.Publish(FOREIGN_EVENTS))
    assert flags(bench) == MARKED


def test_data_are_not_marked_for_ever_when_the_right_account_comes_back_with_the_terminal() -> None:
    bench = followed(Bench().connect())
    bench.say(health(**OTHER), link.Publish(FOREIGN_EVENTS))
    again(bench, attached())
    assert newest(bench).state == "connected"
    stopped = [message.topic for message in bench.said if isinstance(message, link.StopStream)]
    assert "tick:A" in stopped, "a stream that has followed another server cannot go on behind it"
    assert bench.streams().count("+tick:A") == 1
    bench.events.clear()
    bench.say(*map(link.Stopped, stopped))
    bench.say(link.Publish([("tick:A", 0, ticks(1.5))]))
    assert flags(bench) == {"tick:A": 0}


def test_what_a_stream_sends_before_it_hears_that_it_is_over_is_marked() -> None:
    bench = followed(Bench().connect())
    bench.answers = lambda message: []
    bench.say(health(**OTHER), health())
    bench.events.clear()
    bench.say(link.Publish([("tick:A", 0, ticks(7.0))]), link.Stopped("bar:A:M1"))
    assert flags(bench) == {"tick:A": FOREIGN}, "it comes again from the stream that begins behind what was the bridge's own"
    bench.say(link.Stopped("tick:A"), link.Publish([("tick:A", BACKFILLED, ticks(7.0))]))
    assert flags(bench) == {"tick:A": BACKFILLED}


def test_a_session_that_goes_before_it_stops_its_streams_marks_nothing_of_the_next_one() -> None:
    bench = followed(Bench().connect())
    bench.say(health(**OTHER), health())
    bench.exit()
    bench.run(0.2)
    bench.say(READY, attached())
    bench.events.clear()
    bench.say(link.Publish([("tick:A", 0, ticks(1.5))]))
    assert flags(bench) == {"tick:A": 0}


def test_prefixes_are_stopped_and_started_with_the_topics_that_they_follow() -> None:
    bench = Bench().connect()
    bench.answers = obliging
    bench.subscribe("tick:")
    bench.say(link.Publish([("tick:A", 0, ticks(1.0))]))
    bench.said.clear()
    bench.say(health(**OTHER), health())
    assert bench.streams() == ["-tick:*", "-tick:A", "+tick:A", "+tick:*"]
    bench.say(link.Stopped("tick:*"), link.Publish([("tick:A", 0, ticks(2.0))]))
    bench.say(link.Stopped("tick:A"), link.Publish([("tick:A", BACKFILLED, ticks(2.0))]))
    assert [event.flags for event in bench.events if event.topic == "tick:A"] == [0, FOREIGN, BACKFILLED]


def test_whose_account_and_trade_events_are_the_session_has_seen_to() -> None:
    bench = followed(Bench().connect())
    bench.say(health(**OTHER), link.Publish([("trade", BACKFILLED, {"kind": "x"}), ("account", 0, {"login": 5001})]))
    assert flags(bench) == {"trade": BACKFILLED, "account": 0}


# ---- permissions and the trade server --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"terminal_trade_allowed": False}, "algo_trading_off"), ({"api_disabled": True}, "api_disabled"),
        ({"account_trade_allowed": False}, "investor"), ({"account_trade_expert": False}, "robots_off"),
    ],
)  # fmt: skip
def test_a_permission_that_goes_and_comes_is_told_once_each_time(changes: dict[str, Any], reason: str) -> None:
    bench = Bench().connect()
    known = len(bench.states)
    bench.run(1.0)
    bench.say(*[health(**changes)] * 3)
    state = newest(bench)
    assert (state.state, state.reason, state.trading) == ("connected", reason, False)
    assert [(condition.reason, condition.stops) for condition in state.conditions] == [(reason, "trading")]
    assert state.next_step == state.conditions[0].next_step
    assert (state.since_msc, state.at_msc) == (WALL_US // 1000, WALL_US // 1000 + 1_000)
    bench.ask(BUY)
    assert len(bench.calls("order")) == 1, "it is the terminal that refuses: it may know better"
    bench.say(*[health()] * 3)
    assert (newest(bench).trading, newest(bench).conditions, newest(bench).next_step) == (True, (), "")
    assert "no longer" in newest(bench).cause
    assert told(bench, known) == [("connected", reason), ("connected", "")]


def test_an_attach_tells_what_is_wrong_at_once() -> None:
    bench = Bench()
    bench.gateway.start(0.0)
    bench.say(READY, attached(trade_allowed=False))
    assert (newest(bench).state, newest(bench).reason, newest(bench).trading) == ("connected", "algo_trading_off", False)


def test_of_several_troubles_each_change_is_told_and_the_worst_is_the_cause() -> None:
    bench = Bench().connect()
    known = len(bench.states)
    looks = [
        health(connected=False), health(connected=False, **OTHER), health(connected=False, **OTHER, terminal_trade_allowed=False),
        health(**OTHER, terminal_trade_allowed=False), health(terminal_trade_allowed=False), health(),
    ]  # fmt: skip
    bench.say(*[look for look in looks for _ in range(2)])
    assert told(bench, known) == [
        ("degraded", "broker_down"), ("degraded", "wrong_account"), ("degraded", "wrong_account"), ("degraded", "wrong_account"),
        ("connected", "algo_trading_off"), ("connected", ""),
    ]  # fmt: skip
    assert [len(state.conditions) for state in bench.states[known:]] == [1, 2, 3, 2, 1, 0]
    assert [state.trading for state in bench.states[known:]] == [False] * 5 + [True]


def test_what_is_wrong_is_forgotten_with_the_terminal() -> None:
    bench = Bench().connect()
    bench.say(health(terminal_trade_allowed=False), LOST)
    assert (newest(bench).conditions, newest(bench).trading) == ((), False)
    bench.say(health(connected=False))
    assert newest(bench).state == "reconnecting", "its last words"


def test_symbols_that_are_gone_are_told_and_stop_nothing() -> None:
    bench = Bench().connect()
    known = len(bench.states)
    bench.say(link.Gone(["B", "A"]), link.Gone(["A", "B"]), health(), link.Gone(["B"]), link.Gone([]))
    named = [[condition.message[11:12] for condition in state.conditions] for state in bench.states[known:]]
    assert named == [["A", "B"], ["B"], []]
    assert all(state.trading for state in bench.states[known:])
    bench.say(link.Gone(["A"]))
    again(bench, attached())
    assert newest(bench).conditions == ()


def test_symbols_that_go_with_the_terminal_are_nobodys_business() -> None:
    bench = Bench().connect()
    bench.say(LOST)
    known = len(bench.states)
    bench.say(link.Gone(["A"]))
    assert len(bench.states) == known


# ---- history ---------------------------------------------------------------------------------------------------------------------


def test_the_history_has_what_was_published() -> None:
    bench = Bench().connect()
    bench.say(health(connected=False), health(), LOST)
    bench.ask(GetConnectionHistory(1_000))
    assert list(bench.result(GetConnectionHistory).states) == bench.states
    bench.ask(GetConnectionHistory(2), "2")
    assert list(bench.result(GetConnectionHistory, "2").states) == bench.states[-2:]


def test_the_history_keeps_the_newest_thousand() -> None:
    bench = Bench().connect()
    for _ in range(600):
        bench.say(health(connected=False), health())
    bench.ask(GetConnectionHistory(1_000))
    assert list(bench.result(GetConnectionHistory).states) == bench.states[-1_000:]
