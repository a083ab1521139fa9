"""Faults of the terminal's program, as the MetaTrader5 API shows them: in virtual time, and of real processes."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.mt5api.calls import OLD_BUILD
from bridge.mt5api.namespace import namespace
from bridge.simulation import SimulatedTerminal
from bridge.terminal.simulator.answers import BUILD
from bridge.terminal.simulator.fault import FaultRefused
from bridge.terminal.simulator.link import HOLD_GIL_VARIABLE, SocketBackend
from tests.faulty_terminal import LINK_BROKEN, NO_LINK, SEND_FAILED, Faulty, Hung
from tests.processes import environment

ABSENT = (-10003, "IPC initialize failed, MetaTrader 5 x64 not found")


def test_a_crash_breaks_the_connection_for_good() -> None:
    faulty = Faulty()
    faulty.fault("crash")
    assert faulty.mt5.account_info() is None
    assert faulty.error == SEND_FAILED
    assert faulty.mt5.account_info() is None
    assert faulty.error == NO_LINK
    assert faulty.mt5.initialize() is False
    assert faulty.error == ABSENT


@pytest.mark.parametrize("executes", [True, False])
def test_a_crash_during_the_second_order(executes: bool) -> None:
    faulty = Faulty()
    faulty.fault("crash", during="order_send", nth=2, executes=executes)
    assert faulty.retcode() == 10009
    assert len(faulty.mt5.positions_get()) == 1
    assert faulty.send() is None
    assert faulty.error == LINK_BROKEN
    assert len(faulty.world.server.ledger.positions) == 1 + executes
    assert faulty.mt5.initialize() is False


def test_a_restart_keeps_the_account_and_loses_the_faults() -> None:
    faulty = Faulty()
    order = faulty.send().order
    faulty.fault("algo_off")
    faulty.fault("restart", seconds=5)
    assert faulty.mt5.positions_get() is None
    assert faulty.error == SEND_FAILED
    faulty.pass_s(4.9)
    assert faulty.mt5.initialize() is False
    faulty.pass_s(0.1)
    assert faulty.mt5.initialize() is True
    assert faulty.names == []
    assert [position.ticket for position in faulty.mt5.positions_get()] == [order]
    assert faulty.retcode() == 10009


def test_liveupdate_brings_a_new_build() -> None:
    faulty = Faulty()
    assert faulty.mt5.version()[1] == faulty.mt5.terminal_info().build == BUILD
    faulty.fault("liveupdate", build=6000, seconds=2)
    assert faulty.mt5.version() == (0, 0, "")
    faulty.pass_s(2)
    assert faulty.mt5.initialize()
    assert faulty.mt5.version()[1] == faulty.mt5.terminal_info().build == 6000


def test_hanging_calls() -> None:
    faulty = Faulty()
    faulty.fault("hang", function="account_info", nth=2, seconds=30)
    assert faulty.mt5.account_info() is not None
    assert faulty.mt5.terminal_info() is not None
    assert faulty.waited == []
    assert faulty.mt5.account_info().login == 5_000_001
    assert faulty.waited == [30.0]
    assert faulty.now_s == 30.0
    assert faulty.names == []
    assert faulty.mt5.account_info() is not None
    assert faulty.waited == [30.0]


@pytest.mark.parametrize("executes", [True, False])
def test_an_order_that_hangs_for_ever(executes: bool) -> None:
    faulty = Faulty()
    faulty.fault("hang", executes=executes)
    with pytest.raises(Hung):
        faulty.send()
    assert len(faulty.world.server.ledger.positions) == executes
    assert faulty.mt5.account_info() is None
    assert faulty.error == NO_LINK, "the program was torn out of its call"


def test_slow_calls() -> None:
    faulty = Faulty()
    faulty.fault("slow", seconds=0.25, count=2)
    faulty.fault("slow", seconds=2.0, function="version")
    assert faulty.mt5.version()[1] == BUILD
    assert faulty.mt5.symbols_total() > 0
    assert faulty.mt5.symbols_total() > 0
    assert faulty.waited == [2.0, 0.25], "the longest delay counts, and uses the others up too"
    faulty.clear()
    faulty.mt5.version()
    assert len(faulty.waited) == 2


def test_a_busy_terminal_blocks_initialize() -> None:
    faulty = Faulty()
    faulty.fault("busy", seconds=60.0)
    assert faulty.mt5.account_info() is not None
    other = faulty.terminal.module()
    with pytest.raises(Hung):
        other.initialize()
    faulty.pass_s(60)
    assert other.initialize()


@pytest.mark.parametrize(
    ("name", "error", "waited_s"),
    [
        ("wizard", (-10005, "IPC timeout"), [5.0, 60.0]),
        ("wrong_build", OLD_BUILD, []),
        ("otp", (-7, "Unsupported authorization mode, OTP or certificate password needed"), []),
    ],
)
def test_a_terminal_that_lets_nobody_in(name: str, error: tuple[int, str], waited_s: list[float]) -> None:
    faulty = Faulty()
    faulty.fault(name)
    other = faulty.terminal.module()
    assert other.initialize(timeout=5000) is False
    assert tuple(other.last_error()) == error
    assert faulty.mt5.login(5_000_001) is False
    assert faulty.error == error
    assert faulty.waited == waited_s
    assert faulty.mt5.account_info() is not None, "a failed login keeps the connection"
    faulty.clear()
    assert other.initialize() is True


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("hang", {"function": "shutdown"}, "there is no function 'shutdown' of the API that reaches the terminal"),
        ("crash", {"during": "nope"}, "there is no function 'nope'"),
        ("hang", {"nth": 0}, "nth must be from 1"),
        ("restart", {"seconds": math.inf}, "seconds must be from 0 to 86400, not inf"),
        ("slow", {"seconds": math.nan}, "seconds must be from 0"),
        ("busy", {"seconds": -1.0}, "seconds must be from 0"),
    ],
)
def test_arguments_out_of_range(name: str, arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(FaultRefused, match=text):
        Faulty().fault(name, **arguments)


@contextmanager
def attached(*arguments: str) -> Iterator[tuple[SimulatedTerminal, Any]]:
    """A terminal process and a program with the API module's link to it."""
    terminal = SimulatedTerminal(["--fresh", "--start", "2024-01-10 12:00:00", *arguments])
    mt5 = SimpleNamespace(**namespace(SocketBackend()))
    try:
        assert mt5.initialize(terminal.address)
        assert mt5.symbol_select("EURUSD", True)
        yield terminal, mt5
    finally:
        mt5.shutdown()
        terminal.close()


