"""Out of the channel with a wide bar."""

from __future__ import annotations

from bridge.ticks import Bar
from strategies.commands import run
from strategies.indicators import ATR, EMA, Range
from strategies.param import param
from strategies.reversal import Reversal


class DynamicBreakout(Reversal):
    """Out of the channel with a wide bar.

    Long when a bar closes above the highest high of the bars before it and above an exponential trend average, and its own range
    is more than a part of the average true range; short in the mirrored case.
    """

    channel = param(20, min=2, max=1_000, help="bars of the channel")
    trend = param(50, min=2, max=10_000, help="bars of the exponential trend average")
    width = param(0.8, min=0.0, max=100.0, help="the least range of the bar, in average true ranges")

    @property
    def needs(self) -> int:
        """Bars until the first signal."""
        return max(self.channel, self.trend, self.atr_period) + 1

    def prepare(self) -> None:
        """Make the indicators."""
        self._channel, self._trend, self._usual = Range(self.channel), EMA(self.trend), ATR(self.atr_period)
        self._before: tuple[float, float] | None = None

    def signal(self, bar: Bar) -> bool | None:
        """Look for a wide bar that closes outside the channel of the bars before."""
        before, self._before = self._before, self._channel.add(bar)
        trend, usual = self._trend.add(bar.close), self._usual.add(bar)
        if before is None or trend is None or usual is None or bar.high - bar.low <= self.width * usual:
            return None
        highest, lowest = before
        if bar.close > highest and bar.close > trend:
            return True
        return False if bar.close < lowest and bar.close < trend else None


if __name__ == "__main__":
    run(DynamicBreakout)
