"""Price paths in points, from days down to minutes.

The close of each day is a random walk with a slow pull to the shape's price.  A day's hours are a bridge from its open
to its close; an hour's minutes are a bridge within the hour's open, high, low and close.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bridge.terminal.simulator.bridging import RANGE_SD, Bridge, Walk, bridge
from bridge.terminal.simulator.calendar import FIRST_DAY, LAST_DAY, Bools, Hours
from bridge.terminal.simulator.draws import NORMAL, Floats, Ints, LogNoise, bits_at, key_of, quantile
from bridge.terminal.simulator.shapes import SymbolShape
from bridge.terminal.simulator.stretching import Cells, Stretch, cells_of, stretch_to, thresholds, too_short

_PULL = 1 / 500  # of the log price's distance from its mean, a day: a stationary sd of about 16 daily volatilities
_GAP_SHARE = {"always": 0.01, "stocks": 0.35}  # of a day's variance, between a close and the next open
_WICKS = 1.05  # how much farther the minutes reach than their opens and closes, about


class Days:
    """Open and close in points, and the variance in points² of the path between, for each day from FIRST_DAY on."""

    def __init__(self, seed: int, symbol: str, shape: SymbolShape, hours: Hours, activity: LogNoise) -> None:
        days = np.arange(FIRST_DAY, LAST_DAY + 1, dtype=np.int64)
        draws = bits_at(key_of(seed, symbol, "close"), days)
        moves = (shape.volatility * activity.at(days) * NORMAL[quantile(draws)]).tolist()
        quoted = hours.day_is_open(days)
        level = shape.volatility * 16 * float(NORMAL[int(quantile(draws[:1], 1)[0])]) * 0.5
        levels = []
        for move, is_quoted in zip(moves, quoted.tolist(), strict=True):
            if is_quoted:
                level += move - _PULL * level
            levels.append(shape.price * math.exp(level) * shape.scale)
        self.close = np.maximum(np.rint(np.array(levels)), 50).astype(np.int64)
        before = np.concatenate((self.close[:1], self.close[:-1]))
        size = before * shape.volatility * activity.at(days)
        after_break = ~np.concatenate(([True], quoted[:-1]))
        share = np.where(after_break, 0.05, 0.001) if shape.schedule not in _GAP_SHARE else _GAP_SHARE[shape.schedule]
        gap = np.rint(np.sqrt(share) * size * NORMAL[quantile(draws, 2)])
        self.open = np.maximum(before + gap.astype(np.int64), 50)
        self.variance = size**2 * (1.0 - share)


def hours_within(
    key: np.uint64, index: Ints, start: Ints, end: Ints, variance: Floats, counts: Ints, weights: Floats, spread: int
) -> Cells:
    """The hours (shape (days, 24)) of days from `start` to `end` with this variance of the path between."""
    sd = np.sqrt(variance / counts.sum(axis=1))
    walk = bridge(key, index, counts, weights).walk(start, end, sd)
    return _rounded(walk, counts, np.full(counts.shape, spread, np.int64))


def minutes_within(key: np.uint64, index: Ints, hours: Cells, counts: Ints, weights: Floats, spread: Ints) -> Cells:
    """The minutes (shape (len(hours), 60)) of hour bars, adding up to them exactly."""
    noise = bridge(key, index, counts, weights)
    walk = noise.walk(hours.open, hours.close, _fitting_sd(noise, hours))
    filled = counts > 0
    top, bottom = _extremes(walk, filled)
    short = np.flatnonzero(too_short(hours, top, bottom))
    if short.size:
        walk = _pushed(walk, hours, filled, short)
        top, bottom = _extremes(walk, filled)
    by_row = Stretch(*(column[:, None] for column in stretch_to(hours, top, bottom)))
    return _rounded(Walk(*(by_row.apply(column) for column in walk)), counts, spread)


def _rounded(walk: Walk, counts: Ints, spread: Ints) -> Cells:
    """The children on the grid of points, never below one point."""
    prices = [np.maximum(np.rint(column), 1).astype(np.int64) for column in walk]
    return cells_of([*prices, counts, spread])


def _extremes(walk: Walk, filled: Bools) -> tuple[Floats, Floats]:
    return np.where(filled, walk.high, -np.inf).max(axis=1), np.where(filled, walk.low, np.inf).min(axis=1)


def _fitting_sd(noise: Bridge, bars: Cells) -> Floats:
    """The sd of a tick (negative: path mirrored) with which the path about fills the range of each bar.

    The less the path has to be stretched, the more evenly it moves.  Of the path and its mirror image the one is taken
    that divides what is beyond open and close more like the bar does.
    """
    size = np.maximum(bars.high - bars.low, 0).astype(np.float64)
    first: Floats = size / RANGE_SD / np.sqrt(noise.total)
    upper, lower = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    wanted = (bars.high - upper) / np.maximum(size - (upper - lower), 1)
    ranges: list[Floats] = []
    misses: list[Floats] = []
    for side in (1.0, -1.0):
        points = noise.points(bars.open, bars.close, side * first)
        top, bottom = points.max(axis=(1, 2)), points.min(axis=(1, 2))
        beyond = np.maximum(top - bottom - (upper - lower), 1e-9)
        ranges.append(np.maximum(top - bottom, 1e-9))
        misses.append(np.abs((top - upper) / beyond - wanted))
    sign = np.where(misses[1] < misses[0], -1.0, 1.0)
    factor = size / (_WICKS * np.where(sign > 0, ranges[0], ranges[1]))
    sd: Floats = sign * first * np.clip(factor, 0.4, 2.5)
    return sd


def _pushed(walk: Walk, hours: Cells, filled: Bools, rows: npt.NDArray[np.intp]) -> Walk:
    """In `rows`, two different minutes between the first and the last moved as a whole, to reach up and down."""
    inner = filled[rows]
    every = np.arange(rows.size)
    inner[every, inner.argmax(axis=1)] = False
    inner[every, inner.shape[1] - 1 - filled[rows][:, ::-1].argmax(axis=1)] = False
    reach_up, reach_down = (reach[rows] for reach in thresholds(hours))
    columns = [column.copy() for column in walk]
    highest = np.where(inner, walk.high[rows], -np.inf).argmax(axis=1)
    inner[every, highest] = False
    lowest = np.where(inner, walk.low[rows], np.inf).argmin(axis=1)
    has_high = hours.high[rows] > np.maximum(hours.open[rows], hours.close[rows])
    has_low = hours.low[rows] < np.minimum(hours.open[rows], hours.close[rows])
    rise = np.where(has_high, np.maximum(reach_up - walk.high[rows, highest], 0.0), 0.0)
    fall = np.where(has_low, np.minimum(reach_down - walk.low[rows, lowest], 0.0), 0.0)
    for column in columns:
        column[rows, highest] += rise
        column[rows, lowest] += fall
    return Walk(*columns)
