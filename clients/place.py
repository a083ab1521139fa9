"""Where a subscriber stands in the terminal's tick history, and what the history has between two such places. No I/O.

Ticks have no number, and several may be equal to the last bit. So a place is told by the delivered records of one second, the
newest: the history is asked by whole seconds, and inside one its records are told apart by counting.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from struct import Struct
from typing import Literal, NamedTuple

from bridge.messages import FOREIGN, LATE
from bridge.ticks import RECORD_BYTES
from clients.events import Bars, Ticks

Recent = deque[Ticks | Bars]
"""The newest events that were delivered of a topic, in order."""
RECENT_TICKS = 256
"""Events: more than a bridge publishes of one symbol in a second."""
RECENT_BARS = 8
FEW = 16
_OTHERS = FOREIGN | LATE
"""Flags of events that are not the newest of this account's server."""
_QUOTE_BYTES = 48
"""A tick without its flags, in which the last tick may differ from the same one in the history."""
_time = Struct("<q").unpack_from
_time_msc = Struct("<40xq").unpack_from


class Known(NamedTuple):
    """The delivered records of the newest second, in order. `begins` says how it is known that they begin with the second's first:
    a record of an earlier second came before (`seen`), the bridge says so (`told`), or not at all (`unknown`)."""

    second: int
    rows: list[bytes]
    begins: Literal["seen", "told", "unknown"]


class Filling(NamedTuple):
    """What the history has between two places, as packed records.

    `late` was inserted by the broker before the first place since that was reached. `new` lies between them. `ahead` lies between
    them when the second one comes first: it is known already and will be published again.
    """

    late: bytes
    new: bytes
    ahead: bytes


def rows_of(packed: bytes | memoryview) -> list[bytes]:
    """The records one by one."""
    data = bytes(packed)
    return [data[at : at + RECORD_BYTES] for at in range(0, len(data), RECORD_BYTES)]


def second_of(row: bytes | memoryview, at: int = 0) -> int:
    """The time of a record in seconds; `at` counts bytes, from the end if negative."""
    second: int = _time(row, at if at >= 0 else len(row) + at)[0]
    return second


def told(rows: bytes) -> Known:
    """The place that a snapshot tells: `rows` is every record that was published of its newest second."""
    second = second_of(rows, -RECORD_BYTES)
    return Known(second, [row for row in rows_of(rows) if second_of(row) == second], "told")


def reached(recent: Recent) -> Known | None:
    """The place after the newest events; None when none of them tells it. A first event with `snapshot` has all of its second."""
    ours = [item for item in recent if not item.flags & FOREIGN]
    newest = next((item for item in reversed(ours) if not item.flags & LATE), None)
    if newest is None:
        return None
    second = second_of(newest.records, -RECORD_BYTES)
    begins: Literal["seen", "told", "unknown"] = "told" if ours[0].snapshot else "unknown"
    found: list[bytes] = []
    for item in ours:
        for row in rows_of(item.records):
            time_s = second_of(row)
            if time_s == second:
                found.append(row)
            elif time_s < second and not found and not item.flags & LATE:
                begins = "seen"
    return Known(second, found, begins)


def prune(recent: Recent) -> None:
    """Forget what does not matter for the place any more: all before the last event that began in an earlier second."""
    if len(recent) <= FEW:
        return
    second = next((second_of(item.records, -RECORD_BYTES) for item in reversed(recent) if not item.flags & _OTHERS), None)
    if second is None:
        return
    for at in range(len(recent) - 1, 0, -1):
        item = recent[at]
        if not item.flags & _OTHERS and second_of(item.records) < second:
            for _ in range(at):
                recent.popleft()
            return


# ---- ticks -----------------------------------------------------------------------------------------------------------------------


