"""Bars: the 21 timeframes, where their periods begin, and how ticks and finer bars add up to them.

Bars are bid bars: open, high, low and close are bids, `tick_volume` counts the ticks, `spread` is the smallest spread
in points, `real_volume` the sum of the ticks' volumes, `time` the start of the period.  A period without ticks has no
bar.  All times are server time (MQL5: CopyRates, ENUM_TIMEFRAMES).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bridge.mt5api.structs import RATE_DTYPE

Rows = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]

MINUTE_S = 60
HOUR_S = 3_600
DAY_S = 86_400
WEEK_S = 604_800
_FIRST_SUNDAY_S = 3 * DAY_S  # 1970-01-04; weeks begin on Sunday


class Timeframe(NamedTuple):
    """A timeframe: its ENUM_TIMEFRAMES number, its name and its length in seconds (of a 31-day month for MN1)."""

    code: int
    name: str
    length_s: int


MN1 = 0xC001
TIMEFRAMES: Mapping[int, Timeframe] = {
    timeframe.code: timeframe
    for timeframe in (
        *(Timeframe(n, f"M{n}", n * MINUTE_S) for n in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)),
        *(Timeframe(0x4000 + n, f"H{n}", n * HOUR_S) for n in (1, 2, 3, 4, 6, 8, 12)),
        Timeframe(0x4018, "D1", DAY_S),
        Timeframe(0x8001, "W1", WEEK_S),
        Timeframe(MN1, "MN1", 31 * DAY_S),
    )
}
"""The 21 timeframes by their number."""


def timeframe_of(code: int) -> Timeframe:
    """The timeframe with this number.

    Raises:
        ValueError: no timeframe has it.
    """
    try:
        return TIMEFRAMES[code]
    except KeyError:
        raise ValueError(f"unknown timeframe {code}") from None


def period_starts(timeframe: int, times_s: Ints) -> Ints:
    """Start of the period that holds each time, both in seconds.

    Minutes and hours count from the epoch, days begin at 00:00, weeks on Sunday 00:00, months on the first.
    """
    if timeframe == MN1:
        months = times_s.astype("datetime64[s]").astype("datetime64[M]")
        return months.astype("datetime64[s]").astype(np.int64)
    length_s = timeframe_of(timeframe).length_s
    origin_s = _FIRST_SUNDAY_S if length_s == WEEK_S else 0
    return times_s - (times_s - origin_s) % length_s


def period_start(timeframe: int, time_s: int) -> int:
    """Start of the period that holds `time_s`."""
    return int(period_starts(timeframe, np.array([time_s], np.int64))[0])


def period_end(timeframe: int, time_s: int) -> int:
    """Start of the period after the one that holds `time_s`."""
    start = period_start(timeframe, time_s)
    if timeframe == MN1:
        return period_start(MN1, start + 31 * DAY_S)
    return start + timeframe_of(timeframe).length_s


def _group_starts(groups: Ints) -> npt.NDArray[np.intp]:
    """Positions at which a sorted array takes a new value."""
    return np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1])))


def merge_bars(bars: Rows, timeframe: int) -> Rows:
    """Bars (RATE_DTYPE, times ascending) added up to `timeframe`; they may be of any finer timeframe or mixed."""
    if not bars.size:
        return np.empty(0, RATE_DTYPE)
    periods = period_starts(timeframe, np.ascontiguousarray(bars["time"]))
    first = _group_starts(periods)
    last = np.append(first[1:], bars.size) - 1
    merged = np.empty(first.size, RATE_DTYPE)
    merged["time"] = periods[first]
    merged["open"] = bars["open"][first]
    merged["high"] = np.maximum.reduceat(bars["high"], first)
    merged["low"] = np.minimum.reduceat(bars["low"], first)
    merged["close"] = bars["close"][last]
    merged["tick_volume"] = np.add.reduceat(bars["tick_volume"], first)
    merged["spread"] = np.minimum.reduceat(bars["spread"], first)
    merged["real_volume"] = np.add.reduceat(bars["real_volume"], first)
    return merged


def bars_of_ticks(ticks: Rows, timeframe: int, point: float) -> Rows:
    """Bars of `timeframe` (RATE_DTYPE) built from ticks (TICK_DTYPE, times ascending).

    `point` is the value of the last digit of the price.  Ticks without a bid (0: the book was empty) make no bar.
    """
    ticks = ticks[ticks["bid"] > 0]
    if not ticks.size:
        return np.empty(0, RATE_DTYPE)
    periods = period_starts(timeframe, ticks["time_msc"] // 1000)
    first = _group_starts(periods)
    last = np.append(first[1:], ticks.size) - 1
    bid = np.ascontiguousarray(ticks["bid"])
    points = np.rint((ticks["ask"] - bid) / point)
    bars = np.empty(first.size, RATE_DTYPE)
    bars["time"] = periods[first]
    bars["open"] = bid[first]
    bars["high"] = np.maximum.reduceat(bid, first)
    bars["low"] = np.minimum.reduceat(bid, first)
    bars["close"] = bid[last]
    bars["tick_volume"] = last - first + 1
    bars["spread"] = np.minimum.reduceat(points, first)
    bars["real_volume"] = np.add.reduceat(ticks["volume"], first)
    return bars


def digits_of(prices: npt.NDArray[np.float64]) -> int:
    """The number of decimals the prices need, 0 to 8; noise in the last bits of a float does not count."""
    for digits in range(8):
        points = prices * 10.0**digits
        if bool(np.all(np.abs(points - np.rint(points)) < 1e-5)):
            return digits
    return 8
