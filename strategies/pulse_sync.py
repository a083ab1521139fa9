"""Trend, momentum and stochastic in step."""

from __future__ import annotations

from bridge.ticks import Bar
from strategies.commands import run
from strategies.indicators import MACD, SMA, Stochastic
from strategies.param import param
from strategies.reversal import Reversal


class PulseSync(Reversal):
    """Trend, momentum and stochastic in step.

    Long when the K of the stochastic crosses above its D while the histogram of the MACD is positive and the close is above a
    trend average; short in the mirrored case.
    """

    trend = param(100, min=2, max=10_000, help="bars of the trend average")
    fast = param(12, min=1, max=1_000, help="bars of the fast average of the MACD")
    slow = param(26, min=2, max=1_000, help="bars of its slow average")
    smooth = param(9, min=1, max=1_000, help="values of the average of their difference")
    stochastic = param(14, min=1, max=1_000, help="bars of the stochastic")
    stochastic_d = param(3, min=1, max=1_000, help="values of its D")
    stochastic_k = param(3, min=1, max=1_000, help="values of its K")

    @property
    def needs(self) -> int:
        """Bars until the first signal."""
        return (
            max(
                self.trend,
                self.fast + self.smooth,
                self.slow + self.smooth,
                self.stochastic + self.stochastic_k + self.stochastic_d,
            )
            + 1
        )

    def prepare(self) -> None:
        """Make the indicators."""
        self._trend, self._macd = SMA(self.trend), MACD(self.fast, self.slow, self.smooth)
        self._stochastic = Stochastic(self.stochastic, self.stochastic_d, self.stochastic_k)
        self._above: bool | None = None

    def signal(self, bar: Bar) -> bool | None:
        """Look for a cross of the stochastic with trend and momentum."""
        trend, histogram, found = self._trend.add(bar.close), self._macd.add(bar.close), self._stochastic.add(bar)
        if found is None or found[0] == found[1]:
            return None
        above, self._above = self._above, found[0] > found[1]
        if above is None or above == self._above or trend is None or histogram is None:
            return None
        if self._above:
            return True if bar.close > trend and histogram > 0.0 else None
        return False if bar.close < trend and histogram < 0.0 else None


if __name__ == "__main__":
    run(PulseSync)
