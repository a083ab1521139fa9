"""The ticks inside minutes: when they come, and which bid and ask each brings.

Given minute bars in points, makes ticks that add up to these bars exactly.  All sums run over integers, so a minute's
ticks do not depend on which other minutes are made with it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bridge.mt5api.structs import TICK_DTYPE
from bridge.terminal.simulator.bars import Rows
from bridge.terminal.simulator.bridging import RANGE_SD
from bridge.terminal.simulator.draws import (
    NORMAL_STEPS,
    TABLE_SIZE,
    Bits,
    Floats,
    Ints,
    LogNoise,
    bits_at,
    key_of,
    lognormal_table,
    quantile,
    stepped_table,
    uniform,
)
from bridge.terminal.simulator.shapes import SymbolShape
from bridge.terminal.simulator.stretching import Cells, Stretch, stretch_to, thresholds, too_short

Bools = npt.NDArray[np.bool_]

_TICKS_BITS = 16  # a minute's ticks are indexed by minute * 2**16 + position
_MINUTE_MSC = 60_000
_CELLS = 6
_CELL_MSC = _MINUTE_MSC // _CELLS
_NEWS_CELLS = np.array([2.6, 1.3, 0.7, 0.5, 0.5, 0.4])  # the first seconds after a release are the busiest
_LAST_MSC_GAP = 20_000
_SLACK = 4  # spread levels by which a bid may leave an old ask behind before the ask follows

FLAG_BID, FLAG_ASK = 2, 4
_FLAG_ALWAYS, _FLAG_SOMETIMES = 0x400, 0x80  # undocumented bits seen on current servers: 1030, 1028, 1026, 1158 …
_SOMETIMES = TABLE_SIZE // 8


class _Layout(NamedTuple):
    """Where each minute's ticks lie in the flat arrays: `first` and `last` positions, and each tick's minute."""

    first: npt.NDArray[np.intp]
    last: npt.NDArray[np.intp]
    owner: npt.NDArray[np.intp]
    draw: Ints  # index of the tick's draws


def _layout(minutes: Ints, counts: Ints) -> _Layout:
    ends = np.cumsum(counts)
    first = ends - counts
    owner = np.repeat(np.arange(counts.size), counts)
    position = np.arange(int(ends[-1]), dtype=np.int64) - first[owner]
    return _Layout(first, ends - 1, owner, (minutes[owner] << _TICKS_BITS) + position)


class Arrivals:
    """Makes the ticks of one symbol."""

    def __init__(self, seed: int, symbol: str, shape: SymbolShape) -> None:
        feed = shape.feed
        self._shape = shape
        self._time_key = key_of(seed, symbol, "time")
        self._price_key = key_of(seed, symbol, "price")
        self._push_key = key_of(seed, symbol, "push")
        self._width_key = key_of(seed, symbol, "width")
        self._cells = LogNoise(key_of(seed, "cell"), key_of(seed, symbol, "cell"), sd=feed.cell_sd, reach=0.0, share=0.7)
        gaps = np.rint(feed.gap_ms * lognormal_table(feed.gap_sd))
        self._gaps = np.clip(gaps, feed.floor_ms, _LAST_MSC_GAP).astype(np.int64)
        self._gaps[: round(TABLE_SIZE * feed.same_ms)] = 0
        self._new_cluster = round(TABLE_SIZE / feed.cluster)
        self._bid_only = round(TABLE_SIZE * feed.bid_only)
        self._one_sided = round(TABLE_SIZE * (feed.bid_only + feed.ask_only))
        self._repeated = TABLE_SIZE - round(TABLE_SIZE * feed.repeats)
        step = shape.spread_step
        self._widths = stepped_table((0.55, 0), (0.25, step), (0.12, 2 * step), (0.06, 3 * step), (0.02, 6 * step))

    def ticks(self, minutes: Ints, bars: Cells, news: Floats) -> Rows:
        """Ticks (TICK_DTYPE) of the minute bars, which all have ticks; `minutes` are epoch minutes, ascending.

        `news` is the magnitude of a release in each minute.  The first tick of each hour carries both flags.
        """
        layout = _layout(minutes, bars.ticks)
        time_msc = self._times(minutes, layout, news)
        draws = bits_at(self._price_key, layout.draw)
        bid = self._bids(minutes, bars, layout, draws)
        ask = self._asks(bars, layout, draws, bid, time_msc)
        flags = self._flags(layout, draws, bid, ask, minutes)
        rows = np.zeros(bid.size, TICK_DTYPE)
        rows["time"] = time_msc // 1000
        rows["time_msc"] = time_msc
        rows["bid"] = bid / self._shape.scale
        rows["ask"] = ask / self._shape.scale
        rows["flags"] = flags
        return rows

    def _times(self, minutes: Ints, layout: _Layout, news: Floats) -> Ints:
        draws = bits_at(self._time_key, layout.draw)
        new = quantile(draws) < self._new_cluster
        new[layout.first] = True
        leaders = np.flatnonzero(new)
        owner = layout.owner[leaders]
        weights = self._cells.at(minutes[:, None] * _CELLS + np.arange(_CELLS, dtype=np.int64))
        weights = np.where(news[:, None] > 0, weights * _NEWS_CELLS, weights)
        shares = np.cumsum(weights, axis=1)
        shares /= shares[:, -1:].copy()
        place = uniform(draws[leaders])
        cell = (shares[owner, :-1] <= place[:, None]).sum(axis=1)
        upper = shares[owner, cell]
        lower = np.where(cell > 0, shares[owner, np.maximum(cell - 1, 0)], 0.0)
        within = np.divide(place - lower, upper - lower, out=np.zeros(place.shape), where=upper > lower)
        begin = ((cell + within) * _CELL_MSC).astype(np.int64)
        gaps = np.where(new, 0, self._gaps[quantile(draws, 1)])
        elapsed = np.cumsum(gaps)
        cluster = np.cumsum(new, dtype=np.int64) - 1
        offset = (begin[cluster] + elapsed - elapsed[leaders][cluster]) % _MINUTE_MSC
        base = layout.owner * _MINUTE_MSC
        ordered = np.sort(base + offset)
        times: Ints = ordered - base + minutes[layout.owner] * _MINUTE_MSC
        return times

    def _bids(self, minutes: Ints, bars: Cells, layout: _Layout, draws: Bits) -> Ints:
        first, last, owner = layout.first, layout.last, layout.owner
        kind = quantile(draws, 1)
        moved = (kind < self._bid_only) | ((kind >= self._one_sided) & (kind < self._repeated))
        moved[last] = True
        moved[first] = False
        walk = np.cumsum(np.where(moved, NORMAL_STEPS[quantile(draws)], 0))
        walk -= walk[first][owner]
        moves = np.cumsum(moved, dtype=np.int64)
        moves -= moves[first][owner]
        total = np.maximum(moves[last], 1)
        noise = walk - (walk[last] / total)[owner] * moves  # a bridge from 0 to 0
        line = bars.open[owner] + ((bars.close - bars.open) / total)[owner] * moves
        sd = (bars.high - bars.low) / RANGE_SD / np.sqrt(total) / (1 << 20)
        path = line + sd[owner] * noise
        top, bottom = np.maximum.reduceat(path, first), np.minimum.reduceat(path, first)
        sd *= np.clip((bars.high - bars.low) / np.maximum(top - bottom, 1e-9), 0.3, 3.0)
        path = line + sd[owner] * noise
        path[last] = bars.close
        path[first] = bars.open
        top, bottom = np.maximum.reduceat(path, first), np.minimum.reduceat(path, first)
        short = np.flatnonzero(too_short(bars, top, bottom))
        if short.size:
            self._push(path, minutes[short], bars.take(short), first[short])
            top, bottom = np.maximum.reduceat(path, first), np.minimum.reduceat(path, first)
        by_tick = Stretch(*(column[owner] for column in stretch_to(bars, top, bottom)))
        return np.rint(by_tick.apply(path)).astype(np.int64)

    def _push(self, path: Floats, minutes: Ints, bars: Cells, first: npt.NDArray[np.intp]) -> None:
        """Two different ticks between the first and the last of each minute set so far out that it reaches up and down."""
        draws = bits_at(self._push_key, minutes)
        inner = bars.ticks - 2  # at least 1: a bar of two ticks has no extremes of its own
        one = quantile(draws) % inner
        other = (one + 1 + quantile(draws, 1) % np.maximum(inner - 1, 1)) % inner
        reach_up, reach_down = thresholds(bars)
        has_high = bars.high > np.maximum(bars.open, bars.close)
        has_low = bars.low < np.minimum(bars.open, bars.close)
        peaks, troughs = (first + 1 + one)[has_high], (first + 1 + other)[has_low]
        path[peaks] = np.maximum(path[peaks], reach_up[has_high])
        path[troughs] = np.minimum(path[troughs], reach_down[has_low])

    def _asks(self, bars: Cells, layout: _Layout, draws: Bits, bid: Ints, time_msc: Ints) -> Ints:
        first, owner = layout.first, layout.owner
        kind = quantile(draws, 1)
        updated = (kind >= self._bid_only) & (kind < self._repeated)
        updated[first] = True
        width = self._widths[quantile(bits_at(self._width_key, time_msc // _CELL_MSC))]
        one_sided = updated & (kind < self._one_sided)
        width += np.where(one_sided, self._shape.spread_step * (1 + quantile(draws, 2) % 2), 0)
        quoted = bid + bars.spread[owner] + width
        newest = np.maximum.accumulate(np.where(updated, np.arange(bid.size), 0))
        narrow = bid + bars.spread[owner]
        ask = np.clip(quoted[newest], narrow, narrow + width + _SLACK * self._shape.spread_step)
        excess = np.minimum.reduceat(ask - bid, first) - bars.spread
        asks: Ints = ask - excess[owner]
        return asks

    def _flags(self, layout: _Layout, draws: Bits, bid: Ints, ask: Ints, minutes: Ints) -> npt.NDArray[np.uint32]:
        """Flags by what changed; ticks that change nothing but are not meant to repeat get another ask (in place) first."""
        hour = minutes // 60
        opening = layout.first[np.concatenate(([True], hour[1:] != hour[:-1]))]
        changed = np.concatenate(([True], (bid[1:] != bid[:-1]) | (ask[1:] != ask[:-1])))
        changed[layout.first] = True  # every minute keeps a tick with its smallest spread
        position = np.arange(bid.size)
        in_run = position - np.maximum.accumulate(np.where(changed, position, 0))
        ask += (in_run % 2 == 1) & (quantile(draws, 1) < self._repeated)
        flags = np.full(bid.size, _FLAG_ALWAYS, np.uint32)
        flags[1:] |= np.where(bid[1:] != bid[:-1], FLAG_BID, 0).astype(np.uint32)
        flags[1:] |= np.where(ask[1:] != ask[:-1], FLAG_ASK, 0).astype(np.uint32)
        flags[opening] |= FLAG_BID | FLAG_ASK
        flags[flags & (FLAG_BID | FLAG_ASK) == 0] |= FLAG_BID | FLAG_ASK
        flags[quantile(draws, 4) < _SOMETIMES] |= _FLAG_SOMETIMES
        return flags
