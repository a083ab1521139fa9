"""How many ticks there are in each hour and minute, and how wide the spread is, without making the ticks.

An hour's count follows from the day profile, the noise of day and hour and the news in it; its minutes share it out in
proportion to their own noise, so that the counts of the minutes add up to the hour's.  Part of every noise is common to
all symbols of a seed: bursts come together.
"""

from __future__ import annotations

import numpy as np

from bridge.terminal.simulator.calendar import Hours, News, weekdays
from bridge.terminal.simulator.draws import Floats, Ints, LogNoise, bits_at, key_of, quantile, stepped_table
from bridge.terminal.simulator.shapes import SymbolShape

_SURE_MINUTES = 4  # in each quoted hour, so that open, high, low and close can fall into different minutes
MINUTES = np.arange(60, dtype=np.int64)


class Intensity:
    """Tick counts and smallest spreads of one symbol."""

    def __init__(self, seed: int, symbol: str, shape: SymbolShape, hours: Hours, news: News) -> None:
        self._shape = shape
        self._hours = hours
        self._news = news
        profile = np.array(shape.hours)
        open_minutes = hours.open_minutes
        mean = float((profile * open_minutes).sum() / open_minutes.sum())
        self._per_minute = profile / mean * shape.rate * 60.0

        def noise(purpose: str, sd: float, reach: float, share: float) -> LogNoise:
            common, own = key_of(seed, purpose), key_of(seed, symbol, purpose)
            return LogNoise(common, own, sd=sd, reach=reach, share=share)

        self.days = noise("day", 0.28, 4.0, 0.6)
        self._hourly = noise("hour", 0.18, 1.0, 0.6)
        self._minutely = noise("minute", shape.feed.minute_sd, 1.0, 0.7)
        self._spread_key = key_of(seed, symbol, "spread")
        step = shape.spread_step
        self._spread_levels = stepped_table((0.62, 0), (0.22, step), (0.09, 2 * step), (0.05, 4 * step), (0.02, 8 * step))

    def _level(self, hours: Ints) -> Floats:
        """Expected ticks a minute in each hour, news apart."""
        level: Floats = self._per_minute[hours % 24] * self.days.at(hours // 24) * self._hourly.at(hours)
        return level

    def of_hours(self, hours: Ints) -> Ints:
        """Ticks in each hour (epoch hours, any shape); 0 when closed, at least 8 otherwise."""
        first, last = self._hours.of(hours)
        news = self._news.magnitude(hours.ravel()).reshape(hours.shape) * self._news.curves.sum(axis=1)[hours % 24]
        expected = self._level(hours) * (last - first) + news * self._shape.news_peak
        counts: Ints = np.where(last > first, np.maximum(np.rint(expected), 8), 0).astype(np.int64)
        return counts

    def of_minutes(self, hours: Ints, counts: Ints) -> Ints:
        """Ticks in each minute, shape (len(hours), 60), of quoted hours with `counts` ticks."""
        first, last = self._hours.of(hours)
        quoted = (first[:, None] <= MINUTES) & (last[:, None] > MINUTES)
        noise = self._minutely.at(hours[:, None] * 60 + MINUTES)
        weights = self._level(hours)[:, None] * noise + self._news.minutes(hours) * self._shape.news_peak
        shares = np.cumsum(np.where(quoted, weights, 0.0), axis=1)
        ends = np.rint((counts - _SURE_MINUTES)[:, None] * (shares / shares[:, -1:])).astype(np.int64)
        minutes: Ints = np.diff(ends, axis=1, prepend=0)
        rows = np.arange(hours.size)
        for part in range(_SURE_MINUTES):
            minutes[rows, first + (last - first - 1) * part // (_SURE_MINUTES - 1)] += 1
        return minutes

    def spreads(self, hours: Ints, counts: Ints) -> Ints:
        """Smallest spread in points of each minute, shape (len(hours), 60); of its minutes with ticks an hour's is `spread`."""
        shape = self._shape
        minutes = hours[:, None] * 60 + MINUTES
        draws = bits_at(self._spread_key, minutes)
        wider = self._spread_levels[quantile(draws)].astype(np.float64)
        uneven = 0.5 + quantile(draws, 1) / 4096.0
        since_open = minutes % 1440 - self._hours.day_open[weekdays(hours // 24)][:, None]
        rollover = np.where((since_open >= 0) & (since_open < 12), 1.0 / (1 + np.abs(since_open) / 4.0), 0.0)
        rollover += np.where(minutes % 1440 >= 1438, 0.4, 0.0)
        news = self._news.minutes(hours)
        wider += uneven * (rollover * shape.rollover_spread + np.where(news > 0.1, news, 0.0) * shape.news_spread)
        extra = np.rint(wider).astype(np.int64)
        narrowest = np.where(counts > 0, extra, np.iinfo(np.int64).max).min(axis=1)
        spreads: Ints = shape.spread + extra - narrowest[:, None]
        return spreads
