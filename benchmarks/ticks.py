"""Single ticks: one record in each message."""

from __future__ import annotations

from contextlib import AbstractContextManager
from struct import Struct

import msgpack

from benchmarks import streaming
from benchmarks.rounds import Measure, Size
from benchmarks.streaming import PREFIX, Socket
from benchmarks.stub import TICK
from clients.events import Gap, Ticks
from clients.subscription import Subscription

PATH = "published by a running bridge, decoded by the client library (fed with what a session would send, without the link)"
MESSAGES = 60_000


def ours(size: Size) -> AbstractContextManager[Measure]:
    """Through the bridge."""
    return streaming.ours(read, size.session, bursts=1, messages=size.of(MESSAGES), records=1)


def read(events: Subscription, count: int) -> tuple[int, float]:
    """Look at the bid of every tick."""
    bids, lost, seen = 0.0, 0, 0
    for event in events:
        if isinstance(event, Ticks):
            bids += event.last.bid
            seen += 1
        elif isinstance(event, Gap):
            lost += event.missing or count
        if seen + lost >= count:
            break
    return lost, bids


def reference(size: Size) -> AbstractContextManager[Measure]:
    """The same bytes from XPUB to SUB."""
    return streaming.reference(publish_raw, read_raw, bursts=1, messages=size.of(MESSAGES), records=1)


def publish_raw(socket: Socket, count: int) -> None:
    """One frame a tick: topic, NUL, msgpack array."""
    pack, send, prefix, record = msgpack.Packer().pack, socket.send, PREFIX, TICK
    for sequence in range(count):
        send(prefix + pack((1, 1_700_000_000_000, sequence, 1_700_000_000_000_000, 0, record)))


def read_raw(socket: Socket, count: int) -> float:
    """Unpack, and look at the bid."""
    unpack, receive, start, bid_of = msgpack.unpackb, socket.recv, len(PREFIX), Struct("<8xd").unpack_from
    bids = 0.0
    for _ in range(count):
        bids += bid_of(unpack(receive()[start:])[5])[0]
    return bids
