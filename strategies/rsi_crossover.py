"""The relative strength index and its average."""

from __future__ import annotations

from bridge.ticks import Bar
from strategies.commands import run
from strategies.indicators import RSI, SMA
from strategies.param import param
from strategies.reversal import Reversal


class RSICrossover(Reversal):
    """The relative strength index and its average.

    Long when the relative strength index crosses above its own average and the close is above a trend average, short when it
    crosses below and the close is below.
    """

    period = param(14, min=2, max=1_000, help="bars of the index")
    average = param(10, min=2, max=1_000, help="values of its average")
    trend = param(50, min=2, max=10_000, help="bars of the trend average")

    @property
    def needs(self) -> int:
        """Bars until the first signal."""
        return max(self.period + self.average, self.trend) + 1

    def prepare(self) -> None:
        """Make the indicators."""
        self._rsi, self._average, self._trend = RSI(self.period), SMA(self.average), SMA(self.trend)
        self._above: bool | None = None

    def signal(self, bar: Bar) -> bool | None:
        """Look for a cross with the trend."""
        trend, rsi = self._trend.add(bar.close), self._rsi.add(bar.close)
        average = None if rsi is None else self._average.add(rsi)
        if rsi is None or average is None or rsi == average:
            return None
        above, self._above = self._above, rsi > average
        if above is None or above == self._above or trend is None:
            return None
        return self._above if (bar.close > trend) == self._above and bar.close != trend else None


if __name__ == "__main__":
    run(RSICrossover)
