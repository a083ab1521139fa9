"""Too much of everything at a bridge that asks for keys: connections that say nothing, clients that do nothing, one that asks
without a pause, one that never reads what it asked for. Honest clients are served meanwhile, no tick is lost, memory is bounded.
"""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.context import SpawnProcess
from pathlib import Path

import zmq

from benchmarks.rounds import percentile
from bridge import codec
from bridge.errors import BridgeError
from bridge.handles import raise_limit
from bridge.key_files import Secret, read_secret
from bridge.messages import GetSymbols, Ping
from clients import Client
from tests.faults.house import House
from tests.faults.outcome import Outcome
from tests.faults.scene import simulated
from tests.processes import PATIENCE_S

MARKET = ("--profile", "hedging", "--start", "2026-03-03 10:00:00", "--speed", "1")
HALF_OPEN, IDLE = 5_000, 500
"""At a `count` of 100."""
FLOOD_S = 10.0
GROWTH_BYTES = 256 << 20
"""How much larger the bridge may become."""
SLOWEST_S = 1.0
"""An honest request that takes longer was not served."""

Socket = zmq.Socket[bytes]


class Visitor:
    """An honest client: it asks and follows ticks while something is done."""

    def __init__(self, client: Client, outcome: Outcome) -> None:
        self._client, self._outcome = client, outcome
        self._ticks = client.subscribe("tick:EURUSD")

    def watch(self, what: str, seconds: float, going: Callable[[], bool] = lambda: True) -> float:
        """For so long, or until nothing is going on; how it fared is in the figures. Returns its p99 latency in seconds."""
        latency_s, received = [], 0
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s and going():
            began_s = time.monotonic()
            try:
                self._client.ping()
            except BridgeError as error:
                self._outcome.wrong.append(f"{what}: an honest request failed: {error}")
            latency_s.append(time.monotonic() - began_s)
            while self._ticks.get(0.0) is not None:
                received += 1
            time.sleep(0.01)
        p99_s = percentile(latency_s, 99)
        self._outcome.figures[what] = {
            "requests": len(latency_s), "p50_ms": round(percentile(latency_s, 50) * 1e3, 2), "p99_ms": round(p99_s * 1e3, 2),
            "ticks": received,
        }  # fmt: skip
        if p99_s > SLOWEST_S:
            self._outcome.wrong.append(f"{what}: an honest request took {p99_s:.3f} s in the 99th percentile")
        counters = self._ticks.counters
        if counters.gaps or counters.missing:
            self._outcome.wrong.append(f"{what}: events are missing: {counters}")
        return p99_s


