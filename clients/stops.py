"""Stops by the average true range: each a task of a few requests, for every client the same.

Source: J. Welles Wilder, New Concepts in Technical Trading Systems (1978): true range = max(high - low, |high - close before|,
|low - close before|); the average begins with the mean of the first `period` ranges, and goes on as
ATR = (ATR before * (period - 1) + true range) / period.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from bridge.errors import TryAgain
from bridge.messages import GetRates, GetSymbol
from bridge.records import Symbol
from bridge.ticks import Bar, iter_bars
from clients.coercion import amount, refused, text
from clients.history import timeframe_named
from clients.orders import Side, side_of
from clients.sizing import entry_price
from clients.tasks import Steps

SETTLED = 10
"""After so many periods the beginning counts for less than 1/20,000."""
MOST_PERIOD = 1_000


@dataclass(frozen=True, slots=True)
class AtrStops:
    """Stop and target of an order at `price`, on the symbol's grid, and the average true range that they come from."""

    price: float
    sl: float
    tp: float
    atr: float


def atr(symbol: str, timeframe: str, period: int = 14, *, forming: bool = False) -> Steps[float]:
    """The average true range of the last closed bar, or with `forming` of the one that is not closed, in the symbol's price.

    Raises `InvalidParameters` for a period that is none, `UnknownTimeframe`, and `TryAgain` while there are too few bars.
    """
    if not isinstance(period, int) or isinstance(period, bool) or not 1 <= period <= MOST_PERIOD:
        raise refused("range", "period", period, None, f"it is a whole number from 1 to {MOST_PERIOD}")
    name = timeframe_named(timeframe)
    start = 0 if forming else 1
    records = (yield GetRates(text(symbol, "symbol"), name, count=period * SETTLED + 1, start=start)).records
    bars = list(iter_bars(records))
    if len(bars) <= period:
        raise TryAgain(
            f"{symbol} {name} has {len(bars)} bars, and an average of {period} needs {period + 1}",
            next_step="wait for more, or take another timeframe",
            symbol=symbol,
        )
    return average_true_range(bars, period)


def average_true_range(bars: list[Bar], period: int) -> float:
    """Wilder's average over bars, oldest first, at the last one. There are more of them than `period`."""
    ranges = [max(bar.high - bar.low, abs(bar.high - before.close), abs(bar.low - before.close)) for before, bar in pairwise(bars)]
    average = sum(ranges[:period]) / period
    for true_range in ranges[period:]:
        average = (average * (period - 1) + true_range) / period
    return average


def atr_stops(
    side: Side,
    symbol: str,
    timeframe: str,
    *,
    sl: float = 2.0,
    tp: float = 4.0,
    period: int = 14,
    forming: bool = False,
    price: float | None = None,
) -> Steps[AtrStops]:
    """Stop and target so many average true ranges from the present price, or from one that is given; `tp=0` is no target.

    Raises `InvalidParameters` where the broker wants them farther away (`trade_stops_level`), with the smallest number of ranges
    that would do, and where the stop would be below zero.
    """
    number = side_of(side)
    ranges = {"sl": amount(sl, "sl"), "tp": amount(tp, "tp")}
    if not ranges["sl"] > 0:
        raise refused("range", "sl", sl, None, "it is above 0")
    average = yield from atr(symbol, timeframe, period, forming=forming)
    known: Symbol = yield GetSymbol(symbol)
    entry = yield from entry_price(symbol, number, price)
    if not average > 0:
        raise TryAgain(f"{symbol} {timeframe} does not move", next_step="take another timeframe", symbol=symbol)
    away = 1 if number == 0 else -1
    grid = known.trade_tick_size or known.point
    found = {}
    for name, direction in (("sl", -away), ("tp", away)):
        distance = ranges[name] * average
        least = known.trade_stops_level * known.point
        if ranges[name] and distance < least:
            nearest = -(-least // (average / 100)) / 100
            raise refused(
                "stops", name, ranges[name], nearest, f"{distance:g} away from {entry:g}, and {symbol} wants {least:g} at the least"
            )
        found[name] = _on_grid(entry + direction * distance, grid, known.digits) if ranges[name] else 0.0
    if not found["sl"] > 0 or (ranges["tp"] and not found["tp"] > 0):
        raise refused("stops", "sl", ranges["sl"], None, f"{ranges['sl']:g} times {average:g} away from {entry:g} is below zero")
    return AtrStops(entry, found["sl"], found["tp"], average)


def _on_grid(price: float, grid: float, digits: int) -> float:
    return round(round(price / grid) * grid, digits) if grid > 0 else round(price, digits)
