"""Real processes: a session that holds the interpreter's lock inside a call, and what the gateway does meanwhile.

Times are bounds for a busy machine; `python -m benchmarks frozen` has the figures.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from bridge.errors import BridgeError, NotConnected, OutcomeUnknown, TimedOut, TryAgain
from bridge.messages import GetAccount, SendOrder
from bridge.replies import ConnectionState, OrderOutcome
from bridge.trading import TradeRequest
from bridge.watch import WatchSettings
from clients import Client, events
from tests.frozen_terminal import CALL, FROZEN_COMMENT, FROZEN_SYMBOL, SECONDS
from tests.processes import PATIENCE_S, Served, serving

NAME = "tests.frozen_terminal:FrozenTerminal"
FOREVER_S = 600.0
ORDER = TradeRequest(action=1, symbol="EURUSD", volume=0.1, comment="plain")
PING_S = 2.0
"""Far more than a ping takes, and far less than any freeze."""


@contextmanager
def frozen(call: str, seconds: float) -> Iterator[Served]:
    with serving("--terminal", NAME, **{CALL: call, SECONDS: str(seconds)}) as served:
        yield served


def until(client: Client, state: str) -> float:
    """Ping until the connection is in a state; the longest time that a ping took."""
    deadline_s = time.monotonic() + PATIENCE_S
    longest_s = 0.0
    while True:
        asked_s = time.monotonic()
        found = client.ping().state
        longest_s = max(longest_s, time.monotonic() - asked_s)
        if found == state:
            return longest_s
        assert asked_s < deadline_s, found
        time.sleep(0.01)


ORDER_S = 12.0
"""An order that was lost with its session is looked for until its deadline: longer than a session takes to be replaced."""


def asking(pool: ThreadPoolExecutor, served: Served, work: str) -> Future[BridgeError | OrderOutcome | None]:
    """A client in a thread of its own that asks one thing; its error, or what it was answered."""

    def ask() -> BridgeError | OrderOutcome | None:
        with Client(served.requests, name=work, timeout_s=ORDER_S if work == "order" else PATIENCE_S) as client:
            try:
                if work == "order":
                    return client.order(ORDER)
                client.symbol(FROZEN_SYMBOL) if work == "freeze" else client.account()
            except BridgeError as error:
                return error
        return None

    return pool.submit(ask)


def test_a_frozen_session_is_replaced_and_the_gateway_answers_meanwhile() -> None:
    with frozen("symbol", FOREVER_S) as served, ThreadPoolExecutor() as pool, Client(served.requests, name="watcher") as client:
        until(client, "connected")
        with client.subscribe("connection", "heartbeat") as feed:
            before = client.status()
            began_s = time.monotonic()
            freezing = asking(pool, served, "freeze")
            while (client.status().session_age_ms or 0) < 1_500:  # it says something each half second, unless it is frozen
                assert time.monotonic() - began_s < PATIENCE_S
                time.sleep(0.05)
            waiting = [asking(pool, served, work) for work in ("read", "order")]
            longest_s = until(client, "reconnecting")
            noticed_s = time.monotonic() - began_s
            longest_s = max(longest_s, until(client, "connected"))
            replaced_s = time.monotonic() - began_s
            read, order = (future.result(PATIENCE_S) for future in waiting)
            after = client.status()
            told: list[events.Item] = []
            while (event := feed.get(0.05)) is not None:
                told.append(event)
        assert longest_s < PING_S
        silence_s = WatchSettings().silence_s
        assert silence_s - 1 < noticed_s < silence_s + 5, "silence counts from the last sign, half a second before at most"
        assert replaced_s < silence_s + 10
        assert isinstance(freezing.result(), TryAgain)
        assert isinstance(read, NotConnected)
        assert isinstance(order, OutcomeUnknown)
        assert before.session_pid != after.session_pid
        assert after.connection.generation == before.connection.generation + 1
        assert [state.state for state in states(told)] == ["connected", "reconnecting", "connecting", "connected"]
        assert states(told)[1].reason == "session_hung"
        beats = [item.sequence for item in told if isinstance(item, events.Heartbeat)]
        assert len(beats) >= silence_s
        assert beats == list(range(beats[0], beats[0] + len(beats)))


def states(told: list[events.Item]) -> list[ConnectionState]:
    return [item.connection for item in told if isinstance(item, events.Connection)]


def test_an_order_whose_call_freezes_is_unknown_until_it_returns() -> None:
    freeze_s, patience_s = 3.0, 1.0
    frozen_order = SendOrder(TradeRequest(action=1, symbol="EURUSD", volume=0.1, comment=FROZEN_COMMENT))
    with frozen("send", freeze_s) as served, Client(served.requests, name="trader") as client:
        until(client, "connected")
        began_s = time.monotonic()
        with pytest.raises(OutcomeUnknown) as unknown:
            client.call(frozen_order, timeout_s=patience_s)
        assert time.monotonic() - began_s < freeze_s
        with pytest.raises(TimedOut):
            client.call(GetAccount(), timeout_s=0.5)
        assert client.ping().state == "connected"
        while True:
            try:
                outcome = client.call(frozen_order, request_id=unknown.value.request_id)
                break
            except OutcomeUnknown:
                assert time.monotonic() - began_s < PATIENCE_S
                time.sleep(0.1)
        assert time.monotonic() - began_s >= freeze_s
        assert outcome.result.order == 5
        assert client.status().counters["sessions_started"] == 1


def test_an_attach_that_freezes_is_waited_for() -> None:
    freeze_s = 6.0
    with frozen("attach", freeze_s) as served, Client(served.requests, name="early") as client:
        until(client, "connecting")
        began_s = time.monotonic()
        with pytest.raises(NotConnected):
            client.account()
        assert until(client, "connected") < PING_S
        assert time.monotonic() - began_s > WatchSettings().silence_s
        assert client.status().counters["sessions_started"] == 1
