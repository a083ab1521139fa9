"""Moves with volume, and gaps."""

from __future__ import annotations

from bridge.errors import InvalidParameters
from bridge.ticks import Bar
from strategies.commands import run
from strategies.indicators import RSI, SMA
from strategies.param import param
from strategies.reversal import Reversal

MIDDLE = 50.0


class IndexMomentum(Reversal):
    """Moves with volume, and gaps.

    Long when a bar closes higher than the one before, the RSI is between 50 and its upper limit and the volume in ticks above a
    multiple of its average, which includes the bar; short in the mirrored case. A bar that opens far from the last close is
    followed, and with `fade` one that opens a little away from it is traded against; where that contradicts the move nothing is
    done. Nothing either while the RSI is outside its limits, or where the bar opens outside the session, whose hours are those of
    the trade server's clock; a session that ends before it starts is over midnight.
    """

    period = param(14, min=1, max=1_000, help="bars of the RSI")
    upper = param(70.0, min=MIDDLE, max=100.0, help="its upper limit")
    lower = param(30.0, min=0.0, max=MIDDLE, help="its lower limit")
    volume = param(20, min=1, max=1_000, help="bars of the average volume")
    surge = param(1.3, min=0.0, max=100.0, help="the multiple of the average volume that a move needs")
    gap = param(2.0, min=0.0, max=100.0, help="the gap above which it is followed, in per cent of the last close")
    fade = param(False, help="trade against small gaps")
    fade_from = param(0.5, min=0.0, max=100.0, help="the gap above which it is small, in per cent of the last close")
    fade_to = param(1.0, min=0.0, max=100.0, help="the gap from which it is not small any more")
    session_start = param(0.0, min=0.0, max=24.0, help="hour of the trade server's clock at which signals begin")
    session_end = param(24.0, min=0.0, max=24.0, help="hour at which they end")

    @property
    def needs(self) -> int:
        """Bars until the first signal."""
        return max(self.period + 1, self.volume)

    def prepare(self) -> None:
        """Make the indicators."""
        if self.fade and not self.fade_from < self.fade_to <= self.gap:
            raise InvalidParameters(
                f"fade_from ({self.fade_from:g}) must be below fade_to ({self.fade_to:g}), and that not above gap ({self.gap:g})",
                field="fade_from",
            )
        self._rsi, self._volume = RSI(self.period), SMA(self.volume)
        self._close: float | None = None

    def signal(self, bar: Bar) -> bool | None:
        """Look for a move with volume, or a gap, in the session."""
        before, self._close = self._close, bar.close
        rsi, volume = self._rsi.add(bar.close), self._volume.add(bar.tick_volume)
        if before is None or rsi is None or volume is None or not self._is_open(bar.time) or not self.lower <= rsi <= self.upper:
            return None
        wanted = {self._by_gap(bar.open, before)}
        if bar.tick_volume > self.surge * volume:
            wanted.add(self._by_move(bar.close - before, rsi))
        wanted.discard(None)
        return wanted.pop() if len(wanted) == 1 else None

    def _by_move(self, change: float, rsi: float) -> bool | None:
        if change > 0.0 and MIDDLE < rsi < self.upper:
            return True
        return False if change < 0.0 and self.lower < rsi < MIDDLE else None

    def _by_gap(self, opened: float, before: float) -> bool | None:
        size = 100 * abs(opened - before) / before if before else 0.0
        if size > self.gap:
            return opened > before
        return opened < before if self.fade and self.fade_from < size < self.fade_to else None

    def _is_open(self, time: int) -> bool:
        hour = time % 86_400 / 3_600
        if self.session_start < self.session_end:
            return self.session_start <= hour < self.session_end
        return hour >= self.session_start or hour < self.session_end


if __name__ == "__main__":
    run(IndexMomentum)
