"""Indicators that take one value at a time with `add`, and return None until they have seen enough."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from bridge.errors import InvalidParameters
from bridge.ticks import Bar


class SMA:
    """Simple moving average of the last `period` values, summed exactly anew each time, so that no error accumulates over
    months."""

    def __init__(self, period: int) -> None:
        self.period = _at_least_one(period)
        self._window: deque[float] = deque(maxlen=period)

    def add(self, value: float) -> float | None:
        """The average including `value`; None before `period` values."""
        self._window.append(value)
        return math.fsum(self._window) / self.period if len(self._window) == self.period else None


class EMA:
    """Exponential moving average, begun with the simple average of the first `period` values; `weight` is 2/(period + 1) by
    default."""

    def __init__(self, period: int, weight: float | None = None) -> None:
        self.period = _at_least_one(period)
        self._weight = 2 / (period + 1) if weight is None else weight
        self._first = SMA(period)
        self._value: float | None = None

    def add(self, value: float) -> float | None:
        """The average including `value`; None before `period` values."""
        if self._value is None:
            self._value = self._first.add(value)
        else:
            self._value += (value - self._value) * self._weight
        return self._value


class RSI:
    """Relative strength index of J. Welles Wilder, from 0 to 100, and 50 where nothing has moved."""

    def __init__(self, period: int = 14) -> None:
        self._gain, self._loss = EMA(period, 1 / period), EMA(period, 1 / period)
        self._previous: float | None = None

    def add(self, value: float) -> float | None:
        """The index including `value`; None before `period` changes."""
        previous, self._previous = self._previous, value
        if previous is None:
            return None
        gain, loss = self._gain.add(max(value - previous, 0.0)), self._loss.add(max(previous - value, 0.0))
        if gain is None or loss is None:
            return None
        return 100 * gain / (gain + loss) if gain + loss else 50.0


class ATR:
    """Average true range of J. Welles Wilder, in price units."""

    def __init__(self, period: int = 14) -> None:
        self._average = EMA(period, 1 / period)
        self._close: float | None = None

    def add(self, bar: Bar) -> float | None:
        """The average including `bar`; None before `period` bars."""
        close = bar.open if self._close is None else self._close
        self._close = bar.close
        return self._average.add(max(bar.high, close) - min(bar.low, close))


@dataclass(frozen=True, slots=True)
class Bands:
    """Of Bollinger: `width` is the distance of the outer ones as a part of the middle."""

    lower: float
    middle: float
    upper: float

    @property
    def width(self) -> float:
        """(upper - lower) / middle."""
        return (self.upper - self.lower) / self.middle if self.middle else 0.0


class Bollinger:
    """Bands of John Bollinger: the simple average of `period` closes, and `deviations` standard deviations (of the population) on
    both sides."""

    def __init__(self, period: int = 20, deviations: float = 2.0) -> None:
        self._window: deque[float] = deque(maxlen=_at_least_one(period))
        self._deviations = deviations

    def add(self, value: float) -> Bands | None:
        """The bands including `value`; None before `period` values."""
        window = self._window
        window.append(value)
        if len(window) < (window.maxlen or 0):
            return None
        middle = math.fsum(window) / len(window)
        half = self._deviations * math.sqrt(math.fsum((one - middle) ** 2 for one in window) / len(window))
        return Bands(middle - half, middle, middle + half)


class Squeeze:
    """Bollinger bands that were narrow: their width was less than `part` of its average over `window` values."""

    def __init__(self, period: int, deviations: float, window: int, part: float) -> None:
        self._bands, self._widths, self._part = Bollinger(period, deviations), SMA(window), part
        self._narrow: Bands | None = None

    def add(self, value: float) -> Bands | None:
        """The bands of the value before this one, if they were narrow; None if not, and before `period` + `window` values."""
        before, bands = self._narrow, self._bands.add(value)
        mean = None if bands is None else self._widths.add(bands.width)
        self._narrow = bands if bands is not None and mean is not None and bands.width < self._part * mean else None
        return before


class MACD:
    """Convergence and divergence of two averages, of Gerald Appel: the histogram, which is the difference of the fast and the slow
    average minus the average of that difference."""

    def __init__(self, fast: int = 12, slow: int = 26, signal: int = 9) -> None:
        self._fast, self._slow, self._signal = EMA(fast), EMA(slow), EMA(signal)

    def add(self, value: float) -> float | None:
        """The histogram including `value`; None before `slow` + `signal` - 1 values."""
        fast, slow = self._fast.add(value), self._slow.add(value)
        if fast is None or slow is None:
            return None
        signal = self._signal.add(fast - slow)
        return None if signal is None else fast - slow - signal


class Range:
    """Highest high and lowest low of the last `period` bars: the channel of Richard Donchian."""

    def __init__(self, period: int) -> None:
        self._bars: deque[tuple[float, float]] = deque(maxlen=_at_least_one(period))

    def add(self, bar: Bar) -> tuple[float, float] | None:
        """(highest, lowest) including `bar`; None before `period` bars."""
        self._bars.append((bar.high, bar.low))
        if len(self._bars) < (self._bars.maxlen or 0):
            return None
        return max(high for high, _ in self._bars), min(low for _, low in self._bars)


class Stochastic:
    """Of George Lane: where the close is in the range of `period` bars, from 0 to 100 (50 where there is no range), averaged over
    `smooth` bars, and the average of that over `signal` bars."""

    def __init__(self, period: int = 14, signal: int = 3, smooth: int = 3) -> None:
        self._range, self._k, self._d = Range(period), SMA(smooth), SMA(signal)

    def add(self, bar: Bar) -> tuple[float, float] | None:
        """(K, D) including `bar`; None before `period` + `smooth` + `signal` - 2 bars."""
        found = self._range.add(bar)
        if found is None:
            return None
        highest, lowest = found
        k = self._k.add(100 * (bar.close - lowest) / (highest - lowest) if highest > lowest else 50.0)
        d = None if k is None else self._d.add(k)
        return None if k is None or d is None else (k, d)


@dataclass(frozen=True, slots=True)
class Cloud:
    """Of Ichimoku: `tenkan` and `kijun` of this bar, and the edges of the cloud that lies over it."""

    tenkan: float
    kijun: float
    top: float
    bottom: float


class Ichimoku:
    """Of Goichi Hosoda: middles of the ranges of `tenkan`, `kijun` and `senkou` bars; the cloud is drawn `kijun` bars ahead."""

    def __init__(self, tenkan: int = 9, kijun: int = 26, senkou: int = 52) -> None:
        self._ranges = Range(tenkan), Range(kijun), Range(senkou)
        self._ahead: deque[tuple[float, float]] = deque(maxlen=_at_least_one(kijun) + 1)

    def add(self, bar: Bar) -> Cloud | None:
        """The lines and the cloud at `bar`; None before `senkou` + `kijun` bars."""
        found = [one.add(bar) for one in self._ranges]
        middles = [(high + low) / 2 for high, low in (one for one in found if one is not None)]
        if len(middles) < len(found):
            return None
        tenkan, kijun, senkou = middles
        self._ahead.append(((tenkan + kijun) / 2, senkou))
        if len(self._ahead) < (self._ahead.maxlen or 0):
            return None
        return Cloud(tenkan, kijun, max(self._ahead[0]), min(self._ahead[0]))


def _at_least_one(period: int) -> int:
    if period < 1:
        raise InvalidParameters(f"a period must be at least 1, not {period}", field="period")
    return period
