"""A million ticks to a DataFrame: what the client needs for that, and what others notice of it."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import zmq

from benchmarks.machine import resident_bytes
from benchmarks.orders import REQUEST, Trader
from benchmarks.served import commands, running_bridge, worker
from bridge import codec
from bridge.errors import NotConnected
from bridge.messages import GetTicks, SendOrder
from bridge.trading import OrderResult
from clients import Client
from tests.long_history import BEGIN_S, LONG, TICKS_PER_S

if sys.platform == "darwin":
    import resource

ROWS = 1_000_000
LIMIT_BYTES = 400 * 2**20
SLICE_ROWS = 20_000
OTHERS = 20
"""Short readings that wait for the terminal all at once; each takes it as long as a slice."""
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def requests() -> Iterator[str]:
    with running_bridge("tests.long_history:terminal") as (_, endpoint):
        wait_until_connected(endpoint)
        yield endpoint


def wait_until_connected(endpoint: str) -> None:
    """A bridge answers before it is at the terminal; until then a request for the account is one to repeat."""
    with Client(endpoint, name="wait") as client:
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            with contextlib.suppress(NotConnected):
                client.account()
                return
            time.sleep(0.02)
    raise AssertionError("the bridge does not come to its terminal")


def peak_bytes() -> int:
    """The most memory that this process ever had; where the system does not tell, what it has now."""
    if sys.platform == "linux":  # what getrusage tells begins with the memory of the process that started this one
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return resident_bytes()


def download(pipe: Connection, endpoint: str) -> None:
    """A program that reads it all when it is told to, and tells its memory before and at the most, the rows and their sums."""
    with Client(endpoint, name="reader") as client:
        client.account()
        pipe.send(resident_bytes())
        for _ in commands(pipe):
            begun_s = time.monotonic()
            frame = client.ticks(LONG, BEGIN_S, count=ROWS)
            took_s = time.monotonic() - begun_s
            in_order = bool((frame["bid"].to_numpy() == range(ROWS)).all())
            stamps = (frame.index[0].timestamp(), frame.index[-1].timestamp())
            pipe.send((peak_bytes(), len(frame), in_order, stamps, took_s))


@contextlib.contextmanager
def waiting(endpoint: str) -> Iterator[Trader]:
    """A program that asks for many things without waiting for the answers."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        yield Trader(context, endpoint, "others")
    finally:
        context.destroy(0)


def test_a_million_ticks_fit_and_orders_of_others_wait_for_one_reading_at_the_most(requests: str) -> None:
    assert peak_of_a_download(requests) < LIMIT_BYTES


def peak_of_a_download(requests: str) -> int:
    """The most memory of a process that downloads, while somebody gives orders and others ask for many things."""
    waited: list[int] = []
    readings = 0
    with (
        worker("reader", download, requests) as reader,
        Client(requests, name="trader") as trader,
        waiting(requests) as other,
    ):
        before = reader.hear()

        def order() -> OrderResult:
            return trader.call(SendOrder(replace(REQUEST, price=time.monotonic()))).result

        order()
        reader.tell("read")
        for place in range(OTHERS):
            asked = GetTicks(LONG, BEGIN_S + place, count=1)
            other.socket.send(codec.encode_request(asked, f"{place}.other", None, f"{place}.other"))
        until_s = time.monotonic() + PATIENCE_S
        while not reader.pipe.poll():
            assert time.monotonic() < until_s, "the download does not end"
            result = order()
            waited.append(result.request_id)
            readings = result.retcode_external
        peak, rows, in_order, stamps, took_s = reader.hear()
        answers = [codec.decode_reply(other.socket.recv()) for _ in range(OTHERS)]
    print(f"{peak / 2**20:.0f} MiB at the most, {before / 2**20:.0f} before; {took_s:.2f} s; {len(waited)} orders: {max(waited)}")
    assert (rows, in_order) == (ROWS, True)
    assert stamps == (BEGIN_S, BEGIN_S + (ROWS - 1) / TICKS_PER_S)
    assert all(answer.error is None for answer in answers)
    assert readings >= ROWS // SLICE_ROWS + OTHERS
    # On the way to the terminal, which is none of the download's doing, a busy machine may hold an order up for longer.
    assert sum(count > 1 for count in waited) <= len(waited) // 4, waited
    return int(peak)
