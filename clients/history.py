"""Bars, ticks and symbols of any number, asked for in parts.

Each function is a generator without I/O that yields requests, is sent their results, and returns the whole: the blocking client and
any other drive it in the same way, and a test needs no client at all. Between two parts other requests (orders above all) have
their turn.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from typing import Literal, get_args

from bridge.errors import InvalidParameters, MalformedMessage, TerminalRefused, UnknownTimeframe
from bridge.messages import MAX_ROWS, GetRates, GetSymbols, GetTicks
from bridge.records import Symbol
from bridge.ticks import RECORD_BYTES, TIMEFRAME_S, TIMEFRAMES
from clients.moments import MOST_ROWS, Moment, moved, ordered, refused, seconds_range, server_msc, text, whole
from clients.parts import MOST_PARTS, Download, Flow, Progress, Steps, one_by_one

__all__ = [
    "Kind", "Moment", "Steps", "moved", "rates", "rates_parts", "seconds_range", "server_msc", "symbols", "ticks", "ticks_parts",
]  # fmt: skip

Kind = Literal["all", "info", "trade"]
"""Which ticks: all, those that changed bid or ask, those with a last price or volume."""
DEFAULT_BARS = 500
LAST_START = 2**31 - 1
_TIME = struct.Struct("<q")
_TIME_MSC_OFFSET = 40


def _time(records: bytes, row: int, offset: int = 0) -> int:
    time: int = _TIME.unpack_from(records, row * RECORD_BYTES + offset)[0]
    return time


def _first_from(records: bytes, time: int, offset: int) -> int:
    """The first row whose time is not before `time`."""
    return bisect_left(range(len(records) // RECORD_BYTES), time, key=lambda row: _time(records, row, offset))


def _first_after(records: bytes, time: int, offset: int) -> int:
    return bisect_right(range(len(records) // RECORD_BYTES), time, key=lambda row: _time(records, row, offset))


def _symbol(symbol: str) -> str:
    return text(symbol, "symbol", "the name of a symbol")


def timeframe_named(timeframe: str) -> str:
    """The exact name of a timeframe. Raises `UnknownTimeframe` for every other, with what was meant."""
    if isinstance(timeframe, str) and timeframe in TIMEFRAMES:
        return timeframe
    meant = (
        timeframe.strip().upper() if isinstance(timeframe, str) else next((k for k, v in TIMEFRAMES.items() if v == timeframe), "")
    )
    names = " ".join(TIMEFRAMES)
    raise UnknownTimeframe(
        f"no timeframe {timeframe!r}",
        next_step=f"write {meant!r}" if meant in TIMEFRAMES else f"use one of {names}",
        field="timeframe",
        timeframe=timeframe if isinstance(timeframe, str | int) else repr(timeframe),
        rule=f"one of {names}",
    )


def rates(
    symbol: str,
    timeframe: str,
    count: int | None = None,
    start: int = 0,
    date_from: Moment | None = None,
    date_to: Moment | None = None,
) -> Steps[list[bytes]]:
    """The same as `rates_parts`, with one part under way at a time."""
    return one_by_one(rates_parts(symbol, timeframe, count, start, date_from, date_to, most=1))


def rates_parts(
    symbol: str,
    timeframe: str,
    count: int | None = None,
    start: int = 0,
    date_from: Moment | None = None,
    date_to: Moment | None = None,
    *,
    progress: Progress | None = None,
    most: int = MOST_PARTS,
) -> Download[list[bytes]]:
    """Bars, oldest first, as chunks of records.

    Without dates: `count` bars (500) that end `start` bars before the forming one. With dates: the bars that opened between them,
    both included, and of these the newest `count` where it is given. Raises `InvalidParameters` or `UnknownTimeframe` before
    anything is asked.
    """
    symbol, timeframe = _symbol(symbol), timeframe_named(timeframe)
    count = None if count is None else whole(count, "count", 1, MOST_ROWS)
    start = whole(start, "start", 0, LAST_START)
    from_msc = None if date_from is None else server_msc(date_from, "date_from")
    to_msc = None if date_to is None else server_msc(date_to, "date_to")
    if start and to_msc is not None:
        raise InvalidParameters(
            "start counts from the newest bar and cannot be combined with date_to",
            field="start",
            value=start,
            rule="0 with date_to",
        )
    ordered(from_msc, to_msc, ("date_from", "date_to"))
    from_s = None if from_msc is None else -(-from_msc // 1000)  # the first whole second not before it
    to_s = None if to_msc is None else to_msc // 1000
    wanted = count if count is not None or from_s is not None else DEFAULT_BARS
    flow = Flow(most, MAX_ROWS, exact=True)
    chunks: list[bytes] = []
    have = 0
    newest_s, parts = to_s, most if from_s is None else 1
    while wanted is None or have < wanted:
        request = GetRates(symbol, timeframe, start=0 if to_s is not None else start, to_s=to_s)
        records = (yield flow.ask(request, None if wanted is None else wanted - have, parts)).records
        full = len(records) == flow.taken() * RECORD_BYTES
        if to_s is not None and records and _time(records, -1 + len(records) // RECORD_BYTES) > to_s:
            raise _elsewhere(request)
        kept = records if from_s is None else records[_first_from(records, from_s, 0) * RECORD_BYTES :]
        if kept:
            chunks.append(kept)
            have += len(kept) // RECORD_BYTES
        if not full or len(kept) < len(records):
            break  # the history begins here, or the range does
        to_s = _time(records, 0) - 1  # by time, because a bar that opens meanwhile would shift positions
        if to_s < 0:
            break
        if newest_s is None:
            newest_s = _time(records, -1 + len(records) // RECORD_BYTES)
        if from_s is not None:
            parts = -(-(to_s - from_s) // (TIMEFRAME_S[timeframe] * MAX_ROWS))
        if progress is not None and have != wanted:
            progress(have, _fraction(have, wanted, newest_s - to_s, None if from_s is None else newest_s - from_s))
    chunks.reverse()
    if progress is not None:
        progress(have, 1.0)
    return chunks


def _elsewhere(request: GetRates | GetTicks) -> MalformedMessage:
    return MalformedMessage(
        f"{request.method}: a part of the history does not go on where the one before it ended",
        next_step="use the same release of client and bridge",
    )


def _fraction(have: int, wanted: int | None, passed: float, whole_s: float | None) -> float | None:
    """How much of it is there: by rows or by time, whichever ends it first."""
    known = [done / full for done, full in ((have, wanted), (passed, whole_s)) if full]
    return min(1.0, max(known)) if known else None


def ticks(
    symbol: str, date_from: Moment, date_to: Moment | None = None, count: int | None = None, kind: Kind = "all"
) -> Steps[list[bytes]]:
    """The same as `ticks_parts`, with one part under way at a time."""
    return one_by_one(ticks_parts(symbol, date_from, date_to, count, kind, most=1))


def ticks_parts(
    symbol: str,
    date_from: Moment,
    date_to: Moment | None = None,
    count: int | None = None,
    kind: Kind = "all",
    *,
    progress: Progress | None = None,
    most: int = MOST_PARTS,
) -> Download[list[bytes]]:
    """Ticks, oldest first, as chunks of records: those from `date_from` to `date_to` (both included, to the millisecond) or to the
    newest, and at most the first `count`. Raises `InvalidParameters` before anything is asked.

    The terminal is asked by whole seconds only. A full part is cut before its last second, and the next one begins with that
    second: no tick is lost or doubled at the seam, however many share a second, and late ones that the broker inserts meanwhile are
    in place.
    """
    symbol = _symbol(symbol)
    count = None if count is None else whole(count, "count", 1, MOST_ROWS)
    from_msc = server_msc(date_from, "date_from")
    to_msc = None if date_to is None else server_msc(date_to, "date_to")
    ordered(from_msc, to_msc, ("date_from", "date_to"))
    if kind not in get_args(Kind):
        raise refused("kind", kind, "all, info or trade")
    from_s, fraction = divmod(from_msc, 1000)
    flow = Flow(most, MAX_ROWS, exact=False)
    chunks: list[bytes] = []
    have = answered = 0
    parts = most if to_msc is None else 1
    while True:
        left = None if count is None or fraction else count - have
        request = GetTicks(symbol, from_s, kind=kind)
        records = (yield flow.ask(request, left, 1 if fraction else parts)).records
        ask = flow.taken()
        answered += 1
        if records and _time(records, 0) < from_s:
            raise _elsewhere(request)
        full = len(records) == ask * RECORD_BYTES
        last_s = _time(records, -1 + len(records) // RECORD_BYTES) if records else from_s
        enough = left is not None and ask == left
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
            if progress is not None:
                progress(have, 1.0)
            return chunks
        from_s, fraction = last_s, 0
        passed_msc = last_s * 1000 - from_msc
        if to_msc is not None:  # as dense as it was so far
            parts = -(-(to_msc - last_s * 1000) * answered // max(passed_msc, 1))
        if progress is not None:
            progress(have, _fraction(have, count, passed_msc, None if to_msc is None else to_msc - from_msc))


def symbols(group: str | None = None) -> Steps[tuple[Symbol, ...]]:
    """Every symbol whose name matches `group`."""
    found: list[Symbol] = []
    while True:
        part = yield GetSymbols(group=group, start=len(found))
        found += part.symbols
        if not part.symbols or len(found) >= part.total:
            return tuple(found)
