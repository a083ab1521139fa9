"""What is asked of the bridge itself; for every client the same."""

from __future__ import annotations

from bridge.messages import GetConnectionHistory, GetLimits, GetStatus, Halt, Ping, Reconnect, Resume
from bridge.replies import ConnectionState, LimitsInForce, Pong, Status, TradingState
from clients.tasks import Steps


def ping() -> Steps[Pong]:
    """Is the bridge alive, and how old is its knowledge?"""
    pong: Pong = yield Ping()
    return pong


def connection() -> Steps[ConnectionState]:
    """Where the bridge's session with the terminal stands."""
    status: Status = yield GetStatus()
    return status.connection


def connection_history(count: int = 100) -> Steps[tuple[ConnectionState, ...]]:
    """The newest `count` states that the bridge has published, oldest first, with their causes; it keeps 1,000."""
    states: tuple[ConnectionState, ...] = (yield GetConnectionHistory(count)).states
    return states


def reconnect() -> Steps[ConnectionState]:
    """Have the bridge read its configuration again, replace its session and attach anew, for every client: what ends `refused` and
    `suspended`, and accepts another account. Returns at once, with the state that this led to."""
    state: ConnectionState = yield Reconnect()
    return state


def halt(reason: str = "") -> Steps[TradingState]:
    """The kill switch, for every client: no order is sent any more that does more than reduce exposure, until `resume`, also after
    a restart of the bridge. Positions and pending orders stay as they are."""
    state: TradingState = yield Halt(reason)
    return state


def resume() -> Steps[TradingState]:
    """Trade on after `halt`."""
    state: TradingState = yield Resume()
    return state


def limits(name: str | None = None) -> Steps[LimitsInForce]:
    """The limits on orders that hold for this client, or for one of another name."""
    found: LimitsInForce = yield GetLimits(name)
    return found
