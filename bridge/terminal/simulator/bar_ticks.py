"""Ticks made from recorded bars: always the same for a bar, and adding up to it exactly."""

from __future__ import annotations

import numpy as np

from bridge.mt5api.structs import TICK_DTYPE
from bridge.terminal.simulator.bars import Rows
from bridge.terminal.simulator.draws import Ints

MAX_TICKS = 5_000_000
"""A recording of bars is not blown up beyond about so many ticks."""


def tick_flags(bid: np.ndarray[tuple[int], np.dtype[np.float64]], ask: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Ints:
    """Flags by what changed: BID 2, ASK 4.

    The first row, and a row that repeats the quote before it, carries both: the server sent a whole quote, and without a
    flag it would be neither an INFO nor a TRADE tick of COPY_TICKS.
    """
    flags = np.zeros(bid.size, np.int64)
    flags[1:] = 2 * (bid[1:] != bid[:-1]) + 4 * (ask[1:] != ask[:-1])
    flags[flags == 0] = 6
    return flags


def most_ticks(bars: int) -> int:
    """How many ticks a bar gets at most in a recording of so many bars."""
    return max(4, MAX_TICKS // max(bars, 1))


def ticks_of_bars(bars: Rows, period_s: int, digits: int, most: int | None = None) -> Rows:
    """Ticks (TICK_DTYPE) whose bars over `period_s` are `bars` (RATE_DTYPE): open, high, low, close and spread.

    A bar gets as many ticks as its `tick_volume` says, but at least 4 unless fewer can make it, and no more than `most`
    (`most_ticks` of all).  They run straight from the open to the nearer extreme in the bar's direction (low first if
    it rises), to the other, to the close, evenly spaced in time, on a grid of `digits` decimals.
    """
    scale = 10.0**digits
    opened, high, low, close = (np.ascontiguousarray(bars[name]) for name in ("open", "high", "low", "close"))
    upper, lower = np.maximum(opened, close), np.minimum(opened, close)
    least = 1 + (opened != close) + (high > upper) + (low < lower)
    least = np.where((opened == close) & (least > 1), least + 1, least)
    most = most_ticks(bars.size) if most is None else most
    volume = bars["tick_volume"].astype(np.int64)
    counts = np.where((volume >= least) & (volume < 4), volume, np.clip(volume, 4, most))

    rising = close >= opened
    second, third = np.where(rising, low, high), np.where(rising, high, low)
    only = np.where(high > upper, high, np.where(low < lower, low, opened))
    second, third = np.where(counts < 4, only, second), np.where(counts < 4, only, third)
    to_second = np.where(counts < 4, counts // 3, (counts - 1) // 3)
    to_third = np.where(counts < 4, counts // 3, 2 * (counts - 1) // 3)

    owner = np.repeat(np.arange(bars.size), counts)
    position = np.arange(owner.size, dtype=np.int64) - (np.cumsum(counts) - counts)[owner]
    corners = (
        (np.zeros(bars.size, np.int64), opened, to_second, second),
        (to_second, second, to_third, third),
        (to_third, third, counts - 1, close),
    )
    bid = opened[owner]
    for begin, from_price, end, to_price in corners:
        length = np.maximum(end - begin, 1)[owner]
        done = (position - begin[owner]) / length
        between = from_price[owner] + (to_price - from_price)[owner] * done
        on_grid = np.clip(np.rint(between * scale) / scale, low[owner], high[owner])
        inside = (position > begin[owner]) & (position <= end[owner])
        bid = np.where(inside, np.where(position == end[owner], to_price[owner], on_grid), bid)

    ticks = np.zeros(owner.size, TICK_DTYPE)
    time_msc = bars["time"][owner] * 1000 + position * (period_s * 1000) // counts[owner]
    ticks["time_msc"] = time_msc
    ticks["time"] = time_msc // 1000
    ticks["bid"] = bid
    ticks["ask"] = (np.rint(bid * scale) + bars["spread"][owner]) / scale
    ticks["flags"] = tick_flags(bid, np.ascontiguousarray(ticks["ask"]))
    return ticks
