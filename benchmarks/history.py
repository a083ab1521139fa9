"""History to a DataFrame in the caller's hand, against a plain transfer of the same bytes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Literal

import numpy as np
import zmq

from benchmarks.rounds import Measure, Sample, Size
from benchmarks.served import PATIENCE_S, commands, running_bridge, worker
from benchmarks.stub import SYMBOL, StubTerminal
from bridge.mt5api.structs import RATE_DTYPE, TICK_DTYPE
from bridge.ticks import RECORD_BYTES
from clients import Client

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["bars", "ticks"]
ROWS: dict[Kind, int] = {"bars": 100_000, "ticks": 1_000_000}
SPARE = 10_000
"""Rounds ask for other parts of the history, so that none gets what another one has asked for."""
BEGIN_S = 1_700_000_000
TICKS_PER_S = 10
PATH = (
    "through client, bridge, session process and a stub terminal, against the same bytes in one message from ROUTER to DEALER"
    " and pd.DataFrame(np.frombuffer)"
)

Socket = zmq.Socket[bytes]


@cache
def records(kind: Kind) -> bytes:
    """A bar a minute, or ten ticks a second; all rows that any round asks for."""
    rows = np.arange(ROWS[kind] + SPARE)
    array = np.zeros(len(rows), RATE_DTYPE if kind == "bars" else TICK_DTYPE)
    if kind == "bars":
        array["time"] = BEGIN_S + 60 * rows
        for name in ("open", "high", "low", "close"):
            array[name] = 1.08 + rows % 100 * 1e-5
    else:
        array["time"] = BEGIN_S + rows // TICKS_PER_S
        array["time_msc"] = array["time"] * 1_000 + rows % TICKS_PER_S * (1_000 // TICKS_PER_S)
        array["bid"], array["ask"], array["flags"] = 1.08 + rows % 100 * 1e-5, 1.09, 6
    return array.tobytes()


class HistoryTerminal(StubTerminal):
    """Has all history at hand."""

    def __init__(self) -> None:
        self._bars, self._ticks = records("bars"), records("ticks")

    def rates_from_pos(self, name: str, timeframe: str, start: int, count: int) -> bytes:
        """Bars that end before the newest ones."""
        end = len(self._bars) // RECORD_BYTES - start
        return self._bars[max(0, end - count) * RECORD_BYTES : end * RECORD_BYTES]

    def rates_from(self, name: str, timeframe: str, from_s: int, count: int) -> bytes:
        """Bars up to a time."""
        end = (from_s - BEGIN_S) // 60 + 1
        return self._bars[max(0, end - count) * RECORD_BYTES : max(0, end) * RECORD_BYTES]

    def ticks_from(self, name: str, from_s: int, count: int, kind: str = "all") -> bytes:
        """Ticks from a second on."""
        begin = max(0, from_s - BEGIN_S) * TICKS_PER_S
        return self._ticks[begin * RECORD_BYTES : (begin + count) * RECORD_BYTES]


def _sample(kind: Kind, told: tuple[float, float, int], cpu_s: dict[str, float]) -> Sample:
    """A round as a sample. Raises `RuntimeError` when other rows came than were asked for."""
    seconds, client_s, rows = told
    if rows != ROWS[kind]:
        raise RuntimeError(f"{rows} rows came, not {ROWS[kind]}")
    cpu_us = {name: value / rows * 1e6 for name, value in {**cpu_s, "client": client_s}.items()}
    return Sample(rows / seconds, cpu_us, more={"ms": seconds * 1e3})


def _timed(make: Callable[[], pd.DataFrame]) -> tuple[float, float, int]:
    cpu_s, start_s = time.process_time(), time.perf_counter()
    frame = make()
    return time.perf_counter() - start_s, time.process_time() - cpu_s, len(frame)


# ---- ours ------------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def ours(_: Size, *, kind: Kind) -> Iterator[Measure]:
    """`Client.rates` or `Client.ticks`."""
    with (
        running_bridge("benchmarks.history:HistoryTerminal") as (bridge, requests),
        worker("client", _ask, requests, kind) as client,
    ):
        client.hear()

        def measure() -> Sample:
            before_s = bridge.ask("cpu")
            told = client.ask("round", 2 * PATIENCE_S)
            return _sample(kind, told, {"bridge": bridge.ask("cpu") - before_s})

        yield measure


def _ask(pipe: Connection, requests: str, kind: Kind) -> None:
    import pandas as pd  # noqa: F401, PLC0415 - not measured

    with Client(requests, name="benchmark") as client:
        while not client.is_connected:
            time.sleep(0.05)
        pipe.send("connected")
        rows = ROWS[kind]
        for number, _ in zip(count(1), commands(pipe), strict=False):
            if kind == "bars":
                pipe.send(_timed(lambda start=number: client.rates(SYMBOL, "M1", rows, start)))  # type: ignore[misc]
            else:
                pipe.send(_timed(lambda start=number: client.ticks(SYMBOL, BEGIN_S + start, count=rows)))  # type: ignore[misc]


# ---- reference -------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def reference(_: Size, *, kind: Kind) -> Iterator[Measure]:
    """One question, all rows in one message."""
    with worker("server", _serve_raw, kind) as server, worker("client", _ask_raw, server.hear(), kind) as client:
        client.hear()
        yield lambda: _sample(kind, client.ask("round", 2 * PATIENCE_S), {})


def _serve_raw(pipe: Connection, kind: Kind) -> None:
    context: zmq.Context[Socket] = zmq.Context()
    requests = context.socket(zmq.ROUTER)
    requests.linger = 0
    pipe.send(f"tcp://127.0.0.1:{requests.bind_to_random_port('tcp://127.0.0.1')}")
    rows = records(kind)[: ROWS[kind] * RECORD_BYTES]
    while True:
        asking = requests.recv()
        if requests.recv() == b"stop":
            break
        requests.send(asking, zmq.SNDMORE)
        requests.send(rows, copy=False)
    context.destroy(0)


def _ask_raw(pipe: Connection, endpoint: str, kind: Kind) -> None:
    import pandas as pd  # noqa: PLC0415 - only here

    context: zmq.Context[Socket] = zmq.Context()
    requests = context.socket(zmq.DEALER)
    requests.linger = 1_000
    requests.connect(endpoint)
    dtype = RATE_DTYPE if kind == "bars" else TICK_DTYPE

    def ask() -> pd.DataFrame:
        requests.send(b"history")
        return pd.DataFrame(np.frombuffer(requests.recv(copy=False).buffer, dtype))

    pipe.send("connected")
    for _ in commands(pipe):
        pipe.send(_timed(ask))
    requests.send(b"stop")
    requests.close()
    context.destroy(0)
