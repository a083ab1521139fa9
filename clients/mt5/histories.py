"""Ticks of any number in parts that one reply holds, so that orders of others come in between; as the terminal itself counts them.

The terminal has ticks by whole seconds: each part begins with the second with which the last one ended, and what of it is known
already is left away by its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bridge.messages import MAX_ROWS
from bridge.ticks import RECORD_BYTES, TICK_STRUCT

Answer = tuple[int, str, Any]
Ask = Callable[[str, list[Any]], Answer]

MOST_ROWS = 20_000_000
"""Ticks in one answer: 1.2 GB. For more, whatever has asked did not mean it, or has to ask for parts."""
SHORT_S = 600
"""A range so short is asked for as it is."""
TOO_MANY = (-3, "Terminal: Out of memory")
_KINDS = (-1, 1, 2)


def ticks(function: str, args: list[Any], ask: Ask) -> Answer:
    """`copy_ticks_from` or `copy_ticks_range`; `ask` makes one call of the terminal's API."""
    if function == "copy_ticks_from":
        symbol, date_from, count, flags = args
        if count <= MAX_ROWS or date_from <= 0 or flags not in _KINDS:
            return ask(function, args)
        return _parts(symbol, date_from, flags, ask, count, None)
    symbol, date_from, date_to, flags = args
    if date_from <= 0 or date_to - date_from <= SHORT_S or flags not in _KINDS:
        answer = ask(function, args)
        if answer[:2] != TOO_MANY or date_from <= 0 or flags not in _KINDS:
            return answer
    return _parts(symbol, date_from, flags, ask, None, date_to)


def _parts(symbol: str, date_from: int, flags: int, ask: Ask, count: int | None, date_to: int | None) -> Answer:
    """The first `count` ticks, or those up to a time, part by part."""
    found: list[bytes] = []
    have = known = 0  # known: rows of the second `date_from` that are in `found`
    while True:
        code, text, rows = ask("copy_ticks_from", [symbol, date_from, MAX_ROWS, flags])
        if code != 1:
            return code, text, None
        full = len(rows) // RECORD_BYTES >= MAX_ROWS
        fresh = rows[known * RECORD_BYTES :]
        if date_to is not None:
            fresh = _until(fresh, date_to * 1000)
        if count is not None:
            fresh = fresh[: (count - have) * RECORD_BYTES]
        found.append(fresh)
        have += len(fresh) // RECORD_BYTES
        if have > MOST_ROWS:
            return (*TOO_MANY, None)
        last_s = _second(rows, -1) if rows else 0
        if not full or have == count or (date_to is not None and last_s * 1000 > date_to * 1000):
            return 1, text, b"".join(found)
        if last_s == date_from:  # more ticks in one second than a reply holds
            return (*TOO_MANY, None)
        known, date_from = _of_second(rows, last_s), last_s


def _second(rows: bytes, place: int) -> int:
    place = place % (len(rows) // RECORD_BYTES)
    second: int = TICK_STRUCT.unpack_from(rows, place * RECORD_BYTES)[0]
    return second


def _of_second(rows: bytes, second: int) -> int:
    """How many of the last rows are of this second."""
    total = len(rows) // RECORD_BYTES
    number = 0
    while number < total and _second(rows, total - 1 - number) == second:
        number += 1
    return number


def _until(rows: bytes, last_msc: int) -> bytes:
    """Rows up to a time, which is included."""
    low, high = 0, len(rows) // RECORD_BYTES
    while low < high:
        middle = (low + high) // 2
        if TICK_STRUCT.unpack_from(rows, middle * RECORD_BYTES)[5] <= last_msc:
            low = middle + 1
        else:
            high = middle
    return rows[: low * RECORD_BYTES]
