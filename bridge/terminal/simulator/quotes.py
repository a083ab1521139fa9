"""Present prices, taken from the market, and the market's interface as the world sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[Any]
"""A one-dimensional structured array of ticks or bars."""


class Market(Protocol):
    """Where ticks and bars come from; times are server time, nothing at or after `before_msc` is ever seen."""

    def ticks(self, symbol: str, from_msc: int, to_msc: int) -> Rows:
        """Ticks with `from_msc <= time_msc < to_msc`, in order of arrival."""
        ...

    def first_ticks(self, symbol: str, from_msc: int, count: int, before_msc: int) -> Rows:
        """The first `count` ticks with `from_msc <= time_msc < before_msc`."""
        ...

    def last_tick(self, symbol: str, before_msc: int) -> np.void | None:
        """The newest tick before `before_msc`, or None if there is none."""
        ...

    def rates(self, symbol: str, timeframe: int, from_s: int, to_s: int, before_msc: int) -> Rows:
        """Bars with `from_s <= time <= to_s`; the last may be forming."""
        ...

    def last_rates(self, symbol: str, timeframe: int, start_pos: int, count: int, before_msc: int) -> Rows:
        """Bars `start_pos + count - 1` to `start_pos`, counted from the newest, oldest first."""
        ...

    def symbols(self) -> list[str]:
        """Names of the symbols that have ticks."""
        ...


class Quote(NamedTuple):
    """The newest tick of a symbol, as plain numbers; field meanings as in the package's Tick."""

    time_msc: int
    bid: float
    ask: float
    last: float = 0.0
    volume: int = 0
    flags: int = 6
    volume_real: float = 0.0

    def side(self, side: int) -> float:
        """The price at which an order of this side executes: the ask for BUY (0), the bid for SELL (1)."""
        return self.bid if side else self.ask


def quote_of(row: np.void) -> Quote:
    """A tick row of a market as a Quote."""
    _, bid, ask, last, volume, time_msc, flags, volume_real = row.item()
    return Quote(time_msc, bid, ask, last, volume, flags, volume_real)


@dataclass(frozen=True, slots=True)
class DayPrices:
    """Bids of one server day up to a moment, its smallest spread, and the close of the day before; zeros where
    unknown.
    """

    day: int = -1
    until_msc: int = 0
    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    spread: float = 0.0
    close_before: float = 0.0


class Quotes:
    """The newest quote of each symbol at one moment; asks the market once per symbol and moment."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self.known = frozenset(market.symbols())
        self._now_msc = 0
        self._cache: dict[str, Quote | None] = {}

    def move(self, now_msc: int) -> None:
        """Go to another moment; ticks at or after it are not seen."""
        if now_msc != self._now_msc:
            self._now_msc = now_msc
            self._cache.clear()

    def put(self, symbol: str, quote: Quote) -> None:
        """Set a quote that the caller already has for the present moment."""
        self._cache[symbol] = quote

    def get(self, symbol: str) -> Quote | None:
        """The newest quote before the present moment; None before the first tick and for symbols without a market."""
        if symbol not in self._cache:
            row = self._market.last_tick(symbol, self._now_msc) if symbol in self.known else None
            self._cache[symbol] = None if row is None else quote_of(row)
        return self._cache[symbol]
