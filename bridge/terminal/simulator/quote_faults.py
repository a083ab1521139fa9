"""Faults of the quotes that a terminal shows: doubled, late, out of order, crossed, empty or not a number.

Programs see them in symbol_info_tick, symbol_info, symbols_get and copy_ticks_*.  The server itself trades, values
positions and makes bars with the right ones, so that no account is ruined by a fault of its display.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bridge.records import Symbol
from bridge.terminal.simulator.answers import OK, Answer
from bridge.terminal.simulator.fault import Fault, FaultRefused
from bridge.terminal.simulator.quotes import Market, Quotes, Rows
from bridge.terminal.simulator.symbol_faults import check_symbol
from bridge.terminal.simulator.terminal_faults import check_range

if TYPE_CHECKING:
    from bridge.terminal.simulator.fault import Proceed
    from bridge.terminal.simulator.world import World

_FLAGS = 2 | 4  # bid and ask changed
_SHOWN = {"time": 0, "bid": 1, "ask": 2, "last": 3}  # fields of SymbolInfo from those of Tick
_PLACES = {name: list(Symbol.__slots__).index(name) for name in (*_SHOWN, "spread", "point", "name")}
_LONGEST_MS = 86_400_000

Alter = Callable[[Rows], None]
"""Changes rows of ticks in place."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What is wrong with a symbol's ticks: `rows` more, each shown after those up to its `places_msc`, and those with
    `from_msc <= time_msc < to_msc` altered.
    """

    rows: Rows
    places_msc: list[int]
    alter: Alter
    from_msc: int
    to_msc: int


@dataclass(frozen=True, slots=True)
class Disturbed:
    """A market in which one symbol has disturbances, oldest first.  Bars are the market's own."""

    market: Market
    symbol: str
    disturbances: tuple[Disturbance, ...]

    def ticks(self, symbol: str, from_msc: int, to_msc: int) -> Rows:
        """As the market's."""
        return self._mixed(symbol, self.market.ticks(symbol, from_msc, to_msc), from_msc, to_msc)

    def first_ticks(self, symbol: str, from_msc: int, count: int, before_msc: int) -> Rows:
        """As the market's."""
        rows = self.market.first_ticks(symbol, from_msc, count, before_msc)
        end_msc = before_msc if len(rows) < count else int(rows[-1]["time_msc"]) + 1
        return self._mixed(symbol, rows, from_msc, end_msc)[:count]

    def last_tick(self, symbol: str, before_msc: int) -> np.void | None:
        """As the market's."""
        row = self.market.last_tick(symbol, before_msc)
        if row is None or symbol != self.symbol:
            return row
        last: np.void = self._mixed(symbol, np.array([row]), 0, before_msc)[-1]
        return last

    def rates(self, symbol: str, timeframe: int, from_s: int, to_s: int, before_msc: int) -> Rows:
        """The market's."""
        return self.market.rates(symbol, timeframe, from_s, to_s, before_msc)

    def last_rates(self, symbol: str, timeframe: int, start_pos: int, count: int, before_msc: int) -> Rows:
        """The market's."""
        return self.market.last_rates(symbol, timeframe, start_pos, count, before_msc)

    def symbols(self) -> list[str]:
        """The market's."""
        return self.market.symbols()

    def _mixed(self, symbol: str, rows: Rows, from_msc: int, to_msc: int) -> Rows:
        if symbol != self.symbol:
            return rows
        places = [rows["time_msc"]]
        parts = [rows]
        for disturbance in self.disturbances:
            parts[0] = _altered(parts[0], disturbance)
            times_msc = disturbance.rows["time_msc"]
            chosen = (times_msc >= from_msc) & (times_msc < to_msc)
            parts.append(disturbance.rows[chosen])
            places.append(np.array(disturbance.places_msc, np.int64)[chosen])
        mixed: Rows = np.concatenate(parts)[np.argsort(np.concatenate(places), kind="stable")]
        return mixed


def _altered(rows: Rows, disturbance: Disturbance) -> Rows:
    touched = (rows["time_msc"] >= disturbance.from_msc) & (rows["time_msc"] < disturbance.to_msc)
    if not touched.any():
        return rows
    altered, part = rows.copy(), rows[touched]
    disturbance.alter(part)
    altered[touched] = part
    return altered


def duplicate_quote(symbol: str = "EURUSD", count: int = 1) -> Fault:
    """The newest tick is in the history `count` times more."""
    check_range("count", count, 1, 1_000)
    return _disturbance(symbol, lambda row, _: [(row, int(row["time_msc"][0]))] * count)


def late_quote(symbol: str = "EURUSD", age_ms: int = 500) -> Fault:
    """A tick that much older than the newest one appears in the history, behind delivered ones."""
    check_range("age_ms", age_ms, 1, _LONGEST_MS)

    def late(row: Rows, _: int) -> list[tuple[Any, int]]:
        aged = _aged(row, age_ms)
        return [(aged, int(aged["time_msc"][0]))]

    return _disturbance(symbol, late)


