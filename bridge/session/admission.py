"""What a trade request has to be before the terminal sees it: pure, over what is looked at of the account and the market.

A request that breaks a rule is refused with the field, its value, the rule and the nearest value that would do; nothing is sent.
The rules refuse only what the terminal would refuse as well: where something is not known (0 in a symbol's properties, a look that
fails), the terminal decides. Two rules are stricter on purpose: a `comment` of other than plain characters, of which it is not
known what a terminal makes; and a number that is off its grid by more than rounding errors, which a broker may refuse, or move to
where nobody asked for.

Sources: MQL5 `MqlTradeRequest`, `ENUM_SYMBOL_TRADE_MODE`, `ENUM_ORDER_TYPE_FILLING`, `SYMBOL_ORDER_MODE`, `SYMBOL_EXPIRATION_MODE`;
MQL5 article 2555 (prices, stops and freeze levels).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from bridge.errors import InvalidParameters, TryAgain
from bridge.mt5api import constants as mt5
from bridge.records import Account, Symbol
from bridge.session import grid
from bridge.session.rules import (
    ACTIONS,
    BUY,
    CLOSE_BY,
    DEAL,
    FOK,
    LIMITS,
    MODIFY,
    PENDING,
    PENDING_TYPES,
    PRICED,
    REMOVE,
    RETURN,
    SLTP,
    STOP_LIMITS,
    allowed_filling,
    check_comment,
    check_distance,
    check_expiration,
    check_freeze,
    check_levels,
    check_numbers,
    check_order_mode,
    forbidden,
    levels_on_grid,
    not_traded,
    price_on_grid,
    refused,
    volume_on_step,
)
from bridge.ticks import Tick
from bridge.trading import Order, Position, TradeRequest


class Look(Protocol):
    """What the rules look at; each look may cost a call to the terminal. None where it cannot be had: then the terminal decides."""

    def account(self) -> Account | None:
        """The account."""

    def symbol(self, name: str) -> Symbol | None:
        """The symbol's properties, a few seconds old at most. Raises `UnknownSymbol`."""

    def tick(self, name: str) -> Tick | None:
        """The last tick, of now."""

    def position(self, ticket: int) -> Position | None:
        """An open position."""

    def order(self, ticket: int) -> Order | None:
        """A pending order."""

    def positions(self, symbol: str) -> Sequence[Position]:
        """The open positions of a symbol."""

    def just_made(self, ticket: int) -> bool:
        """Whether this ticket came out of an order moments ago: the terminal may not show it yet."""


def admit(request: TradeRequest, look: Look) -> TradeRequest:
    """The request as it may be sent: numbers on their grid, `type_filling` chosen where it is None, a price where a deal needs one.

    Raises `InvalidParameters` with `field`, `value`, `rule` and `nearest` in `details` (`nearest` is None where no value is near),
    `UnknownSymbol`, and `TryAgain` where a price is needed and none is known yet.
    """
    if request.action not in ACTIONS:
        raise refused("action", "action", request.action, None)
    check_numbers(request)
    check_comment(request.comment)
    return _ADMIT[request.action](request, look)


# ---- deals -----------------------------------------------------------------------------------------------------------------------


def _deal(request: TradeRequest, look: Look) -> TradeRequest:
    if request.type > mt5.ORDER_TYPE_SELL:
        raise refused("type", "type", request.type, request.type % 2 if request.type in PENDING_TYPES else None, "of a deal")
    symbol = _symbol(request, look)
    account = look.account()
    hedging = account is not None and account.margin_mode == mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING
    closed = None
    if symbol is not None and symbol.trade_mode == mt5.SYMBOL_TRADE_MODE_DISABLED:
        raise not_traded(symbol)
    if hedging and request.position:
        closed = _closed_position(request, look)
    elif symbol is not None and forbidden(symbol, request.type) and not (account is None or _reduces(request, look, hedging)):
        raise not_traded(symbol)
    if symbol is None:
        return replace(request, type_filling=FOK if request.type_filling is None else request.type_filling)
    volume = volume_on_step(request.volume, symbol)
    if closed is not None and volume > closed.volume + grid.tolerance(closed.volume, symbol.volume_step):
        raise refused("volume_position", "volume", request.volume, closed.volume, f"{closed.ticket} has {closed.volume:g} lots")
    request = replace(request, volume=volume, type_filling=allowed_filling(request, symbol))
    request = levels_on_grid(request, symbol)
    check_order_mode(request.type, request, symbol)
    if closed is not None:
        check_freeze(
            closed.ticket, "position", symbol, *(closed.price_current - level for level in (closed.sl, closed.tp) if level)
        )
    elif (request.sl or request.tp) and not (hedging and request.position):
        _check_levels_of_deal(request, symbol, look, account, hedging)
    if symbol.trade_exemode in PRICED:
        return _priced(request, symbol, look)
    return request


