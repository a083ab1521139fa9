"""Bars, ticks and symbols of any number, asked for in parts.

Each function is a generator that yields requests, is sent their results, and returns the whole: the blocking client and any other
drive it in the same way, and a test needs no client at all. Between two parts other requests (orders above all) have their turn.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar, get_args, overload

from bridge.errors import InvalidParameters, TerminalRefused
from bridge.messages import MAX_ROWS, GetRates, GetSymbols, GetTicks, Request
from bridge.records import Symbol
from bridge.ticks import RECORD_BYTES

T = TypeVar("T")
Steps = Generator[Request[Any], Any, T]
"""A task of several requests that ends with a `T`."""
Moment = datetime | int | float
"""Server time: a datetime, or seconds since 1970-01-01 as if the server's clock were UTC. A datetime without a zone is taken as it
is read on the server's clock."""

Kind = Literal["all", "info", "trade"]
"""Which ticks: all, those that changed bid or ask, those with a last price or volume."""
DEFAULT_BARS = 500
LAST_S = 2**31 - 1
_TIME = struct.Struct("<q")
_TIME_MSC_OFFSET = 40


def server_msc(moment: Moment, field: str) -> int:
    """Milliseconds of server time. Raises `InvalidParameters` for what is not a time between 1970 and 2038."""
    if isinstance(moment, datetime):
        seconds = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    elif isinstance(moment, int | float) and not isinstance(moment, bool):
        seconds = float(moment)
    else:
        raise InvalidParameters(f"{field} must be a datetime or seconds, not {moment!r}", field=field)
    if not 0 <= seconds <= LAST_S:  # also refuses NaN
        raise InvalidParameters(f"{field} must lie between 1970 and 2038, not {moment!r}", field=field)
    return round(seconds * 1e3)


@overload
def moved(moment: Moment, field: str, to_server: Callable[[int], int]) -> Moment: ...


@overload
def moved(moment: None, field: str, to_server: Callable[[int], int]) -> None: ...


def moved(moment: Moment | None, field: str, to_server: Callable[[int], int]) -> Moment | None:
    """A moment of UTC as one of server time; None stays None. `to_server` works in milliseconds."""
    return None if moment is None else to_server(server_msc(moment, field)) / 1e3


