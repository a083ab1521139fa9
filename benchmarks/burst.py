"""Very many ticks at once: a subscriber that reads must get all of them, without asking for any again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection

from benchmarks.fanout import told_what_to_publish
from benchmarks.inside import Order
from benchmarks.requests import REQUEST
from benchmarks.rounds import Measure, Sample, Size
from benchmarks.served import PATIENCE_S, Worker, commands, running_bridge, worker
from benchmarks.stub import CHECK, FIRST_MSC, StubTerminal, topic_of
from bridge.ticks import RECORD_BYTES, TICK_STRUCT, Tick
from bridge.trading import OrderCheck, TradeRequest
from clients import Client
from clients.events import Ticks
from clients.subscription import Subscription

TICKS = 100_000
SYMBOLS = 1_000
EACH = TICKS // SYMBOLS
QUIET_S = 2.0
"""Nothing has come for so long: nothing will."""
BLOCKED_S, BRIEFLY_S = 3.0, 0.3
MOST_BLOCKS = 64
PATH = (
    f"{TICKS:,} ticks of {SYMBOLS:,} symbols at once, to a subscriber with the client library, against as many"
    " (a replay that was asked for counts as lost)"
)


class BlockedTerminal(StubTerminal):
    """Each order check takes 3 s, and `EACH` ticks of each symbol happen meanwhile."""

    blocked_s = BLOCKED_S

    def __init__(self) -> None:
        apart_msc = int(self.blocked_s * 1e3) // EACH
        times = (FIRST_MSC + number * apart_msc for number in range(1 + MOST_BLOCKS * EACH))
        self._ticks = b"".join(TICK_STRUCT.pack(msc // 1_000, 1.08, 1.09, 0.0, 0, msc, 6, 0.0) for msc in times)
        self._apart_msc = apart_msc
        self._rows = 1

    def tick(self, name: str) -> Tick:
        """The last tick."""
        return Tick._make(TICK_STRUCT.unpack_from(self._ticks, (self._rows - 1) * RECORD_BYTES))

    def ticks_from(self, name: str, from_s: int, count: int, kind: str = "all") -> bytes:
        """Ticks from a second on."""
        begin = max(0, -(-(from_s * 1_000 - FIRST_MSC) // self._apart_msc))
        return self._ticks[begin * RECORD_BYTES : min(begin + count, self._rows) * RECORD_BYTES]

    def check(self, request: TradeRequest) -> OrderCheck:
        """Accepted, late."""
        time.sleep(self.blocked_s)
        self._rows += EACH
        return CHECK


class BrieflyBlockedTerminal(BlockedTerminal):
    """The same in 0.3 s."""

    blocked_s = BRIEFLY_S


@contextlib.contextmanager
def published(size: Size, *, symbols: int = SYMBOLS) -> Iterator[Measure]:
    """One tick a message, as fast as a session could send them at best. The figure is the number of ticks that came."""
    with (
        told_what_to_publish() as (control, endpoint),
        running_bridge("unused", path=endpoint, stand_in="benchmarks.source", session=size.session) as (_, requests),
        worker("subscriber", _subscribe, requests, symbols, False) as subscriber,
    ):
        subscriber.hear()
        ticks = size.of(TICKS)
        yield partial(_round, subscriber, ticks, lambda: control.send(Order(ticks, symbols=symbols).to_bytes()))


@contextlib.contextmanager
def blocked(size: Size, *, symbols: int = SYMBOLS) -> Iterator[Measure]:
    """After a call to the terminal that took 3 s (0.3 s with `--quick`), through a session process. The figure is the number of
    ticks that came."""
    terminal = BlockedTerminal if size.share >= 1 else BrieflyBlockedTerminal
    with (
        running_bridge(f"benchmarks.burst:{terminal.__name__}") as (_bridge, requests),
        worker("subscriber", _subscribe, requests, symbols, True) as subscriber,
    ):
        subscriber.hear()
        yield partial(_round, subscriber, symbols * EACH, lambda: None)


@contextlib.contextmanager
def reference(size: Size, *, whole: bool = False) -> Iterator[Measure]:
    """What was published."""
    yield lambda: Sample(TICKS if whole else size.of(TICKS))


def _round(subscriber: Worker, expected: int, publish: Callable[[], None]) -> Sample:
    subscriber.tell(expected)
    publish()
    ticks, seconds, cpu_s, asked = subscriber.hear(2 * PATIENCE_S)
    return Sample(ticks, {"subscriber": cpu_s / expected * 1e6}, expected - ticks + asked, {"s until all were there": seconds})


def _subscribe(pipe: Connection, requests: str, symbols: int, block: bool) -> None:
    """`block` says that an order check has to make the ticks."""
    with Client(requests, name="benchmark", timeout_s=PATIENCE_S) as client:
        while not client.is_connected:
            time.sleep(0.05)
        with client.subscribe(*map(topic_of, range(symbols))) as events:
            for _ in range(symbols):
                if not isinstance(first := events.get(PATIENCE_S), Ticks) or not first.snapshot:
                    raise RuntimeError(f"the subscription began with {first!r}, not with the last ticks")
            pipe.send("subscribed")
            for expected in commands(pipe):
                before = client.status().counters["requests"]
                if block:
                    client.check(REQUEST)
                told = _received(events, expected)
                # The status that tells of it is a request, and the check is one.
                asked = client.status().counters["requests"] - before - 1 - block
                pipe.send((*told, asked))


def _received(events: Subscription, expected: int) -> tuple[int, float, float]:
    """How many ticks came, in which time, and for how much CPU."""
    start_s, cpu_s = time.perf_counter(), time.process_time()
    last_s = start_s
    ticks = 0
    while ticks < expected and (event := events.get(QUIET_S)) is not None:
        last_s = time.perf_counter()
        if isinstance(event, Ticks):
            ticks += len(event)
    return ticks, last_s - start_s, time.process_time() - cpu_s
