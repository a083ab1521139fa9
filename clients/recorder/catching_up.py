"""What happened while nobody recorded, read from the terminal's history in slices, so that memory stays small however long it was.
The last second is left to the subscription, which goes on behind it without a hole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bridge.messages import BACKFILLED, LATE, MAX_ROWS
from bridge.ticks import RECORD_BYTES
from clients.place import after, reached, second_of
from clients.recorder.columns import Arrival
from clients.recorder.writing import Writer

if TYPE_CHECKING:
    from collections import deque

    from clients import Client
    from clients.events import Bars, Ticks

MOST_SLICE = 64
"""A second with more ticks than `MAX_ROWS` times this is not caught up with, but left to the subscription."""


def catch_up(client: Client, writer: Writer, since_s: int | None, wanted: Callable[[], bool], flush: Callable[[], object]) -> None:
    """Bring a series to where the terminal is, but for the last second, as long as that is `wanted`; a new one from `since_s` on
    (server time), if that is given. `flush` brings to the disk what was added. Raises `BridgeError`."""
    if writer.series.timeframe is None:
        _ticks(client, writer, since_s, wanted, flush)
    elif not writer.last and since_s is not None:
        _bars(client, writer, since_s)
        flush()


def _ticks(client: Client, writer: Writer, since_s: int | None, wanted: Callable[[], bool], flush: Callable[[], object]) -> None:
    count = MAX_ROWS
    while wanted():
        recent: deque[Ticks | Bars] = _deque(writer.newest())
        own = reached(recent)
        from_s = since_s if own is None else own.second
        if from_s is None:
            return
        history = client.arrays.ticks(writer.series.symbol, from_s, count=count).tobytes()
        if len(history) < count * RECORD_BYTES:
            last_s = second_of(history, -RECORD_BYTES) if history else from_s
            complete = _before(history, last_s) if own is None else b""
            if own is None and complete:
                _add(client, writer, b"", complete)
                flush()
            return
        complete = _before(history, second_of(history, -RECORD_BYTES))
        if not complete:
            if count >= MAX_ROWS * MOST_SLICE:
                return
            count *= 4
            continue
        count = MAX_ROWS
        if own is None:
            _add(client, writer, b"", complete)
            flush()
            continue
        found = after(complete, own)
        if found is None:
            return  # the subscription says what that means
        start, late = found
        _add(client, writer, b"".join(late), complete[start * RECORD_BYTES :])
        flush()


def _deque(events: list[Ticks | Bars]) -> deque[Ticks | Bars]:
    from collections import deque  # noqa: PLC0415

    return deque(events)


def _before(history: bytes, second: int) -> bytes:
    """The rows before a second."""
    end = len(history)
    while end and second_of(history, end - RECORD_BYTES) >= second:
        end -= RECORD_BYTES
    return history[:end]


def _bars(client: Client, writer: Writer, since_s: int) -> None:
    """All but the newest, which is not closed."""
    assert writer.series.timeframe is not None
    rows = client.arrays.rates(writer.series.symbol, writer.series.timeframe, date_from=since_s, date_to=2**31 - 1).tobytes()
    _add(client, writer, b"", rows[:-RECORD_BYTES])


def _add(client: Client, writer: Writer, late: bytes, new: bytes) -> None:
    now_us = client.bridge_msc() * 1_000
    writer.add(Arrival(0, 0, now_us, BACKFILLED | LATE, late))
    writer.add(Arrival(0, 0, now_us, BACKFILLED, new))
