"""Many requests under way at a time, each through the bridge and its session to a terminal that answers at once."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Iterator
from itertools import count as numbers
from multiprocessing.connection import Connection
from uuid import uuid4

import zmq

from benchmarks.requests import OPAQUE, REQUEST, STOP, Socket, pass_on, send_back
from benchmarks.rounds import Measure, Sample, Size
from benchmarks.served import PATIENCE_S, commands, running_bridge, worker
from bridge.messages import CheckOrder, Hello
from bridge.trading import OrderCheck
from clients import Client
from clients.calls import Call
from clients.session import ClientSession
from clients.sockets import NOBLOCK, QUICK_MS, Sockets

WINDOW = 64
REQUESTS = 20_000
PATH = f"{WINDOW} under way at a time, through a client session, bridge, session process and a stub terminal"

Told = tuple[float, float]
"""What a client tells of a round: seconds, and its CPU seconds."""


def _sample(told: Told, count: int, cpu_s: dict[str, float]) -> Sample:
    seconds, client_s = told
    return Sample(count / seconds, {name: value / count * 1e6 for name, value in {**cpu_s, "client": client_s}.items()})


# ---- ours ------------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def ours(size: Size) -> Iterator[Measure]:
    """`order_check` through a running bridge with its own session process."""
    count = size.of(REQUESTS)
    with (
        running_bridge("benchmarks.stub:StubTerminal") as (bridge, requests),
        worker("client", _check, requests, count) as client,
    ):
        client.hear()

        def measure() -> Sample:
            before_s = bridge.ask("cpu")
            told: Told = client.ask("round")
            return _sample(told, count, {"bridge": bridge.ask("cpu") - before_s})

        yield measure


def _check(pipe: Connection, requests: str, count: int) -> None:
    with Client(requests, name="benchmark") as client:
        while not client.is_connected:
            time.sleep(0.05)
    pipelined = Pipelined(requests)
    pipe.send("connected")
    for _ in commands(pipe):
        cpu_s, start_s = time.process_time(), time.perf_counter()
        pipelined.check(count)
        pipe.send((time.perf_counter() - start_s, time.process_time() - cpu_s))
    pipelined.close()


class Pipelined:
    """Drives a client session, as the library's own clients do, but without waiting for each answer."""

    def __init__(self, endpoint: str) -> None:
        prefix, number = uuid4().hex, numbers(1)
        hello = Hello("benchmark", client_id=uuid4().hex, pid=os.getpid())
        self._session = ClientSession(endpoint, hello, new_id=lambda: f"{prefix}.{next(number)}")
        self._sockets = Sockets(endpoint)
        self._looked_s = 0.0
        self._done: deque[Call[OrderCheck]] = deque()
        call = self._session.start(time.monotonic(), PATIENCE_S)
        while not call.done:
            self._turn()
        call.result()

    def check(self, count: int) -> None:
        """So many order checks. Raises the error of one that failed."""
        left, under_way = count, 0
        while left or under_way:
            now = time.monotonic()
            for _ in range(min(WINDOW - under_way, left)):
                self._session.call(CheckOrder(REQUEST), now, PATIENCE_S, on_done=self._done.append)
                left -= 1
                under_way += 1
            self._turn()
            while self._done:
                if self._done.popleft().result().retcode != 0:
                    raise RuntimeError("the stub terminal refused the order")
                under_way -= 1

    def close(self) -> None:
        """Close the sockets."""
        self._sockets.close()

    def _turn(self) -> None:
        """Send what is to be sent, wait, take what has come."""
        session, sockets = self._session, self._sockets
        for action in session.take_actions():
            sockets.act(action)
        while (call := session.next_outgoing()) is not None:
            try:
                sockets.requests.send(call.frame, NOBLOCK)
            except zmq.Again:
                break
            session.sent(call, time.monotonic())
        with contextlib.suppress(zmq.Again):
            frame = sockets.requests.recv()  # replies are waited for alone, as in `clients.driver`
            now = time.monotonic()
            session.receive_reply(frame, now)
            for _ in range(WINDOW):
                session.receive_reply(sockets.requests.recv(NOBLOCK), now)
        now = time.monotonic()
        if now - self._looked_s > QUICK_MS / 1e3:
            self._looked_s = now
            with contextlib.suppress(zmq.Again):
                while True:
                    session.receive_event(sockets.events.recv(NOBLOCK), now)
            session.on_time(now)


# ---- reference -------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def reference(size: Size) -> Iterator[Measure]:
    """210 bytes from DEALER to ROUTER to PAIR and back, in three processes, as many at a time."""
    count = size.of(REQUESTS)
    with (
        worker("gateway", pass_on) as gateway,
        worker("session", send_back, gateway.hear()),
        worker("client", _ask_raw, gateway.hear(), count) as client,
    ):
        client.hear()
        yield lambda: _sample(client.ask("round"), count, {})


def _ask_raw(pipe: Connection, endpoint: str, count: int) -> None:
    context: zmq.Context[Socket] = zmq.Context()
    requests = context.socket(zmq.DEALER)
    requests.linger = 1_000
    requests.connect(endpoint)
    send, receive, opaque = requests.send, requests.recv, OPAQUE
    send(opaque)
    receive()
    pipe.send("connected")
    for _ in commands(pipe):
        cpu_s, start_s = time.process_time(), time.perf_counter()
        window = min(WINDOW, count)
        for _ in range(window):
            send(opaque)
        for _ in range(count - window):
            receive()
            send(opaque)
        for _ in range(window):
            receive()
        pipe.send((time.perf_counter() - start_s, time.process_time() - cpu_s))
    send(STOP)
    requests.close()
    context.destroy(0)
