"""What the bridge adds to an order, and what it costs to write one down before it is sent.

The terminal answers at once and tells in its answer how long that took; that is taken off. The journal is on a real disk.
"""

from __future__ import annotations

import contextlib
import queue
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count as numbers
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import uuid4

import zmq

from benchmarks.market import MarketTerminal
from benchmarks.rounds import Measure, Sample, Size, percentile
from benchmarks.served import Worker, commands, running_bridge, worker
from benchmarks.stub import SYMBOL, topic_of
from bridge import codec
from bridge.entries import AuditRecord, Durable, Intent, NotOpened, Opened, Record, Settlement, Write, Written
from bridge.messages import Hello, SendOrder
from bridge.mt5api import constants as mt5
from bridge.records import Symbol
from bridge.replies import OrderOutcome
from bridge.scribe import Scribe
from bridge.simulation import SimulatedTerminal
from bridge.terminal.simulator import api
from bridge.trading import Deal, Order, OrderResult, Position, TradeRequest

REQUEST = TradeRequest(action=1, symbol=SYMBOL, volume=0.1, type_filling=0, magic=7, comment="benchmark")
ORDERS = 500
ON_SIMULATOR = 200
TOGETHER = 50
LIMIT_MS = 2.0
INTENT_MS = 1.0
PATIENCE_MS = 10_000
RATE = 100
"""Ticks a second of all symbols of the terminal."""
LONGEST_S = 200
SYMBOLS = 5
PATH = f"of an answered order, without the terminal's own time: against the limit of {LIMIT_MS:.0f} ms"

Socket = zmq.Socket[bytes]


# ---- the terminal ----------------------------------------------------------------------------------------------------------------


class OrderTerminal(MarketTerminal):
    """Symbols that are quoted, and orders that are done at once: `request_id` of an answer is how many ns that took."""

    def __init__(self) -> None:
        super().__init__(SYMBOLS, RATE, longest_s=LONGEST_S)
        self._tickets = numbers(1)

    def symbol(self, name: str) -> Symbol:
        """A symbol that can be traded."""
        volumes = {"volume_min": 0.01, "volume_max": 100.0, "volume_step": 0.01}
        return replace(super().symbol(name), trade_mode=4, trade_exemode=2, filling_mode=1, order_mode=127, **volumes)  # type: ignore[arg-type]

    def positions(self, *, ticket: int | None = None, symbol: str | None = None, group: str | None = None) -> list[Position]:
        """None: orders leave nothing behind."""
        return []

    def orders(self, *, ticket: int | None = None, symbol: str | None = None, group: str | None = None) -> list[Order]:
        """None."""
        return []

    def history_orders(self, *, from_s: int | None = None, to_s: int | None = None, position: int | None = None) -> list[Order]:
        """None."""
        return []

    def deals(self, *, from_s: int | None = None, to_s: int | None = None, position: int | None = None) -> list[Deal]:
        """None."""
        return []

    def history(self) -> dict[str, bytes]:
        """All ticks of each symbol, those to come as well."""
        return self._ticks

    def send(self, request: TradeRequest) -> OrderResult:
        """Done."""
        begun_ns = time.perf_counter_ns()
        ticket = next(self._tickets)
        done = OrderResult(mt5.TRADE_RETCODE_DONE, ticket, ticket, request.volume, 1.08, 1.08, 1.09, "Done", 0, 0, request)
        return replace(done, request_id=time.perf_counter_ns() - begun_ns)


def terminal() -> OrderTerminal:
    """For `--terminal benchmarks.orders:terminal`."""
    made: OrderTerminal = OrderTerminal()  # type: ignore[abstract]
    return made


def symbols() -> list[str]:
    """The names of the terminal's symbols."""
    return [topic_of(place).removeprefix("tick:") for place in range(SYMBOLS)]


# ---- a client --------------------------------------------------------------------------------------------------------------------


