"""Recorded ticks as a Market: at any moment only what had arrived by then exists."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bridge.mt5api.structs import RATE_DTYPE, TICK_DTYPE
from bridge.terminal.simulator.bars import Rows, bars_of_ticks, digits_of, period_end, period_start, timeframe_of
from bridge.terminal.simulator.draws import Ints


class Replay:
    """A Market of recorded symbols, in server time.

    Args:
        recordings: ticks (TICK_DTYPE, `time_msc` never falling) by symbol; at least one row each.
        history: more ticks of the same symbols from before the recording, for bars to look back on.

    Arrays returned are read-only.  Every method raises KeyError for a symbol that was not recorded.

    Raises:
        ValueError: a recording is empty, of another dtype, or its time falls.
    """

    def __init__(self, recordings: Mapping[str, Rows], history: Mapping[str, Rows] | None = None) -> None:
        self._ticks: dict[str, Rows] = {}
        self._times_msc: dict[str, Ints] = {}
        self._digits: dict[str, int] = {}
        self._bars: dict[tuple[str, int], Rows] = {}
        earlier = history or {}
        for symbol, ticks in recordings.items():
            if ticks.dtype != TICK_DTYPE or not ticks.size:
                raise ValueError(f"{symbol}: a recording is a non-empty array of TICK_DTYPE")
            parts = [earlier[symbol], ticks] if symbol in earlier else [ticks]
            whole = np.concatenate(parts)
            times_msc = np.ascontiguousarray(whole["time_msc"])
            if (np.diff(times_msc) < 0).any():
                raise ValueError(f"{symbol}: the time of the recorded ticks goes back")
            whole.flags.writeable = False
            self._ticks[symbol] = whole
            self._times_msc[symbol] = times_msc
            self._digits[symbol] = digits_of(np.concatenate((whole["bid"], whole["ask"])))

    def symbols(self) -> list[str]:
        """Names of the recorded symbols."""
        return list(self._ticks)

    def digits(self, symbol: str) -> int:
        """The number of decimals of the recorded prices."""
        return self._digits[symbol]

    def span_msc(self, symbol: str) -> tuple[int, int]:
        """Times of the first and the last recorded tick (history included)."""
        times_msc = self._times_msc[symbol]
        return int(times_msc[0]), int(times_msc[-1])

    def _position(self, symbol: str, time_msc: int) -> int:
        """How many ticks came before this time."""
        return int(np.searchsorted(self._times_msc[symbol], time_msc))

    def ticks(self, symbol: str, from_msc: int, to_msc: int) -> Rows:
        """Ticks (TICK_DTYPE) with `from_msc <= time_msc < to_msc`, in order of arrival."""
        return self._ticks[symbol][self._position(symbol, from_msc) : self._position(symbol, to_msc)]

    def first_ticks(self, symbol: str, from_msc: int, count: int, before_msc: int) -> Rows:
        """The first `count` ticks (TICK_DTYPE) with `from_msc <= time_msc < before_msc`."""
        return self.ticks(symbol, from_msc, before_msc)[: max(count, 0)]

    def last_tick(self, symbol: str, before_msc: int) -> np.void | None:
        """The newest tick with `time_msc < before_msc`; None before the first."""
        position = self._position(symbol, before_msc)
        if not position:
            return None
        row: np.void = self._ticks[symbol][position - 1]
        return row

    def _until(self, symbol: str, timeframe: int, before_msc: int) -> Rows:
        """All bars of the ticks before `before_msc`, the last of them possibly forming."""
        timeframe_of(timeframe)
        point = float(f"1e-{self._digits[symbol]}")
        key = symbol, timeframe
        if key not in self._bars:
            self._bars[key] = bars_of_ticks(self._ticks[symbol], timeframe, point)
            self._bars[key].flags.writeable = False
        bars = self._bars[key]
        start_s = period_start(timeframe, (before_msc - 1) // 1000)
        complete = bars[: int(np.searchsorted(bars["time"], start_s))]
        if complete.size < bars.size and int(bars["time"][complete.size]) == start_s:
            if period_end(timeframe, start_s) * 1000 <= before_msc:
                return bars[: complete.size + 1]
            forming = bars_of_ticks(self.ticks(symbol, start_s * 1000, before_msc), timeframe, point)
            return np.concatenate((complete, forming))
        return complete

    def rates(self, symbol: str, timeframe: int, from_s: int, to_s: int, before_msc: int) -> Rows:
        """Bars (RATE_DTYPE) with `from_s <= time <= to_s` of ticks before `before_msc`; the last may be forming.

        Raises:
            ValueError: unknown timeframe.
        """
        bars = self._until(symbol, timeframe, before_msc)
        start, stop = np.searchsorted(bars["time"], (from_s, to_s + 1)).tolist()
        return bars[start:stop]

    def last_rates(self, symbol: str, timeframe: int, start_pos: int, count: int, before_msc: int) -> Rows:
        """Bars (RATE_DTYPE) at positions `start_pos + count - 1` … `start_pos`, oldest first; 0 is the newest bar.

        Raises:
            ValueError: unknown timeframe, or a negative position.
        """
        if start_pos < 0:
            raise ValueError(f"negative bar position {start_pos}")
        if count < 1:
            return np.empty(0, RATE_DTYPE)
        bars = self._until(symbol, timeframe, before_msc)
        stop = max(bars.size - start_pos, 0)
        return bars[max(stop - count, 0) : stop]
