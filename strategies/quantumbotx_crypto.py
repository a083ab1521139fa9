"""The hybrid for coins: calmer than its limits, and surer at weekends."""

from __future__ import annotations

from bridge.errors import InvalidParameters
from bridge.ticks import Bar
from strategies.commands import run
from strategies.indicators import ATR, RSI
from strategies.param import param
from strategies.reversal import Reversal
from strategies.trend_indicators import CrossOrBands, Regime

DAY_S = 86_400
SATURDAY = 5


class QuantumbotxCrypto(Reversal):
    """The hybrid for coins: calmer than its limits, and surer at weekends.

    The rule of quantumbotx_hybrid; but not long while the RSI is above its upper limit, not short while it is below the lower one,
    and neither while the average true range is outside its limits, which are per cent of the close. On Saturday and Sunday, by the
    trade server's clock at the opening of the bar, the RSI must be away from 50.
    """

    adx_period = param(10, min=1, max=1_000, help="bars of the average directional index")
    adx_threshold = param(20.0, min=0.0, max=100.0, help="the index above which there is a trend")
    fast = param(12, min=1, max=10_000, help="bars of the fast average")
    slow = param(26, min=2, max=10_000, help="bars of the slow average")
    bands = param(20, min=2, max=1_000, help="bars of the bands")
    deviations = param(2.2, min=0.1, max=10.0, help="width of the bands, in standard deviations")
    trend = param(100, min=2, max=10_000, help="bars of the trend average")
    rsi = param(14, min=1, max=1_000, help="bars of the RSI")
    upper = param(75.0, min=0.0, max=100.0, help="no long above this RSI")
    lower = param(25.0, min=0.0, max=100.0, help="no short below this RSI")
    calmest = param(0.0, min=0.0, max=100.0, help="the least average true range, in per cent of the close")
    wildest = param(2.0, min=0.0, max=100.0, help="the greatest average true range, in per cent of the close")
    weekend = param(15.0, min=0.0, max=50.0, help="the least distance of the RSI from 50 on Saturday and Sunday; 0: any")

    @property
    def regime(self) -> Regime:
        """The numbers of the rule."""
        return Regime(self.adx_period, self.adx_threshold, self.fast, self.slow, self.bands, self.deviations, self.trend)

    @property
    def needs(self) -> int:
        """Bars until the first signal."""
        return max(self.regime.needs, self.rsi + 1, self.atr_period)

    def prepare(self) -> None:
        """Make the indicators."""
        if self.calmest > self.wildest:
            raise InvalidParameters(f"calmest ({self.calmest:g}) must not be above wildest ({self.wildest:g})", field="calmest")
        self._rule, self._rsi, self._usual = CrossOrBands(self.regime), RSI(self.rsi), ATR(self.atr_period)

    def signal(self, bar: Bar) -> bool | None:
        """Look for what the hybrid would do, and whether the filters allow it."""
        wanted, rsi, usual = self._rule.add(bar), self._rsi.add(bar.close), self._usual.add(bar)
        if wanted is None or rsi is None or usual is None:
            return None
        if rsi > self.upper if wanted else rsi < self.lower:
            return None
        if not self.calmest * bar.close <= 100 * usual <= self.wildest * bar.close:
            return None
        return wanted if not is_weekend(bar.time) or abs(rsi - 50.0) >= self.weekend else None


def is_weekend(time: int) -> bool:
    """Whether a time is on a Saturday or Sunday; the first of January 1970 was a Thursday."""
    return (time // DAY_S + 3) % 7 >= SATURDAY


if __name__ == "__main__":
    run(QuantumbotxCrypto)