class Trader:
    """A client of the protocol that does no more than to send orders."""

    def __init__(self, context: zmq.Context[Socket], requests: str, name: str) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.rcvtimeo = PATIENCE_MS
        self.socket.connect(requests)
        self._id, self._numbers = uuid4().hex, numbers(1)
        self.socket.send(codec.encode_request(Hello(name, self._id), f"{self._id}.hello", None, self._id))
        self.socket.recv()

    def send(self, request: TradeRequest = REQUEST) -> str:
        """Send an order; its id."""
        order_id = f"{self._id}.{next(self._numbers)}"
        self.socket.send(codec.encode_request(SendOrder(request), order_id, None, self._id))
        return order_id

    def order(self, request: TradeRequest = REQUEST) -> OrderOutcome:
        """Send an order and wait for its outcome. Raises its error."""
        self.send(request)
        outcome: OrderOutcome = codec.decode_result(SendOrder.method, codec.decode_reply(self.socket.recv()))
        return outcome

    def until_taken(self, request: TradeRequest = REQUEST) -> None:
        """Wait until orders are executed. Raises `RuntimeError` with what keeps them from it."""
        until_s = time.monotonic() + PATIENCE_MS / 1e3
        while True:
            self.send(request)
            reply = codec.decode_reply(self.socket.recv())
            if reply.error is None:
                return
            if time.monotonic() > until_s:
                raise RuntimeError(f"no order is executed: {reply.error}")
            time.sleep(0.05)


