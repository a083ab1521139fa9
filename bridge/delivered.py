"""Which ticks were published before the newest second. No I/O.

A new session has to know them: it looks for ticks that the broker inserts behind delivered ones, and must not take these for such.
"""

from __future__ import annotations

from bridge.codec import decode_event
from bridge.messages import FOREIGN, LATE, SUSPECT
from bridge.ring import Frames
from bridge.ticks import RECORD_BYTES, TIME_BYTES

PAST_S = 120
MOST_ROWS = 8_000
"""How far back a new session is told, in seconds of server time and in rows."""


def rows_before(frames: Frames, second: int) -> bytes:
    """The ticks of the last minutes before a second, in the order in which they were published; complete from the second of the
    oldest of them on."""
    found: list[bytes] = []
    rows = 0
    complete_s = second
    for frame in reversed(frames):
        event = decode_event(frame)
        if event.flags & FOREIGN:
            continue  # of another server
        body = bytes(event.body)
        found.append(body)
        rows += len(body) // RECORD_BYTES
        if not event.flags & (LATE | SUSPECT):  # the times of the others prove nothing
            # What was published before this may reach into its first second.
            complete_s = min(complete_s, _second(body, 0) + 1)
        if rows >= MOST_ROWS or complete_s < second - PAST_S:
            break
    found.reverse()
    packed = b"".join(found)
    starts = range(0, len(packed), RECORD_BYTES)
    return b"".join(packed[at : at + RECORD_BYTES] for at in starts if complete_s <= _second(packed, at) < second)


def _second(packed: bytes, at: int) -> int:
    return int.from_bytes(packed[at : at + TIME_BYTES], "little", signed=True)
