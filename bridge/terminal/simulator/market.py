"""The simulated market: synthetic ticks and bars as a pure function of (seed, symbol, time), and its union with a replay.

Nothing is stored: hours follow from days, minutes from hours, ticks from minutes, and each level adds up exactly to the
one above, so any range can be asked for, in any order, after any restart, with the same answer to the bit.  All times
are server time (New York + 7 h as if it were UTC) from 2010-01-01 to 2037-12-31.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bridge.mt5api.structs import RATE_DTYPE, TICK_DTYPE
from bridge.terminal.simulator.bars import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    Rows,
    bars_of_ticks,
    merge_bars,
    period_end,
    period_start,
    timeframe_of,
)
from bridge.terminal.simulator.instrument import END_HOUR, FIRST_HOUR, SPAN_HOURS, Instrument
from bridge.terminal.simulator.quotes import Market
from bridge.terminal.simulator.shapes import SHAPES, SymbolShape

__all__ = ["SHAPES", "Market", "Markets", "SymbolShape", "SyntheticMarket"]

_HOUR_MSC = HOUR_S * 1000
_MINUTE_MSC = MINUTE_S * 1000
_FIRST_S = FIRST_HOUR * HOUR_S
_END_MSC = END_HOUR * _HOUR_MSC
_LONGEST_CLOSURE_H = 24 * 14
_BLOCKWISE_H = 2  # an hour or two are kept, for they are asked for again and again
_FEW = 5_000  # ticks that an hour or two may hold


class SyntheticMarket:
    """A Market of made-up symbols.

    `seed` selects the world, `symbols` what each looks like; two markets with the same seed agree on every symbol they
    share.  Every method raises KeyError for a symbol that is not in `symbols`; arrays may be read-only.
    """

    def __init__(self, seed: int, symbols: Mapping[str, SymbolShape] = SHAPES) -> None:
        self._seed = seed
        self._shapes = dict(symbols)
        self._instruments: dict[str, Instrument] = {}

    def symbols(self) -> list[str]:
        """Names of the symbols, in the order given."""
        return list(self._shapes)

    def _instrument(self, symbol: str) -> Instrument:
        instrument = self._instruments.get(symbol)
        if instrument is None:
            instrument = self._instruments[symbol] = Instrument(self._seed, symbol, self._shapes[symbol])
        return instrument

    def ticks(self, symbol: str, from_msc: int, to_msc: int) -> Rows:
        """Ticks (TICK_DTYPE) with `from_msc <= time_msc < to_msc`, in order of arrival."""
        return self._gather(symbol, from_msc, to_msc, None)

    def first_ticks(self, symbol: str, from_msc: int, count: int, before_msc: int) -> Rows:
        """The first `count` ticks (TICK_DTYPE) with `from_msc <= time_msc < before_msc`."""
        return self._gather(symbol, from_msc, before_msc, max(count, 0))

    def _gather(self, symbol: str, from_msc: int, to_msc: int, count: int | None) -> Rows:
        instrument = self._instrument(symbol)
        span = range(from_msc // _HOUR_MSC, -(-to_msc // _HOUR_MSC))
        if to_msc <= from_msc or count == 0:
            return np.empty(0, TICK_DTYPE)
        if len(span) <= _BLOCKWISE_H:
            parts = [self._between(instrument, hour, from_msc, to_msc) for hour in span]
        else:
            parts = list(self._spans(instrument, span, from_msc, to_msc, count))
        rows = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, TICK_DTYPE), *parts])
        return rows[:count]

    def _between(self, instrument: Instrument, hour: int, from_msc: int, to_msc: int) -> Rows:
        block = instrument.block(hour)
        start, stop = np.searchsorted(block.times_msc, (from_msc, to_msc)).tolist()
        return block.ticks[start:stop]

    def _spans(self, instrument: Instrument, span: range, from_msc: int, to_msc: int, count: int | None) -> Iterator[Rows]:
        """The ticks of many hours, some hours at a time, until there are enough."""
        hours = instrument.quoted_hours(span.start, span.stop)
        found, start = 0, 0
        while start < hours.size and (count is None or found < count):
            if count is not None and count - found < _FEW:
                rows, made = self._between(instrument, int(hours[start]), from_msc, to_msc), 1
            else:
                ticks, made = instrument.ticks(hours[start : start + SPAN_HOURS]), SPAN_HOURS
                times_msc = np.ascontiguousarray(ticks["time_msc"])
                first, last = np.searchsorted(times_msc, (from_msc, to_msc)).tolist()
                rows = ticks[first:last]
            yield rows
            found, start = found + rows.size, start + made

    def last_tick(self, symbol: str, before_msc: int) -> np.void | None:
        """The newest tick with `time_msc < before_msc`; None before the first."""
        instrument = self._instrument(symbol)
        before_msc = min(before_msc, _END_MSC)
        newest = (before_msc - 1) // _HOUR_MSC
        block = instrument.block(newest)
        position = int(np.searchsorted(block.times_msc, before_msc))
        if not position:
            hours = instrument.quoted_hours(newest - _LONGEST_CLOSURE_H, newest)
            if not hours.size:
                return None
            block = instrument.block(int(hours[-1]))
            position = block.times_msc.size
        row: np.void = block.ticks[position - 1]
        return row

    def rates(self, symbol: str, timeframe: int, from_s: int, to_s: int, before_msc: int) -> Rows:
        """Bars (RATE_DTYPE) with `from_s <= time <= to_s` of ticks before `before_msc`; the last may be forming.

        Raises:
            ValueError: unknown timeframe.
        """
        length_s = timeframe_of(timeframe).length_s
        instrument = self._instrument(symbol)
        before_msc = min(before_msc, _END_MSC)
        from_s = max(from_s, _FIRST_S - 31 * DAY_S)
        last_s = min(to_s, (before_msc - 1) // 1000)
        start_s = period_start(timeframe, from_s)
        if start_s < from_s:
            start_s = period_end(timeframe, from_s)
        if last_s < start_s:
            return np.empty(0, RATE_DTYPE)
        end_msc = min(period_end(timeframe, last_s) * 1000, before_msc)
        hour, minute = end_msc // _HOUR_MSC, end_msc // _MINUTE_MSC
        parts = []
        first_minute = start_s // MINUTE_S
        if length_s >= HOUR_S:
            parts.append(instrument.hour_bars(start_s // HOUR_S, hour))
            first_minute = max(first_minute, hour * 60)
        parts.append(instrument.minute_bars(first_minute, minute))
        if end_msc % _MINUTE_MSC:
            forming = self.ticks(symbol, max(minute * _MINUTE_MSC, start_s * 1000), end_msc)
            parts.append(bars_of_ticks(forming, 1, instrument.shape.point))
        return merge_bars(np.concatenate(parts), timeframe)

    def last_rates(self, symbol: str, timeframe: int, start_pos: int, count: int, before_msc: int) -> Rows:
        """Bars (RATE_DTYPE) at positions `start_pos + count - 1` … `start_pos`, oldest first; 0 is the newest bar.

        Fewer where history ends; none for a count below 1.

        Raises:
            ValueError: unknown timeframe, or a negative position.
        """
        length_s = timeframe_of(timeframe).length_s
        if start_pos < 0:
            raise ValueError(f"negative bar position {start_pos}")
        if count < 1:
            return np.empty(0, RATE_DTYPE)
        needed = start_pos + count
        quoted = self._instrument(symbol).hours.open_minutes.sum() / 10_080
        last_s = (min(before_msc, _END_MSC) - 1) // 1000
        span_s = int(needed * length_s / (quoted if length_s < DAY_S else 0.7)) + 4 * DAY_S
        while True:
            bars = self.rates(symbol, timeframe, last_s - span_s, last_s, before_msc)
            if bars.size >= needed or last_s - span_s < _FIRST_S:
                return bars[max(bars.size - needed, 0) : max(bars.size - start_pos, 0)]
            span_s *= 2


class Markets:
    """Several markets as one: each symbol comes from the first market that has it, a replay before the synthetic one."""

    def __init__(self, *markets: Market) -> None:
        self._by_symbol: dict[str, Market] = {}
        for market in markets:
            for symbol in market.symbols():
                self._by_symbol.setdefault(symbol, market)

    def symbols(self) -> list[str]:
        """Names of the symbols of all markets."""
        return list(self._by_symbol)

    def ticks(self, symbol: str, from_msc: int, to_msc: int) -> Rows:
        """As Market.ticks."""
        return self._by_symbol[symbol].ticks(symbol, from_msc, to_msc)

    def first_ticks(self, symbol: str, from_msc: int, count: int, before_msc: int) -> Rows:
        """As Market.first_ticks."""
        return self._by_symbol[symbol].first_ticks(symbol, from_msc, count, before_msc)

    def last_tick(self, symbol: str, before_msc: int) -> np.void | None:
        """As Market.last_tick."""
        return self._by_symbol[symbol].last_tick(symbol, before_msc)

    def rates(self, symbol: str, timeframe: int, from_s: int, to_s: int, before_msc: int) -> Rows:
        """As Market.rates."""
        return self._by_symbol[symbol].rates(symbol, timeframe, from_s, to_s, before_msc)

    def last_rates(self, symbol: str, timeframe: int, start_pos: int, count: int, before_msc: int) -> Rows:
        """As Market.last_rates."""
        return self._by_symbol[symbol].last_rates(symbol, timeframe, start_pos, count, before_msc)
