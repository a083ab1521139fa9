"""Requests one after the other with the asyncio client, against the blocking client."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection as Pipe

from benchmarks.requests import REQUEST, REQUESTS, Told, sample
from benchmarks.requests import ours as blocking
from benchmarks.rounds import Measure, Sample, Size
from benchmarks.served import commands, running_bridge, worker
from clients import AsyncClient
from clients.events import Connection

PATH = "with the asyncio client, against the blocking client, each through a bridge, session process and a stub terminal"
reference = blocking


@contextlib.contextmanager
def ours(size: Size) -> Iterator[Measure]:
    """`order_check` with `AsyncClient`, in asyncio's own event loop."""
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


def _check(pipe: Pipe, requests: str, count: int) -> None:
    asyncio.run(_rounds(pipe, requests, count))


async def _rounds(pipe: Pipe, requests: str, count: int) -> None:
    async with AsyncClient(requests, name="benchmark") as client:
        async for event in client.subscribe("connection"):
            if isinstance(event, Connection) and event.connection.state == "connected":
                break
        if (await client.check(REQUEST)).retcode != 0:
            raise RuntimeError("the stub terminal refused the order")
        pipe.send("connected")
        for _ in commands(pipe):
            pipe.send(await _timed(client, count))


async def _timed(client: AsyncClient, count: int) -> Told:
    clock = time.perf_counter
    times_s = []
    cpu_s = time.process_time()
    for _ in range(count):
        start_s = clock()
        await client.check(REQUEST)
        times_s.append(clock() - start_s)
    return times_s, time.process_time() - cpu_s
