"""Both sides of the streaming benchmarks: one process publishes bursts, another reads them and sums up the bids.

A round is a number of bursts. A burst is asked for when the one before has been read, and is smaller than the high-water marks on
its way: nothing can be lost, and a round with a loss would not count.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Literal

import zmq

from benchmarks.inside import Order
from benchmarks.rounds import Measure, Sample
from benchmarks.served import commands, running_bridge, worker
from benchmarks.stub import TICK, TOPIC, topic_of
from bridge.ticks import TICK_STRUCT
from clients import Client
from clients.events import Ticks
from clients.subscription import Subscription

BID: float = TICK_STRUCT.unpack(TICK)[1]
PREFIX = TOPIC.encode() + b"\0"
HIGH_WATER = 100_000
BURST_PATIENCE_S = 20.0

Socket = zmq.Socket[bytes]
Told = tuple[float, float, float, int, float]
"""What a subscriber tells of a round: seconds, its CPU seconds, the publisher's, messages lost, sum of all bids."""
Read = Callable[[Subscription, int], tuple[int, float]]
"""`read(events, count)` takes so many events out of a subscription and gives how many were lost and the sum of the bids."""


def sample(told: Told, messages: int, records: int, cpu_s: dict[str, float]) -> Sample:
    """A round as a sample. Raises `RuntimeError` when what was read is not what was published."""
    seconds, subscriber_s, _, lost, bids = told
    expected = (messages - lost) * records * BID
    if abs(bids - expected) > 1e-6 * expected:
        raise RuntimeError(f"the bids sum up to {bids}, not to {expected}: other ticks were read than were published")
    cpu_us = {name: value / messages * 1e6 for name, value in {**cpu_s, "subscriber": subscriber_s}.items()}
    return Sample(messages * records / seconds, cpu_us, lost)


# ---- ours ------------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def ours(
    read: Read, session: Literal["thread", "process"], *, bursts: int, messages: int, records: int, symbols: int = 1, rate: int = 0
) -> Iterator[Measure]:
    """A running bridge with the stand-in for its session, and a subscriber that uses the client library: of so many symbols, and at
    so many events a second, or as fast as it goes.

    With the stand-in in a thread of the bridge (as `--session thread` runs the session) two processes stand against the two of
    the reference. In a process of its own it takes one of the machine's cores from the bridge, and its link is encrypted.
    """
    with contextlib.ExitStack() as stack:
        order = Order(messages, records, symbols, rate)
        subscriber = stack.enter_context(worker("subscriber", _subscribe, read, bursts, order))
        control = subscriber.hear()
        process, requests = stack.enter_context(
            running_bridge("unused", path=control, stand_in="benchmarks.source", session=session)
        )
        subscriber.ask(requests)
        patience_s = 2 * BURST_PATIENCE_S + (bursts * messages / rate if rate else 0)

        def measure() -> Sample:
            before_s = process.ask("cpu")
            told: Told = subscriber.ask("round", patience_s)
            bridge_s = process.ask("cpu") - before_s
            source = {"source": told[2]} if session == "process" else {}
            return sample(told, bursts * messages, records, {**source, "bridge": bridge_s})

        yield measure
        subscriber.tell(None)


def _subscribe(pipe: Connection, read: Read, bursts: int, order: Order) -> None:
    context: zmq.Context[Socket] = zmq.Context()
    control = context.socket(zmq.PAIR)
    control.linger = 0
    port = control.bind_to_random_port("tcp://127.0.0.1")
    pipe.send(f"tcp://127.0.0.1:{port}")
    todo = commands(pipe)
    with Client(next(todo), name="benchmark", timeout_s=30.0) as client:
        while not client.is_connected:
            time.sleep(0.05)
        with client.subscribe(*map(topic_of, range(order.symbols))) as events:
            for _ in range(order.symbols):
                first = events.get(BURST_PATIENCE_S)
                if not isinstance(first, Ticks) or not first.snapshot:
                    raise RuntimeError(f"the subscription began with {first!r}, not with the last tick")
            pipe.send("subscribed")
            for _ in todo:
                pipe.send(_our_round(control, events, read, bursts, order))
    context.destroy(0)


def _our_round(control: Socket, events: Subscription, read: Read, bursts: int, order: Order) -> Told:
    source_s = _ask_cpu(control)
    cpu_s = time.process_time()
    seconds = bids = 0.0
    lost = 0
    for _ in range(bursts):
        start_s = time.perf_counter()
        control.send(order.to_bytes())
        missing, summed = read(events, order.count)
        seconds += time.perf_counter() - start_s
        lost += missing
        bids += summed
    return seconds, time.process_time() - cpu_s, _ask_cpu(control) - source_s, lost, bids


def _ask_cpu(control: Socket) -> float:
    control.send(b"cpu")
    return float(control.recv())


# ---- reference -------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def reference(
    publish: Callable[[Socket, int], None],
    read: Callable[[Socket, int], float],
    *,
    bursts: int,
    messages: int,
    records: int,
) -> Iterator[Measure]:
    """A publisher with an XPUB socket and a subscriber with a SUB socket, in two processes."""
    with contextlib.ExitStack() as stack:
        publisher = stack.enter_context(worker("publisher", _publish_raw, publish))
        subscriber = stack.enter_context(worker("subscriber", _subscribe_raw, read, bursts, messages))
        subscriber.ask(publisher.hear())

        def measure() -> Sample:
            told: Told = subscriber.ask("round", 2 * BURST_PATIENCE_S)
            return sample(told, bursts * messages, records, {"publisher": told[2]})

        yield measure


def _publish_raw(pipe: Connection, publish: Callable[[Socket, int], None]) -> None:
    context: zmq.Context[Socket] = zmq.Context()
    events, control = context.socket(zmq.XPUB), context.socket(zmq.PAIR)
    events.sndhwm = HIGH_WATER
    control.linger = events.linger = 0
    ports = [socket.bind_to_random_port("tcp://127.0.0.1") for socket in (events, control)]
    pipe.send([f"tcp://127.0.0.1:{port}" for port in ports])
    events.recv()  # the subscription
    control.send(b"subscribed")
    while (order := control.recv()) != b"stop":
        if order == b"cpu":
            control.send(repr(time.process_time()).encode())
        else:
            publish(events, int(order))
    context.destroy(0)


def _subscribe_raw(pipe: Connection, read: Callable[[Socket, int], float], bursts: int, messages: int) -> None:
    context: zmq.Context[Socket] = zmq.Context()
    events, control = context.socket(zmq.SUB), context.socket(zmq.PAIR)
    events.rcvhwm = HIGH_WATER
    control.linger = events.linger = 0
    todo = commands(pipe)
    for socket, endpoint in zip((events, control), next(todo), strict=True):
        socket.connect(endpoint)
    events.subscribe(PREFIX)
    events.rcvtimeo = int(BURST_PATIENCE_S * 1e3)
    control.recv()
    pipe.send("subscribed")
    for _ in todo:
        publisher_s = _ask_cpu(control)
        cpu_s = time.process_time()
        seconds = bids = 0.0
        for _ in range(bursts):
            start_s = time.perf_counter()
            control.send(str(messages).encode())
            bids += read(events, messages)
            seconds += time.perf_counter() - start_s
        pipe.send((seconds, time.process_time() - cpu_s, _ask_cpu(control) - publisher_s, 0, bids))
    control.linger = 1_000
    control.send(b"stop")
    control.close()
    context.destroy(0)
