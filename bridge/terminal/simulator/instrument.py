"""One synthetic symbol: its hour bars, minute bars and ticks, each made from the level above when asked for."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bridge.mt5api.structs import RATE_DTYPE, TICK_DTYPE
from bridge.terminal.simulator.arrivals import Arrivals
from bridge.terminal.simulator.bars import HOUR_S, MINUTE_S, Rows
from bridge.terminal.simulator.calendar import FIRST_DAY, LAST_DAY, Hours, News
from bridge.terminal.simulator.draws import Ints, key_of
from bridge.terminal.simulator.intensity import MINUTES, Intensity
from bridge.terminal.simulator.prices import Days, hours_within, minutes_within
from bridge.terminal.simulator.shapes import SymbolShape
from bridge.terminal.simulator.stretching import Cells, cells_of

FIRST_HOUR = FIRST_DAY * 24
END_HOUR = (LAST_DAY + 1) * 24
_CHUNK_HOURS = 1_000  # made at once: keeps the arrays inside the processor's cache
_BLOCKS = 4
SPAN_HOURS = 12
"""Hours of ticks that are best made at once when many are asked for."""
_NEWS_VARIANCE = 3.0  # added to the variance of a tick in the hour of a release of magnitude 1


class Block(NamedTuple):
    """The ticks of an hour, and their times again as one contiguous array to search in."""

    times_msc: Ints
    ticks: Rows


class Instrument:
    """A pure function of (seed, symbol, shape) and time; what it remembers only saves work."""

    def __init__(self, seed: int, symbol: str, shape: SymbolShape) -> None:
        self.shape = shape
        self.hours = Hours(shape.schedule)
        self._news = News(seed)
        self._intensity = Intensity(seed, symbol, shape, self.hours, self._news)
        self._days = Days(seed, symbol, shape, self.hours, self._intensity.days)
        self._arrivals = Arrivals(seed, symbol, shape)
        self._hour_key = key_of(seed, symbol, "hours")
        self._minute_key = key_of(seed, symbol, "minutes")
        self.block = lru_cache(maxsize=_BLOCKS)(self._block)

    def _hour_cells(self, hours: Ints) -> Cells:
        """Hour bars of quoted epoch hours (ascending)."""
        days, row = np.unique(hours // 24, return_inverse=True)
        grid = days[:, None] * 24 + np.arange(24, dtype=np.int64)
        counts = self._intensity.of_hours(grid)
        place = days - FIRST_DAY
        weights = 1.0 + _NEWS_VARIANCE * self._news.magnitude(grid.ravel()).reshape(grid.shape)
        start, end, variance = self._days.open[place], self._days.close[place], self._days.variance[place]
        cells = hours_within(self._hour_key, grid, start, end, variance, counts, weights, self.shape.spread)
        chosen = row * 24 + hours % 24
        return cells_of([column.ravel()[chosen] for column in cells])

    def _minute_cells(self, hours: Ints) -> Cells:
        """Minute bars, shape (len(hours), 60), of quoted epoch hours."""
        bars = self._hour_cells(hours)
        counts = self._intensity.of_minutes(hours, bars.ticks)
        spread = self._intensity.spreads(hours, counts)
        weights = 1.0 + 2.0 * _NEWS_VARIANCE * self._news.minutes(hours)
        return minutes_within(self._minute_key, hours[:, None] * 60 + MINUTES, bars, counts, weights, spread)

    def quoted_hours(self, from_hour: int, to_hour: int) -> Ints:
        """Epoch hours in [from_hour, to_hour) that have ticks."""
        hours = np.arange(max(from_hour, FIRST_HOUR), max(min(to_hour, END_HOUR), FIRST_HOUR), dtype=np.int64)
        return hours[self.hours.is_open(hours)]

    def hour_bars(self, from_hour: int, to_hour: int) -> Rows:
        """H1 bars (RATE_DTYPE) of epoch hours [from_hour, to_hour)."""
        hours = self.quoted_hours(from_hour, to_hour)
        if not hours.size:
            return np.empty(0, RATE_DTYPE)
        return self._rows(hours * HOUR_S, self._hour_cells(hours))

    def minute_bars(self, from_minute: int, to_minute: int) -> Rows:
        """M1 bars (RATE_DTYPE) of epoch minutes [from_minute, to_minute)."""
        hours = self.quoted_hours(from_minute // 60, -(-to_minute // 60))
        parts = [np.empty(0, RATE_DTYPE)]
        for start in range(0, hours.size, _CHUNK_HOURS):
            chunk = hours[start : start + _CHUNK_HOURS]
            cells = self._minute_cells(chunk)
            minutes = chunk[:, None] * 60 + MINUTES
            wanted = (cells.ticks > 0) & (minutes >= from_minute) & (minutes < to_minute)
            parts.append(self._rows(minutes[wanted] * MINUTE_S, cells.take(wanted)))
        return np.concatenate(parts)

    def _rows(self, times_s: Ints, cells: Cells) -> Rows:
        rows = np.zeros(times_s.size, RATE_DTYPE)
        rows["time"] = times_s
        for name, column in zip(("open", "high", "low", "close"), cells, strict=False):
            rows[name] = column / self.shape.scale
        rows["tick_volume"] = cells.ticks
        rows["spread"] = cells.spread
        return rows

    def ticks(self, hours: Ints) -> Rows:
        """The ticks of quoted epoch hours (ascending, at least one); those of an hour are the same whatever comes with it."""
        cells = self._minute_cells(hours)
        filled = cells.ticks > 0
        minutes = (hours[:, None] * 60 + MINUTES)[filled]
        return self._arrivals.ticks(minutes, cells.take(filled), self._news.minutes(hours)[filled])

    def _block(self, hour: int) -> Block:
        """The ticks of an epoch hour, read-only."""
        hours = self.quoted_hours(hour, hour + 1)
        if not hours.size:
            return Block(np.empty(0, np.int64), np.empty(0, TICK_DTYPE))
        ticks = self.ticks(hours)
        times_msc = np.ascontiguousarray(ticks["time_msc"])
        ticks.flags.writeable = False
        return Block(times_msc, ticks)