def rss_bytes(pid: int) -> int:
    """Memory of a process; 0 where nobody tells."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * 4_096
    except OSError:
        return 0


@contextmanager
def half_open(endpoint: str, count: int, outcome: Outcome) -> Iterator[None]:
    """Connections that never say anything."""
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    with ExitStack() as stack:
        opened = 0
        for _ in range(count):
            made = stack.enter_context(socket.socket())
            made.setblocking(False)
            if made.connect_ex((host, int(port))) in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
                opened += 1
        outcome.counts["half_open"] = outcome.counts.get("half_open", 0) + opened
        yield


@contextmanager
def idle(house: House, secret: Secret, count: int, outcome: Outcome) -> Iterator[None]:
    """Clients that were let in, and do nothing."""
    context: zmq.Context[Socket] = zmq.Context(io_threads=1)
    context.set(zmq.MAX_SOCKETS, 4 * count + 100)
    try:
        sockets = [house.socket(context, zmq.DEALER, secret) for _ in range(count)]
        frame = codec.encode_request(Ping(), "once", None, None)
        for one in sockets:
            one.send(frame)
        answered = sum(bool(one.poll(10_000)) for one in sockets)
        outcome.counts["idle"] = answered
        if answered != count:
            outcome.wrong.append(f"{count - answered} of {count} clients were not answered")
        yield
    finally:
        context.destroy(0)


def _flood(requests: str, server: str, key: str, seconds: float, reads: bool, told: multiprocessing.SimpleQueue[int]) -> None:
    """Ask without a pause; in a process of its own."""
    secret = read_secret(Path(key))
    context: zmq.Context[Socket] = zmq.Context()
    one = context.socket(zmq.DEALER)
    one.set(zmq.LINGER, 0)
    one.set(zmq.SNDHWM, 10_000)
    one.set(zmq.RCVHWM, 100_000 if reads else 1)
    one.set(zmq.CURVE_SERVERKEY, server.encode())
    one.set(zmq.CURVE_PUBLICKEY, secret.public.encode())
    one.set(zmq.CURVE_SECRETKEY, secret.secret.encode())
    one.connect(requests)
    frame = codec.encode_request(Ping() if reads else GetSymbols(), "flood", None, None)
    sent, until_s = 0, time.monotonic() + seconds
    while time.monotonic() < until_s:
        try:
            for _ in range(100):
                one.send(frame, zmq.NOBLOCK)
                sent += 1
        except zmq.Again:
            time.sleep(0.0005)
        if reads:
            with contextlib.suppress(zmq.Again):
                for _ in range(200):
                    one.recv(zmq.NOBLOCK)
    told.put(sent)
    context.destroy(0)


@contextmanager
def asking(house: House, key: Path, name: str, *, reads: bool, outcome: Outcome) -> Iterator[None]:
    """A client that asks without a pause, and reads the answers, or never does."""
    spawn = multiprocessing.get_context("spawn")
    told = spawn.SimpleQueue()
    process: SpawnProcess = spawn.Process(
        target=_flood, args=(house.bridge.requests, house.server, str(key), FLOOD_S, reads, told), daemon=True
    )
    process.start()
    try:
        yield
    finally:
        process.join(FLOOD_S + PATIENCE_S)
        outcome.counts[name] = told.get() if not told.empty() else 0
        process.kill()


def run(seed: int, count: int) -> Outcome:
    """All kinds; `count` is in percent of the numbers that are promised."""
    outcome = Outcome("flood", seed)
    raise_limit()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, simulated(Path(folder), *MARKET) as terminal:
        house = House(Path(folder), terminal)
        house.bridge.start()
        try:
            _floods(house, outcome, count)
        finally:
            house.bridge.stop()
    outcome.figures["seconds"] = round(time.monotonic() - began_s, 1)
    return outcome


def _floods(house: House, outcome: Outcome, count: int) -> None:
    keys = {name: house.make(name, "trader") for name in ("honest", "idle", "asking", "deaf")}
    share = count / 100
    with house.client(keys["honest"], timeout_s=5.0) as client:
        until_s = time.monotonic() + PATIENCE_S
        while not client.is_connected:
            if time.monotonic() > until_s:
                outcome.wrong.append("the bridge was never connected")
                return
            time.sleep(0.05)
        process = house.bridge.process
        assert process is not None
        visitor = Visitor(client, outcome)
        visitor.watch("before", min(3.0, FLOOD_S))
        before = rss_bytes(process.pid)
        sizes: list[int] = []
        kinds: dict[str, Callable[[], contextlib.AbstractContextManager[None]]] = {
            "half-open requests": lambda: half_open(house.bridge.requests, round(HALF_OPEN * share / 2), outcome),
            "half-open events": lambda: half_open(house.bridge.events, round(HALF_OPEN * share / 2), outcome),
            "idle clients": lambda: idle(house, read_secret(keys["idle"]), max(1, round(IDLE * share)), outcome),
            "one that asks without a pause": lambda: asking(house, keys["asking"], "asked", reads=True, outcome=outcome),
            "one that never reads": lambda: asking(house, keys["deaf"], "never read", reads=False, outcome=outcome),
        }
        for what, made in kinds.items():
            with made():
                visitor.watch(what, FLOOD_S * max(share, 0.3))
                sizes.append(rss_bytes(process.pid))
        visitor.watch("afterwards", 3.0)
        status = client.status()
        outcome.figures["rss_mib"] = {"before": before >> 20, "most": max(sizes) >> 20, "afterwards": rss_bytes(process.pid) >> 20}
        outcome.figures["counters"] = {
            name: status.counters.get(name, 0) for name in ("requests", "replies_dropped", "replies_unreachable")
        }
        if max(sizes) - before > GROWTH_BYTES:
            outcome.wrong.append(f"the bridge grew by {(max(sizes) - before) >> 20} MiB")
        if not status.healthy:
            outcome.wrong.append(f"the bridge is not well afterwards: {status.connection.state}")
        if sys.platform != "linux":
            outcome.skipped["memory"] = "only Linux tells it"