def _closed_position(request: TradeRequest, look: Look) -> Position | None:
    """The position that a deal of a hedging account closes; None when it may be too new to be seen."""
    position = look.position(request.position)
    if position is None:
        if look.just_made(request.position):
            return None
        raise refused("position", "position", request.position, None, "there is none with this ticket")
    if position.symbol != request.symbol:
        raise refused("symbol", "symbol", request.symbol, position.symbol, f"{position.ticket} is of {position.symbol}")
    if position.type == request.type:
        raise refused("position_side", "type", request.type, 1 - position.type, f"{position.ticket} is of this side itself")
    return position


def _reduces(request: TradeRequest, look: Look, hedging: bool) -> bool:
    """Whether a deal of a netting account only reduces the symbol's position."""
    if hedging:
        return False
    return any(
        held.type != request.type and request.volume <= held.volume + grid.tolerance(held.volume, held.volume)
        for held in look.positions(request.symbol)
    )


def _check_levels_of_deal(request: TradeRequest, symbol: Symbol, look: Look, account: Account | None, hedging: bool) -> None:
    tick = look.tick(request.symbol)
    if tick is None or not (tick.bid > 0 and tick.ask > 0):
        return
    try:
        check_levels(request, symbol, request.type, tick.bid if request.type == BUY else tick.ask)
    except InvalidParameters:
        if account is None or _reduces(request, look, hedging):
            return  # levels are ignored when a position is only reduced
        raise


def _priced(request: TradeRequest, symbol: Symbol, look: Look) -> TradeRequest:
    """A price for a deal that needs one: the market's where none was given, `deviation` counts from there."""
    if request.price:
        return replace(request, price=price_on_grid("price", request.price, symbol.trade_tick_size or symbol.point))
    tick = look.tick(request.symbol)
    price = 0.0 if tick is None else tick.ask if request.type == BUY else tick.bid
    if not price > 0:
        raise TryAgain(f"{request.symbol} has no price yet", next_step="wait for its first tick", symbol=request.symbol)
    return replace(request, price=price)


# ---- pending orders --------------------------------------------------------------------------------------------------------------


def _pending(request: TradeRequest, look: Look) -> TradeRequest:
    if request.type not in PENDING_TYPES:
        raise refused("type", "type", request.type, None, "of a pending order")
    symbol = _symbol(request, look)
    if symbol is None:
        return replace(request, type_filling=RETURN if request.type_filling is None else request.type_filling)
    if forbidden(symbol, request.type % 2):
        raise not_traded(symbol)
    request = replace(request, volume=volume_on_step(request.volume, symbol), type_filling=allowed_filling(request, symbol))
    check_order_mode(request.type, request, symbol)
    tick = look.tick(request.symbol)
    check_expiration(request, symbol, tick)
    market = 0.0 if tick is None else tick.ask if request.type % 2 == BUY else tick.bid
    return _check_prices(request, request.type, symbol, market)


def _modify(request: TradeRequest, look: Look) -> TradeRequest:
    order, symbol = _order_touched(request, look)
    if order is None or symbol is None:
        return replace(request, type_filling=request.type_filling or 0)
    filling = order.type_filling if request.type_filling is None else request.type_filling
    request = replace(request, type_filling=filling)
    check_order_mode(order.type, request, symbol)
    check_expiration(request, symbol, None)
    kept = bool(order.type in STOP_LIMITS and not request.stoplimit)  # 0.0 leaves it as it is
    filled = replace(request, stoplimit=order.price_stoplimit) if kept else request
    checked = _check_prices(filled, order.type, symbol, order.price_current)
    check_freeze(order.ticket, "order", symbol, order.price_current - order.price_open)
    return replace(checked, stoplimit=request.stoplimit) if kept else checked


def _remove(request: TradeRequest, look: Look) -> TradeRequest:
    order, symbol = _order_touched(request, look)
    if order is not None and symbol is not None:
        check_freeze(order.ticket, "order", symbol, order.price_current - order.price_open)
    return replace(request, type_filling=request.type_filling or 0)


def _order_touched(request: TradeRequest, look: Look) -> tuple[Order | None, Symbol | None]:
    """The order that a request changes; None when it may be too new to be seen."""
    order = look.order(request.order)
    if order is None:
        if request.order and look.just_made(request.order):
            return None, None
        raise refused("order", "order", request.order, None, "there is none with this ticket")
    if request.symbol not in ("", order.symbol):
        raise refused("symbol", "symbol", request.symbol, order.symbol, f"{order.ticket} is of {order.symbol}")
    symbol = look.symbol(order.symbol)
    if symbol is not None and symbol.trade_mode == mt5.SYMBOL_TRADE_MODE_DISABLED:
        raise not_traded(symbol)
    return order, symbol


