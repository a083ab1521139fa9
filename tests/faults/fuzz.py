"""Random and changed messages to every socket of a bridge, with a key that may trade and without keys; an honest client works
meanwhile.

All is well when the bridge lives, answers what it refuses, has no fault of its own to tell, keeps its memory, serves the honest
client, and when every deal in the terminal's books belongs to an order that was answered as done.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import zmq

from benchmarks.served import Worker, commands, worker
from bridge import codec
from bridge.key_files import read_secret
from bridge.messages import MAX_ENTRIES, GetJournal
from clients import Client
from tests.faults.flood import Visitor, rss_bytes
from tests.faults.house import House
from tests.faults.intruders import _ports_of
from tests.faults.mutations import Mutator
from tests.faults.outcome import Outcome
from tests.faults.scene import SimulatedProcess, simulated
from tests.processes import PATIENCE_S

MARKET = ("--profile", "hedging", "--start", "2026-03-03 10:00:00", "--speed", "1")
HONEST = 7
SETTINGS = "requests_per_s = 0\nreplay_mib = 1\n[limits]\nmax_volume = 0.02\norders_per_minute = 100000\n"
"""Nothing is refused for its number: every message is to be looked at."""
WINDOW = 16
"""Messages without an answer. What a client may have under way is for `flood` to find out; here each message counts."""
TOGETHER, PAUSE_S = 8, 0.001
HUGE_EVERY, HUGE_BYTES = 20_000, 70_000
WAITING = 1_000
"""What waits in the socket when its connection is cut."""
ANSWER_MS = 300
WARM = 0.5
"""The part of a run after which the memory has to stay as it is: what is remembered up to a bound (10,000 orders, 50,000
subscriptions that are refused, 5,000 symbols that do not exist) has come to it by then."""
GROWTH, GROWTH_BYTES = 1.05, 2 << 20
LATENCY, LATENCY_S = 3.0, 0.02
"""By how much the honest client may be slower, and up to when that is not worth a word."""
JUDGED = 100_000
"""Shorter runs say nothing about memory and latency."""
QUIET_S = 3.0
LONGEST_S = 3_600.0

Socket = zmq.Socket[bytes]
Reached = tuple[str, str, str, str]
"""Endpoints of requests and events, the server's key and the file of one's own; both empty without keys."""


def _yield_to_others() -> None:
    """Whoever does this comes from elsewhere: its work is not to be done in the time of the honest client."""
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    elif sys.platform != "win32":
        os.nice(19)


def _socket(context: zmq.Context[Socket], kind: int, reached: Reached) -> Socket:
    requests, events, server, key = reached
    made = context.socket(kind)
    made.set(zmq.LINGER, 0)
    made.set(zmq.SNDHWM, WAITING)
    if key:
        secret = read_secret(Path(key))
        made.set(zmq.CURVE_SERVERKEY, server.encode())
        made.set(zmq.CURVE_PUBLICKEY, secret.public.encode())
        made.set(zmq.CURVE_SECRETKEY, secret.secret.encode())
    made.connect(events if kind == zmq.XSUB else requests)
    return made


class Asker:
    """Sends changed requests, and reads what is answered."""

    def __init__(self, reached: Reached, mutator: Mutator) -> None:
        self._context: zmq.Context[Socket] = zmq.Context()
        self._socket = _socket(self._context, zmq.DEALER, reached)
        self._mutator = mutator
        self._open = 0
        self.counts: Counter[str] = Counter()
        self.done: set[int] = set()

    def send(self, number: int) -> None:
        """One more message."""
        kind, frames = ("huge", [bytes(HUGE_BYTES)]) if number % HUGE_EVERY == HUGE_EVERY - 1 else self._mutator.request()
        self._socket.send_multipart(frames)
        self.counts[f"request {kind}"] += 1
        self._open = 0 if kind == "huge" else self._open + 1  # the connection is cut, and its answers are gone
        self._read(0)
        while self._open >= WINDOW and self._read(ANSWER_MS):
            pass
        if self._open >= WINDOW:
            self.counts["without an answer"] += self._open
            self._open = 0

    def _read(self, wait_ms: int) -> bool:
        read = False
        while self._socket.poll(0 if read else wait_ms):
            read = True
            reply = codec.decode_reply(self._socket.recv())
            self._open = max(0, self._open - 1)
            self.counts["answer " + ("ok" if reply.error is None else reply.error.code)] += 1
            if reply.error is not None and reply.error.code == "internal_error":
                self.counts[f"INTERNAL {reply.error.message}"[:200]] += 1
            result = None if reply.error is not None else msgspec.msgpack.decode(reply.result)
            if isinstance(result, dict) and result.get("outcome") in ("done", "partial"):
                self.done.add(result["result"]["deal"])
        return read

    def end(self) -> None:
        """Read what still comes."""
        while self._open and self._read(1_000):
            pass
        self.counts["without an answer"] += self._open
        self._context.destroy(0)


def _ask(pipe: Connection, reached: Reached, seed: int) -> None:
    """Requests; in a process of its own."""
    _yield_to_others()
    for count in commands(pipe):
        asker = Asker(reached, Mutator(random.Random(seed)))
        for number in range(count):
            asker.send(number)
            if number % TOGETHER == TOGETHER - 1:
                time.sleep(PAUSE_S)
        asker.end()
        pipe.send((dict(asker.counts), sorted(asker.done)))


def _subscribe(pipe: Connection, reached: Reached, seed: int) -> None:
    """What subscribers send; in a process of its own."""
    _yield_to_others()
    mutator = Mutator(random.Random(seed))
    for count in commands(pipe):
        counts: Counter[str] = Counter()
        context: zmq.Context[Socket] = zmq.Context()
        subscriber = _socket(context, zmq.XSUB, reached)
        for number in range(count):
            kind, frame = ("huge", bytes(HUGE_BYTES)) if number % HUGE_EVERY == HUGE_EVERY - 1 else mutator.subscription()
            subscriber.send(frame)
            counts[f"events {kind}"] += 1
            if number % TOGETHER == TOGETHER - 1:
                time.sleep(PAUSE_S)  # or all wait in the socket until one that is too large takes them with it
                while subscriber.poll(0):
                    subscriber.recv()
        time.sleep(0.5)
        context.destroy(0)
        pipe.send((dict(counts), []))


def _connect(pipe: Connection, reached: Reached, seed: int, ports: list[int]) -> None:
    """Connections that do not speak ZMTP, or nearly; in a process of its own."""
    _yield_to_others()
    mutator = Mutator(random.Random(seed))
    for count in commands(pipe):
        counts: Counter[str] = Counter()
        for number in range(count):
            kind, content = mutator.greeting()
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", ports[number % len(ports)]), timeout=5) as made,
            ):
                made.sendall(content)
                made.settimeout(0.005)
                while made.recv(4_096):
                    pass
            counts[f"connection {kind}"] += 1
        pipe.send((dict(counts), []))


class Fuzzers:
    """The processes that do it."""

    def __init__(self, workers: dict[str, tuple[Worker, int]]) -> None:
        self._workers = workers
        self._left = dict(workers)
        self.counts: Counter[str] = Counter()
        self.done: set[int] = set()
        self._wrong: list[str] = []

    def begin(self) -> None:
        """All at once."""
        for one, count in self._workers.values():
            one.tell(count)

    def going(self) -> bool:
        """Whether some are at work still."""
        for name, (one, _) in list(self._left.items()):
            if one.pipe.poll(0):
                counts, done = one.hear()
                self.counts.update(counts)
                self.done.update(done)
                del self._left[name]
        return bool(self._left)


def run(seed: int, count: int) -> Outcome:
    """So many messages, half of them with a key."""
    began_s = time.monotonic()
    outcome = Outcome("fuzz", seed)
    for keyed, share in ((True, 1 / 2), (False, 1 / 2)):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, simulated(Path(folder), *MARKET) as terminal:
            house = House(Path(folder), terminal, SETTINGS, keyed=keyed)
            house.bridge.start()
            try:
                _fuzz(house, terminal, outcome, seed, max(3, round(count * share)), "with a key" if keyed else "without keys")
            finally:
                house.bridge.stop()
    outcome.figures["seconds"] = round(time.monotonic() - began_s, 1)
    return outcome


@contextlib.contextmanager
def _fuzzers(house: House, reached: Reached, seed: int, count: int) -> Iterator[Fuzzers]:
    assert house.bridge.process is not None
    connections = max(3, count // 500)
    asked = round((count - connections) * 0.75)
    ports = _ports_of(house.bridge.process.pid) or [int(endpoint.rpartition(":")[2]) for endpoint in reached[:2]]
    with (
        worker("asker", _ask, reached, seed) as asker,
        worker("subscriber", _subscribe, reached, seed + 1) as subscriber,
        worker("connector", _connect, reached, seed + 2, ports) as connector,
    ):
        yield Fuzzers({
            "asker": (asker, asked), "subscriber": (subscriber, count - connections - asked), "connector": (connector, connections),
        })  # fmt: skip


def _fuzz(house: House, terminal: SimulatedProcess, outcome: Outcome, seed: int, count: int, what: str) -> None:
    process = house.bridge.process
    assert process is not None
    honest_key = house.make("honest", "admin")
    key = house.make("fuzz", "trader")
    reached: Reached = (house.bridge.requests, house.bridge.events, *((house.server, str(key)) if house.keyed else ("", "")))
    with house.client(honest_key) as client:
        until_s = time.monotonic() + PATIENCE_S
        while not client.is_connected:
            if time.monotonic() > until_s:
                outcome.wrong.append("the bridge was never connected")
                return
            time.sleep(0.05)
        with terminal.inspected() as program:
            before = {deal.ticket for deal in program.deals()}
        ordered = [_order(client)]
        visitor = Visitor(client, outcome)
        quiet_s = visitor.watch(f"{what}, before", QUIET_S if count > 10_000 else 1.0)
        sizes: list[tuple[float, int]] = []
        with _fuzzers(house, reached, seed, count) as fuzzers:
            fuzzers.begin()
            ended = threading.Event()
            sampler = threading.Thread(target=_sample, args=(process.pid, sizes, ended), daemon=True)
            sampler.start()
            busy_s = visitor.watch(f"{what}, meanwhile", LONGEST_S, fuzzers.going)
            ended.set()
            sampler.join()
        if fuzzers.going():
            outcome.wrong.append(f"{what}: the bridge took too long")
        visitor.watch(f"{what}, afterwards", 1.0)
        ordered.append(_order(client))
        status = client.status()
        written = {entry.deal for entry in client.call(GetJournal(count=MAX_ENTRIES)).entries}
    outcome.counts[what] = dict(sorted(fuzzers.counts.items()))
    _judge(house, outcome, what, fuzzers, (quiet_s, busy_s), status)
    _judge_memory(outcome, what, sizes, count)
    with terminal.inspected() as program:
        changed = {deal.ticket for deal in program.deals()} - before - set(ordered)
    outcome.figures[f"{what}, deals of changed orders"] = len(changed)
    unaccounted = changed - fuzzers.done - written  # the reply may have been on a connection that was cut
    if unaccounted:
        outcome.wrong.append(f"{what}: deals that nobody was told of: {sorted(unaccounted)[:10]}")


def _order(client: Client) -> int:
    return client.buy("EURUSD", 0.01, magic=HONEST).result.deal


def _sample(pid: int, sizes: list[tuple[float, int]], ended: threading.Event) -> None:
    while not ended.wait(0.1):
        sizes.append((time.monotonic(), rss_bytes(pid)))


def _judge(house: House, outcome: Outcome, what: str, fuzzers: Fuzzers, latency_s: tuple[float, float], status: Any) -> None:
    quiet_s, busy_s = latency_s
    outcome.figures[f"{what}, p99 against quiet"] = round(busy_s / quiet_s, 2)
    if sum(fuzzers.counts[name] for name in fuzzers.counts if name.startswith(("request ", "events "))) < JUDGED:
        outcome.skipped[f"{what}: latency"] = "too short to tell"  # the processes that do it start meanwhile
    elif busy_s > max(LATENCY * quiet_s, LATENCY_S):
        outcome.wrong.append(f"{what}: the honest client's p99 was {busy_s * 1e3:.1f} ms, before {quiet_s * 1e3:.1f} ms")
    if house.bridge.process is None or house.bridge.process.poll() is not None:
        outcome.wrong.append(f"{what}: the bridge has ended")
    told = house.bridge.errors.read_text(encoding="utf-8", errors="replace")
    if "Traceback" in told or "internal error" in told:
        outcome.wrong.append(f"{what}: the bridge told of a fault: {told[-1_000:]}")
    outcome.wrong += [f"{what}: {name}" for name in fuzzers.counts if name.startswith("INTERNAL")]
    lost, sent = (
        fuzzers.counts["without an answer"],
        sum(fuzzers.counts[name] for name in fuzzers.counts if name.startswith("request ")),
    )
    huge = fuzzers.counts["request huge"]
    if lost > huge * (WINDOW + WAITING):
        outcome.wrong.append(f"{what}: {lost} of {sent} requests had no answer, and {huge} took the connection with them")
    if not status.healthy:
        outcome.wrong.append(f"{what}: the bridge is not well afterwards: {status.connection.state}")


def _judge_memory(outcome: Outcome, what: str, sizes: list[tuple[float, int]], count: int) -> None:
    if sys.platform != "linux" or count < JUDGED:
        outcome.skipped[f"{what}: memory"] = "only Linux tells it" if sys.platform != "linux" else "too short to tell"
        return
    warm = [size for _, size in sizes[round(len(sizes) * WARM) :]]
    first, last = (statistics.median(part) for part in (warm[: len(warm) // 4], warm[-len(warm) // 4 :]))
    outcome.figures[f"{what}, MiB"] = {
        "first quarter": round(first / 2**20, 1),
        "last": round(last / 2**20, 1),
        "most": max(warm) >> 20,
    }
    if last > max(first * GROWTH, first + GROWTH_BYTES):
        outcome.wrong.append(f"{what}: the bridge's memory went from {first / 2**20:.1f} to {last / 2**20:.1f} MiB")