def out_of_order_quote(symbol: str = "EURUSD", age_ms: int = 500) -> Fault:
    """A tick that much older than the newest one arrives as the newest."""
    check_range("age_ms", age_ms, 1, _LONGEST_MS)
    return _disturbance(symbol, lambda row, now_msc: [(_aged(row, age_ms), now_msc - 1)])


def crossed_quote(symbol: str = "EURUSD", seconds: float = 0.0) -> Fault:
    """A tick whose bid is above its ask, and all ticks of the next `seconds`."""
    return _bad_price(symbol, seconds, _cross)


def zero_quote(symbol: str = "EURUSD", seconds: float = 0.0) -> Fault:
    """A tick with bid and ask 0, and all ticks of the next `seconds`."""
    return _bad_price(symbol, seconds, lambda rows: _set(rows, 0.0))


def nan_quote(symbol: str = "EURUSD", seconds: float = 0.0) -> Fault:
    """A tick whose bid and ask are not a number, and all ticks of the next `seconds`."""
    return _bad_price(symbol, seconds, lambda rows: _set(rows, math.nan))


def _aged(row: Rows, age_ms: int) -> Rows:
    """An older tick with prices that no other one needs to have."""
    aged = row.copy()
    aged["time_msc"] -= age_ms
    aged["time"] = aged["time_msc"] // 1000
    aged["bid"] -= (aged["ask"] - aged["bid"]) / 2
    return aged


def _cross(rows: Rows) -> None:
    bid = rows["bid"].copy()
    rows["bid"] = np.where(rows["ask"] > bid, rows["ask"], bid * (1 + 1e-5))
    rows["ask"] = bid


def _set(rows: Rows, price: float) -> None:
    rows["bid"] = price
    rows["ask"] = price


def _bad_price(symbol: str, seconds: float, alter: Alter) -> Fault:
    check_range("seconds", seconds, 0.0, 86_400.0)

    def bad(row: Rows, now_msc: int) -> list[tuple[Any, int]]:
        changed = row.copy()
        changed["time_msc"], changed["time"], changed["flags"] = now_msc - 1, (now_msc - 1) // 1000, _FLAGS
        alter(changed)
        return [(changed, now_msc - 1)]

    return _disturbance(symbol, bad, alter, round(seconds * 1000))


def _disturbance(
    symbol: str, rows_from: Callable[[Rows, int], list[tuple[Any, int]]], alter: Alter = lambda _: None, lasting_msc: int = 0
) -> Fault:
    """More rows, made at the start from the newest tick (an array of one row) and the moment, with their places."""
    made: list[Disturbance] = []

    def start(world: World) -> None:
        check_symbol(world, symbol)
        newest = world.server.market.last_tick(symbol, world.now_msc) if symbol in world.server.quotes.known else None
        if newest is None:
            raise FaultRefused(f"symbol: {symbol} has no quote yet")
        pairs = rows_from(np.array([newest]), world.now_msc)
        rows = np.concatenate([row for row, _ in pairs])
        until_msc = world.now_msc + lasting_msc
        made.append(Disturbance(rows, [place for _, place in pairs], alter, world.now_msc, until_msc))

    def change(world: World, function: str, args: list[Any], proceed: Proceed) -> Answer:
        server = world.server
        market, quotes = server.market, server.quotes

        def shown(asked: str, given: list[Any]) -> Answer:
            younger = market if isinstance(market, Disturbed) else Disturbed(market, symbol, ())
            server.market = Disturbed(younger.market, symbol, (made[0], *younger.disturbances))
            if asked == "symbol_info_tick":
                server.quotes = Quotes(server.market)
                server.quotes.move(world.now_msc)
            try:
                return proceed(asked, given)
            finally:
                server.market, server.quotes = market, quotes

        if (function.startswith("copy_ticks") or function == "symbol_info_tick") and args[0] == symbol:
            return shown(function, args)
        answer = proceed(function, args)
        if answer[0] == OK[0] and function in ("symbol_info", "symbols_get"):
            for row in [answer[2]] if function == "symbol_info" else answer[2]:
                if row[_PLACES["name"]] == symbol:
                    _show(row, shown("symbol_info_tick", [symbol]))
        return answer

    return Fault(start=start, change=change)


def _show(row: list[Any], tick: Answer) -> None:
    """Put the tick that is shown into a row of SymbolInfo, if there is one."""
    if tick[0] != OK[0]:
        return
    for name, place in _SHOWN.items():
        row[_PLACES[name]] = tick[2][place]
    spread = (tick[2][2] - tick[2][1]) / row[_PLACES["point"]]
    row[_PLACES["spread"]] = round(spread) if math.isfinite(spread) else 0
