"""Out of narrow bands."""

from __future__ import annotations

from bridge.ticks import Bar
from strategies.commands import run
from strategies.indicators import RSI, Squeeze
from strategies.param import param
from strategies.reversal import Reversal


class BollingerSqueeze(Reversal):
    """Out of narrow bands.

    Long when a bar closes above the upper band of the bar before, whose bands were narrower than a part of their average width,
    while the relative strength index is not overbought; short below the lower band, while it is not oversold.
    """

    period = param(20, min=2, max=1_000, help="bars of the bands")
    deviations = param(2.0, min=0.1, max=10.0, help="width of the bands, in standard deviations")
    window = param(10, min=1, max=1_000, help="bars of the average width")
    squeeze = param(0.7, min=0.01, max=10.0, help="the part of the average width below which the bands are narrow")
    rsi_period = param(14, min=2, max=1_000, help="bars of the relative strength index")
    overbought = param(70.0, min=50.0, max=100.0, help="no entry long at or above this index; short at or below 100 minus it")

    @property
    def needs(self) -> int:
        """Bars until the first signal."""
        return max(self.period + self.window, self.rsi_period) + 1

    def prepare(self) -> None:
        """Make the indicators."""
        self._squeeze = Squeeze(self.period, self.deviations, self.window, self.squeeze)
        self._rsi = RSI(self.rsi_period)

    def signal(self, bar: Bar) -> bool | None:
        """Look for a close outside the narrow bands of the bar before."""
        before, rsi = self._squeeze.add(bar.close), self._rsi.add(bar.close)
        if before is None or rsi is None:
            return None
        if bar.close > before.upper and rsi < self.overbought:
            return True
        return False if bar.close < before.lower and rsi > 100.0 - self.overbought else None


if __name__ == "__main__":
    run(BollingerSqueeze)