def seconds_range(start: Moment | None, end: Moment | None) -> tuple[int, int]:
    """Whole seconds from `start` to `end`, both included; all of time where they are None."""
    from_s = 0 if start is None else server_msc(start, "start") // 1000
    to_s = LAST_S if end is None else -(-server_msc(end, "end") // 1000)
    if from_s > to_s:
        raise InvalidParameters("start is after end", field="start")
    return from_s, min(to_s, LAST_S)


def _time(records: bytes, row: int, offset: int = 0) -> int:
    time: int = _TIME.unpack_from(records, row * RECORD_BYTES + offset)[0]
    return time


def _first_from(records: bytes, time: int, offset: int) -> int:
    """The first row whose time is not before `time`."""
    return bisect_left(range(len(records) // RECORD_BYTES), time, key=lambda row: _time(records, row, offset))


def _first_after(records: bytes, time: int, offset: int) -> int:
    return bisect_right(range(len(records) // RECORD_BYTES), time, key=lambda row: _time(records, row, offset))


def positive(count: int | None, field: str = "count") -> None:
    """Raises `InvalidParameters` for a count below 1."""
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
        raise InvalidParameters(f"{field} must be a whole number of at least 1, not {count!r}", field=field)


def rates(
    symbol: str,
    timeframe: str,
    count: int | None = None,
    start: int = 0,
    date_from: Moment | None = None,
    date_to: Moment | None = None,
) -> Steps[list[bytes]]:
    """Bars, oldest first, as chunks of records.

    Without dates: `count` bars (500) that end `start` bars before the forming one. With dates: the bars that opened between them,
    both included, and of these the newest `count` where it is given.
    """
    positive(count)
    from_s = None if date_from is None else -(-server_msc(date_from, "date_from") // 1000)  # the first whole second not before it
    to_s = None if date_to is None else server_msc(date_to, "date_to") // 1000
    if start and to_s is not None:
        raise InvalidParameters("start counts from the newest bar and cannot be combined with date_to", field="start")
    if from_s is not None and to_s is not None and from_s > to_s:
        raise InvalidParameters("date_from is after date_to", field="date_from")
    wanted = count if count is not None or from_s is not None else DEFAULT_BARS
    chunks: list[bytes] = []
    have = 0
    while wanted is None or have < wanted:
        ask = MAX_ROWS if wanted is None else min(MAX_ROWS, wanted - have)
        if to_s is None:
            records = (yield GetRates(symbol, timeframe, count=ask, start=start)).records
        else:
            records = (yield GetRates(symbol, timeframe, count=ask, to_s=to_s)).records
        rows = len(records) // RECORD_BYTES
        kept = records if from_s is None else records[_first_from(records, from_s, 0) * RECORD_BYTES :]
        if kept:
            chunks.append(kept)
            have += len(kept) // RECORD_BYTES
        if rows < ask or len(kept) < len(records):
            break  # the history begins here, or the range does
        to_s = _time(records, 0) - 1  # by time, because a bar that opens meanwhile would shift positions
        if to_s < 0:
            break
    chunks.reverse()
    return chunks


def ticks(
    symbol: str, date_from: Moment, date_to: Moment | None = None, count: int | None = None, kind: Kind = "all"
) -> Steps[list[bytes]]:
    """Ticks, oldest first, as chunks of records: those from `date_from` to `date_to` (both included, to the millisecond) or to the
    newest, and at most the first `count`.

    The terminal is asked by whole seconds only. A full part is cut before its last second, and the next one begins with that
    second: no tick is lost or doubled at the seam, however many share a second, and late ones that the broker inserts meanwhile are
    in place.
    """
    positive(count)
    from_msc = server_msc(date_from, "date_from")
    to_msc = None if date_to is None else server_msc(date_to, "date_to")
    if to_msc is not None and from_msc > to_msc:
        raise InvalidParameters("date_from is after date_to", field="date_from")
    if kind not in get_args(Kind):
        raise InvalidParameters(f"kind must be all, info or trade, not {kind!r}", field="kind")
    from_s, fraction = divmod(from_msc, 1000)
    chunks: list[bytes] = []
    have = 0
    while True:
        ask = MAX_ROWS if count is None or fraction else min(MAX_ROWS, count - have)
        records = (yield GetTicks(symbol, from_s=from_s, count=ask, kind=kind)).records
        full = len(records) == ask * RECORD_BYTES
        last_s = _time(records, -1 + len(records) // RECORD_BYTES) if records else from_s
        enough = count is not None and not fraction and have + ask == count
        if full and not enough:
            cut = _first_from(records, last_s, 0)
            if cut == 0:
                raise TerminalRefused(
                    f"{symbol} has more than {ask} ticks in the second {last_s}; the terminal cannot be asked for a part of one",
                    next_step="leave that second out",
                    symbol=symbol,
                )
            records = records[: cut * RECORD_BYTES]
        first = _first_from(records, from_msc, _TIME_MSC_OFFSET) if fraction else 0
        end = len(records) // RECORD_BYTES if to_msc is None else _first_after(records, to_msc, _TIME_MSC_OFFSET)
        if count is not None:
            end = min(end, first + count - have)
        if end > first:
            chunks.append(records[first * RECORD_BYTES : end * RECORD_BYTES])
            have += end - first
        if not full or enough or have == count or (to_msc is not None and last_s * 1000 > to_msc):
            return chunks
        from_s, fraction = last_s, 0


def symbols(group: str | None = None) -> Steps[tuple[Symbol, ...]]:
    """Every symbol whose name matches `group`."""
    found: list[Symbol] = []
    while True:
        part = yield GetSymbols(group=group, start=len(found))
        found += part.symbols
        if not part.symbols or len(found) >= part.total:
            return tuple(found)
