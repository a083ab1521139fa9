"""Indicators that take one value at a time with `add`, and return None until they have seen enough."""

from __future__ import annotations

import math
from collections import deque

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


def _at_least_one(period: int) -> int:
    if period < 1:
        raise InvalidParameters(f"a period must be at least 1, not {period}", field="period")
    return period
