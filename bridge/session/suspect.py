"""Records that break the terminal's own rules: found, marked and counted, but published as they are.

Whoever reads them has to decide what they are worth; the bridge neither drops nor repairs what the terminal answers. The check is
made for every tick, so that it has to cost next to nothing: comparisons for a few rows, arrays for many.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from math import inf, isfinite
from typing import NamedTuple

import msgspec
import numpy as np

from bridge.messages import SUSPECT
from bridge.mt5api.structs import TICK_DTYPE
from bridge.replies import Book, LogRecord
from bridge.ticks import RECORD_BYTES, TICK_STRUCT, iter_bars
from bridge.trading import BookLevel

QUIET_S = 60.0
"""A kind that did not occur for so long is worth a word again."""
KINDS: dict[str, str] = {
    "not_finite": "a price that is no finite number",
    "zero": "a price of zero",
    "crossed": "a bid above the ask",
    "range": "a bar that opens or closes outside of its range",
    "backwards": "a time before that of the record before it",
    "contradiction": "time_msc and time of different seconds",
    "duplicate": "the same record once more",
    "short": "an answer without records that were there before",
}
"""What can be wrong, and how it is told."""
_FEW = 40
"""Up to so many rows a loop costs less than arrays."""
_SELL, _BUY = 1, 2
"""Levels of a depth of market that have a price (MQL5 ENUM_BOOK_TYPE)."""


class Found(NamedTuple):
    """How many records are suspect, and why."""

    records: int
    kinds: tuple[str, ...]

    def also(self, *kinds: str) -> Found:
        """With what is known besides of all the records together."""
        return Found(max(self.records, 1), tuple(dict.fromkeys((*self.kinds, *kinds)))) if kinds else self


NOTHING = Found(0, ())
_decode_book = msgspec.msgpack.Decoder(Book).decode

_unpack = TICK_STRUCT.iter_unpack
_TIME_MSC_AT = 40
_time_msc = struct.Struct("<q").unpack_from
"""The milliseconds of a record, read alone."""

_TickRow = tuple[int, float, float, float, int, int, int, float]


def of_ticks(rows: bytes, before: bytes | None) -> Found:
    """What is wrong with tick records that follow the record `before`."""
    size = len(rows)
    if size == RECORD_BYTES:  # the usual case, for which the loop below costs half as much again
        time, bid, ask, last, _, time_msc, _, _ = TICK_STRUCT.unpack(rows)
        fine = 0.0 < bid <= ask < inf and 0.0 <= last < inf and time_msc // 1000 == time
        if fine and (before is None or time_msc > _time_msc(before, _TIME_MSC_AT)[0]):
            return NOTHING
    if size > _FEW * RECORD_BYTES:
        return _collected(_of_many_ticks(rows, before))
    previous_msc = -inf if before is None else _time_msc(before, _TIME_MSC_AT)[0]
    wrong: list[list[str]] = []
    at = 0
    for tick in _unpack(rows):
        time, bid, ask, last, _, time_msc, _, _ = tick
        # NaN fails every comparison.
        if not (0.0 < bid <= ask < inf and 0.0 <= last < inf and time_msc > previous_msc and time_msc // 1000 == time):
            previous = rows[at - RECORD_BYTES : at] if at else before
            wrong.append(list(_of_tick(tick, previous_msc, rows[at : at + RECORD_BYTES] == previous)))
        previous_msc = time_msc
        at += RECORD_BYTES
    return _collected(wrong) if wrong else NOTHING


def _of_many_ticks(rows: bytes, before: bytes | None) -> Iterator[list[str]]:
    array = np.frombuffer(rows, TICK_DTYPE)
    bid, ask, last, time_msc = array["bid"], array["ask"], array["last"], array["time_msc"]
    fine = (bid > 0.0) & (bid <= ask) & (ask < inf) & (last >= 0.0) & (last < inf) & (time_msc // 1000 == array["time"])
    fine[1:] &= time_msc[1:] > time_msc[:-1]
    fine[0] = fine[0] and (before is None or int(time_msc[0]) > _time_msc(before, _TIME_MSC_AT)[0])
    for place in np.flatnonzero(~fine).tolist():
        at = place * RECORD_BYTES
        row = rows[at : at + RECORD_BYTES]
        previous = rows[at - RECORD_BYTES : at] if place else before
        previous_msc = -inf if previous is None else _time_msc(previous, _TIME_MSC_AT)[0]
        yield list(_of_tick(TICK_STRUCT.unpack(row), previous_msc, row == previous))


def _of_tick(tick: _TickRow, previous_msc: float, again: bool) -> Iterator[str]:
    """What is wrong with a tick that a quick look did not clear. Several ticks may share a millisecond, and a price may be negative
    (crude oil was, on 2020-04-20)."""
    time, bid, ask, last, _, time_msc, _, _ = tick
    if not (isfinite(bid) and isfinite(ask) and isfinite(last)):
        yield "not_finite"
    elif bid == 0.0 or ask == 0.0:
        yield "zero"
    elif bid > ask:
        yield "crossed"
    if time_msc // 1000 != time:
        yield "contradiction"
    if again:
        yield "duplicate"
    elif time_msc < previous_msc:
        yield "backwards"


def of_bars(rows: bytes, before_s: int | None) -> Found:
    """What is wrong with bar records that follow one that opened at `before_s`."""
    wrong = []
    for bar in iter_bars(rows):
        kinds = []
        prices = bar.open, bar.high, bar.low, bar.close
        if not all(map(isfinite, prices)):
            kinds.append("not_finite")
        elif 0.0 in prices:
            kinds.append("zero")
        elif not (bar.low <= bar.open <= bar.high and bar.low <= bar.close <= bar.high):
            kinds.append("range")
        if before_s is not None and bar.time <= before_s:
            kinds.append("duplicate" if bar.time == before_s else "backwards")
        before_s = bar.time
        if kinds:
            wrong.append(kinds)
    return _collected(wrong)


def of_book(levels: Sequence[BookLevel]) -> Found:
    """What is wrong with a depth of market; it counts as one record. A level of orders at market has no price."""
    prices = [level.price for level in levels if level.type in (_SELL, _BUY)]
    if not all(map(isfinite, prices)) or not all(isfinite(level.volume_dbl) for level in levels):
        return Found(1, ("not_finite",))
    if 0.0 in prices:
        return Found(1, ("zero",))
    asks = [level.price for level in levels if level.type == _SELL]
    bids = [level.price for level in levels if level.type == _BUY]
    return Found(1, ("crossed",)) if asks and bids and min(asks) < max(bids) else NOTHING


def of_state(family: str, body: bytes | None) -> Found:
    """What is wrong with the newest record of a stream that begins with it."""
    if not body:
        return NOTHING
    if family == "tick":
        return of_ticks(body[-RECORD_BYTES:], None)
    if family in ("bar", "forming"):
        return of_bars(body[-RECORD_BYTES:], None)
    return of_book(_decode_book(body).levels) if family == "book" else NOTHING


def _collected(wrong: Iterator[list[str]] | list[list[str]]) -> Found:
    found = [kinds for kinds in wrong if kinds]
    return Found(len(found), tuple(dict.fromkeys(kind for kinds in found for kind in kinds))) if found else NOTHING


class Suspects:
    """Counts what is found, and says it once for each symbol and kind until that was quiet for a while."""

    def __init__(self) -> None:
        self._records = 0
        self._seen_s: dict[tuple[str, str], float] = {}

    def event(self, topic: str, flags: int, body: object, found: Found, now: float) -> list[tuple[str, int, object]]:
        """An event with its mark, and the words about it where some are due."""
        if not found.records:
            return [(topic, flags, body)]
        self._records += found.records
        events: list[tuple[str, int, object]] = [(topic, flags | SUSPECT, body)]
        symbol = topic.split(":")[1]
        for kind in found.kinds:
            last_s = self._seen_s.get((symbol, kind), -inf)
            self._seen_s[symbol, kind] = now
            if now - last_s > QUIET_S:
                text = f"{topic}: the terminal sent {KINDS[kind]}; published as it is, flagged SUSPECT"
                events.append(("log", 0, LogRecord("warning", text, topic)))
        return events

    def take(self) -> int:
        """How many records were found since this was asked last."""
        records, self._records = self._records, 0
        return records
