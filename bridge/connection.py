"""The connection with the terminal as a state machine: one literal table, no I/O.

A trigger that a state does not list is a fault of the caller and raises `ImpossibleTransition`; the gateway only reports what
happened, the table decides what it means. Times are the bridge's clock in milliseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from bridge.replies import ConnectionState


class State(StrEnum):
    """Where the connection stands."""

    STOPPED = "stopped"
    STARTING = "starting"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DEGRADED = "degraded"
    RECONNECTING = "reconnecting"
    REFUSED = "refused"
    STOPPING = "stopping"


class Trigger(StrEnum):
    """What can happen to it."""

    START = "start"
    ATTEMPT = "attempt"  # the session was told to attach to the terminal
    ATTACHED = "attached"
    ATTACH_FAILED = "attach_failed"
    CREDENTIALS_REFUSED = "credentials_refused"
    BROKER_DOWN = "broker_down"
    BROKER_UP = "broker_up"
    TERMINAL_LOST = "terminal_lost"
    SESSION_EXITED = "session_exited"
    SESSION_HUNG = "session_hung"
    STOP = "stop"
    STOPPED = "stopped"


_S, _T = State, Trigger

TRANSITIONS: dict[State, dict[Trigger, State]] = {
    _S.STOPPED: {
        _T.START: _S.STARTING,
    },
    _S.STARTING: {
        _T.ATTEMPT: _S.CONNECTING,
        _T.SESSION_EXITED: _S.RECONNECTING,
        _T.SESSION_HUNG: _S.RECONNECTING,
        _T.STOP: _S.STOPPING,
    },
    _S.CONNECTING: {
        _T.ATTACHED: _S.CONNECTED,
        _T.ATTACH_FAILED: _S.RECONNECTING,
        _T.CREDENTIALS_REFUSED: _S.REFUSED,
        _T.SESSION_EXITED: _S.RECONNECTING,
        _T.SESSION_HUNG: _S.RECONNECTING,
        _T.STOP: _S.STOPPING,
    },
    _S.CONNECTED: {
        _T.BROKER_DOWN: _S.DEGRADED,
        _T.TERMINAL_LOST: _S.RECONNECTING,
        _T.SESSION_EXITED: _S.RECONNECTING,
        _T.SESSION_HUNG: _S.RECONNECTING,
        _T.STOP: _S.STOPPING,
    },
    _S.DEGRADED: {
        _T.BROKER_UP: _S.CONNECTED,
        _T.TERMINAL_LOST: _S.RECONNECTING,
        _T.SESSION_EXITED: _S.RECONNECTING,
        _T.SESSION_HUNG: _S.RECONNECTING,
        _T.STOP: _S.STOPPING,
    },
    _S.RECONNECTING: {
        _T.ATTEMPT: _S.CONNECTING,
        _T.SESSION_EXITED: _S.RECONNECTING,
        _T.SESSION_HUNG: _S.RECONNECTING,
        _T.STOP: _S.STOPPING,
    },
    _S.REFUSED: {
        _T.SESSION_EXITED: _S.REFUSED,
        _T.SESSION_HUNG: _S.REFUSED,
        _T.STOP: _S.STOPPING,
    },
    _S.STOPPING: {
        _T.SESSION_EXITED: _S.STOPPING,
        _T.SESSION_HUNG: _S.STOPPING,
        _T.STOPPED: _S.STOPPED,
    },
}
"""Next state by state and trigger."""

READS = frozenset({State.CONNECTED, State.DEGRADED})
"""States in which the terminal can be asked."""
TRADES = frozenset({State.CONNECTED})
"""States in which an order may be sent."""


class ImpossibleTransition(Exception):
    """The state has no such trigger."""


class Connection:
    """The present state with its cause, and the transition that leads to the next."""

    def __init__(self) -> None:
        self.state = State.STOPPED
        self.now = ConnectionState(state=State.STOPPED.value, cause="not started", since_msc=0, next_step="start the bridge")

    def accepts(self, trigger: Trigger) -> bool:
        """Whether the trigger means anything in the present state."""
        return trigger in TRANSITIONS[self.state]

    def fire(
        self,
        trigger: Trigger,
        now_msc: int,
        *,
        cause: str,
        next_step: str = "",
        cause_code: int | None = None,
        next_attempt_msc: int | None = None,
        attempt: int | None = None,
        generation: int | None = None,
        login: int | None = None,
        server: str | None = None,
    ) -> ConnectionState:
        """Follow the table. `since_msc` only changes with the state; what is not given about the account and the session stays.

        Raises `ImpossibleTransition`.
        """
        try:
            state = TRANSITIONS[self.state][trigger]
        except KeyError:
            raise ImpossibleTransition(f"a connection that is {self.state} cannot have {trigger}") from None
        known = self.now
        self.now = replace(
            known,
            state=state.value,
            cause=cause,
            cause_code=cause_code,
            next_step=next_step,
            since_msc=now_msc if state != self.state else known.since_msc,
            attempt=known.attempt if attempt is None else attempt,
            next_attempt_msc=next_attempt_msc,
            generation=known.generation if generation is None else generation,
            login=known.login if login is None else login,
            server=known.server if server is None else server,
        )
        self.state = state
        return self.now