def _check_prices(request: TradeRequest, order_type: int, symbol: Symbol, market: float) -> TradeRequest:
    """The prices of a pending order, on their grid; `market` is where this side would execute now, 0.0 where it is not known."""
    tick_size = symbol.trade_tick_size or symbol.point
    if not request.price:
        raise refused("price_required", "price", request.price, market or None, "a pending order has one")
    request = replace(request, price=price_on_grid("price", request.price, tick_size))
    up = 1.0 if (order_type % 2 == BUY) != (order_type in LIMITS) else -1.0  # buy stops and sell limits wait above the market
    if market > 0:
        check_distance("price_side", "price", request.price, market, up, symbol, tick_size)
    entry = request.price
    if order_type in STOP_LIMITS:
        if not request.stoplimit:
            raise refused("price_required", "stoplimit", request.stoplimit, None, "a stop limit order has one")
        request = replace(request, stoplimit=price_on_grid("stoplimit", request.stoplimit, tick_size))
        entry = request.stoplimit
        check_distance("price_side", "stoplimit", entry, request.price, -up, symbol, tick_size)
    request = levels_on_grid(request, symbol)
    check_levels(request, symbol, order_type % 2, entry)
    return request


# ---- positions -------------------------------------------------------------------------------------------------------------------


def _sltp(request: TradeRequest, look: Look) -> TradeRequest:
    request = replace(request, type_filling=request.type_filling or 0)
    position = look.position(request.position) if request.position else None
    if position is None:
        if request.position:
            if look.just_made(request.position):
                return request
            raise refused("position", "position", request.position, None, "there is none with this ticket")
        account = look.account()
        if account is not None and account.margin_mode == mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING:
            raise refused("position", "position", 0, None, "a symbol may have several on this account")
        _symbol(request, look)
        held = look.positions(request.symbol)
        if not held:
            return request
        position = held[0]
    if request.symbol not in ("", position.symbol):
        raise refused("symbol", "symbol", request.symbol, position.symbol, f"{position.ticket} is of {position.symbol}")
    symbol = look.symbol(position.symbol)
    if symbol is None:
        return request
    if symbol.trade_mode == mt5.SYMBOL_TRADE_MODE_DISABLED:
        raise not_traded(symbol)
    check_order_mode(None, request, symbol)
    request = levels_on_grid(request, symbol)
    market = position.price_current
    if market > 0:
        check_freeze(position.ticket, "position", symbol, *(market - level for level in (position.sl, position.tp) if level))
        check_levels(request, symbol, position.type, market)
    return request


def _close_by(request: TradeRequest, look: Look) -> TradeRequest:
    request = replace(request, type_filling=request.type_filling or 0)
    account = look.account()
    if account is not None and account.margin_mode != mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING:
        raise refused("position_by", "action", request.action, DEAL, "this account has one position a symbol")
    if request.position == request.position_by:
        raise refused("position_by", "position_by", request.position_by, None, "a position cannot close itself")
    pair: list[Position] = []
    for field, ticket in (("position", request.position), ("position_by", request.position_by)):
        position = look.position(ticket)
        if position is None:
            if ticket and look.just_made(ticket):
                return request
            raise refused("position", field, ticket, None, "there is none with this ticket")
        pair.append(position)
    first, second = pair
    if first.symbol != second.symbol:
        raise refused("symbol", "position_by", second.ticket, None, f"it is of {second.symbol}, the other of {first.symbol}")
    if request.symbol not in ("", first.symbol):
        raise refused("symbol", "symbol", request.symbol, first.symbol, f"{first.ticket} is of {first.symbol}")
    if first.type == second.type:
        raise refused("position_side", "position_by", second.ticket, None, "both are of one side")
    symbol = look.symbol(first.symbol)
    if symbol is not None:
        if symbol.trade_mode == mt5.SYMBOL_TRADE_MODE_DISABLED:
            raise not_traded(symbol)
        check_order_mode(mt5.ORDER_TYPE_CLOSE_BY, replace(request, sl=0.0, tp=0.0), symbol)
        for held in pair:
            check_freeze(held.ticket, "position", symbol, *(held.price_current - level for level in (held.sl, held.tp) if level))
    return request


_ADMIT = {DEAL: _deal, PENDING: _pending, SLTP: _sltp, MODIFY: _modify, REMOVE: _remove, CLOSE_BY: _close_by}


def _symbol(request: TradeRequest, look: Look) -> Symbol | None:
    if not request.symbol:
        raise refused("symbol_required", "symbol", "", None)
    return look.symbol(request.symbol)
