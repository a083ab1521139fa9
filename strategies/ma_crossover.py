"""Two moving averages."""

from __future__ import annotations

from bridge.errors import InvalidParameters
from bridge.ticks import Bar
from strategies.commands import run
from strategies.indicators import SMA
from strategies.param import param
from strategies.reversal import has_room
from strategies.strategy import Strategy


class MACrossover(Strategy):
    """Long when the fast average of closing prices crosses above the slow one, short when it crosses below.

    Decides on closed bars only. On the opposite cross the position is closed first, and the reversal entered only when that is
    confirmed; otherwise it waits for the next cross.
    """

    fast = param(20, min=1, max=10_000, help="bars of the fast average")
    slow = param(50, min=2, max=10_000, help="bars of the slow average")
    lots = param(0.10, min=0.0, help="volume of each position")
    sl_distance: float | None = param(None, min=0.0, kind=float, help="stop loss, as a distance in price units")
    tp_distance: float | None = param(None, min=0.0, kind=float, help="take profit, as a distance in price units")

    @property
    def warmup(self) -> int:
        """One bar more than the slow average needs, so that the first live bar can be a cross."""
        return self.slow + 1

    def on_start(self) -> None:
        """Make the averages."""
        if self.fast >= self.slow:
            raise InvalidParameters(f"fast ({self.fast}) must be below slow ({self.slow})", field="fast")
        self._fast, self._slow = SMA(self.fast), SMA(self.slow)
        self._above: bool | None = None

    def on_bar(self, bar: Bar) -> None:
        """Look for a cross."""
        fast, slow = self._fast.add(bar.close), self._slow.add(bar.close)
        if fast is None or slow is None or fast == slow:
            return
        above, self._above = self._above, fast > slow
        if above is None or above == self._above or not self.live:
            return
        self._turn(bar)

    def _turn(self, bar: Bar) -> None:
        up = bool(self._above)
        if not has_room(self, long=up, comment=f"ma {self.fast}/{self.slow} turn"):
            return
        enter, sign = (self.buy, 1) if up else (self.sell, -1)
        enter(
            self.lots,
            sl=bar.close - sign * self.sl_distance if self.sl_distance else None,
            tp=bar.close + sign * self.tp_distance if self.tp_distance else None,
            comment=f"ma {self.fast}/{self.slow} {'up' if up else 'down'}",
        )


if __name__ == "__main__":
    run(MACrossover)
