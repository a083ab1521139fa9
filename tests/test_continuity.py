"""Real processes: what a subscriber gets when the session is killed under it, and two strategies when one of them is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from bridge.simulation import SimulatedTerminal
from bridge.ticks import RECORD_BYTES, last_tick
from clients import Client, events
from clients.history import ticks
from tests.processes import PATIENCE_S, Served, environment, running, serving

START = "2026-03-04 14:00:00"


@pytest.fixture
def terminal() -> Iterator[SimulatedTerminal]:
    simulated = SimulatedTerminal(["--speed", "60", "--start", START])
    yield simulated
    simulated.close()


@pytest.fixture
def bridge(terminal: SimulatedTerminal) -> Iterator[Served]:
    with serving(MT5_PATH=terminal.address, MT5_LOGIN="5000001", MT5_PASSWORD="simulated") as served:
        with Client(served.requests, name="wait") as client:
            deadline = time.monotonic() + PATIENCE_S
            while not client.status().healthy:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield served


@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_a_killed_session_costs_no_tick_and_no_bar(terminal: SimulatedTerminal, bridge: Served) -> None:
    with Client(bridge.requests, name="watcher") as client, client.subscribe("tick:EURUSD", "bar:EURUSD:M1", "connection") as feed:
        received = bytearray()
        bars: list[int] = []
        flags = 0
        kills = 0
        next_kill_s = time.monotonic() + 1.0
        patience_s = time.monotonic() + 2 * PATIENCE_S
        while kills < 3 or time.monotonic() < next_kill_s:
            assert time.monotonic() < patience_s, f"only {kills} sessions in a minute"
            if kills < 3 and time.monotonic() >= next_kill_s:
                status = client.status()
                if status.healthy and status.session_pid is not None:
                    os.kill(status.session_pid, signal.SIGKILL)
                    kills += 1
                    next_kill_s = time.monotonic() + 1.5
            match feed.get(0.1):
                case events.Ticks(snapshot=False) as batch:
                    received += batch.records
                    flags |= batch.flags
                case events.Bars(snapshot=False) as closed:
                    bars += [bar.time for bar in closed]
                case events.Gap() as gap:
                    raise AssertionError(gap)
        terminal.control("control.hold")
        while (event := feed.get(1.0)) is not None:
            if isinstance(event, events.Ticks):
                received += event.records
        assert kills == 3
        assert client.status().connection.generation == 4
        rows = bytes(received)
        history = b"".join(client.do(ticks("EURUSD", last_tick(rows[:RECORD_BYTES]).time)))
        at = history.find(rows[:RECORD_BYTES])
        assert at >= 0
        assert history[at:] == rows, (len(history[at:]) // RECORD_BYTES, len(rows) // RECORD_BYTES)
        assert bars == list(range(bars[0], bars[-1] + 1, 60))
        assert flags, "what was missed meanwhile is marked as found afterwards"


@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_one_strategy_killed_does_not_disturb_the_other(bridge: Served) -> None:
    words = ["strategies", "run", "ma_crossover", "--timeframe", "M1", "--fast", "2", "--slow", "5", "--endpoint", bridge.requests]
    with running([*words, "--symbol", "EURUSD"]) as first, running([*words, "--symbol", "GBPUSD"]) as second:
        assert set(names(bridge, 2)) == {"ma_crossover/EURUSD", "ma_crossover/GBPUSD"}
        first.kill()
        assert names(bridge, 1) == ["ma_crossover/GBPUSD"]
        assert second.poll() is None
        second.send_signal(signal.SIGTERM)
        asked_s = time.monotonic()
        assert second.wait(PATIENCE_S) == 0
        assert time.monotonic() - asked_s < 10, "generous: the promise is two seconds on a machine of its own"


def names(bridge: Served, count: int) -> list[str]:
    """The strategies that `mt5bridge status --json` shows, once there are so many with an event connection."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        done = subprocess.run(
            [sys.executable, "-m", "bridge", "status", "--json", "--endpoint", bridge.requests],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            env=environment(),
            check=False,
        )
        clients = json.loads(done.stdout)["clients"]
        found = [client["name"] for client in clients if client["subscribed"] and client["name"].startswith("ma_")]
        if len(found) == count:
            return found
        assert time.monotonic() < deadline, done.stdout
