"""Many clients that give orders at a steady rate, while somebody follows ticks: all are answered, and no tick is lost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import zmq

from benchmarks.orders import Trader, symbols, terminal, trading_bridge
from benchmarks.rounds import Measure, Sample, Size, percentile
from benchmarks.served import PATIENCE_S, commands, worker
from bridge import codec
from bridge.messages import GetTick
from bridge.ticks import RECORD_BYTES, last_tick
from clients import Client
from clients.events import Ticks

CLIENTS, EACH = 50, 20
"""Clients, and the orders that each gives in a second."""
SECONDS, QUICK_S = 60.0, 5.0
PROCESSES = 2
LATE_S = 10.0
"""So long after the last order is waited for answers."""
PATH = f"{CLIENTS} clients that give {EACH} orders a second each, beside a subscriber of ticks, against the orders that they gave"

Socket = zmq.Socket[bytes]


@dataclass(slots=True)
class Pace:
    """One client: what it gave, and how long each answer took after the moment at which the order was due."""

    trader: Trader
    first_s: float
    given: int = 0
    due_s: dict[str, float] = field(default_factory=dict)
    times_s: list[float] = field(default_factory=list)
    failed: int = 0

    def next_s(self) -> float:
        """When its next order is due."""
        return self.first_s + self.given / EACH

    def give(self) -> None:
        """Its next order."""
        due_s = self.next_s()
        self.given += 1
        self.due_s[self.trader.send()] = due_s

    def take(self, now_s: float) -> None:
        """What was answered."""
        with contextlib.suppress(zmq.Again):
            while True:
                reply = codec.decode_reply(self.trader.socket.recv(zmq.NOBLOCK))
                self.times_s.append(now_s - self.due_s.pop(reply.id))
                self.failed += reply.error is not None


def seconds(size: Size) -> float:
    """How long orders are given."""
    return SECONDS if size.share >= 1 else QUICK_S * min(1.0, 4 * size.share)


@contextlib.contextmanager
def ours(size: Size) -> Iterator[Measure]:
    """A bridge with its journal on the disk. The figure is the number of orders that were executed."""
    with contextlib.ExitStack() as stack:
        bridge, requests = stack.enter_context(trading_bridge())
        follower = stack.enter_context(worker("subscriber", _follow, requests))
        shares = [range(number, CLIENTS, PROCESSES) for number in range(PROCESSES)]
        traders = [stack.enter_context(worker("traders", _trade, requests, share)) for share in shares]
        for process in (*traders, follower):
            process.hear()

        def measure() -> Sample:
            before_s = bridge.ask("cpu")
            for process in traders:
                process.tell(seconds(size))
            told = [one for process in traders for one in process.hear(PATIENCE_S + seconds(size) + LATE_S)]
            cpu_us = {"bridge": (bridge.ask("cpu") - before_s) / max(1, orders_of(size)) * 1e6}
            received, lost = follower.ask("ticks")
            times_s = [[*one.times_s] for one in told]
            every_s = [value for one in times_s for value in one]
            done = len(every_s) - sum(one.failed for one in told)
            more = {"p50 ms": percentile(every_s, 50) * 1e3, "p99 ms": percentile(every_s, 99) * 1e3, "ticks": float(received)}
            for percent in (50, 99):
                each = [percentile(one, percent) * 1e3 for one in times_s]
                more |= {f"least p{percent} of a client ms": min(each), f"greatest p{percent} of a client ms": max(each)}
            return Sample(done, cpu_us, orders_of(size) - done + lost, more)

        yield measure


def orders_of(size: Size) -> int:
    """Orders that all clients give."""
    return CLIENTS * round(seconds(size) * EACH)


@contextlib.contextmanager
def reference(size: Size) -> Iterator[Measure]:
    """The orders that are given."""
    yield lambda: Sample(orders_of(size))


@dataclass(frozen=True, slots=True)
class Answered:
    """What one client tells."""

    times_s: tuple[float, ...]
    failed: int


def _trade(pipe: Connection, requests: str, clients: range) -> None:
    context: zmq.Context[Socket] = zmq.Context()
    poller = zmq.Poller()
    traders = {}
    for client in clients:
        trader = Trader(context, requests, f"client-{client}")
        traders[trader.socket] = client, trader
        poller.register(trader.socket, zmq.POLLIN)
    next(iter(traders.values()))[1].until_taken()
    pipe.send("connected")
    clock = time.perf_counter
    for lasting_s in commands(pipe):
        began_s = clock() + 0.1
        paces = {socket: Pace(trader, began_s + client / CLIENTS / EACH) for socket, (client, trader) in traders.items()}
        count = round(lasting_s * EACH)
        until_s = began_s + lasting_s + LATE_S
        while (now_s := clock()) < until_s and any(pace.given < count or pace.due_s for pace in paces.values()):
            waiting = [pace for pace in paces.values() if pace.given < count]
            for pace in waiting:
                if pace.next_s() <= now_s:
                    pace.give()
            due_s = min((pace.next_s() for pace in waiting), default=until_s)
            for socket, _ in poller.poll(max(0, int((due_s - clock()) * 1e3))):
                paces[socket].take(clock())
        pipe.send([Answered(tuple(pace.times_s), pace.failed) for pace in paces.values()])
    context.destroy(0)


def _follow(pipe: Connection, requests: str) -> None:
    """A subscriber of all symbols; asked, it tells how many ticks it got and how many of the terminal's history are missing."""
    histories = terminal().history()
    received = dict.fromkeys(symbols(), b"")
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(Client(requests, name="subscriber"))
        while not client.is_connected:
            time.sleep(0.05)
        ticks = stack.enter_context(client.subscribe(*(f"tick:{name}" for name in received)))

        def follow(wait_s: float) -> None:
            event = ticks.get(wait_s)
            while event is not None:
                if isinstance(event, Ticks):
                    received[event.symbol] += bytes(event.records)
                event = ticks.get()

        follow(0.1)
        pipe.send("subscribed")
        while True:
            follow(0.0)
            if not pipe.poll(0.05):
                continue
            if pipe.recv() is None:
                break
            newest = {name: client.call(GetTick(name)).record for name in received}
            until_s = time.monotonic() + LATE_S
            while time.monotonic() < until_s and any(_end(received[name]) < _end(row) for name, row in newest.items()):
                follow(0.1)
            rows = sum(map(len, received.values())) // RECORD_BYTES
            pipe.send((rows, sum(missing(received[name], histories[name], newest[name]) for name in received)))


def _end(rows: bytes) -> int:
    return last_tick(rows[-RECORD_BYTES:]).time_msc if rows else 0


def missing(rows: bytes, history: bytes, newest: bytes) -> int:
    """How many ticks of a history, from the first of these on until the newest, are not among them, or not in their places."""
    begin = history.find(rows[:RECORD_BYTES]) if rows else 0
    wanted = history[begin : history.find(newest) + RECORD_BYTES]
    if begin >= 0 and rows[: len(wanted)] == wanted:
        return 0
    got = {rows[at : at + RECORD_BYTES] for at in range(0, len(rows), RECORD_BYTES)}
    return max(1, sum(wanted[at : at + RECORD_BYTES] not in got for at in range(0, len(wanted), RECORD_BYTES)))
