"""Real processes: the stream of a subscriber whose bridge is killed, and of one that is stopped for a while."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.simulation import SimulatedTerminal
from bridge.ticks import RECORD_BYTES, last_tick
from clients import Client, events
from clients.history import ticks
from clients.subscription import Subscription
from tests.faults.delivery import delivered
from tests.faults.subscribers import Subscriber
from tests.processes import PATIENCE_S, Served, serving

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")
SYMBOLS = ("EURUSD", "GBPUSD")
TOPICS = tuple(f"tick:{symbol}" for symbol in SYMBOLS)


@pytest.fixture
def terminal() -> Iterator[SimulatedTerminal]:
    simulated = SimulatedTerminal(["--speed", "60", "--start", "2026-03-04 14:00:00"])
    yield simulated
    simulated.close()


def settings(terminal: SimulatedTerminal) -> dict[str, str]:
    return {"MT5_PATH": terminal.address, "MT5_LOGIN": "5000001", "MT5_PASSWORD": "simulated"}


def wait_until_healthy(bridge: Served) -> None:
    with Client(bridge.requests, name="wait") as client:
        deadline = time.monotonic() + PATIENCE_S
        while not client.status().healthy:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def history(client: Client, symbol: str, rows: bytes) -> bytes:
    """What the terminal has from the first of these ticks on."""
    found = b"".join(client.do(ticks(symbol, last_tick(rows[:RECORD_BYTES]).time)))
    at = found.find(rows[:RECORD_BYTES])
    assert at >= 0
    return found[at:]


class Received:
    """What came of a subscription."""

    def __init__(self) -> None:
        self.ticks = {symbol: bytearray() for symbol in SYMBOLS}
        self.bars: list[int] = []
        self.gaps: list[events.Gap] = []
        self.epochs: set[int] = set()

    def take(self, feed: Subscription, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            item = feed.get(min(left_s, 0.1))
            if isinstance(item, events.Gap):
                self.gaps.append(item)
            elif item is not None:
                self.epochs.add(item.epoch)
            if isinstance(item, events.Ticks) and not item.snapshot:
                self.ticks[item.symbol] += item.records
            elif isinstance(item, events.Bars) and not item.snapshot:
                self.bars += [bar.time for bar in item]

    def take_of(self, feed: Subscription, bridges: int) -> None:
        """Until something came of so many bridges, and a little longer."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self.epochs) < bridges:
            assert time.monotonic() < deadline, f"bridge {bridges} was not found"
            self.take(feed, 0.1)
        self.take(feed, 0.5)


def test_a_bridge_killed_and_started_again_costs_no_tick_and_no_bar(terminal: SimulatedTerminal) -> None:
    received = Received()
    with serving(**settings(terminal)) as first:
        wait_until_healthy(first)
        client = Client(first.requests, name="watcher")
        feed = client.subscribe(*TOPICS, "bar:EURUSD:M1")
        received.take_of(feed, 1)
        first.process.kill()
        first.process.wait()
    with client:
        same = ("--requests", first.requests, "--events", first.events)
        received.take(feed, 0.1)
        with serving(*same, **settings(terminal)) as second:
            received.take_of(feed, 2)
            second.process.kill()
            second.process.wait()
        with serving(*same, **settings(terminal)) as third:
            received.take_of(feed, 3)
            wait_until_healthy(third)
            terminal.control("control.hold")
            received.take(feed, 1.5)
            for symbol, rows in received.ticks.items():
                assert bytes(rows) == history(client, symbol, bytes(rows)), symbol
            assert received.bars == list(range(received.bars[0], received.bars[-1] + 1, 60))
            assert len(received.bars) > 1
            assert received.gaps == []
            assert feed.counters.gaps == 0
            assert feed.counters.backfilled > 0
            assert client.counters.restarts == 2


def test_a_subscriber_that_was_stopped_gets_everything(terminal: SimulatedTerminal, tmp_path: Path) -> None:
    with serving(**settings(terminal)) as bridge:
        wait_until_healthy(bridge)
        subscriber = Subscriber(tmp_path / "subscriber", bridge.requests, TOPICS)
        try:
            subscriber.ready()
            time.sleep(0.5)
            os.kill(subscriber.process.pid, signal.SIGSTOP)
            time.sleep(4.2)
            os.kill(subscriber.process.pid, signal.SIGCONT)
            time.sleep(0.5)
            terminal.control("control.hold")
            (part,) = subscriber.finish()
        finally:
            subscriber.kill()
        with Client(bridge.requests, name="comparing") as client:
            histories = {
                topic: history(client, topic.removeprefix("tick:"), bytes.fromhex(began)) for topic, began in part.began.items()
            }
        assert histories.keys() == set(TOPICS)
        found = delivered("subscriber", [part], histories, whole=True)
        assert found.wrong == []
