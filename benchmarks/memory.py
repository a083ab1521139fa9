"""What the bridge keeps in memory after very many ticks, with a subscriber that has stalled."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import zmq

from benchmarks.crowd import HIGH_WATER, Seen, await_subscribers, crowd
from benchmarks.fanout import events_of, told_what_to_publish
from benchmarks.inside import Order
from benchmarks.rounds import Measure, Sample, Size
from benchmarks.served import PATIENCE_S, Worker, running_bridge, worker

TICKS = 10_000_000
PART = 10
"""The reference has this part of the ticks."""
FEW = 10
BURST = 20_000
"""Ticks published at once: what waits on the link to be published counts as well."""
MIB = float(1 << 20)
PREFIX = b"tick:"
PATH = (
    f"one tick a message, a healthy subscriber and a stopped one (SIGSTOP), against {TICKS // PART:,} ticks of {FEW} symbols,"
    " with 64 MiB of replay in both"
)

Socket = zmq.Socket[bytes]


@contextlib.contextmanager
def ours(size: Size, *, symbols: int) -> Iterator[Measure]:
    """All ticks of so many symbols. The figure is the memory in use at the end, in MiB."""
    yield lambda: published(size.of(TICKS), symbols)


@contextlib.contextmanager
def reference(size: Size) -> Iterator[Measure]:
    """A part of the ticks, of few symbols."""
    yield lambda: published(size.of(TICKS // PART), FEW)


def published(ticks: int, symbols: int) -> Sample:
    """Run a bridge until so many ticks were published. Raises `RuntimeError` when the healthy subscriber loses some."""
    with (
        told_what_to_publish() as (control, endpoint),
        running_bridge("unused", path=endpoint, stand_in="benchmarks.source") as (bridge, requests),
        crowd(events_of(requests), [[PREFIX]], 1) as (healthy,),
        _stalled(events_of(requests)),
    ):
        await_subscribers(requests, {"tick:*": 2})
        sizes = [_resident(bridge)]
        before_s, left = bridge.ask("cpu"), ticks
        while left:
            order = Order(min(BURST, left), symbols=symbols)
            healthy.tell((order.count, False))
            control.send(order.to_bytes())
            seen: Seen = healthy.hear(PATIENCE_S)
            if seen.events != order.count:
                raise RuntimeError(f"the healthy subscriber got {seen.events} ticks of {order.count}")
            sizes.append(_resident(bridge))
            left -= order.count
        more = {"MiB when idle": sizes[0], f"MiB after a {PART}th": sizes[-(-len(sizes) // PART)], "MiB at most": max(sizes)}
        return Sample(sizes[-1], {"bridge": (bridge.ask("cpu") - before_s) / ticks * 1e6}, more=more)


def _resident(bridge: Worker) -> float:
    return float(bridge.ask("resident")) / MIB


@contextlib.contextmanager
def _stalled(endpoint: str) -> Iterator[None]:
    """A subscriber to everything that does not run. On Windows, which has no SIGSTOP, one that does not read."""
    with worker("stalled", _never_receive, endpoint) as process:
        process.hear()
        if hasattr(signal, "SIGSTOP"):
            time.sleep(0.2)  # its subscription goes out
            os.kill(process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            if hasattr(signal, "SIGCONT"):
                os.kill(process.pid, signal.SIGCONT)


def _never_receive(pipe: Connection, endpoint: str) -> None:
    context: zmq.Context[Socket] = zmq.Context()
    events = context.socket(zmq.SUB)
    events.rcvhwm, events.linger = HIGH_WATER, 0
    events.subscribe(PREFIX)
    events.connect(endpoint)
    pipe.send("connected")
    pipe.recv()
    context.destroy(0)
