"""Bars and ticks as copy_rates_* and copy_ticks_* return them, and selections from the books of orders and deals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import numpy as np

from bridge.mt5api.constants import COPY_TICKS_ALL, COPY_TICKS_INFO, COPY_TICKS_TRADE
from bridge.terminal.simulator.bars import TIMEFRAMES, period_end
from bridge.terminal.simulator.failures import BadParameters, NoHistory, TooMuch
from bridge.terminal.simulator.quotes import Market, Rows
from bridge.trading import Deal, Order

MAX_BARS = 100_000
"""The terminal's "Max. bars in chart"; older bars are not visible, and not so many can be asked for at once."""

MAX_TICKS = 1_118_000
"""Rows of ticks that one answer holds (64 MiB)."""

_FLAGS = {COPY_TICKS_ALL: None, COPY_TICKS_INFO: 2 | 4, COPY_TICKS_TRADE: 8 | 16 | 32 | 64}

Record = TypeVar("Record", Order, Deal)


def _check_timeframe(timeframe: int) -> None:
    if timeframe not in TIMEFRAMES:
        raise BadParameters


def _oldest_bar_s(timeframe: int, now_msc: int) -> int:
    return now_msc // 1000 - MAX_BARS * TIMEFRAMES[timeframe].length_s


def rates_from(market: Market, symbol: str, timeframe: int, date_from: int, count: int, now_msc: int) -> Rows:
    """The last `count` bars that open at or before `date_from`, oldest first."""
    _check_timeframe(timeframe)
    if not 0 < count < MAX_BARS:
        raise BadParameters
    if date_from < _oldest_bar_s(timeframe, now_msc):
        raise NoHistory
    before_msc = now_msc
    if date_from * 1000 < now_msc:
        before_msc = min(now_msc, period_end(timeframe, date_from) * 1000)
    return market.last_rates(symbol, timeframe, 0, count, before_msc)


def rates_from_pos(market: Market, symbol: str, timeframe: int, start_pos: int, count: int, now_msc: int) -> Rows:
    """Bars `start_pos + count - 1` to `start_pos` counted from the forming one, oldest first."""
    _check_timeframe(timeframe)
    if start_pos < 0 or not 0 < count < MAX_BARS or start_pos + count > MAX_BARS:
        raise BadParameters
    return market.last_rates(symbol, timeframe, start_pos, count, now_msc)


def rates_range(market: Market, symbol: str, timeframe: int, date_from: int, date_to: int, now_msc: int) -> Rows:
    """Bars with `date_from <= open time <= date_to`; the part of the interval that is visible."""
    _check_timeframe(timeframe)
    if date_from > date_to:
        raise BadParameters
    oldest = _oldest_bar_s(timeframe, now_msc)
    if date_to < oldest:
        raise NoHistory
    return market.rates(symbol, timeframe, max(date_from, oldest), min(date_to, now_msc // 1000), now_msc)


def ticks_from(market: Market, symbol: str, date_from: int, count: int, flags: int, now_msc: int) -> Rows:
    """The first `count` ticks of the kind from `date_from` on; the last `count` for `date_from` 0 (MQL5:
    CopyTicks).
    """
    if flags not in _FLAGS or count <= 0:
        raise BadParameters
    if count > MAX_TICKS:
        raise TooMuch
    if date_from <= 0:
        return _last_ticks(market, symbol, count, flags, now_msc)
    asked = count
    while True:
        rows = market.first_ticks(symbol, date_from * 1000, asked, now_msc)
        kept = _of_kind(rows, flags)
        if len(kept) >= count or len(rows) < asked or asked > MAX_TICKS or _never_traded(rows, flags):
            return kept[:count]
        asked *= 2


def _last_ticks(market: Market, symbol: str, count: int, flags: int, now_msc: int) -> Rows:
    """The last `count` ticks, looked for in ever longer spans before now (at most about three years)."""
    span_msc = 3_600_000
    while True:
        rows = market.ticks(symbol, now_msc - span_msc, now_msc)
        kept = _of_kind(rows, flags)
        enough = len(kept) >= count or len(rows) > MAX_TICKS or _never_traded(rows, flags)
        if enough or span_msc > 2**15 * 3_600_000:
            return kept[-count:]
        span_msc *= 4


def _never_traded(rows: Rows, flags: int) -> bool:
    """Whether there is no point in looking further for trades: the symbol has quotes only, like forex and CFD."""
    return flags == COPY_TICKS_TRADE and len(rows) > 0 and not rows["last"].any()


def ticks_range(market: Market, symbol: str, date_from: int, date_to: int, flags: int, now_msc: int) -> Rows:
    """Ticks of the kind with `date_from <= time <= date_to`: the end cuts at the whole second.

    Raises TooMuch for more rows than one answer holds.
    """
    if flags not in _FLAGS or date_from > date_to:
        raise BadParameters
    rows = market.first_ticks(symbol, date_from * 1000, MAX_TICKS + 1, min(date_to * 1000 + 1, now_msc))
    if len(rows) > MAX_TICKS:
        raise TooMuch
    return _of_kind(rows, flags)


def _of_kind(rows: Rows, flags: int) -> Rows:
    bits = _FLAGS[flags]
    if bits is None:
        return rows
    kept: Rows = rows[(rows["flags"] & np.uint32(bits)) != 0]
    return kept


def orders_between(orders: Iterable[Order], date_from: int, date_to: int) -> list[Order]:
    """Orders done in the interval, both ends included, by time."""
    chosen = [order for order in orders if date_from <= order.time_done <= date_to]
    return sorted(chosen, key=lambda order: (order.time_done_msc, order.ticket))


def deals_between(deals: Iterable[Deal], date_from: int, date_to: int) -> list[Deal]:
    """Deals made in the interval, both ends included, by time."""
    chosen = [deal for deal in deals if date_from <= deal.time <= date_to]
    return sorted(chosen, key=lambda deal: (deal.time_msc, deal.ticket))


def by_position(records: Iterable[Record], position: int) -> list[Record]:
    """Records that belong to the position with this identifier, in order of tickets."""
    return sorted((r for r in records if r.position_id == position), key=lambda r: r.ticket)
