"""Crosses while there is a trend, bands while there is none."""

from __future__ import annotations

from bridge.session.instruments import Kind, meaning, plain
from bridge.ticks import Bar
from strategies.commands import run
from strategies.param import param
from strategies.reversal import Reversal
from strategies.trend_indicators import CrossOrBands, Regime

USUAL = Regime(adx_period=14, adx_threshold=25.0, fast=20, slow=50, bands=20, deviations=2.0, trend=200)
COINS = Regime(adx_period=10, adx_threshold=20.0, fast=12, slow=26, bands=18, deviations=2.2, trend=100)
PAIR = 6
"""Letters of the shortest pair: what a broker appends to a name is looked for behind them."""


class QuantumbotxHybrid(Reversal):
    """Crosses while there is a trend, bands while there is none.

    While the average directional index is above its threshold: long when the fast average crosses above the slow one and the close
    is above a trend average, short in the mirrored case. Else: long when a bar touches the lower band while the close is above the
    trend average, short when it touches the upper one below it. What is not given is 14, 25, 20, 50, 20, 2 and 200; for coins 10,
    20, 12, 26, 18, 2.2 and 100. Whether it is a coin is read from the symbol's name, unless `crypto` says it.
    """

    crypto: bool | None = param(None, kind=bool, help="whether the numbers for coins are meant; not given: by the symbol's name")
    adx_period: int | None = param(None, kind=int, min=1, max=1_000, help="bars of the average directional index")
    adx_threshold: float | None = param(None, kind=float, min=0.0, max=100.0, help="the index above which there is a trend")
    fast: int | None = param(None, kind=int, min=1, max=10_000, help="bars of the fast average")
    slow: int | None = param(None, kind=int, min=2, max=10_000, help="bars of the slow average")
    bands: int | None = param(None, kind=int, min=2, max=1_000, help="bars of the bands")
    deviations: float | None = param(None, kind=float, min=0.1, max=10.0, help="width of the bands, in standard deviations")
    trend: int | None = param(None, kind=int, min=2, max=10_000, help="bars of the trend average")

    @property
    def regime(self) -> Regime:
        """The numbers that are given, and for the others those of the instrument."""
        usual = COINS if (is_coin(self.symbol) if self.crypto is None else self.crypto) else USUAL
        return Regime(
            adx_period=usual.adx_period if self.adx_period is None else self.adx_period,
            adx_threshold=usual.adx_threshold if self.adx_threshold is None else self.adx_threshold,
            fast=usual.fast if self.fast is None else self.fast,
            slow=usual.slow if self.slow is None else self.slow,
            bands=usual.bands if self.bands is None else self.bands,
            deviations=usual.deviations if self.deviations is None else self.deviations,
            trend=usual.trend if self.trend is None else self.trend,
        )

    @property
    def needs(self) -> int:
        """Bars until the first signal."""
        return self.regime.needs

    def prepare(self) -> None:
        """Make the indicators."""
        self._rule = CrossOrBands(self.regime)

    def signal(self, bar: Bar) -> bool | None:
        """Look for a cross in a trend, or for a touch of a band."""
        return self._rule.add(bar)


def is_coin(symbol: str) -> bool:
    """Whether a symbol's name is that of a coin, also with something behind it: `BTCUSD`, `bitcoin`, `ETHUSD.r`, `#SOLUSDTm`."""
    name = plain(symbol).lstrip("#")
    for end in range(len(name), min(len(name), PAIR) - 1, -1):
        found = meaning(name[:end])
        if found is not None:
            return found.kind is Kind.COIN
    return False


if __name__ == "__main__":
    run(QuantumbotxHybrid)
