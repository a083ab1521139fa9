"""The last tick of a streamed symbol, which the gateway answers from its own state, against one hop there and back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import zmq

from benchmarks.requests import STOP, Socket, sample, timed
from benchmarks.rounds import Measure, Sample, Size
from benchmarks.served import PATIENCE_S, commands, running_bridge, worker
from benchmarks.stub import SYMBOL, TICK, TOPIC
from bridge import codec
from bridge.messages import GetTick
from bridge.replies import LastTick
from clients import Client

REQUESTS = 4_000
PATH = "one after the other, through client and bridge, against an echo from DEALER to ROUTER and back"
ASKED = codec.encode_request(GetTick(SYMBOL), f"{'0' * 32}.1000", 1_700_000_000_000, "0" * 32)
ANSWERED = codec.encode_reply(f"{'0' * 32}.1000", 1_700_000_000_000, 1_700_000_000_000, codec.pack(LastTick(TICK, 100, "stream")))


@contextlib.contextmanager
def ours(size: Size) -> Iterator[Measure]:
    """`Client.tick`, while another client streams the symbol."""
    with (
        running_bridge("benchmarks.stub:StubTerminal") as (bridge, requests),
        worker("client", _ask, requests, size.of(REQUESTS)) as client,
    ):
        client.hear()

        def measure() -> Sample:
            before_s = bridge.ask("cpu")
            told = client.ask("round")
            return sample(told, {"bridge": bridge.ask("cpu") - before_s})

        yield measure


def _ask(pipe: Connection, requests: str, count: int) -> None:
    """Raises `RuntimeError` when it is not the gateway who answers."""
    with Client(requests, name="benchmark") as streaming, Client(requests, name="benchmark") as client:
        while not client.is_connected:
            time.sleep(0.05)
        with streaming.subscribe(TOPIC):
            _await_stream(client)
            pipe.send("connected")
            for _ in commands(pipe):
                told = timed(lambda: client.tick(SYMBOL), count)
                if client.call(GetTick(SYMBOL)).source != "stream":
                    raise RuntimeError("the terminal was asked")
                pipe.send(told)


def _await_stream(client: Client) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while client.call(GetTick(SYMBOL)).source != "stream":
        if time.monotonic() > until_s:
            raise RuntimeError("the gateway does not answer from its own state")
        time.sleep(0.05)


# ---- reference -------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def reference(size: Size) -> Iterator[Measure]:
    """As many bytes from DEALER to ROUTER and back, in two processes."""
    with worker("gateway", _echo) as gateway, worker("client", _ask_raw, gateway.hear(), size.of(REQUESTS)) as client:
        client.hear()
        yield lambda: sample(client.ask("round"), {})


def _echo(pipe: Connection) -> None:
    context: zmq.Context[Socket] = zmq.Context()
    requests = context.socket(zmq.ROUTER)
    requests.linger = 0
    pipe.send(f"tcp://127.0.0.1:{requests.bind_to_random_port('tcp://127.0.0.1')}")
    send, receive, more = requests.send, requests.recv, int(zmq.SNDMORE)
    while True:
        asking = receive()
        if receive() == STOP:
            break
        send(asking, more)
        send(ANSWERED)
    context.destroy(0)


def _ask_raw(pipe: Connection, endpoint: str, count: int) -> None:
    context: zmq.Context[Socket] = zmq.Context()
    requests = context.socket(zmq.DEALER)
    requests.linger = 1_000
    requests.connect(endpoint)
    send, receive = requests.send, requests.recv

    def ask() -> None:
        send(ASKED)
        receive()

    ask()
    pipe.send("connected")
    for _ in commands(pipe):
        pipe.send(timed(ask, count))
    send(STOP)
    requests.close()
    context.destroy(0)
