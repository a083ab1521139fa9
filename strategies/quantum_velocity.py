"""Out of narrow bands, with the trend."""

from __future__ import annotations

from bridge.ticks import Bar
from strategies.commands import run
from strategies.indicators import EMA, Squeeze
from strategies.param import param
from strategies.reversal import Reversal


class QuantumVelocity(Reversal):
    """Out of narrow bands, with the trend.

    Long when a bar closes above the upper band of the bar before, whose bands were narrower than a part of their average width,
    and above an exponential trend average; short below both.
    """

    period = param(20, min=2, max=1_000, help="bars of the bands")
    deviations = param(2.0, min=0.1, max=10.0, help="width of the bands, in standard deviations")
    window = param(10, min=1, max=1_000, help="bars of the average width")
    squeeze = param(0.8, min=0.01, max=10.0, help="the part of the average width below which the bands are narrow")
    trend = param(200, min=2, max=10_000, help="bars of the exponential trend average")

    @property
    def needs(self) -> int:
        """Bars until the first signal."""
        return max(self.period + self.window, self.trend) + 1

    def prepare(self) -> None:
        """Make the indicators."""
        self._squeeze = Squeeze(self.period, self.deviations, self.window, self.squeeze)
        self._trend = EMA(self.trend)

    def signal(self, bar: Bar) -> bool | None:
        """Look for a close outside the narrow bands of the bar before, with the trend."""
        before, trend = self._squeeze.add(bar.close), self._trend.add(bar.close)
        if before is None or trend is None:
            return None
        if bar.close > before.upper and bar.close > trend:
            return True
        return False if bar.close < before.lower and bar.close < trend else None


if __name__ == "__main__":
    run(QuantumVelocity)
