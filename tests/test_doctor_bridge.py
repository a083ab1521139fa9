"""The doctor beside a bridge that runs, and the bridge that it starts when none does."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.config import BridgeSection, Mt5Section, Settings
from bridge.doctor_look import OwnBridge, elsewhere
from bridge.simulation import LOGIN, PASSWORD, SERVER, SimulatedTerminal
from clients import Client
from tests.doctor_runs import account, attached, await_bridge, doctor
from tests.processes import PATIENCE_S, Served, serving


@pytest.fixture(scope="module")
def terminal() -> Iterator[SimulatedTerminal]:
    running = SimulatedTerminal()
    yield running
    running.close()


@pytest.fixture(scope="module")
def bridge(terminal: SimulatedTerminal) -> Iterator[Served]:
    with serving(**account(terminal)) as served:
        await_bridge(served.requests, lambda status: status.healthy)
        yield served


def test_a_running_bridge_is_asked_and_nothing_else_attached(tmp_path: Path, terminal: SimulatedTerminal, bridge: Served) -> None:
    with Client(bridge.requests) as client:
        started = client.status().counters["sessions_started"]
        for way in ({"MT5BRIDGE_ENDPOINT": bridge.requests}, {}):
            failed, lines = doctor(tmp_path, *([] if way else ["--endpoint", bridge.requests]), **account(terminal) | way)
            assert failed == []
            assert bridge.requests in lines["bridge"]["found"]
            assert attached(terminal) == 1
        assert client.status().counters["sessions_started"] == started


def test_faults_are_told_apart(tmp_path: Path, terminal: SimulatedTerminal, bridge: Served) -> None:
    terminal.control("control.fault", "algo_off", {})
    terminal.control("control.fault", "robots_off", {})
    try:
        await_bridge(bridge.requests, lambda status: len(status.connection.conditions) >= 2)
        failed, lines = doctor(tmp_path, "--endpoint", bridge.requests, "--symbol", "NOSUCH", **account(terminal, MT5_LOGIN="1"))
    finally:
        terminal.control("control.clear")
    assert failed == ["algo trading", "robots", "account", "symbol NOSUCH"]
    assert "Algo Trading" in lines["algo trading"]["next_step"]
    assert str(LOGIN) in lines["account"]["found"]


def test_another_account_in_the_terminal(tmp_path: Path, terminal: SimulatedTerminal, bridge: Served) -> None:
    terminal.control("control.fault", "account_switched", {})
    try:
        await_bridge(bridge.requests, lambda status: status.connection.reason == "wrong_account")
        failed, lines = doctor(tmp_path, "--endpoint", bridge.requests, **account(terminal))
    finally:
        terminal.control("control.clear")
    assert failed == ["account"]
    assert "5000002" in lines["account"]["found"]
    await_bridge(bridge.requests, lambda status: status.healthy)


def test_a_port_that_somebody_else_holds_starts_nothing(tmp_path: Path, terminal: SimulatedTerminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        endpoint = f"tcp://127.0.0.1:{held.getsockname()[1]}"
        failed, _ = doctor(tmp_path, **account(terminal, MT5BRIDGE_ENDPOINT=endpoint))
    assert failed == ["bridge", "requests port"]


def test_the_bridge_of_a_look_does_not_outlive_who_started_it(terminal: SimulatedTerminal) -> None:
    """Its standard input ends, which is all that is left when the doctor was killed."""
    before = attached(terminal)
    given = Settings(BridgeSection(terminal="simulator"), Mt5Section(LOGIN, PASSWORD, SERVER, terminal.address))
    look = OwnBridge(elsewhere(given))
    try:
        await_bridge(look.endpoint(), lambda status: status.healthy)
        assert attached(terminal) == before + 1
        assert look.process.stdin is not None
        look.process.stdin.close()
        assert look.process.wait(PATIENCE_S) == 0
        deadline = time.monotonic() + PATIENCE_S
        while attached(terminal) != before:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        look.close()
