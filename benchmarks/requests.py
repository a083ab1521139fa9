"""Requests one after the other, each through the bridge and its session to a terminal that answers at once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

import zmq

from benchmarks.rounds import Measure, Sample, Size, percentile
from benchmarks.served import commands, running_bridge, worker
from benchmarks.stub import SYMBOL
from bridge.trading import TradeRequest
from clients import Client

PATH = "through client, bridge, session process and a stub terminal"
REQUESTS = 3_000
REQUEST = TradeRequest(action=1, symbol=SYMBOL, volume=0.1, price=1.08131, sl=1.07, tp=1.09, deviation=10, comment="benchmark")
OPAQUE = bytes(210)
STOP = b"stop"

Socket = zmq.Socket[bytes]
Told = tuple[list[float], float]
"""What a client tells of a round: seconds of each round trip, and its CPU seconds."""


def sample(told: Told, cpu_s: dict[str, float]) -> Sample:
    """A round as a sample."""
    times_s, client_s = told
    cpu_us = {name: value / len(times_s) * 1e6 for name, value in {**cpu_s, "client": client_s}.items()}
    return Sample(percentile(times_s, 50) * 1e6, cpu_us, more={"p99 µs": percentile(times_s, 99) * 1e6})


def timed(ask: Callable[[], object], count: int) -> Told:
    """Ask so many times, one after the other."""
    clock = time.perf_counter
    times_s = []
    cpu_s = time.process_time()
    for _ in range(count):
        start_s = clock()
        ask()
        times_s.append(clock() - start_s)
    return times_s, time.process_time() - cpu_s


# ---- ours ------------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def ours(size: Size) -> Iterator[Measure]:
    """`order_check` with the client library, through a running bridge with its own session process."""
    with (
        running_bridge("benchmarks.stub:StubTerminal") as (bridge, requests),
        worker("client", _check, requests, size.of(REQUESTS)) as client,
    ):
        client.hear()

        def measure() -> Sample:
            before_s = bridge.ask("cpu")
            told = client.ask("round")
            return sample(told, {"bridge": bridge.ask("cpu") - before_s})

        yield measure


def _check(pipe: Connection, requests: str, count: int) -> None:
    with Client(requests, name="benchmark") as client:
        while not client.is_connected:
            time.sleep(0.05)
        if client.check(REQUEST).retcode != 0:
            raise RuntimeError("the stub terminal refused the order")
        pipe.send("connected")
        for _ in commands(pipe):
            pipe.send(timed(lambda: client.check(REQUEST), count))


# ---- reference -------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def reference(size: Size) -> Iterator[Measure]:
    """210 bytes from DEALER to ROUTER to PAIR and back, in three processes."""
    with (
        worker("gateway", pass_on) as gateway,
        worker("session", send_back, gateway.hear()),
        worker("client", _ask_raw, gateway.hear(), size.of(REQUESTS)) as client,
    ):
        client.hear()

        def measure() -> Sample:
            told = client.ask("round")
            return sample(told, {})

        yield measure


def pass_on(pipe: Connection) -> None:
    """A gateway that does nothing but to pass frames on, until one says stop; tells the endpoints of its link and its requests."""
    context: zmq.Context[Socket] = zmq.Context()
    requests, link = context.socket(zmq.ROUTER), context.socket(zmq.PAIR)
    requests.linger = link.linger = 0
    for socket in (link, requests):
        pipe.send(f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}")
    poller = zmq.Poller()
    poller.register(requests, zmq.POLLIN)
    poller.register(link, zmq.POLLIN)
    more, noblock = int(zmq.SNDMORE), int(zmq.NOBLOCK)
    frame = asking = b""
    while frame != STOP:
        for socket, _ in poller.poll():
            if socket is requests:
                asking = requests.recv(noblock)
                frame = requests.recv()
                link.send(frame)
            else:
                answer = link.recv(noblock)
                requests.send(asking, more)
                requests.send(answer)
    link.close(1_000)
    context.destroy(0)


def send_back(pipe: Connection, endpoint: str) -> None:
    """A session that sends back what comes, until that says stop."""
    context: zmq.Context[Socket] = zmq.Context()
    link = context.socket(zmq.PAIR)
    link.linger = 0
    link.connect(endpoint)
    while (frame := link.recv()) != STOP:
        link.send(frame)
    context.destroy(0)


def _ask_raw(pipe: Connection, endpoint: str, count: int) -> None:
    context: zmq.Context[Socket] = zmq.Context()
    requests = context.socket(zmq.DEALER)
    requests.linger = 1_000
    requests.connect(endpoint)
    send, receive = requests.send, requests.recv

    def ask() -> None:
        send(OPAQUE)
        receive()

    ask()
    pipe.send("connected")
    for _ in commands(pipe):
        pipe.send(timed(ask, count))
    send(STOP)
    requests.close()
    context.destroy(0)