BUY = {"action": 1, "type": 0, "symbol": "EURUSD", "volume": 0.1}


def test_a_process_that_crashes_during_an_order_has_executed_it(tmp_path: Any) -> None:
    state = ["--state", str(tmp_path / "account.sqlite")]
    with attached(*state) as (terminal, mt5):
        terminal.control("control.fault", "crash", {"during": "order_send"})
        assert mt5.order_send(BUY) is None
        assert mt5.last_error() == LINK_BROKEN
        assert terminal.process.wait(10) in (-9, 137)
        assert mt5.order_send(BUY) is None
        assert mt5.last_error() == NO_LINK
        assert mt5.initialize(terminal.address) is False
        assert mt5.last_error()[0] == -10003
    with attached(*state) as (terminal, mt5):
        assert len(mt5.positions_get()) == 1
        assert terminal.control("control.faults") == []


def test_a_process_that_restarts() -> None:
    with attached() as (terminal, mt5):
        order = mt5.order_send(BUY).order
        terminal.control("control.fault", "clock_jump", {"seconds": 7200})
        terminal.control("control.fault", "liveupdate", {"seconds": 0.3, "build": 6001})
        assert mt5.positions_get() is None
        assert mt5.last_error()[0] in (-10001, -10002)
        assert mt5.initialize(terminal.address) is False
        until_s = time.monotonic() + 10
        while not mt5.initialize(terminal.address):
            assert time.monotonic() < until_s
        assert mt5.version()[1] == 6001
        assert [position.ticket for position in mt5.positions_get()] == [order]
        assert terminal.control("control.faults") == []
        assert terminal.control("control.status")["now_msc"] < 1_704_888_000_000 + 60_000, "the clock is right again"


def test_a_hanging_call_ends_when_the_fault_is_cleared_and_others_go_on() -> None:
    with attached() as (terminal, mt5):
        terminal.control("control.fault", "hang", {"function": "order_send"})
        results: list[Any] = []
        program = threading.Thread(target=lambda: results.append(mt5.order_send(BUY)))
        program.start()
        other = SimpleNamespace(**namespace(SocketBackend()))
        assert other.initialize(terminal.address)
        until_s = time.monotonic() + 10
        while not other.positions_get():
            assert time.monotonic() < until_s
        assert results == []
        assert [entry["name"] for entry in terminal.control("control.faults")] == ["hang"]
        terminal.control("control.clear")
        program.join(10)
        assert results[0].retcode == 10009
        assert other.account_info() is not None
        other.shutdown()


BEATING = """
import sys, threading, time
import bridge.terminal.simulator.api as mt5
assert mt5.initialize(sys.argv[1])
beats = []
threading.Thread(target=lambda: [beats.append(time.sleep(0.01)) for _ in iter(int, 1)], daemon=True).start()
time.sleep(0.05)
before = len(beats)
assert mt5.account_info() is not None
print(len(beats) - before)
"""


@pytest.mark.parametrize("holding", ["0", "1"])
def test_a_hanging_call_keeps_the_interpreters_lock_if_it_shall(holding: str) -> None:
    with attached() as (terminal, _):
        terminal.control("control.fault", "hang", {"function": "account_info", "seconds": 0.6})
        done = subprocess.run(
            [sys.executable, "-c", BEATING, terminal.address],
            capture_output=True, text=True, timeout=30, check=True, env=environment(**{HOLD_GIL_VARIABLE: holding}),
        )  # fmt: skip
        beats = int(done.stdout)
        assert beats <= 5 if holding == "1" else beats > 5, beats  # some come right before the call and right behind it
