"""Back into the bands, with the trend."""

from __future__ import annotations

from bridge.ticks import Bar
from strategies.commands import run
from strategies.indicators import SMA, Bollinger
from strategies.param import param
from strategies.reversal import Reversal


class BollingerReversion(Reversal):
    """Back into the bands, with the trend.

    Long when a bar touches the lower band while the close is above a trend average, short when it touches the upper band while
    the close is below.
    """

    period = param(20, min=2, max=1_000, help="bars of the bands")
    deviations = param(2.0, min=0.1, max=10.0, help="width of the bands, in standard deviations")
    trend = param(200, min=2, max=10_000, help="bars of the trend average")

    @property
    def needs(self) -> int:
        """Bars until the first signal."""
        return max(self.period, self.trend)

    def prepare(self) -> None:
        """Make the indicators."""
        self._bands, self._trend = Bollinger(self.period, self.deviations), SMA(self.trend)

    def signal(self, bar: Bar) -> bool | None:
        """Look for a touch of a band."""
        bands, trend = self._bands.add(bar.close), self._trend.add(bar.close)
        if bands is None or trend is None:
            return None
        if bar.close > trend and bar.low <= bands.lower:
            return True
        return False if bar.close < trend and bar.high >= bands.upper else None


if __name__ == "__main__":
    run(BollingerReversion)
