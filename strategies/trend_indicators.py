"""Indicators of trends and levels; like those of `indicators` they take one value at a time with `add`."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from bridge.errors import InvalidParameters
from bridge.ticks import Bar
from strategies.indicators import EMA, SMA, Bollinger


class ADX:
    """Average directional index of J. Welles Wilder, from 0 to 100: how much more the bars move one way than the other. The true
    range, by which both directions are divided, cancels and is not calculated."""

    def __init__(self, period: int = 14) -> None:
        self._up, self._down, self._average = (EMA(period, 1 / period) for _ in range(3))
        self._previous: Bar | None = None

    def add(self, bar: Bar) -> float | None:
        """The index including `bar`; None before 2 * `period` bars."""
        previous, self._previous = self._previous, bar
        if previous is None:
            return None
        higher, lower = bar.high - previous.high, previous.low - bar.low
        up = self._up.add(higher if higher > max(lower, 0.0) else 0.0)
        down = self._down.add(lower if lower > max(higher, 0.0) else 0.0)
        if up is None or down is None:
            return None
        return self._average.add(100 * abs(up - down) / (up + down) if up + down else 0.0)


class Change:
    """How much a value is above what it was `bars` values ago."""

    def __init__(self, bars: int) -> None:
        self._values: deque[float] = deque(maxlen=bars + 1)

    def add(self, value: float) -> float | None:
        """The change up to `value`; None before `bars` + 1 values."""
        self._values.append(value)
        return value - self._values[0] if len(self._values) == self._values.maxlen else None


class Cross:
    """Where one line crosses another. While they are equal it is as before, and where they are known first there is no cross."""

    def __init__(self) -> None:
        self._above: bool | None = None

    def add(self, line: float, other: float) -> bool | None:
        """True: `line` came above `other`, False: below, None: neither."""
        if line == other:
            return None
        above, self._above = self._above, line > other
        return self._above if above is not None and above != self._above else None


class Levels:
    """Pivots of the last `window` bars, those within `tolerance` per cent of the lowest of them taken together as one level, which
    is their mean and counts where they are at least `touches`.

    A pivot high is higher than the highs of the `side` bars on both sides, and known when those behind it have closed; a pivot low
    likewise. Levels are made anew only when a pivot comes or goes.
    """

    def __init__(self, side: int, window: int, tolerance: float, touches: int = 1) -> None:
        self._side, self._window, self._tolerance, self._touches = side, window, tolerance, touches
        self._bars: deque[Bar] = deque(maxlen=2 * side + 1)
        self._count = 0
        self._highs: deque[tuple[int, float]] = deque()
        self._lows: deque[tuple[int, float]] = deque()
        self._resistance: list[float] = []
        self._support: list[float] = []

    def add(self, bar: Bar) -> tuple[list[float], list[float]]:
        """Resistance, made of pivot highs, and support, made of pivot lows, including what `bar` confirms; each ascending."""
        self._bars.append(bar)
        self._count += 1
        high = low = None
        if len(self._bars) == self._bars.maxlen:
            high = _peak([one.high for one in self._bars], self._side)
            low = _peak([-one.low for one in self._bars], self._side)
        if self._renew(self._highs, high):
            self._resistance = self._together(self._highs)
        if self._renew(self._lows, None if low is None else -low):
            self._support = self._together(self._lows)
        return self._resistance, self._support

    def _renew(self, pivots: deque[tuple[int, float]], found: float | None) -> bool:
        before = len(pivots)
        while pivots and pivots[0][0] <= self._count - self._window:
            pivots.popleft()
        changed = len(pivots) != before
        if found is not None and self._side < self._window:
            pivots.append((self._count - self._side, found))
            changed = True
        return changed

    def _together(self, pivots: Iterable[tuple[int, float]]) -> list[float]:
        groups: list[list[float]] = []
        for price in sorted(price for _, price in pivots):
            if groups and price - groups[-1][0] <= groups[-1][0] * self._tolerance / 100:
                groups[-1].append(price)
            else:
                groups.append([price])
        return [math.fsum(group) / len(group) for group in groups if len(group) >= self._touches]


def _peak(values: list[float], middle: int) -> float | None:
    value = values[middle]
    return value if value > max(values[:middle] + values[middle + 1 :]) else None


@dataclass(frozen=True, slots=True)
class Regime:
    """Numbers of `CrossOrBands`."""

    adx_period: int
    adx_threshold: float
    fast: int
    slow: int
    bands: int
    deviations: float
    trend: int

    @property
    def needs(self) -> int:
        """Bars until the first signal."""
        return max(2 * self.adx_period, self.slow + 1, self.bands, self.trend)


class CrossOrBands:
    """The rule of QuantumBotX's hybrids: while the average directional index is above its threshold, a cross of two averages with
    the trend average; else a touch of the bands with it. Raises `InvalidParameters` when `fast` is not below `slow`."""

    def __init__(self, regime: Regime) -> None:
        if regime.fast >= regime.slow:
            raise InvalidParameters(f"fast ({regime.fast}) must be below slow ({regime.slow})", field="fast")
        self._threshold = regime.adx_threshold
        self._adx, self._bands = ADX(regime.adx_period), Bollinger(regime.bands, regime.deviations)
        self._fast, self._slow, self._trend = SMA(regime.fast), SMA(regime.slow), SMA(regime.trend)
        self._cross = Cross()

    def add(self, bar: Bar) -> bool | None:
        """True: long, False: short, None: neither."""
        adx, bands, trend = self._adx.add(bar), self._bands.add(bar.close), self._trend.add(bar.close)
        fast, slow = self._fast.add(bar.close), self._slow.add(bar.close)
        crossed = None if fast is None or slow is None else self._cross.add(fast, slow)
        if adx is None or bands is None or trend is None or slow is None:
            return None
        up, down = bar.close > trend, bar.close < trend
        if adx > self._threshold:
            return crossed if crossed is not None and (up if crossed else down) else None
        if up and bar.low <= bands.lower:
            return True
        return False if down and bar.high >= bands.upper else None
