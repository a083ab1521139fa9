"""Many subscribers: what each one more of them costs the publisher, and whether a mixed crowd loses anything."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from uuid import uuid4

import msgpack
import zmq

from benchmarks.crowd import HIGH_WATER, Seen, Wanted, await_subscribers, crowd
from benchmarks.inside import Order
from benchmarks.rounds import Measure, Sample, Size
from benchmarks.served import PATIENCE_S, Worker, commands, running_bridge, worker
from benchmarks.stub import TICK, topic_of
from bridge.messages import Hello
from clients import Client

DELIVERIES = 240_000
"""Of a message sent to all of the subscribers, times messages: below the high-water mark of each."""
REPEATS = 4
"""In a round, of which the least counts: what is looked for is a small difference."""
PROCESSES = 2
ALL, ONE = 0, 1
"""Symbols: one that everybody follows, and one that only the first subscriber follows."""
PATH = "CPU of the publisher for each message and each subscriber beyond the first, against one frame from XPUB to as many SUB"

Socket = zmq.Socket[bytes]
Publish = Callable[[int, int], None]
"""`publish(place, count)` has so many ticks of a symbol published."""


def _prefix(place: int) -> bytes:
    return topic_of(place).encode() + b"\0"


def _wanted(subscribers: int) -> list[Wanted]:
    return [[_prefix(ALL), _prefix(ONE)], *[[_prefix(ALL)] for _ in range(subscribers - 1)]]


def _spent(ask: Callable[[], float], crowds: Sequence[Worker], publish: Publish, count: int, shares: Sequence[int]) -> float:
    """CPU seconds of the publisher until all have got everything. Raises `RuntimeError` for a loss."""
    before_s = ask()
    for process, subscribers in zip(crowds, shares, strict=True):
        process.tell((subscribers * count, False))
    publish(ALL if sum(shares) > 1 else ONE, count)
    told: list[Seen] = [process.hear() for process in crowds]
    if (events := sum(seen.events for seen in told)) != sum(shares) * count:
        raise RuntimeError(f"the subscribers got {events} events of {sum(shares) * count}")
    return ask() - before_s


def _measure(ask: Callable[[], float], crowds: Sequence[Worker], publish: Publish, subscribers: int, size: Size) -> Measure:
    shares = [len(range(number, subscribers, len(crowds))) for number in range(len(crowds))]
    first = [1] + [0] * (len(crowds) - 1)
    count = size.of(DELIVERIES // subscribers)

    def least(of: Sequence[int]) -> float:
        return min(_spent(ask, crowds, publish, count, of) for _ in range(REPEATS)) / count * 1e6

    def measure() -> Sample:
        one_us, all_us = least(first), least(shares)
        return Sample((all_us - one_us) / (subscribers - 1), {"one subscriber": one_us, "all of them": all_us})

    return measure


@contextlib.contextmanager
def ours(size: Size, *, subscribers: int) -> Iterator[Measure]:
    """A running bridge with the stand-in for its session."""
    with (
        told_what_to_publish() as (control, endpoint),
        running_bridge("unused", path=endpoint, stand_in="benchmarks.source", session=size.session) as (bridge, requests),
        crowd(events_of(requests), _wanted(subscribers), PROCESSES) as crowds,
    ):
        await_subscribers(requests, {topic_of(ALL): subscribers, topic_of(ONE): 1})

        def publish(place: int, count: int) -> None:
            control.send(Order(count, base=place).to_bytes())

        yield _measure(lambda: bridge.ask("cpu"), crowds, publish, subscribers, size)


@contextlib.contextmanager
def told_what_to_publish() -> Iterator[tuple[Socket, str]]:
    """Where the stand-in for the session is told what to publish."""
    context: zmq.Context[Socket] = zmq.Context()
    control = context.socket(zmq.PAIR)
    control.linger = 0
    port = control.bind_to_random_port("tcp://127.0.0.1")
    try:
        yield control, f"tcp://127.0.0.1:{port}"
    finally:
        control.close()
        context.term()


def events_of(requests: str) -> str:
    """Where the bridge publishes, once it is connected. Raises `RuntimeError` when it does not get so."""
    until_s = time.monotonic() + PATIENCE_S
    with Client(requests, name="benchmark") as client:
        while not client.is_connected:
            if time.monotonic() > until_s:
                raise RuntimeError("the bridge does not connect")
            time.sleep(0.05)
        return client.call(Hello("benchmark", client_id=uuid4().hex, pid=os.getpid(), host="")).events


# ---- reference -------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def reference(size: Size, *, subscribers: int) -> Iterator[Measure]:
    """An XPUB socket that sends the same bytes in a loop."""
    with (
        worker("publisher", _publish, subscribers + 1) as publisher,
        crowd(publisher.hear(), _wanted(subscribers), PROCESSES) as crowds,
    ):
        publisher.hear()

        def publish(place: int, count: int) -> None:
            publisher.tell((place, count))

        yield _measure(lambda: float(publisher.ask("cpu")), crowds, publish, subscribers, size)


def _publish(pipe: Connection, subscriptions: int) -> None:
    context: zmq.Context[Socket] = zmq.Context()
    events = context.socket(zmq.XPUB)
    events.sndhwm, events.linger, events.xpub_verbose = HIGH_WATER, 0, 1
    pipe.send(f"tcp://127.0.0.1:{events.bind_to_random_port('tcp://127.0.0.1')}")
    for _ in range(subscriptions):
        events.recv()
    pipe.send("subscribed")
    body = msgpack.packb((1, 1_700_000_000_000, 1, 1_700_000_000_000_000, 0, TICK))
    for message in commands(pipe):
        if message == "cpu":
            pipe.send(time.process_time())
            continue
        place, count = message
        send, frame = events.send, _prefix(place) + body
        for _ in range(count):
            send(frame)
    context.destroy(0)
