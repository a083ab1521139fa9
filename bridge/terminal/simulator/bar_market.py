"""Recorded bars as a Market, whose ticks are made when they are asked for: years of minutes need no more room than the bars."""

from __future__ import annotations

import numpy as np

from bridge.mt5api.structs import RATE_DTYPE, TICK_DTYPE
from bridge.terminal.simulator.bar_files import RecordedBars
from bridge.terminal.simulator.bar_ticks import most_ticks, ticks_of_bars
from bridge.terminal.simulator.bars import Rows, bars_of_ticks, merge_bars, period_start, timeframe_of

_MSC = 1000


class BarMarket:
    """A Market of one symbol; its ticks are those that a terminal makes of the same file (`recording.read_ticks`)."""

    def __init__(self, symbol: str, recorded: RecordedBars) -> None:
        self._symbol = symbol
        self._bars = recorded.rows
        self._period_s = recorded.period_s
        self._digits = recorded.digits
        self._point = float(f"1e-{recorded.digits}")
        self._times_s = np.ascontiguousarray(recorded.rows["time"])
        self._most = most_ticks(recorded.rows.size)
        self._step_msc = self._period_s * _MSC // self._most  # between two ticks of a bar there is no less
        self._made: tuple[int, Rows] = (-1, np.empty(0, TICK_DTYPE))

    def symbols(self) -> list[str]:
        """The one symbol."""
        return [self._symbol]

    def _of_bar(self, place: int) -> Rows:
        if self._made[0] != place:
            rows = ticks_of_bars(self._bars[place : place + 1], self._period_s, self._digits, self._most)
            self._made = place, rows
        return self._made[1]

    def ticks(self, symbol: str, from_msc: int, to_msc: int) -> Rows:
        """As Market.ticks."""
        self._check(symbol)
        first = max(int(np.searchsorted(self._times_s, from_msc // _MSC, "right")) - 1, 0)
        last = int(np.searchsorted(self._times_s, -(-to_msc // _MSC)))
        if last <= first:
            return np.empty(0, TICK_DTYPE)
        if last == first + 1:
            rows = self._of_bar(first)
        else:
            rows = ticks_of_bars(self._bars[first:last], self._period_s, self._digits, self._most)
        begin, end = np.searchsorted(np.ascontiguousarray(rows["time_msc"]), (from_msc, to_msc)).tolist()
        return rows[begin:end]

    def first_ticks(self, symbol: str, from_msc: int, count: int, before_msc: int) -> Rows:
        """As Market.first_ticks."""
        return self.ticks(symbol, from_msc, before_msc)[: max(count, 0)]

    def last_tick(self, symbol: str, before_msc: int) -> np.void | None:
        """As Market.last_tick."""
        self._check(symbol)
        place = int(np.searchsorted(self._times_s * _MSC, before_msc)) - 1
        if place < 0:
            return None
        if before_msc - int(self._times_s[place]) * _MSC <= self._step_msc:
            return self._first_of(place)
        rows = self._of_bar(place)
        row: np.void = rows[int(np.searchsorted(np.ascontiguousarray(rows["time_msc"]), before_msc)) - 1]
        return row

    def _first_of(self, place: int) -> np.void:
        """The first tick of a bar, without the others; it carries both flags, as far as anybody may ask."""
        time_s, opened, _, _, _, _, spread, _ = self._bars[place].item()
        scale = 10.0**self._digits
        row = np.zeros(1, TICK_DTYPE)
        row[0] = (time_s, opened, (np.rint(opened * scale) + spread) / scale, 0.0, 0, time_s * _MSC, 6, 0.0)
        first: np.void = row[0]
        return first

    def _until(self, timeframe: int, before_msc: int, from_s: int) -> Rows:
        """All bars of ticks before `before_msc` whose time is `from_s` or later; one that began before may be cut."""
        if timeframe_of(timeframe).length_s < self._period_s:
            return bars_of_ticks(self.ticks(self._symbol, from_s * _MSC, before_msc), timeframe, self._point)
        whole = int(np.searchsorted(self._times_s + self._period_s, before_msc // _MSC, "right"))
        rest = self.ticks(self._symbol, int(self._times_s[whole]) * _MSC, before_msc) if whole < self._times_s.size else None
        parts = [self._bars[int(np.searchsorted(self._times_s, from_s)) : whole]]
        if rest is not None and rest.size:
            parts.append(merge_bars(bars_of_ticks(rest, 1, self._point), timeframe))
            parts[-1]["time"] = self._times_s[whole]
        return merge_bars(np.concatenate(parts), timeframe)

    def rates(self, symbol: str, timeframe: int, from_s: int, to_s: int, before_msc: int) -> Rows:
        """As Market.rates."""
        self._check(symbol)
        bars = self._until(timeframe, before_msc, period_start(timeframe, max(from_s, 0)))
        start, stop = np.searchsorted(bars["time"], (from_s, to_s + 1)).tolist()
        return bars[start:stop]

    def last_rates(self, symbol: str, timeframe: int, start_pos: int, count: int, before_msc: int) -> Rows:
        """As Market.last_rates; where twice the span of these bars, with two weeks more, has fewer, those that it has."""
        self._check(symbol)
        if start_pos < 0:
            raise ValueError(f"negative bar position {start_pos}")
        if count < 1:
            return np.empty(0, RATE_DTYPE)
        length_s = timeframe_of(timeframe).length_s
        from_s = before_msc // _MSC - max(1_000 * self._period_s, 2 * (start_pos + count + 14) * length_s)
        bars = self._until(timeframe, before_msc, period_start(timeframe, from_s))
        stop = max(bars.size - start_pos, 0)
        return bars[max(stop - count, 0) : stop]

    def _check(self, symbol: str) -> None:
        if symbol != self._symbol:
            raise KeyError(symbol)
