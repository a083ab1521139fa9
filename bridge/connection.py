"""The connection with the terminal as a state machine: one literal table, no I/O.

A trigger that a state does not list is a fault of the caller and raises `ImpossibleTransition`; the gateway only reports what
happened, the table decides what it means. Times are the bridge's clock in milliseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from enum import StrEnum

from bridge.replies import ClockOffset, Condition, ConnectionState, Reason

HISTORY = 1_000
"""States that are kept."""


class State(StrEnum):
    """Where the connection stands."""

    STOPPED = "stopped"
    STARTING = "starting"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DEGRADED = "degraded"
    RECONNECTING = "reconnecting"
    REFUSED = "refused"
    SUSPENDED = "suspended"
    STOPPING = "stopping"


class Trigger(StrEnum):
    """What can happen to it."""

    START = "start"
    ATTEMPT = "attempt"  # the session was told to attach to the terminal
    ATTACHED = "attached"
    ATTACHED_IMPAIRED = "attached_impaired"  # the terminal answers, but has no trade server or another account
    ATTACH_FAILED = "attach_failed"
    REFUSED = "refused"  # by the trade server, or because the settings are wrong: trying again would change nothing
    IMPAIRED = "impaired"
    RECOVERED = "recovered"
    NOTICED = "noticed"  # a condition came or went that does not change the state
    TERMINAL_LOST = "terminal_lost"
    SESSION_EXITED = "session_exited"
    SESSION_HUNG = "session_hung"
    TOO_MANY_RESTARTS = "too_many_restarts"
    RETRY = "retry"  # a person asked for it, the configuration changed, or the suspension is over
    STOP = "stop"
    STOPPED = "stopped"


_S, _T = State, Trigger

TRANSITIONS: dict[State, dict[Trigger, State]] = {
    _S.STOPPED: {
        _T.START: _S.STARTING,
    },
    _S.STARTING: {
        _T.ATTEMPT: _S.CONNECTING,
        _T.REFUSED: _S.REFUSED,
        _T.SESSION_EXITED: _S.RECONNECTING,
        _T.SESSION_HUNG: _S.RECONNECTING,
        _T.TOO_MANY_RESTARTS: _S.SUSPENDED,
        _T.RETRY: _S.RECONNECTING,
        _T.STOP: _S.STOPPING,
    },
    _S.CONNECTING: {
        _T.ATTACHED: _S.CONNECTED,
        _T.ATTACHED_IMPAIRED: _S.DEGRADED,
        _T.ATTACH_FAILED: _S.RECONNECTING,
        _T.REFUSED: _S.REFUSED,
        _T.SESSION_EXITED: _S.RECONNECTING,
        _T.SESSION_HUNG: _S.RECONNECTING,
        _T.TOO_MANY_RESTARTS: _S.SUSPENDED,
        _T.RETRY: _S.RECONNECTING,
        _T.STOP: _S.STOPPING,
    },
    _S.CONNECTED: {
        _T.IMPAIRED: _S.DEGRADED,
        _T.NOTICED: _S.CONNECTED,
        _T.TERMINAL_LOST: _S.RECONNECTING,
        _T.SESSION_EXITED: _S.RECONNECTING,
        _T.SESSION_HUNG: _S.RECONNECTING,
        _T.TOO_MANY_RESTARTS: _S.SUSPENDED,
        _T.RETRY: _S.RECONNECTING,
        _T.STOP: _S.STOPPING,
    },
    _S.DEGRADED: {
        _T.RECOVERED: _S.CONNECTED,
        _T.NOTICED: _S.DEGRADED,
        _T.TERMINAL_LOST: _S.RECONNECTING,
        _T.SESSION_EXITED: _S.RECONNECTING,
        _T.SESSION_HUNG: _S.RECONNECTING,
        _T.TOO_MANY_RESTARTS: _S.SUSPENDED,
        _T.RETRY: _S.RECONNECTING,
        _T.STOP: _S.STOPPING,
    },
    _S.RECONNECTING: {
        _T.ATTEMPT: _S.CONNECTING,
        _T.REFUSED: _S.REFUSED,
        _T.SESSION_EXITED: _S.RECONNECTING,
        _T.SESSION_HUNG: _S.RECONNECTING,
        _T.TOO_MANY_RESTARTS: _S.SUSPENDED,
        _T.RETRY: _S.RECONNECTING,
        _T.STOP: _S.STOPPING,
    },
    _S.REFUSED: {
        _T.RETRY: _S.RECONNECTING,
        _T.STOP: _S.STOPPING,
    },
    _S.SUSPENDED: {
        _T.RETRY: _S.RECONNECTING,
        _T.STOP: _S.STOPPING,
    },
    _S.STOPPING: {
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
    """The present state with its cause, and the transition that leads to the next; `history` has the newest states, oldest
    first."""

    def __init__(self) -> None:
        self.state = State.STOPPED
        self.now = ConnectionState(state=State.STOPPED.value, cause="not started", since_msc=0, next_step="start the bridge")
        self.history: deque[ConnectionState] = deque(maxlen=HISTORY)

    def accepts(self, trigger: Trigger) -> bool:
        """Whether the trigger means anything in the present state."""
        return trigger in TRANSITIONS[self.state]

    def fire(
        self,
        trigger: Trigger,
        now_msc: int,
        *,
        cause: str,
        reason: Reason = "",
        next_step: str = "",
        cause_code: int | None = None,
        next_attempt_msc: int | None = None,
        attempt: int | None = None,
        generation: int | None = None,
        login: int | None = None,
        server: str | None = None,
        conditions: tuple[Condition, ...] = (),
        clock: ClockOffset | None = None,
    ) -> ConnectionState:
        """Follow the table. `since_msc` only changes with the state; what is not given about the account, the session and the clock
        stays.

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
            reason=reason,
            cause_code=cause_code,
            next_step=next_step,
            since_msc=now_msc if state != self.state else known.since_msc,
            at_msc=now_msc,
            attempt=known.attempt if attempt is None else attempt,
            next_attempt_msc=next_attempt_msc,
            generation=known.generation if generation is None else generation,
            login=known.login if login is None else login,
            server=known.server if server is None else server,
            trading=state in TRADES and all(condition.stops == "nothing" for condition in conditions),
            conditions=conditions,
            clock=known.clock if clock is None else clock,
        )
        self.state = state
        self.history.append(self.now)
        return self.now
