"""Fitting a path into a bar: a monotone map takes its extremes to the bar's high and low exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bridge.terminal.simulator.calendar import Bools
from bridge.terminal.simulator.draws import Floats, Ints


class Cells(NamedTuple):
    """Bars in points, any shape; `ticks` is how many there are, and cells without ticks have no meaning."""

    open: Ints
    high: Ints
    low: Ints
    close: Ints
    ticks: Ints
    spread: Ints

    def take(self, index: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Cells:
        """The cells at an index or mask."""
        return cells_of([column[index] for column in self])


def cells_of(columns: Sequence[Ints]) -> Cells:
    """Cells of six columns in the order of the fields."""
    opened, high, low, close, ticks, spread = columns
    return Cells(opened, high, low, close, ticks, spread)


class Stretch(NamedTuple):
    """The monotone map that takes a path's extremes `top` and `bottom` to a bar's high and low, fixing all in between.

    Arrays of one shape: `upper` and `lower` are the larger and the smaller of the bar's open and close; `up` and `down`
    the factors beyond them.
    """

    upper: Floats
    lower: Floats
    up: Floats
    down: Floats

    def apply(self, path: Floats) -> Floats:
        """The mapped path; shapes must broadcast."""
        above = self.upper + (path - self.upper) * self.up
        below = self.lower - (self.lower - path) * self.down
        return np.where(path > self.upper, above, np.where(path < self.lower, below, path))


def thresholds(bars: Cells) -> tuple[Floats, Floats]:
    """How far a path must reach beyond open and close to be stretched: a quarter of the way to high and low."""
    upper, lower = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    return upper + 0.25 * (bars.high - upper), lower - 0.25 * (lower - bars.low)


def too_short(bars: Cells, top: Floats, bottom: Floats) -> Bools:
    """Whether a path with these extremes needs a push before it can be stretched to the bar."""
    reach_up, reach_down = thresholds(bars)
    upper, lower = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    short: Bools = ((bars.high > upper) & (top < reach_up)) | ((bars.low < lower) & (bottom > reach_down))
    return short


def stretch_to(bars: Cells, top: Floats, bottom: Floats) -> Stretch:
    """The map for paths with these extremes; where a bar has no high or low of its own, the path is cut off."""
    upper = np.maximum(bars.open, bars.close).astype(np.float64)
    lower = np.minimum(bars.open, bars.close).astype(np.float64)
    over, under = top - upper, lower - bottom
    up = np.divide(bars.high - upper, over, out=np.zeros(over.shape), where=over > 0)
    down = np.divide(lower - bars.low, under, out=np.zeros(under.shape), where=under > 0)
    return Stretch(upper, lower, up, down)
