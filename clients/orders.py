"""Orders as people think of them: each a task of one or two requests, for every client the same.

What is not given is left to the bridge: it chooses the filling mode, takes the market's price where a deal needs one, and checks
all against the symbol before anything is sent (`docs/protocol.md`, section order).

Sources: MQL5 `MqlTradeRequest`, `ENUM_TRADE_REQUEST_ACTIONS`, `ENUM_ORDER_TYPE`, `ENUM_ORDER_TYPE_TIME`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypedDict, Unpack

from bridge.errors import TryAgain
from bridge.messages import CalcMargin, CalcProfit, CheckOrder, GetTick, SendOrder
from bridge.mt5api import constants as mt5
from bridge.replies import OrderOutcome
from bridge.ticks import last_tick
from bridge.trading import OrderCheck, TradeRequest
from clients.coercion import amount, known, refused, text, trade_request
from clients.moments import server_msc
from clients.tasks import Ask, Steps

Side = Literal["buy", "sell"]
SIDES: dict[str, Literal[0, 1]] = {"buy": 0, "sell": 1}
"""`ORDER_TYPE_BUY` and `ORDER_TYPE_SELL`."""


class Sending(TypedDict, total=False):
    """How an order is sent. `request_id`: its identity; the same order with the same id is never sent twice, and is answered with
    what became of it. `valid_for_s`: not begun later than so many seconds from now (by default 0.9 of `timeout_s`). `timeout_s`:
    how long its answer is waited for."""

    request_id: str | None
    valid_for_s: float | None
    timeout_s: float | None


class Terms(Sending, total=False):
    """What an order at the market may have beside its volume. `sl` and `tp` are prices. `price` and `deviation`, in points, count
    in request and instant execution only; without `price` it is the market's at the moment of sending."""

    sl: float | None
    tp: float | None
    price: float | None
    deviation: int
    comment: str
    magic: int
    type_filling: int | None


class PendingTerms(Sending, total=False):
    """What a pending order may have beside its price. `expiration` is a moment of server time, or `"day"` for its end."""

    sl: float | None
    tp: float | None
    expiration: datetime | float | Literal["day"] | None
    comment: str
    magic: int
    type_filling: int | None


SENDING = tuple(Sending.__annotations__)
_TERMS = tuple(Terms.__annotations__)
_PENDING = tuple(PendingTerms.__annotations__)


# ---- one order -------------------------------------------------------------------------------------------------------------------


def order(request: TradeRequest | Mapping[str, Any], **sending: Unpack[Sending]) -> Steps[OrderOutcome]:
    """Send a trade request. Raises `InvalidParameters` when it breaks a rule and `OrderRejected` when it was refused; then nothing
    was executed.

    Its id is the order's identity. After `OutcomeUnknown` (whose `request_id` has it) the same request with the same id asks the
    bridge what became of it.
    """
    known(sending, SENDING, "the sending of an order")
    outcome: OrderOutcome = yield ask(trade_request(request), sending)
    return outcome


def check(request: TradeRequest | Mapping[str, Any]) -> Steps[OrderCheck]:
    """Would the terminal accept this request? `retcode` 0 says yes. Nothing is placed."""
    found: OrderCheck = yield CheckOrder(trade_request(request))
    return found


def ask(request: TradeRequest, sending: Mapping[str, Any]) -> Ask:
    """The request of an order, with how it is sent."""
    return Ask(
        SendOrder(request),
        request_id=sending.get("request_id"),
        timeout_s=_seconds(sending, "timeout_s"),
        valid_for_s=_seconds(sending, "valid_for_s"),
    )


def _seconds(sending: Mapping[str, Any], field: str) -> float | None:
    value = sending.get(field)
    if value is None:
        return None
    seconds = amount(value, field)
    if not seconds > 0:
        raise refused("number", field, value, None, "it would be over before it is sent")
    return seconds


# ---- at the market ---------------------------------------------------------------------------------------------------------------


def buy(symbol: str, volume: float, **terms: Unpack[Terms]) -> Steps[OrderOutcome]:
    """Buy at the market (`Terms`)."""
    outcome: OrderOutcome = yield ask(market_order("buy", symbol, volume, **terms), terms)
    return outcome


def sell(symbol: str, volume: float, **terms: Unpack[Terms]) -> Steps[OrderOutcome]:
    """Sell at the market (`Terms`)."""
    outcome: OrderOutcome = yield ask(market_order("sell", symbol, volume, **terms), terms)
    return outcome


def market_order(side: str, symbol: str, volume: float, **terms: Unpack[Terms]) -> TradeRequest:
    """The request of an order at the market."""
    known(terms, _TERMS, "an order at the market")
    fields = {name: value for name, value in terms.items() if name not in SENDING and value is not None}
    return trade_request({"action": mt5.TRADE_ACTION_DEAL, "symbol": symbol, "volume": volume, "type": side_of(side), **fields})


