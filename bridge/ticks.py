"""Ticks and bars in the terminal's own packed records of 60 bytes, read without numpy.

The layouts are those of `copy_ticks_*` and `copy_rates_*` of the MetaTrader5 package (little-endian, no padding):

* tick: `time i8, bid f8, ask f8, last f8, volume u8, time_msc i8, flags u4, volume_real f8`
* bar: `time i8, open f8, high f8, low f8, close f8, tick_volume u8, spread i4, real_volume u8`

A message carries any number of records one after another; `numpy.frombuffer` reads the same bytes as an array.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

RECORD_BYTES = 60
TIME_BYTES = 8
"""A record begins with its time in seconds."""
TICK_STRUCT = struct.Struct("<qdddQqId")
BAR_STRUCT = struct.Struct("<qddddQiQ")


class Tick(NamedTuple):
    """One tick; a named tuple, because it is made for every tick received and is three times cheaper than a dataclass.

    `time` is in seconds and `time_msc` in milliseconds of the trade server's wall clock. Every price is filled; `flags` says which
    changed (2 bid, 4 ask, 8 last, 16 volume, 32 buy, 64 sell; test bits, for other bits occur).
    """

    time: int
    bid: float
    ask: float
    last: float
    volume: int
    time_msc: int
    flags: int
    volume_real: float


class Bar(NamedTuple):
    """One bar; `time` is the server time of its opening in seconds, `spread` is in points."""

    time: int
    open: float
    high: float
    low: float
    close: float
    tick_volume: int
    spread: int
    real_volume: int


def iter_ticks(records: bytes | memoryview) -> Iterator[Tick]:
    """The ticks in `records`, oldest first. Raises `struct.error` when the length is not a multiple of 60 bytes."""
    return map(Tick._make, TICK_STRUCT.iter_unpack(records))


def iter_bars(records: bytes | memoryview) -> Iterator[Bar]:
    """The bars in `records`, oldest first. Raises `struct.error` when the length is not a multiple of 60 bytes."""
    return map(Bar._make, BAR_STRUCT.iter_unpack(records))


def last_tick(records: bytes | memoryview) -> Tick:
    """The newest tick of a non-empty batch."""
    return Tick._make(TICK_STRUCT.unpack_from(records, len(records) - RECORD_BYTES))


_MINUTE, _HOUR = 60, 3600

TIMEFRAMES: dict[str, int] = {
    "M1": 1, "M2": 2, "M3": 3, "M4": 4, "M5": 5, "M6": 6, "M10": 10, "M12": 12, "M15": 15, "M20": 20, "M30": 30,
    "H1": 0x4001, "H2": 0x4002, "H3": 0x4003, "H4": 0x4004, "H6": 0x4006, "H8": 0x4008, "H12": 0x400C,
    "D1": 0x4018, "W1": 0x8001, "MN1": 0xC001,
}  # fmt: skip
"""The 21 timeframes by name, with the package's numbers (`TIMEFRAME_M1` …)."""

TIMEFRAME_S: dict[str, int] = {
    name: number * _MINUTE if number < 0x4000 else (number - 0x4000) * _HOUR if number < 0x8000 else 0
    for name, number in TIMEFRAMES.items()
} | {"W1": 7 * 86_400, "MN1": 31 * 86_400}
"""Length of each timeframe in seconds; of a month, its longest."""
