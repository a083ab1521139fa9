"""The table of the connection's states: every row, and nothing but the rows."""

from __future__ import annotations

from typing import Literal, get_args, get_type_hints

import pytest

from bridge.connection import HISTORY, READS, TRADES, TRANSITIONS, Connection, ImpossibleTransition, State, Trigger
from bridge.replies import Condition, ConnectionState
from tests.state_diagram import DRAWN, PAGE, diagram

PATHS: dict[State, tuple[Trigger, ...]] = {
    State.STOPPED: (),
    State.STARTING: (Trigger.START,),
    State.CONNECTING: (Trigger.START, Trigger.ATTEMPT),
    State.CONNECTED: (Trigger.START, Trigger.ATTEMPT, Trigger.ATTACHED),
    State.DEGRADED: (Trigger.START, Trigger.ATTEMPT, Trigger.ATTACHED, Trigger.IMPAIRED),
    State.RECONNECTING: (Trigger.START, Trigger.ATTEMPT, Trigger.ATTACH_FAILED),
    State.REFUSED: (Trigger.START, Trigger.ATTEMPT, Trigger.REFUSED),
    State.SUSPENDED: (Trigger.START, Trigger.TOO_MANY_RESTARTS),
    State.STOPPING: (Trigger.START, Trigger.STOP),
}
"""A way to each state."""
ROWS = [(state, trigger, to) for state, row in TRANSITIONS.items() for trigger, to in row.items()]
NO_ROWS = [(state, trigger) for state in State for trigger in Trigger if trigger not in TRANSITIONS[state]]


def connection_in(state: State) -> Connection:
    connection = Connection()
    for at, trigger in enumerate(PATHS[state]):
        connection.fire(trigger, at, cause=f"for {trigger}")
    assert connection.state is state
    return connection


def test_every_state_has_a_row_and_can_be_reached() -> None:
    assert set(TRANSITIONS) == set(State) == set(PATHS)
    assert {to for _, _, to in ROWS} == set(State)


@pytest.mark.parametrize(("state", "trigger", "to"), ROWS)
def test_row(state: State, trigger: Trigger, to: State) -> None:
    connection = connection_in(state)
    assert connection.accepts(trigger)
    told = connection.fire(trigger, 1_000, cause="told")
    assert connection.state is to
    assert told is connection.now
    assert (told.state, told.cause) == (to.value, "told")


@pytest.mark.parametrize(("state", "trigger"), NO_ROWS)
def test_what_is_no_row_is_impossible_and_changes_nothing(state: State, trigger: Trigger) -> None:
    connection = connection_in(state)
    before = connection.now
    assert not connection.accepts(trigger)
    with pytest.raises(ImpossibleTransition, match=f"{state} cannot have {trigger}"):
        connection.fire(trigger, 1_000, cause="no")
    assert connection.now is before


def test_since_changes_only_with_the_state() -> None:
    connection = connection_in(State.RECONNECTING)
    since_msc = connection.now.since_msc
    assert connection.fire(Trigger.SESSION_EXITED, 500, cause="again").since_msc == since_msc
    assert connection.fire(Trigger.ATTEMPT, 600, cause="attempt").since_msc == 600


def test_what_belongs_to_the_moment_is_not_kept_and_the_rest_is() -> None:
    connection = connection_in(State.CONNECTING)
    connection.fire(Trigger.ATTACHED, 1, cause="attached", login=5, server="Demo", attempt=3, generation=2)
    connection.fire(Trigger.TERMINAL_LOST, 2, cause="lost", cause_code=-10004, next_step="wait", next_attempt_msc=9, attempt=1)
    told = connection.fire(Trigger.ATTEMPT, 3, cause="attempt")
    assert told == ConnectionState(
        state="connecting", cause="attempt", since_msc=3, at_msc=3, attempt=1, login=5, server="Demo", generation=2
    )


def test_trading_needs_more_than_reading() -> None:
    assert TRADES < READS
    assert State.DEGRADED in READS - TRADES


def test_the_message_knows_every_state() -> None:
    assert set(get_args(get_type_hints(ConnectionState)["state"])) == {state.value for state in State}


@pytest.mark.parametrize("state", State)
def test_a_bridge_that_runs_can_be_stopped(state: State) -> None:
    assert (Trigger.STOP in TRANSITIONS[state]) == (state not in (State.STOPPED, State.STOPPING))


def test_the_page_shows_the_table() -> None:
    drawn = DRAWN.findall(PAGE.read_text("utf-8"))
    assert drawn == [diagram()], "run: python -m tests.state_diagram"


def test_the_history_is_bounded() -> None:
    connection = connection_in(State.RECONNECTING)
    for number in range(2 * HISTORY):
        connection.fire(Trigger.SESSION_EXITED, number, cause=f"{number}")
    assert len(connection.history) == HISTORY
    assert connection.history[-1] is connection.now


@pytest.mark.parametrize(("stops", "trading"), [("nothing", True), ("trading", False)])
def test_trading_depends_on_the_conditions(stops: Literal["nothing", "trading"], trading: bool) -> None:
    connection = connection_in(State.CONNECTING)
    condition = Condition("algo_trading_off", "off", "switch it on", 1, stops)
    assert connection.fire(Trigger.ATTACHED, 1, cause="attached", conditions=(condition,)).trading is trading
    assert not connection.fire(Trigger.IMPAIRED, 2, cause="offline").trading
