"""Many subscribers in few processes: plain SUB sockets that count what they get and look at its sequences."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

import zmq

from benchmarks.served import Worker, commands, worker
from bridge.codec import decode_event
from clients import Client

HIGH_WATER = 100_000
BURST = 256
QUIET_MS = 2_000
"""Nothing has come for so long: nothing will."""

Socket = zmq.Socket[bytes]
Wanted = Sequence[bytes]
"""What one subscriber subscribes to."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Events that all subscribers of a crowd got, events missing between others, the age of the oldest in ms when it came, CPU."""

    events: int
    missing: int
    latest_ms: float
    cpu_s: float


@contextlib.contextmanager
def crowd(endpoint: str, subscribers: Sequence[Wanted], processes: int) -> Iterator[list[Worker]]:
    """So many processes share these subscribers. Ask each `(expected, look)` for what it has `Seen` of so many events, and whether
    to look at them, or only to count them."""
    with contextlib.ExitStack() as stack:
        shares = [subscribers[number::processes] for number in range(min(processes, len(subscribers)))]
        workers = [stack.enter_context(worker("crowd", _receive, endpoint, share)) for share in shares]
        for process in workers:
            process.hear()
        yield workers


def await_subscribers(requests: str, wanted: dict[str, int], patience_s: float = 30.0) -> None:
    """Until the bridge has put in force so many subscriptions of each topic. Raises `RuntimeError` when it does not."""
    until_s = time.monotonic() + patience_s
    with Client(requests, name="benchmark") as client:
        while True:
            present = {topic.topic: topic.subscribers for topic in client.status().topics}
            if all(present.get(topic, 0) >= count for topic, count in wanted.items()):
                return
            if time.monotonic() > until_s:
                raise RuntimeError(f"the subscribers did not arrive: {present}")
            time.sleep(0.02)


def _receive(pipe: Connection, endpoint: str, subscribers: Sequence[Wanted]) -> None:
    context: zmq.Context[Socket] = zmq.Context()
    poller = zmq.Poller()
    for wanted in subscribers:
        socket = context.socket(zmq.SUB)
        socket.rcvhwm, socket.sndhwm, socket.linger = HIGH_WATER, 0, 0
        for prefix in wanted:
            socket.subscribe(prefix)
        socket.connect(endpoint)
        poller.register(socket, zmq.POLLIN)
    pipe.send("connected")
    for expected, look in commands(pipe):
        pipe.send(_seen(poller, expected, look))
    context.destroy(0)


def _seen(poller: zmq.Poller, expected: int, look: bool) -> Seen:
    """Receive until so many events have come, or no more come; `look` at each, instead of only counting them."""
    cpu_s = time.process_time()
    noblock, again = int(zmq.NOBLOCK), zmq.Again
    newest: dict[tuple[Socket, str], int] = {}
    events = missing = oldest_us = 0
    while events < expected:
        ready = poller.poll(QUIET_MS)
        if not ready:
            break
        for socket, _ in ready:
            receive = socket.recv
            with contextlib.suppress(again):
                for _ in range(BURST):
                    frame = receive(noblock)
                    events += 1
                    if look:
                        event = decode_event(frame)
                        key = socket, event.topic
                        missing += event.sequence - newest.get(key, event.sequence - 1) - 1
                        newest[key] = event.sequence
            if look:
                oldest_us = max(oldest_us, time.time_ns() // 1_000 - event.time_us)
    return Seen(events, missing, oldest_us / 1e3, time.process_time() - cpu_s)
