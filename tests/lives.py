"""What a session may say, and benches in each state of the connection."""

from __future__ import annotations

from bridge.connection import State
from bridge.replies import ConnectionState
from bridge.session import link
from tests.scripted_session import Bench, attached, health

READY = link.Ready("token", 77)
NO_TERMINAL = link.AttachFailed("initialize", -10_003, "IPC initialize failed, MetaTrader 5 x64 not found")
NOT_READY = link.AttachFailed("initialize", -10_005, "IPC timeout")
BAD_LOGIN = link.AttachFailed("login", -6, "Terminal: Authorization failed")
LOST = link.Lost("terminal_info", -10_004, "No IPC connection")
GOOD, NO_BROKER = health(), health(connected=False)


def trail(bench: Bench) -> list[str]:
    return [state.state for state in bench.states]


def newest(bench: Bench) -> ConnectionState:
    return bench.gateway.connection.now


def started() -> Bench:
    bench = Bench()
    bench.gateway.start(0.0)
    bench.take()
    return bench


def bench_in(state: State) -> Bench:
    """A bench whose session runs and whose connection is in a state."""
    bench = started()
    said: dict[State, tuple[link.FromSession, ...]] = {
        State.STARTING: (), State.CONNECTING: (READY,), State.CONNECTED: (READY, attached()),
        State.DEGRADED: (READY, attached(), NO_BROKER), State.RECONNECTING: (READY, attached(), LOST),
        State.REFUSED: (READY, BAD_LOGIN), State.SUSPENDED: (READY,), State.STOPPING: (READY, attached()),
    }  # fmt: skip
    bench.say(*said[state])
    if state is State.REFUSED:
        bench.run(0.2)
        bench.say(BAD_LOGIN)
    if state is State.SUSPENDED:
        while bench.gateway.connection.state is not State.SUSPENDED:
            bench.exit("crashed")
            bench.run(40.0 if bench.gateway.connection.state is State.RECONNECTING else 0.0)
    if state is State.STOPPING:
        bench.gateway.stop(bench.now)
    bench.take()
    assert bench.gateway.connection.state is state
    return bench
