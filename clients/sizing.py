"""How many lots to trade for a loss that is known beforehand: each a task of a few requests, for every client the same.

The loss of one lot between entry and stop is the terminal's own (`order_calc_profit`, MQL5 `OrderCalcProfit`), for the side that is
traded and in the account's currency, so it holds for crosses, metals, indices and hedging accounts alike. Spread and slippage at
the stop, commission and swap come on top; nobody knows them beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from bridge.errors import TryAgain
from bridge.messages import GetAccount, GetOrders, GetPositions, GetSymbol, GetTick
from bridge.records import Account, Symbol
from bridge.ticks import last_tick
from bridge.trading import Order, Position
from clients.coercion import amount, refused, text
from clients.orders import Side, margin, profit, side_of
from clients.tasks import Steps

Basis = Literal["equity", "balance"]
_ROUNDING = 1e-9
"""What a division of two decimal numbers may be short of a whole step."""


@dataclass(frozen=True, slots=True)
class Size:
    """A volume and what it risks, in the account's currency. `bound_by` says what kept it from being larger."""

    volume: float
    risk: float
    allowed: float
    loss_per_lot: float
    price: float
    sl: float
    margin: float
    bound_by: Literal["risk", "volume_max", "volume_limit", "margin"]

    def __str__(self) -> str:
        return (
            f"{self.volume:g} lots at {self.price:g} with stop {self.sl:g}: risks {self.risk:.2f} of the {self.allowed:.2f} "
            f"that it may (bound by {self.bound_by}), margin {self.margin:.2f}"
        )


def size(
    side: Side,
    symbol: str,
    *,
    sl: float,
    risk_percent: float | None = None,
    risk: float | None = None,
    of: Basis = "equity",
    price: float | None = None,
) -> Steps[Size]:
    """The largest volume that loses no more than `risk` (money), or `risk_percent` of the account's equity or balance, when it is
    closed at `sl`; at the present price unless one is given.

    It is a multiple of the symbol's step, at most its largest volume and what its limit leaves, and what the free margin allows;
    `Size.bound_by` says which of them it was. Never more: where the smallest volume would risk more than that, or needs more margin
    than is free, this raises `InvalidParameters` with the figures, and so it does for a stop on the wrong side.
    """
    number = side_of(side)
    if (risk is None) == (risk_percent is None):
        raise refused("choice", "risk", risk, None, "give either risk or risk_percent")
    if of not in ("equity", "balance"):
        raise refused("choice", "of", of, None, "it is 'equity' or 'balance'")
    stop = amount(sl, "sl")
    given = amount(risk if risk is not None else risk_percent, "risk" if risk is not None else "risk_percent")
    if not given > 0 or (risk_percent is not None and given > 100):
        field = "risk" if risk is not None else "risk_percent"
        raise refused("range", field, given, None, "it is above 0" + ("" if risk is not None else ", and at most 100"))
    known: Symbol = yield GetSymbol(text(symbol, "symbol"))
    account: Account = yield GetAccount()
    entry = yield from entry_price(symbol, number, price)
    if not stop > 0 or (stop >= entry if number == 0 else stop <= entry):
        raise refused(
            "stops", "sl", stop, None, f"the stop of a {side} is {'below' if number == 0 else 'above'} its price {entry:g}"
        )
    loss = -(yield from profit(side, symbol, 1.0, entry, stop))
    if not loss > 0:
        raise TryAgain(
            f"the terminal sees no loss for {symbol} between {entry:g} and {stop:g}",
            next_step="it has no price of the pair that converts it yet: select that pair, and wait for its first tick",
            symbol=symbol,
        )
    allowed = given if risk is not None else getattr(account, of) * given / 100
    bounds: dict[str, float] = {"risk": allowed / loss, "volume_max": known.volume_max}
    if known.volume_limit > 0:
        bounds["volume_limit"] = known.volume_limit - (yield from _held(symbol, number))
    bound = min(bounds, key=lambda name: bounds[name])
    volume = floored(bounds[bound], known.volume_step)
    if volume < known.volume_min:
        least = known.volume_min * loss
        what = "risk" if risk is not None else "risk_percent"
        nearest = least if risk is not None else least / max(getattr(account, of), _ROUNDING) * 100
        raise refused(
            "volume_min", what, given, round(nearest + 0.5e-4, 4) if bound == "risk" else None,
            f"the smallest volume, {known.volume_min:g} lots, would risk {least:.2f}, and {allowed:.2f} is allowed"
            if bound == "risk" else f"{bound} leaves {max(0.0, bounds[bound]):g} lots of {symbol}",
        )  # fmt: skip
    needed = yield from margin(side, symbol, volume, entry)
    if needed > account.margin_free:
        bound, volume = "margin", floored(volume * max(0.0, account.margin_free) / needed, known.volume_step)
        if volume < known.volume_min:
            raise refused(
                "margin",
                "symbol",
                symbol,
                None,
                f"{known.volume_min:g} lots need more margin than the {account.margin_free:.2f} free",
            )
        needed = yield from margin(side, symbol, volume, entry)
    return Size(volume, volume * loss, allowed, loss, entry, stop, needed, bound)  # type: ignore[arg-type]


def entry_price(symbol: str, number: int, price: float | None) -> Steps[float]:
    """The price given, or the one at which this side trades now. Raises `TryAgain` for a symbol without one."""
    if price is not None:
        return amount(price, "price")
    tick = last_tick((yield GetTick(text(symbol, "symbol"))).record)
    present = tick.ask if number == 0 else tick.bid
    if not present > 0:
        raise TryAgain(f"{symbol} has no price yet", next_step="wait for its first tick", symbol=symbol)
    return present


def floored(volume: float, step: float) -> float:
    """The largest multiple of a step that is not above a volume, without the dust of binary fractions."""
    if not step > 0:
        return volume
    return round(math.floor(volume / step + _ROUNDING) * step, 8)


def _held(symbol: str, number: int) -> Steps[float]:
    """Lots of one side that count against the symbol's limit: open positions and pending orders (MQL5 `SYMBOL_VOLUME_LIMIT`)."""
    positions: Iterable[Position] = (yield GetPositions(symbol=symbol)).positions
    orders: Iterable[Order] = (yield GetOrders(symbol=symbol)).orders
    volumes: list[Any] = [held.volume for held in positions if held.type == number]
    volumes += [waiting.volume_current for waiting in orders if waiting.type % 2 == number]
    return float(sum(volumes))
