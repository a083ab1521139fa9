"""Through a level, with volume and trend."""

from __future__ import annotations

from collections import deque

from bridge.ticks import Bar
from strategies.commands import run
from strategies.indicators import ATR, EMA, SMA
from strategies.param import param
from strategies.reversal import Reversal
from strategies.trend_indicators import Change, Levels

MAJORITY = 2


class IndexBreakoutPro(Reversal):
    """Through a level, with volume and trend.

    Long when the last closes are above a resistance of pivot highs that lie close together, the close before them was not, and the
    last one is above it by a part of the average true range; when one of those bars had a multiple of the average volume in ticks,
    which includes it; when the fast exponential average is above the slow one; and when at least two of three have risen: the close
    over a few bars, the fast average over its period, the slow one over its own. Short in the mirrored case at a support of
    pivot lows.
    """

    pivot = param(20, min=1, max=1_000, help="bars on both sides of a pivot")
    window = param(500, min=3, max=100_000, help="bars in which pivots count")
    tolerance = param(0.2, min=0.0, max=10.0, help="how far the pivots of a level lie from each other, in per cent")
    touches = param(1, min=1, max=100, help="pivots that a level needs")
    beyond = param(0.2, min=0.0, max=100.0, help="how far the close is beyond the level, in average true ranges")
    confirm = param(2, min=1, max=100, help="closes beyond the level")
    volume = param(20, min=1, max=1_000, help="bars of the average volume")
    surge = param(1.5, min=0.0, max=100.0, help="the multiple of the average volume that is needed")
    fast = param(20, min=1, max=10_000, help="bars of the fast exponential average")
    slow = param(50, min=2, max=10_000, help="bars of the slow exponential average")
    recent = param(5, min=1, max=10_000, help="bars over which the close votes")

    @property
    def needs(self) -> int:
        """Bars until the first signal, and until all pivots that count are known."""
        return max(
            self.window + self.pivot,
            2 * max(self.fast, self.slow),
            self.recent + 1,
            self.volume + self.confirm,
            self.confirm + 1,
            self.atr_period,
        )

    def prepare(self) -> None:
        """Make the indicators."""
        self._levels = Levels(self.pivot, self.window, self.tolerance, self.touches)
        self._usual, self._volume = ATR(self.atr_period), SMA(self.volume)
        self._fast, self._slow = EMA(self.fast), EMA(self.slow)
        self._votes = Change(self.recent), Change(self.fast), Change(self.slow)
        self._closes: deque[float] = deque(maxlen=self.confirm + 1)
        self._surges: deque[bool] = deque(maxlen=self.confirm)

    def signal(self, bar: Bar) -> bool | None:
        """Look for closes that have come through a level."""
        levels, usual, volume = self._levels.add(bar), self._usual.add(bar), self._volume.add(bar.tick_volume)
        fast, slow = self._fast.add(bar.close), self._slow.add(bar.close)
        self._closes.append(bar.close)
        self._surges.append(volume is not None and bar.tick_volume > self.surge * volume)
        values = zip(self._votes, (bar.close, fast, slow), strict=True)
        votes = [None if value is None else one.add(value) for one, value in values]
        known = [vote for vote in votes if vote is not None]
        if usual is None or fast is None or slow is None or len(known) < len(votes) or len(self._closes) <= self.confirm:
            return None
        if not any(self._surges):
            return None
        resistance, support = levels
        far = self.beyond * usual
        if fast > slow and sum(vote > 0.0 for vote in known) >= MAJORITY:
            return True if any(self._broke(level, far, 1) for level in resistance) else None
        if fast < slow and sum(vote < 0.0 for vote in known) >= MAJORITY:
            return False if any(self._broke(level, far, -1) for level in support) else None
        return None

    def _broke(self, level: float, far: float, sign: int) -> bool:
        before, *closes = (sign * (close - level) for close in self._closes)
        return before <= 0.0 and closes[-1] > far and min(closes) > 0.0


if __name__ == "__main__":
    run(IndexBreakoutPro)