def between_ticks(history: bytes, own: Known, end: Known) -> Filling | None:
    """What lies between two places; None when the history does not have both."""
    start = after(history, own)
    stop = after(history, end)
    if start is None or stop is None:
        return None
    first, late = start
    last, _ = stop
    while len(end.rows) == 1 and history[last * RECORD_BYTES : (last + 1) * RECORD_BYTES] == end.rows[0]:
        last += 1  # a stream that began without history tells the last tick alone, and begins behind its millisecond
    start_at, stop_at = first * RECORD_BYTES, last * RECORD_BYTES
    return Filling(b"".join(late), history[start_at:stop_at], history[stop_at:start_at])


def _first_of(history: bytes, second: int) -> int:
    """The first row of a second or later."""
    return bisect_left(range(len(history) // RECORD_BYTES), second, key=lambda row: second_of(history, row * RECORD_BYTES))


def after(history: bytes, known: Known) -> tuple[int, list[bytes]] | None:
    """The row behind a place, and the rows before it that were not there when it was reached."""
    low = _first_of(history, known.second)
    rows = rows_of(history[low * RECORD_BYTES : _first_of(history, known.second + 1) * RECORD_BYTES])
    counted = None if known.begins == "unknown" else _by_counting(rows, known)
    if counted is not None:
        return low + counted[0], counted[1]
    found = _by_context(rows, known.rows)
    if found is None:
        found = _by_quote(rows, known.rows[-1])
    return (low + found, []) if found is not None else _anywhere(history, known.rows[-1])


def _by_counting(rows: list[bytes], known: Known) -> tuple[int, list[bytes]] | None:
    """Behind the last of the known rows; and the unknown ones before it. Those before the first one are late only if it is certain
    that it was the first."""
    if rows[: len(known.rows)] == known.rows:
        return len(known.rows), []
    waiting = Counter(known.rows)
    unknown: list[tuple[int, bytes]] = []
    first, found = 0, 0
    for number, row in enumerate(rows, 1):
        if waiting[row]:
            waiting[row] -= 1
            first, found = first or number, number
        else:
            unknown.append((number, row))
    if waiting[known.rows[-1]]:
        return None
    since = 0 if known.begins == "seen" else first
    return found, [row for number, row in unknown if since <= number < found]


def _by_context(rows: list[bytes], known: list[bytes]) -> int | None:
    """Behind the row that equals the last known one; of several the one before which most is the same, then the last one."""
    found, best = None, 0
    for number, row in enumerate(rows, 1):
        if row == known[-1]:
            same = 1
            while same < min(number, len(known)) and rows[number - 1 - same] == known[-1 - same]:
                same += 1
            if same >= best:
                found, best = number, same
    return found


def _by_quote(rows: list[bytes], last: bytes) -> int | None:
    """A stream that begins without history begins behind the millisecond of the last tick, which may have other flags."""
    if not any(row[:_QUOTE_BYTES] == last[:_QUOTE_BYTES] for row in rows):
        return None
    return max(number for number, row in enumerate(rows, 1) if _time_msc(row)[0] <= _time_msc(last)[0])


def _anywhere(history: bytes, row: bytes) -> tuple[int, list[bytes]] | None:
    """Behind a row that is not where its time would have it: the terminal may give times that step back."""
    at = history.rfind(row)
    while at >= 0 and at % RECORD_BYTES:
        at = history.rfind(row, 0, at + RECORD_BYTES - 1)
    return (at // RECORD_BYTES + 1, []) if at >= 0 else None


# ---- bars ------------------------------------------------------------------------------------------------------------------------


def between_bars(history: bytes, own_s: int, end_s: int) -> Filling | None:
    """The bars behind the one that opened at `own_s`, up to that of `end_s`; None when the history does not have both."""
    times = {second_of(history, at): at + RECORD_BYTES for at in range(0, len(history), RECORD_BYTES)}
    start, stop = times.get(own_s), times.get(end_s)
    if start is None or stop is None:
        return None
    return Filling(b"", history[start:stop], history[stop:start])


def last_bar_s(recent: Recent) -> int | None:
    """When the last bar opened that was delivered; None when none was."""
    newest = next((item for item in reversed(recent) if not item.flags & FOREIGN), None)
    return None if newest is None else second_of(newest.records, -RECORD_BYTES)