@contextlib.contextmanager
def trading_bridge() -> Iterator[tuple[Worker, str]]:
    """A bridge over the terminal of this module, with a journal on the disk."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, running_bridge(TERMINAL, journal=folder) as bridge:
        yield bridge


TERMINAL = "benchmarks.orders:terminal"


# ---- what the bridge adds --------------------------------------------------------------------------------------------------------


def _sample(added_s: Sequence[float], own_s: Sequence[float], cpu_s: dict[str, float]) -> Sample:
    more = {"p99 ms": percentile(added_s, 99) * 1e3, "terminal's own ms": percentile(own_s, 50) * 1e3}
    cpu_us = {name: value / len(added_s) * 1e6 for name, value in cpu_s.items()}
    return Sample(percentile(added_s, 50) * 1e3, cpu_us, more=more)


@contextlib.contextmanager
def added(size: Size) -> Iterator[Measure]:
    """Orders one after the other, each answered, over a terminal that answers at once."""
    with trading_bridge() as (bridge, requests), worker("client", _order, requests, size.of(ORDERS)) as client:
        client.hear()

        def measure() -> Sample:
            before_s = bridge.ask("cpu")
            added_s, own_s, client_s = client.ask("round")
            return _sample(added_s, own_s, {"bridge": bridge.ask("cpu") - before_s, "client": client_s})

        yield measure


def _order(pipe: Connection, requests: str, count: int) -> None:
    context: zmq.Context[Socket] = zmq.Context()
    trader = Trader(context, requests, "benchmark")
    trader.until_taken()
    pipe.send("connected")
    clock = time.perf_counter
    for _ in commands(pipe):
        added_s, own_s = [], []
        cpu_s = time.process_time()
        for _ in range(count):
            start_s = clock()
            outcome = trader.order()
            took_s = clock() - start_s
            own_s.append(outcome.result.request_id / 1e9)
            added_s.append(took_s - own_s[-1])
        pipe.send((added_s, own_s, time.process_time() - cpu_s))
    context.destroy(0)


@contextlib.contextmanager
def added_to_simulator(size: Size) -> Iterator[Measure]:
    """The same over the simulated terminal: every order through the bridge is followed by one that a program beside it sends."""
    simulated = SimulatedTerminal(["--fresh", "--profile", "netting", "--start", "2026-03-03 10:00:00", "--speed", "1"])
    context: zmq.Context[Socket] = zmq.Context()
    try:
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            running_bridge("simulator", path=simulated.address, journal=folder) as (bridge, requests),
        ):
            if not api.initialize(simulated.address):
                raise RuntimeError(f"the simulated terminal cannot be asked: {api.last_error()}")
            trader = Trader(context, requests, "benchmark")
            trader.until_taken()
            yield lambda: _beside(bridge, trader, size.of(ON_SIMULATOR))
    finally:
        api.shutdown()
        context.destroy(0)
        simulated.close()


def _beside(bridge: Worker, trader: Trader, count: int) -> Sample:
    clock = time.perf_counter
    bridged_s, own_s = [], []
    before_s = bridge.ask("cpu")
    for number in range(count):
        request = replace(REQUEST, type=number % 2)
        start_s = clock()
        trader.order(request)
        middle_s = clock()
        result = api.order_send({**_DIRECT, "type": 1 - number % 2})
        own_s.append(clock() - middle_s)
        bridged_s.append(middle_s - start_s)
        if result is None or result.retcode != mt5.TRADE_RETCODE_DONE:
            raise RuntimeError(f"the simulated terminal did not execute an order: {result} {api.last_error()}")
    terminal_s = percentile(own_s, 50)
    cpu_s = {"bridge": bridge.ask("cpu") - before_s}
    return _sample([seconds - terminal_s for seconds in bridged_s], own_s, cpu_s)


_DIRECT = {"action": 1, "symbol": SYMBOL, "volume": 0.1, "type_filling": 0, "magic": 7, "comment": "benchmark"}


# ---- the intent ------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def intents(size: Size, under_way: int) -> Iterator[Measure]:
    """Intents that many at a time, each with its line for the audit, from the thread that gives it until it is known to be durable;
    each is settled after that."""
    woken: queue.SimpleQueue[None] = queue.SimpleQueue()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        scribe = Scribe(Path(folder), lambda: woken.put(None))
        try:
            desk = Desk(scribe, woken)
            yield lambda: desk.measure(size.of(ORDERS), under_way)
        finally:
            scribe.close()


class Desk:
    """Has a scribe write intents and settle them, as the gateway does."""

    def __init__(self, scribe: Scribe, woken: queue.SimpleQueue[None]) -> None:
        self._scribe, self._woken = scribe, woken
        self._number = 0
        scribe.open(1, "Stub")
        for answer in self._taken():
            if not isinstance(answer, Opened):
                raise RuntimeError(f"the journal cannot be opened: {answer.error if isinstance(answer, NotOpened) else answer}")

    def _taken(self) -> list[Written]:
        self._woken.get(timeout=PATIENCE_MS / 1e3)
        return self._scribe.take()

    def _write(self, *records: Record) -> int:
        """The number of the first."""
        writes = [Write(self._number + place, record) for place, record in enumerate(records, 1)]
        self._number += len(records)
        self._scribe.write(writes)
        return writes[0].number

    def measure(self, count: int, under_way: int) -> Sample:
        """One round of so many intents. Raises `RuntimeError` when one is not written."""
        clock = time.perf_counter
        given: dict[int, tuple[float, str]] = {}
        times_s: list[float] = []
        left, settling = count, set[int]()
        cpu_s = time.process_time()
        while left or given or settling:
            while left and len(given) + len(settling) < under_way:
                left -= 1
                order_id = uuid4().hex
                now_us = time.time_ns() // 1000
                start_s = clock()
                line = AuditRecord(now_us, "benchmark", "order", order_id, "0" * 16, "accepted")
                given[self._write(Intent(order_id, "benchmark", 1, "Stub", REQUEST, "~abcdef", now_us), line)] = start_s, order_id
            answers = self._taken()
            now_s = clock()
            for answer in answers:
                if not isinstance(answer, Durable):
                    raise RuntimeError(f"not written: {answer}")
                settling.discard(answer.number)
                if answer.number in given:
                    start_s, order_id = given.pop(answer.number)
                    times_s.append(now_s - start_s)
                    settling.add(self._write(Settlement(order_id, "done", b"", time.time_ns() // 1000, 1, 1)))
        cpu_us = {"scribe and gateway": (time.process_time() - cpu_s) / count * 1e6}
        return Sample(percentile(times_s, 50) * 1e3, cpu_us, more={"p99 ms": percentile(times_s, 99) * 1e3})
