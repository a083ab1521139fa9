"""Strategies that say long or short on closed bars, and how such a wish is traded: one position, turned only when it is closed."""

from __future__ import annotations

from bridge.mt5api.constants import ORDER_TYPE_BUY
from bridge.ticks import Bar
from strategies.indicators import ATR
from strategies.param import param
from strategies.strategy import Strategy


class Reversal(Strategy):
    """Override `prepare`, which makes the indicators, and `signal`. `needs` says how many bars those take.

    On a signal against the open position it is closed first, and the other entered only when that is confirmed; otherwise it waits
    for the next signal. Stop and target are multiples of the average true range from the close, as they are set.
    """

    lots = param(0.10, min=0.0, help="volume of each position")
    atr_period = param(14, min=1, max=1_000, help="bars of the average true range")
    sl_atr = param(2.0, min=0.0, max=100.0, help="stop loss, in average true ranges; 0: none")
    tp_atr = param(4.0, min=0.0, max=100.0, help="take profit, in average true ranges; 0: none")

    @property
    def needs(self) -> int:
        """Bars until `signal` can say something."""
        return 0

    @property
    def warmup(self) -> int:
        """One bar more than the indicators need, so that the first live bar can be a signal."""
        return max(self.needs, self.atr_period) + 1

    def prepare(self) -> None:
        """Make the indicators."""

    def signal(self, bar: Bar) -> bool | None:
        """True: be long, False: be short, None: stay as you are. Called for every closed bar, also of the history."""
        raise NotImplementedError

    def leaves(self, bar: Bar, *, long: bool) -> bool:
        """Whether an open position is closed now, without entering another. Called for closed bars, behind `signal`."""
        return False

    def on_start(self) -> None:
        """Make what is needed for every bar."""
        self._atr = ATR(self.atr_period)
        self.prepare()

    def on_bar(self, bar: Bar) -> None:
        """Act on what the bar says."""
        atr = self._atr.add(bar)
        wanted = self.signal(bar)
        if not self.live:
            return
        if wanted is not None:
            self._turn(bar, wanted, atr)
            return
        if type(self).leaves is Reversal.leaves:
            return
        position = self.position
        if position is not None and self.leaves(bar, long=position.type == ORDER_TYPE_BUY):
            self.close(position, comment=f"{self._short} exit")

    @property
    def _short(self) -> str:
        return self.name.partition("/")[0][:16]

    def _turn(self, bar: Bar, long: bool, atr: float | None) -> None:
        if not has_room(self, long=long, comment=f"{self._short} turn"):
            return
        sign, far = 1 if long else -1, atr or 0.0
        sl = bar.close - sign * self.sl_atr * far if self.sl_atr * far else None
        tp = bar.close + sign * self.tp_atr * far if self.tp_atr * far else None
        if min(level for level in (sl, tp, bar.close) if level is not None) <= 0.0:
            self.log.warning(
                "no entry: the stop or the target of %g average true ranges would be below zero", max(self.sl_atr, self.tp_atr)
            )
            return
        (self.buy if long else self.sell)(self.lots, sl=sl, tp=tp, comment=f"{self._short} {'long' if long else 'short'}")


def has_room(strategy: Strategy, *, long: bool, comment: str) -> bool:
    """Whether a position on this side may be entered now: not beside one of the same side; one of the other is closed first,
    and there is room only when that is confirmed. Raises `BridgeError` as `Strategy.close` does."""
    position = strategy.position
    if position is None:
        return True
    if (position.type == ORDER_TYPE_BUY) == long:
        return False
    strategy.close(position, comment=comment)
    if strategy.position is not None:
        strategy.log.warning("position %d is still open after its close: no reversal on this signal", position.ticket)
        return False
    return True
