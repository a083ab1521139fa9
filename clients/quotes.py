"""What is quoted now: currency pairs with their spreads, the stocks that are traded most, and the change since the day began."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.errors import TryAgain
from bridge.messages import GetRates, GetTick
from bridge.records import Symbol
from bridge.ticks import iter_bars, last_tick
from clients import history
from clients.coercion import refused, text
from clients.tasks import Steps

FOREX = frozenset({0, 5})
"""`SYMBOL_CALC_MODE_FOREX` and `SYMBOL_CALC_MODE_FOREX_NO_LEVERAGE` (MQL5, ENUM_SYMBOL_CALC_MODE)."""
STOCKS = frozenset({32, 38})
"""`SYMBOL_CALC_MODE_EXCH_STOCKS` and `SYMBOL_CALC_MODE_EXCH_STOCKS_MOEX`."""
STOCK_FOLDERS = ("stock", "share", "equit")
"""Brokers that trade stocks as contracts for difference say so in the folders of their symbols only."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A symbol as it is quoted: `spread` is ask - bid, as a price and in points; `volume` is the largest of a deal today."""

    symbol: str
    path: str
    description: str
    digits: int
    bid: float
    ask: float
    spread: float
    spread_points: int
    volume: float


@dataclass(frozen=True, slots=True)
class DailyChange:
    """How far the bid has come since the server's day began: `change` as a price, `percent` of the opening."""

    symbol: str
    open: float
    price: float
    change: float
    percent: float


def forex() -> Steps[tuple[Quote, ...]]:
    """Currency pairs that are quoted now, by name. A symbol that is not in the terminal's Market Watch has no price there."""
    return tuple(_quote(found) for found in (yield from history.symbols()) if _is_forex(found) and _is_quoted(found))


def stocks(top: int = 20) -> Steps[tuple[Quote, ...]]:
    """The stocks that are quoted now, those with the largest volume (`Symbol.volumehigh`) first, at most `top`. Raises
    `InvalidParameters`."""
    if not isinstance(top, int) or isinstance(top, bool) or top < 1:
        raise refused("range", "top", top, None, "it is a whole number from 1")
    found = [_quote(one) for one in (yield from history.symbols()) if _is_stock(one) and _is_quoted(one)]
    return tuple(sorted(found, key=lambda quote: (-quote.volume, quote.symbol))[:top])


def daily_change(symbol: str) -> Steps[DailyChange]:
    """Since the opening of the day's bar (`D1`, the server's midnight). Raises `UnknownSymbol`, and `TryAgain` while there is no
    bar or no price."""
    name = text(symbol, "symbol")
    bars = list(iter_bars((yield GetRates(name, "D1", count=1)).records))
    price = last_tick((yield GetTick(name)).record).bid
    if not bars or not price or not bars[0].open:
        raise TryAgain(f"{name} has no bar of the day, or no price", next_step="wait until it is quoted", symbol=name)
    begun = bars[0].open
    return DailyChange(name, begun, price, price - begun, (price - begun) / begun * 100.0)


def _folders(symbol: Symbol) -> list[str]:
    """Above a symbol: `Forex\\Majors\\EURUSD` is in two."""
    return symbol.path.lower().split("\\")[:-1]


def _is_forex(symbol: Symbol) -> bool:
    return symbol.trade_calc_mode in FOREX and not _is_stock(symbol)


def _is_stock(symbol: Symbol) -> bool:
    return symbol.trade_calc_mode in STOCKS or any(word in folder for folder in _folders(symbol) for word in STOCK_FOLDERS)


def _is_quoted(symbol: Symbol) -> bool:
    return symbol.bid > 0.0 and symbol.ask > 0.0


def _quote(symbol: Symbol) -> Quote:
    spread = symbol.ask - symbol.bid
    return Quote(
        symbol=symbol.name, path=symbol.path, description=symbol.description, digits=symbol.digits, bid=symbol.bid, ask=symbol.ask,
        spread=round(spread, symbol.digits), spread_points=round(spread / symbol.point) if symbol.point else 0,
        volume=symbol.volumehigh_real or float(symbol.volumehigh),
    )  # fmt: skip
