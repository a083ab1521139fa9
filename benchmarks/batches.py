"""Ticks in batches, read as numpy arrays."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial

import msgpack
import numpy as np

from benchmarks import streaming, stub
from benchmarks.rounds import Measure, Size
from benchmarks.streaming import PREFIX, Socket
from bridge.mt5api.structs import TICK_DTYPE
from clients.events import Gap, Ticks
from clients.subscription import Subscription

PATH = "published by a running bridge, decoded by the client library (fed with what a session would send, without the link)"
ARRAY_OF_SIX = b"\x96"
BURSTS = 80
MESSAGES = {100: 400, 1_000: 50}
"""Messages in a burst: 2.4 and 3 MB, far below the high-water marks, and about what the caches hold."""


def ours(size: Size, records: int) -> AbstractContextManager[Measure]:
    """Through the bridge."""
    return streaming.ours(read, size.session, bursts=size.of(BURSTS), messages=MESSAGES[records], records=records)


def read(events: Subscription, count: int) -> tuple[int, float]:
    """Sum up the bids of every batch."""
    bids, lost, seen = 0.0, 0, 0
    for event in events:
        if isinstance(event, Ticks):
            bids += event.array["bid"].sum()
            seen += 1
        elif isinstance(event, Gap):
            lost += event.missing or count
        if seen + lost >= count:
            break
    return lost, float(bids)


def reference(size: Size, records: int) -> AbstractContextManager[Measure]:
    """The same bytes from XPUB to SUB."""
    publish = partial(publish_raw, records=records)
    return streaming.reference(publish, read_raw, bursts=size.of(BURSTS), messages=MESSAGES[records], records=records)


def publish_raw(socket: Socket, count: int, records: int) -> None:
    """One frame a batch: topic, NUL, msgpack array with the records as a bin; put together in one copy."""
    pack, send, join, batch = msgpack.Packer().pack, socket.send, b"".join, stub.batch(records)
    head, bin_head = PREFIX + ARRAY_OF_SIX, pack(batch)[: -len(batch)]
    for sequence in range(count):
        numbers = pack((1, 1_700_000_000_000, sequence, 1_700_000_000_000_000, 0))
        send(join((head, numbers[1:], bin_head, batch)))


def read_raw(socket: Socket, count: int) -> float:
    """Read the array where it lies, behind the head of the message; sum up the bids."""
    receive, size = socket.recv, 0
    bids = 0.0
    for _ in range(count):
        frame = receive()
        size = size or len(msgpack.unpackb(frame[len(PREFIX) :])[5])
        bids += np.frombuffer(frame, TICK_DTYPE, offset=len(frame) - size)["bid"].sum()
    return float(bids)
