"""Pings while the session is frozen, against pings while it is idle: what the gateway owes to the guarded child.

The terminal is one that keeps the interpreter's lock in its attach, where the watch over the session is most patient.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

from benchmarks.rounds import Measure, Sample, Size, percentile
from benchmarks.served import PATIENCE_S, Worker, commands, running_bridge, worker
from clients import Client

TERMINAL = "tests.frozen_terminal:FrozenTerminal"
FREEZE_S, QUICK_FREEZE_S = 100.0, 8.0
PATH = f"session frozen for {FREEZE_S:.0f} s ({QUICK_FREEZE_S:.0f} s with --quick) against an idle one"
RESERVE_S = 4.0
"""Part of the freeze in which is not measured: the client has to start, and the last round to end, before it is over."""
APART_S = 0.0005
"""Between two pings: a gateway that is asked without a pause has no chance to be late."""
LATE_S = 1.0
"""By how much less the session's last sign may be old than the measurement: a client takes a moment to tell what it measured."""

Told = tuple[list[float], str, int | None]
"""What a client tells of a round: seconds of each ping, and the state and the age of the session's last sign at its end."""


def freeze_s(size: Size) -> float:
    """How long the session is frozen."""
    return FREEZE_S if size.share >= 1 else QUICK_FREEZE_S


def round_s(size: Size) -> float:
    """How long one side is measured in one round: all rounds of both sides, and one to warm up, fit into the freeze."""
    return (freeze_s(size) - RESERVE_S) / (2 * (size.rounds + 1))


@contextlib.contextmanager
def ours(size: Size) -> Iterator[Measure]:
    """A bridge whose session is frozen in its attach. Raises `RuntimeError` when it is not frozen any more at a round's end."""
    with _pinged(size, freeze_s(size)) as client:
        began_s = time.monotonic()

        def measure() -> Sample:
            times_s, state, age_ms = client.ask("round", PATIENCE_S + round_s(size))
            frozen_s = (age_ms or 0) / 1e3
            if state != "connecting" or frozen_s < time.monotonic() - began_s - LATE_S:
                raise RuntimeError(f"the session was not frozen to the end of the round: {state}, last sign {frozen_s:.1f} s ago")
            return _sample(times_s, {"frozen for s": freeze_s(size)})

        yield measure


@contextlib.contextmanager
def reference(size: Size) -> Iterator[Measure]:
    """The same bridge and the same pings, with a session that has nothing to do."""
    with _pinged(size, None) as client:

        def measure() -> Sample:
            times_s, state, _ = client.ask("round", PATIENCE_S + round_s(size))
            if state != "connected":
                raise RuntimeError(f"the session that should be idle is {state}")
            return _sample(times_s, {})

        yield measure


def _sample(times_s: list[float], more: dict[str, float]) -> Sample:
    figures = {"p50 µs": percentile(times_s, 50) * 1e6, "pings": float(len(times_s))}
    return Sample(percentile(times_s, 99) * 1e6, more={**figures, **more})


@contextlib.contextmanager
def _pinged(size: Size, frozen_s: float | None) -> Iterator[Worker]:
    """A bridge, and a client that pings it when it is told to."""
    state = "connected" if frozen_s is None else "connecting"
    with (
        _environment({} if frozen_s is None else {"FROZEN_CALL": "attach", "FROZEN_S": str(frozen_s)}),
        running_bridge(TERMINAL) as (_, requests),
        worker("client", _ping, requests, round_s(size), state) as client,
    ):
        client.hear()
        yield client


@contextlib.contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """What processes inherit that are started inside of the block."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _ping(pipe: Connection, requests: str, seconds: float, wanted: str) -> None:
    with Client(requests, name="benchmark") as client:
        while client.ping().state != wanted:
            time.sleep(0.01)
        pipe.send(wanted)
        for _ in commands(pipe):
            pipe.send(_round(client, seconds))


def _round(client: Client, seconds: float) -> Told:
    clock, until_s = time.perf_counter, time.monotonic() + seconds
    times_s = []
    while time.monotonic() < until_s:
        start_s = clock()
        pong = client.ping()
        times_s.append(clock() - start_s)
        time.sleep(APART_S)
    return times_s, pong.state, pong.session_age_ms
