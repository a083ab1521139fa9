"""The channel of the turtles."""

from __future__ import annotations

from bridge.ticks import Bar
from strategies.commands import run
from strategies.indicators import Range
from strategies.param import param
from strategies.reversal import Reversal


class TurtleBreakout(Reversal):
    """The channel of the turtles.

    Long when a bar closes above the highest high of the bars before it, short when it closes below their lowest low; out when it
    closes beyond the shorter channel on the other side.
    """

    entry = param(20, min=2, max=1_000, help="bars of the channel for entries")
    exit = param(10, min=1, max=1_000, help="bars of the channel for exits")
    sl_atr = 2.0
    tp_atr = 0.0

    @property
    def needs(self) -> int:
        """Bars until the first signal."""
        return max(self.entry, self.exit) + 1

    def prepare(self) -> None:
        """Make the indicators."""
        self._entry, self._exit = Range(self.entry), Range(self.exit)
        self._channel: tuple[float, float] | None = None
        self._near: tuple[float, float] | None = None
        self._way_out: tuple[float, float] | None = None

    def signal(self, bar: Bar) -> bool | None:
        """Look for a close outside the channel of the bars before."""
        channel, self._channel = self._channel, self._entry.add(bar)
        self._way_out, self._near = self._near, self._exit.add(bar)
        if channel is None:
            return None
        highest, lowest = channel
        return True if bar.close > highest else False if bar.close < lowest else None

    def leaves(self, bar: Bar, *, long: bool) -> bool:
        """Whether the bar closed beyond the channel for exits."""
        if self._way_out is None:
            return False
        highest, lowest = self._way_out
        return bar.close < lowest if long else bar.close > highest


if __name__ == "__main__":
    run(TurtleBreakout)