# ---- pending ---------------------------------------------------------------------------------------------------------------------


def buy_limit(symbol: str, volume: float, price: float, **terms: Unpack[PendingTerms]) -> Steps[OrderOutcome]:
    """Buy when the ask has fallen to `price` (`PendingTerms`)."""
    return _pending(mt5.ORDER_TYPE_BUY_LIMIT, symbol, volume, price, None, terms)


def sell_limit(symbol: str, volume: float, price: float, **terms: Unpack[PendingTerms]) -> Steps[OrderOutcome]:
    """Sell when the bid has risen to `price` (`PendingTerms`)."""
    return _pending(mt5.ORDER_TYPE_SELL_LIMIT, symbol, volume, price, None, terms)


def buy_stop(symbol: str, volume: float, price: float, **terms: Unpack[PendingTerms]) -> Steps[OrderOutcome]:
    """Buy when the ask has risen to `price` (`PendingTerms`)."""
    return _pending(mt5.ORDER_TYPE_BUY_STOP, symbol, volume, price, None, terms)


def sell_stop(symbol: str, volume: float, price: float, **terms: Unpack[PendingTerms]) -> Steps[OrderOutcome]:
    """Sell when the bid has fallen to `price` (`PendingTerms`)."""
    return _pending(mt5.ORDER_TYPE_SELL_STOP, symbol, volume, price, None, terms)


def buy_stop_limit(symbol: str, volume: float, price: float, limit: float, **terms: Unpack[PendingTerms]) -> Steps[OrderOutcome]:
    """When the ask has risen to `price`, place a buy limit at `limit`, which is below it (`PendingTerms`)."""
    return _pending(mt5.ORDER_TYPE_BUY_STOP_LIMIT, symbol, volume, price, limit, terms)


def sell_stop_limit(symbol: str, volume: float, price: float, limit: float, **terms: Unpack[PendingTerms]) -> Steps[OrderOutcome]:
    """When the bid has fallen to `price`, place a sell limit at `limit`, which is above it (`PendingTerms`)."""
    return _pending(mt5.ORDER_TYPE_SELL_STOP_LIMIT, symbol, volume, price, limit, terms)


def _pending(
    kind: int, symbol: str, volume: float, price: float, limit: float | None, terms: Mapping[str, Any]
) -> Steps[OrderOutcome]:
    known(terms, _PENDING, "a pending order")
    fields = {name: value for name, value in terms.items() if name not in (*SENDING, "expiration") and value is not None}
    request = {
        "action": mt5.TRADE_ACTION_PENDING, "symbol": symbol, "volume": volume, "type": kind, "price": price,
        "stoplimit": 0.0 if limit is None else limit, **lifetime_of(terms.get("expiration")), **fields,
    }  # fmt: skip
    outcome: OrderOutcome = yield ask(trade_request(request), terms)
    return outcome


def lifetime_of(expiration: Any) -> dict[str, int]:
    """The fields of a trade request that say how long a pending order lives."""
    if expiration is None:
        return {}
    if isinstance(expiration, str):
        if expiration != "day":
            raise refused("choice", "expiration", expiration, "day", "it is a moment of server time or 'day'")
        return {"type_time": mt5.ORDER_TIME_DAY}
    return {"type_time": mt5.ORDER_TIME_SPECIFIED, "expiration": server_msc(expiration, "expiration") // 1_000}


# ---- figures ---------------------------------------------------------------------------------------------------------------------


def side_of(side: str) -> Literal[0, 1]:
    """The terminal's number for `buy` or `sell`. Raises `InvalidParameters`."""
    if side not in SIDES:
        raise refused("choice", "side", side, None, "it is 'buy' or 'sell'")
    return SIDES[side]


def margin(side: Side, symbol: str, volume: float, price: float | None = None) -> Steps[float]:
    """Margin that a market order would need, in the account's currency; at the present price unless one is given."""
    number = side_of(side)
    if price is None:
        tick = last_tick((yield GetTick(text(symbol, "symbol"))).record)
        price = tick.ask if number == mt5.ORDER_TYPE_BUY else tick.bid
        if not price > 0:
            raise TryAgain(f"{symbol} has no price yet", next_step="wait for its first tick", symbol=symbol)
    found = yield CalcMargin(number, text(symbol, "symbol"), amount(volume, "volume"), amount(price, "price"))
    value: float = found.value
    return value


def profit(side: Side, symbol: str, volume: float, price_open: float, price_close: float) -> Steps[float]:
    """Profit of a position between two prices, in the account's currency."""
    prices = amount(price_open, "price_open"), amount(price_close, "price_close")
    found = yield CalcProfit(side_of(side), text(symbol, "symbol"), amount(volume, "volume"), *prices)
    value: float = found.value
    return value
