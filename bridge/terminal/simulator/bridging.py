"""Brownian bridges cut into children: hours of a day, minutes of an hour.

Time runs in ticks, so the variance of a stretch is in proportion to the ticks in it and busy minutes move more.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bridge.terminal.simulator.calendar import Bools
from bridge.terminal.simulator.draws import NORMAL, RAYLEIGH2, Floats, Ints, bits_at, quantile

RANGE_SD = 1.6
"""Mean range of a Brownian path in standard deviations of its end."""


class Walk(NamedTuple):
    """Unrounded opens, highs, lows and closes of children, shape (parents, children)."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats


class Bridge(NamedTuple):
    """A path from 0 to 0 through the open and the close of each child, where one tick of weight 1 has variance 1.

    `path` and `done`, the part of the whole variance used up, have shape (parents, children, 2); the rest (parents,
    children): the spread of extremes within a child (variance times a quantile of -2 ln U) and whether it may have
    them.  `total` (parents,) is the whole variance.
    """

    path: Floats
    done: Floats
    total: Floats
    up: Floats
    down: Floats
    has_high: Bools
    has_low: Bools

    def points(self, start: Ints, end: Ints, sd: Floats) -> Floats:
        """The path from `start` to `end`, `sd` being that of a tick (negative: mirrored); shape (parents, children, 2)."""
        points = start[:, None, None] + self.done * (end - start)[:, None, None] + sd[:, None, None] * self.path
        return np.where(self.done == 1.0, end[:, None, None].astype(np.float64), points)

    def walk(self, start: Ints, end: Ints, sd: Floats) -> Walk:
        """The children of the path from `start` to `end`."""
        points = self.points(start, end, sd)
        opened, closed = points[..., 0], points[..., 1]
        upper, lower = np.maximum(opened, closed), np.minimum(opened, closed)
        middle, square, variance = (opened + closed) / 2, (closed - opened) ** 2, (sd * sd)[:, None]
        high = np.where(self.has_high, middle + np.sqrt(square + variance * self.up) / 2, upper)
        low = np.where(self.has_low, middle - np.sqrt(square + variance * self.down) / 2, lower)
        return Walk(opened, np.maximum(high, upper), np.minimum(low, lower), closed)


def bridge(key: np.uint64, index: Ints, counts: Ints, weights: Floats) -> Bridge:
    """The bridge of each parent over children with `counts` ticks, of relative variance `weights` each.

    All arrays have shape (parents, children); each parent has at least 2 ticks.  The open of a child is one tick after
    the close of the child before it.  A child of one tick is a single price, of two has no further extremes, of three
    at most one.
    """
    draws = bits_at(key, index)
    before = np.cumsum(counts, axis=1) - counts
    inner = weights * np.maximum(counts - 1, 0)
    variance = np.empty((*counts.shape, 2))
    variance[..., 0] = np.where((counts > 0) & (before > 0), weights, 0.0)
    variance[..., 1] = inner
    normal = np.stack((NORMAL[quantile(draws)], NORMAL[quantile(draws, 1)]), axis=-1)
    flat = counts.shape[0], -1
    walk = np.cumsum((np.sqrt(variance) * normal).reshape(flat), axis=1).reshape(variance.shape)
    used = np.cumsum(variance.reshape(flat), axis=1).reshape(variance.shape)
    total = used[:, -1, -1]
    done = used / total[:, None, None]
    rises = (draws >> np.uint64(60)) & np.uint64(1) == 0
    return Bridge(
        walk - done * walk[:, -1:, -1:],
        done,
        total,
        inner * RAYLEIGH2[quantile(draws, 2)],
        inner * RAYLEIGH2[quantile(draws, 3)],
        (counts > 3) | ((counts == 3) & rises),
        (counts > 3) | ((counts == 3) & ~rises),
    )
