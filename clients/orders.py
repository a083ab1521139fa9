"""Trade requests as the terminal wants them, made from what is known of the symbol, and the symbol that a person means.

Sources: MQL5 `MqlTradeRequest`, `ENUM_ORDER_TYPE_FILLING`, `ENUM_SYMBOL_TRADE_EXECUTION`.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Literal

from bridge.errors import InvalidParameters, TryAgain
from bridge.messages import GetOrders, GetPositions, GetSymbol, GetTick
from bridge.mt5api.constants import (
    ORDER_FILLING_FOK,
    ORDER_FILLING_IOC,
    ORDER_FILLING_RETURN,
    ORDER_TYPE_BUY,
    SYMBOL_TRADE_EXECUTION_MARKET,
    TRADE_ACTION_DEAL,
    TRADE_ACTION_MODIFY,
    TRADE_ACTION_REMOVE,
    TRADE_ACTION_SLTP,
)
from bridge.records import Symbol
from bridge.ticks import Tick, last_tick
from bridge.trading import Order, Position, TradeRequest
from clients.history import Steps

Side = Literal["buy", "sell"]
SIDES: dict[str, Literal[0, 1]] = {"buy": 0, "sell": 1}
"""`ORDER_TYPE_BUY` and `ORDER_TYPE_SELL`."""
_FOK_ALLOWED, _IOC_ALLOWED = 1, 2
_FIELDS: dict[str, type] = {field.name: type(field.default) for field in fields(TradeRequest)}
_TYPES = tuple(_FIELDS.values())
_values = operator.attrgetter(*_FIELDS)


def trade_request(request: TradeRequest | Mapping[str, Any]) -> TradeRequest:
    """A trade request from a mapping of its fields, or from one that was made with numpy's numbers. Raises `InvalidParameters`."""
    if type(request) is TradeRequest and tuple(map(type, _values(request))) == _TYPES:
        return request
    given = {name: getattr(request, name) for name in _FIELDS} if isinstance(request, TradeRequest) else dict(request)
    unknown = sorted(map(str, given.keys() - _FIELDS.keys()))
    if unknown:
        raise InvalidParameters(f"a trade request has no field {unknown[0]!r}", next_step="check the spelling", field=unknown[0])
    values: dict[str, Any] = {}
    for name, value in given.items():
        kind = _FIELDS[name]
        try:
            if kind is str and not isinstance(value, str):
                raise TypeError
            values[name] = operator.index(value) if kind is int else kind(value)
        except (TypeError, ValueError):
            raise InvalidParameters(f"{name} must be of type {kind.__name__}, not {value!r}", field=name) from None
    return TradeRequest(**values)


def filling(symbol: Symbol) -> int:
    """A filling mode that the symbol allows for market orders: fill or kill, else immediate or cancel, else return.

    `symbol.filling_mode` has bit 1 for fill or kill and bit 2 for immediate or cancel; `return` is never allowed in market
    execution.
    """
    if symbol.filling_mode & _FOK_ALLOWED:
        return ORDER_FILLING_FOK
    if symbol.filling_mode & _IOC_ALLOWED:
        return ORDER_FILLING_IOC
    return ORDER_FILLING_FOK if symbol.trade_exemode == SYMBOL_TRADE_EXECUTION_MARKET else ORDER_FILLING_RETURN


def _price(tick: Tick, side: int, symbol: str) -> float:
    price = tick.ask if side == ORDER_TYPE_BUY else tick.bid
    if not price > 0:
        raise TryAgain(f"{symbol} has no price yet", next_step="wait for its first tick", symbol=symbol)
    return price


def side_of(side: str) -> Literal[0, 1]:
    """The terminal's number for `buy` or `sell`. Raises `InvalidParameters`."""
    if side not in SIDES:
        raise InvalidParameters(f"side must be 'buy' or 'sell', not {side!r}", field="side")
    return SIDES[side]


def market_order(
    side: str,
    symbol: str,
    volume: float,
    *,
    sl: float | None = None,
    tp: float | None = None,
    comment: str = "",
    magic: int = 0,
    deviation: int = 0,
) -> Steps[TradeRequest]:
    """An order at the market; `sl` and `tp` are prices, `deviation` is in points."""
    action = side_of(side)
    properties: Symbol = yield GetSymbol(symbol)
    tick = last_tick((yield GetTick(symbol)).record)
    return trade_request(
        {
            "action": TRADE_ACTION_DEAL, "symbol": symbol, "volume": volume, "type": action, "price": _price(tick, action, symbol),
            "sl": sl or 0.0, "tp": tp or 0.0, "deviation": deviation, "magic": magic, "comment": comment,
            "type_filling": filling(properties),
        }
    )  # fmt: skip


def closing(
    ticket: int, volume: float | None = None, *, comment: str = "", deviation: int = 0, magic: int | None = None
) -> Steps[TradeRequest]:
    """The opposite deal of an open position, of all its volume or of a part; its magic is the position's unless another is
    given."""
    position = yield from _position(ticket)
    request = yield from market_order(
        "sell" if position.type == ORDER_TYPE_BUY else "buy",
        position.symbol,
        position.volume if volume is None else volume,
        comment=comment,
        deviation=deviation,
        magic=position.magic if magic is None else magic,
    )
    return replace(request, position=position.ticket)


def modification(ticket: int, sl: float | None = None, tp: float | None = None, price: float | None = None) -> Steps[TradeRequest]:
    """New levels of a position, or levels and price of a pending order; None keeps what is, 0.0 takes a level away."""
    found = (yield GetPositions(ticket=ticket)).positions
    if found:
        position: Position = found[0]
        if price is not None:
            raise InvalidParameters(f"{ticket} is a position, whose price cannot be changed", field="price")
        return trade_request(
            {
                "action": TRADE_ACTION_SLTP, "symbol": position.symbol, "position": ticket, "magic": position.magic,
                "sl": position.sl if sl is None else sl, "tp": position.tp if tp is None else tp,
            }
        )  # fmt: skip
    order = yield from _order(ticket, "neither an open position nor a pending order")
    return trade_request(
        {
            "action": TRADE_ACTION_MODIFY, "order": ticket, "symbol": order.symbol,
            "price": order.price_open if price is None else price, "stoplimit": order.price_stoplimit,
            "sl": order.sl if sl is None else sl, "tp": order.tp if tp is None else tp,
            "type": order.type, "type_time": order.type_time, "type_filling": order.type_filling,
            "expiration": order.time_expiration,
        }
    )  # fmt: skip


def cancellation(ticket: int) -> Steps[TradeRequest]:
    """The removal of a pending order."""
    order = yield from _order(ticket, "no pending order")
    return TradeRequest(action=TRADE_ACTION_REMOVE, order=ticket, symbol=order.symbol)


def _position(ticket: int) -> Steps[Position]:
    found = (yield GetPositions(ticket=ticket)).positions
    if not found:
        raise InvalidParameters(f"{ticket} is no open position", next_step="see positions()", field="ticket", value=ticket)
    position: Position = found[0]
    return position


def _order(ticket: int, what: str) -> Steps[Order]:
    found = (yield GetOrders(ticket=ticket)).orders
    if not found:
        raise InvalidParameters(f"{ticket} is {what}", next_step="see positions() and orders()", field="ticket", value=ticket)
    order: Order = found[0]
    return order


def market_price(side: str, symbol: str) -> Steps[float]:
    """What a market order would pay (`buy`: ask) or get (`sell`: bid) now."""
    action = side_of(side)
    tick = last_tick((yield GetTick(symbol)).record)
    return _price(tick, action, symbol)
