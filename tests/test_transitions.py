"""Every row of the connection's table, driven through the whole gateway: what happens, and what is announced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bridge.connection import TRANSITIONS, State, Trigger
from bridge.errors import ConfigError
from bridge.messages import Reconnect
from bridge.session import link
from bridge.watch import WatchSettings
from tests.scripted_session import Bench, attached, health

READY = link.Ready("token", 77)
NO_TERMINAL = link.AttachFailed("initialize", -10_003, "IPC initialize failed, MetaTrader 5 x64 not found")
BAD_LOGIN = link.AttachFailed("login", -6, "Terminal: Authorization failed")
LOST = link.Lost("terminal_info", -10_004, "No IPC connection")
MANY, ONCE, NEVER = WatchSettings(), WatchSettings(restarts_per_hour=1), WatchSettings(restarts_per_hour=0)
Act = Callable[[Bench], object]


def says(*messages: link.FromSession) -> Act:
    return lambda bench: bench.say(*messages)


def waits(seconds: float) -> Act:
    return lambda bench: bench.run(seconds)


def asks(bench: Bench) -> None:
    bench.ask(Reconnect())


def ends(bench: Bench) -> None:
    bench.gateway.stop(bench.now)
    bench.take()


def crashes(bench: Bench) -> None:
    bench.exit("the session process ended with status 70")


def starts(bench: Bench) -> None:
    bench.gateway.start(bench.now)
    bench.take()


def cannot_start(bench: Bench) -> None:
    bench.gateway.session_misconfigured(bench.generation, ConfigError("MT5_LOGIN is wrong", next_step="correct it"), bench.now)
    bench.take()


def corrects(bench: Bench) -> None:
    bench.gateway.settings_changed(bench.now)
    bench.take()


def babbles(bench: Bench) -> None:
    bench.gateway.receive_link(b"\xc1", bench.now)
    bench.take()


HAPPENINGS: dict[str, Act] = {
    "the bridge starts": starts,
    "the session is ready": says(READY),
    "the terminal answers": says(attached()),
    "the terminal answers and is offline": says(attached(connected=False)),
    "the terminal answers with another account": says(attached(login=7)),
    "there is no terminal": says(NO_TERMINAL),
    "the login is refused": says(BAD_LOGIN),
    "the session says that its settings are wrong": says(link.Misconfigured("no terminal 'x'", "use another")),
    "the terminal goes offline": says(health(connected=False)),
    "another account is logged in": says(health(login=7)),
    "the terminal is online": says(health()),
    "algo trading is switched off": says(health(terminal_trade_allowed=False)),
    "algo trading is switched off too": says(health(connected=False, terminal_trade_allowed=False)),
    "a symbol goes": says(link.Gone(["A"])),
    "the link breaks": says(LOST),
    "the session ends": crashes,
    "the session sends garbage": babbles,
    "the session is silent": waits(5.1),
    "nothing is heard of a new session": waits(30.1),
    "the next attempt is due": waits(0.2),
    "an hour passes": waits(3_601.0),
    "a client asks for it": asks,
    "the settings are wrong": cannot_start,
    "the settings change": corrects,
    "the bridge is told to end": ends,
}

REACHED: dict[State, tuple[Act, ...]] = {
    State.STOPPED: (),
    State.STARTING: (starts,),
    State.CONNECTING: (starts, says(READY)),
    State.CONNECTED: (starts, says(READY, attached())),
    State.DEGRADED: (starts, says(READY, attached(connected=False))),
    State.RECONNECTING: (starts, crashes, waits(0.2)),
    State.REFUSED: (starts, says(READY, BAD_LOGIN), waits(0.2), says(BAD_LOGIN)),
    State.SUSPENDED: (starts, crashes, waits(0.2), crashes),
    State.STOPPING: (starts, says(READY), ends),
}
"""A way to each state; in `RECONNECTING` a new session is on its way."""
WAITING: tuple[Act, ...] = (starts, says(READY, NO_TERMINAL))
"""`RECONNECTING` while a session waits for its next attempt."""
REFUSED_ONCE: tuple[Act, ...] = (starts, says(READY, BAD_LOGIN), waits(0.2))
LATER: tuple[Act, ...] = (starts, crashes, waits(0.2), says(READY, attached()))
"""`CONNECTED`, and the one restart of the hour is used up."""

S = State
ROWS: list[tuple[State, str, State, str]] = [
    (S.STOPPED, "the bridge starts", S.STARTING, "bridge"),
    (S.STARTING, "the session is ready", S.CONNECTING, ""),
    (S.STARTING, "the settings are wrong", S.REFUSED, "settings"),
    (S.STARTING, "the session ends", S.RECONNECTING, "session_exited"),
    (S.STARTING, "nothing is heard of a new session", S.RECONNECTING, "session_hung"),
    (S.STARTING, "the session sends garbage", S.RECONNECTING, "session_hung"),
    (S.STARTING, "a client asks for it", S.RECONNECTING, "bridge"),
    (S.STARTING, "the bridge is told to end", S.STOPPING, "bridge"),
    (S.CONNECTING, "the terminal answers", S.CONNECTED, "attached"),
    (S.CONNECTING, "the terminal answers and is offline", S.DEGRADED, "broker_down"),
    (S.CONNECTING, "there is no terminal", S.RECONNECTING, "no_terminal"),
    (S.CONNECTING, "the login is refused", S.RECONNECTING, "bad_credentials"),
    (S.CONNECTING, "the session says that its settings are wrong", S.REFUSED, "settings"),
    (S.CONNECTING, "the session ends", S.RECONNECTING, "session_exited"),
    (S.CONNECTING, "the session is silent", S.RECONNECTING, "session_hung"),
    (S.CONNECTING, "a client asks for it", S.RECONNECTING, "bridge"),
    (S.CONNECTING, "the bridge is told to end", S.STOPPING, "bridge"),
    (S.CONNECTED, "the terminal goes offline", S.DEGRADED, "broker_down"),
    (S.CONNECTED, "another account is logged in", S.DEGRADED, "wrong_account"),
    (S.CONNECTED, "algo trading is switched off", S.CONNECTED, "algo_trading_off"),
    (S.CONNECTED, "a symbol goes", S.CONNECTED, "symbol_gone"),
    (S.CONNECTED, "the link breaks", S.RECONNECTING, "link_lost"),
    (S.CONNECTED, "the session ends", S.RECONNECTING, "session_exited"),
    (S.CONNECTED, "the session is silent", S.RECONNECTING, "session_hung"),
    (S.CONNECTED, "the session sends garbage", S.RECONNECTING, "session_hung"),
    (S.CONNECTED, "a client asks for it", S.RECONNECTING, "bridge"),
    (S.CONNECTED, "the bridge is told to end", S.STOPPING, "bridge"),
    (S.DEGRADED, "the terminal is online", S.CONNECTED, ""),
    (S.DEGRADED, "algo trading is switched off too", S.DEGRADED, "broker_down"),
    (S.DEGRADED, "another account is logged in", S.DEGRADED, "wrong_account"),
    (S.DEGRADED, "the link breaks", S.RECONNECTING, "link_lost"),
    (S.DEGRADED, "the session ends", S.RECONNECTING, "session_exited"),
    (S.DEGRADED, "the session is silent", S.RECONNECTING, "session_hung"),
    (S.DEGRADED, "a client asks for it", S.RECONNECTING, "bridge"),
    (S.DEGRADED, "the bridge is told to end", S.STOPPING, "bridge"),
    (S.RECONNECTING, "the session is ready", S.CONNECTING, ""),
    (S.RECONNECTING, "the settings are wrong", S.REFUSED, "settings"),
    (S.RECONNECTING, "the session ends", S.RECONNECTING, "session_exited"),
    (S.RECONNECTING, "nothing is heard of a new session", S.RECONNECTING, "session_hung"),
    (S.RECONNECTING, "a client asks for it", S.RECONNECTING, "bridge"),
    (S.RECONNECTING, "the bridge is told to end", S.STOPPING, "bridge"),
    (S.REFUSED, "a client asks for it", S.RECONNECTING, "bridge"),
    (S.REFUSED, "the settings change", S.RECONNECTING, "bridge"),
    (S.REFUSED, "the bridge is told to end", S.STOPPING, "bridge"),
    (S.SUSPENDED, "an hour passes", S.RECONNECTING, "bridge"),
    (S.SUSPENDED, "a client asks for it", S.RECONNECTING, "bridge"),
    (S.SUSPENDED, "the bridge is told to end", S.STOPPING, "bridge"),
    (S.STOPPING, "the session ends", S.STOPPED, "bridge"),
]
"""A state, what happens in it, the state that is announced, and its reason."""
OTHERWISE: list[tuple[tuple[Act, ...], str, State, str]] = [
    (WAITING, "the next attempt is due", S.CONNECTING, ""),
    (WAITING, "the session ends", S.RECONNECTING, "session_exited"),
    (REFUSED_ONCE, "the login is refused", S.REFUSED, "bad_credentials"),
    ((starts, says(READY)), "the terminal answers with another account", S.CONNECTED, "attached"),
    ((*LATER, says(LOST), waits(0.2)), "the terminal answers with another account", S.DEGRADED, "wrong_account"),
]
"""The same from a state that was reached in another way."""
CAPPED: list[tuple[tuple[Act, ...], WatchSettings, str]] = [
    (REACHED[S.STARTING], NEVER, "the session ends"),
    ((starts, crashes, waits(0.2), says(READY)), ONCE, "the session ends"),
    (LATER, ONCE, "the session ends"),
    (LATER, ONCE, "the session is silent"),
    ((*LATER, says(health(connected=False))), ONCE, "the session ends"),
    (REACHED[S.RECONNECTING], ONCE, "the session ends"),
]
"""What happens when no session may be replaced any more within the hour."""

Row = tuple[tuple[Act, ...], WatchSettings, str, State, str]
ALL: list[Row] = [
    *((REACHED[state], ONCE if state is S.SUSPENDED else MANY, what, to, reason) for state, what, to, reason in ROWS),
    *((way, MANY, what, to, reason) for way, what, to, reason in OTHERWISE),
    *((way, settings, what, S.SUSPENDED, "too_many_restarts") for way, settings, what in CAPPED),
]


def drive(way: tuple[Act, ...], settings: WatchSettings, what: str) -> tuple[Bench, list[tuple[State, Trigger, State]]]:
    """Go there and let it happen; the rows of the table that this leads through."""
    bench = Bench(watch=settings)
    for act in way:
        act(bench)
    rows: list[tuple[State, Trigger, State]] = []
    transition = bench.gateway.transition

    def noted(trigger: Trigger, now: float, **told: Any) -> None:
        before = bench.gateway.connection.state
        transition(trigger, now, **told)
        rows.append((before, trigger, bench.gateway.connection.state))

    bench.gateway.transition = noted  # type: ignore[method-assign]
    HAPPENINGS[what](bench)
    return bench, rows


@pytest.mark.parametrize(("state", "way"), REACHED.items())
def test_each_state_is_reached(state: State, way: tuple[Act, ...]) -> None:
    bench = Bench(watch=ONCE)
    for act in way:
        act(bench)
    assert bench.gateway.connection.state is state


@pytest.mark.parametrize(("way", "settings", "what", "to", "reason"), ALL)
def test_row(way: tuple[Act, ...], settings: WatchSettings, what: str, to: State, reason: str) -> None:
    bench, rows = drive(way, settings, what)
    assert rows[1:] in ([], [(S.STOPPING, Trigger.STOPPED, S.STOPPED)]), "one thing happens, one thing is announced"
    state = bench.states[-len(rows)]
    assert (state.state, state.reason) == (to.value, reason)
    assert state.cause
    waits = to is S.SUSPENDED or (to is S.RECONNECTING and reason != "bridge")
    assert (state.next_attempt_msc is not None) == waits, "a time is told when there is something to wait for"
    assert state.next_step or to in (S.STARTING, S.CONNECTING, S.CONNECTED)
    bench.check_sequences()


def test_every_row_of_the_table_is_here_and_leads_where_it_says() -> None:
    driven = {rows[0] for way, settings, what, _, _ in ALL for rows in [drive(way, settings, what)[1]]}
    assert driven == {(state, trigger, to) for state, row in TRANSITIONS.items() for trigger, to in row.items()}


def test_everything_that_can_happen_is_tried() -> None:
    assert {row[2] for row in ALL} == set(HAPPENINGS)
