"""The simulated terminal: how long history takes to be made, and a call through a real terminal process."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

from benchmarks.rounds import Measure, Sample, Size, percentile
from benchmarks.served import commands, worker
from bridge.simulation import SimulatedTerminal
from bridge.terminal.simulator import api
from bridge.terminal.simulator.bars import DAY_S
from bridge.terminal.simulator.link import pack_frame
from bridge.terminal.simulator.market import SyntheticMarket

SYMBOL = "EURUSD"
NOW_S = 1_772_625_600  # Wednesday 2026-03-04 12:00, server time
IN_2030_S = 1_900_000_000
M1, D1 = 1, 0x4018
CALLS = 3_000
TICK = [NOW_S, 1.14213, 1.14215, 0.0, 0, NOW_S * 1000 + 123, 1030, 0.0]
ASKED = pack_frame(["symbol_info_tick", [SYMBOL]])
ANSWERED = pack_frame([1, "Success", TICK])

PATH = "through the module and a terminal process; the reference is a TCP echo of the same bytes"


# ---- history ---------------------------------------------------------------------------------------------------------------------


def _timed(make: Callable[[SyntheticMarket], int]) -> Sample:
    """Milliseconds for a market that was never asked before."""
    market = SyntheticMarket(1)
    start_s = time.perf_counter()
    rows = make(market)
    return Sample((time.perf_counter() - start_s) * 1e3, more={"rows": rows})


@contextlib.contextmanager
def bars(_: Size, *, timeframe: int, days: int, until_s: int = NOW_S) -> Iterator[Measure]:
    """So many days of bars."""
    first_s = until_s - days * DAY_S
    yield lambda: _timed(lambda market: len(market.rates(SYMBOL, timeframe, first_s, until_s, until_s * 1000)))


@contextlib.contextmanager
def day_of_ticks(_: Size) -> Iterator[Measure]:
    """All ticks of a day."""
    midnight_msc = (NOW_S - NOW_S % DAY_S) * 1000
    yield lambda: _timed(lambda market: len(market.ticks(SYMBOL, midnight_msc, midnight_msc + DAY_S * 1000)))


@contextlib.contextmanager
def limit(_: Size, *, limit_ms: float) -> Iterator[Measure]:
    """What it may take."""
    yield lambda: Sample(limit_ms)


# ---- calls -----------------------------------------------------------------------------------------------------------------------


def _latency(ask: Callable[[], object], count: int) -> Sample:
    clock = time.perf_counter
    times_s = []
    for _ in range(count):
        start_s = clock()
        ask()
        times_s.append(clock() - start_s)
    return Sample(percentile(times_s, 50) * 1e6, more={"p99 µs": percentile(times_s, 99) * 1e6})


@contextlib.contextmanager
def ours(size: Size) -> Iterator[Measure]:
    """`symbol_info_tick` of a terminal process whose clock runs.  Raises `RuntimeError` when it cannot be asked."""
    terminal = SimulatedTerminal(["--fresh", "--start", "2026-03-04 12:00:00"])
    try:
        if not api.initialize(terminal.address) or api.symbol_info_tick(SYMBOL) is None:
            raise RuntimeError(f"the terminal cannot be asked: {api.last_error()}")
        yield lambda: _latency(lambda: api.symbol_info_tick(SYMBOL), size.of(CALLS))
        api.shutdown()
    finally:
        terminal.close()


@contextlib.contextmanager
def reference(size: Size) -> Iterator[Measure]:
    """The bytes of the same call to and from a process that only echoes."""
    with worker("echo", _echo) as process, socket.create_connection(("127.0.0.1", process.hear())) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ask() -> None:
            connection.sendall(ASKED)
            _receive(connection, len(ANSWERED))

        yield lambda: _latency(ask, size.of(CALLS))


def _receive(connection: socket.socket, length: int) -> bool:
    while length:
        received = connection.recv(length)
        if not received:
            return False
        length -= len(received)
    return True


def _echo(pipe: Connection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pipe.send(listener.getsockname()[1])
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while _receive(connection, len(ASKED)):
                connection.sendall(ANSWERED)
    for _ in commands(pipe):
        pass
