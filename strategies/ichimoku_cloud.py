"""The lines and the cloud of Ichimoku."""

from __future__ import annotations

from bridge.ticks import Bar
from strategies.commands import run
from strategies.indicators import Ichimoku
from strategies.param import param
from strategies.reversal import Reversal


class IchimokuCloud(Reversal):
    """The lines and the cloud of Ichimoku.

    Long when the tenkan crosses above the kijun, short when it crosses below; with the filter only above the cloud, and below it.
    """

    tenkan = param(9, min=1, max=1_000, help="bars of the faster line")
    kijun = param(26, min=1, max=1_000, help="bars of the slower line, and how far ahead the cloud is drawn")
    senkou = param(52, min=1, max=1_000, help="bars of the slower edge of the cloud")
    cloud = param(True, help="only above or below the cloud")

    @property
    def needs(self) -> int:
        """Bars until the first signal."""
        return max(self.tenkan, self.kijun, self.senkou) + self.kijun + 1

    def prepare(self) -> None:
        """Make the indicators."""
        self._lines = Ichimoku(self.tenkan, self.kijun, self.senkou)
        self._above: bool | None = None

    def signal(self, bar: Bar) -> bool | None:
        """Look for a cross of the lines."""
        lines = self._lines.add(bar)
        if lines is None or lines.tenkan == lines.kijun:
            return None
        above, self._above = self._above, lines.tenkan > lines.kijun
        if above is None or above == self._above:
            return None
        beyond = bar.close > lines.top if self._above else bar.close < lines.bottom
        return self._above if beyond or not self.cloud else None


if __name__ == "__main__":
    run(IchimokuCloud)
