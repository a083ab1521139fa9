"""Requests that work on pending orders: place, modify, remove; and when such an order is triggered or expires.

Triggers (MQL5, "Types of orders"): a buy limit when Ask <= price, a buy stop when Ask >= price, a sell limit when Bid
>= price, a sell stop when Bid <= price.  A stop-limit order becomes, under the same ticket, a limit order at
`price_stoplimit` when its stop price is reached.
"""

from __future__ import annotations

from dataclasses import replace

from bridge.terminal.simulator import checks, limits
from bridge.terminal.simulator.account import valuation
from bridge.terminal.simulator.checks import Case, Refused
from bridge.terminal.simulator.enums import (
    BUY,
    LIMITS,
    STOP_LIMITS,
    Lifetime,
    MarginMode,
    OrderState,
    OrderType,
    side_of,
)
from bridge.terminal.simulator.fills import new_order
from bridge.terminal.simulator.plans import Outcome, Plan
from bridge.terminal.simulator.quotes import Quote
from bridge.terminal.simulator.retcodes import Retcode
from bridge.terminal.simulator.server import Server
from bridge.terminal.simulator.sessions import DAY_S, day_start
from bridge.trading import Order, TradeRequest


def plan_pending(server: Server, request: TradeRequest, now_msc: int, sending: bool) -> Plan:
    """Judge a new pending order.  Raises Refused."""
    if request.type not in list(OrderType):
        raise Refused(Retcode.INVALID_ORDER)
    if request.type in (OrderType.BUY, OrderType.SELL, OrderType.CLOSE_BY):
        raise Refused(Retcode.INVALID)
    case = Case(server, request, checks.contract_of(server, request.symbol), now_msc, sending)
    contract, side = case.contract, side_of(request.type)
    checks.check_permission(case, side)
    checks.check_volume(contract, request.volume)
    checks.check_filling(contract, request.type_filling or 0, request.type)
    checks.check_order_mode(contract, request.type, request.sl, request.tp)
    expiration = checks.expiration_of(contract, request.type_time, request.expiration, now_msc)
    quote = checks.present_quote(case)
    _check_prices(case, request.type, request.price, request.stoplimit, quote)
    limits.check_order_limit(server)
    limits.check_volume_limit(case, side, request.volume)
    if server.profile.margin_mode == MarginMode.HEDGING:  # elsewhere it need not open a position of its own
        limits.check_new_position(case, side)

    def execute() -> Outcome:
        order = new_order(
            server, request.symbol, request.type, request.volume, contract.price(request.price), now_msc, magic=request.magic,
            filling=request.type_filling or 0, comment=request.comment, sl=contract.price(request.sl),
            tp=contract.price(request.tp), state=OrderState.PLACED, type_time=request.type_time, expiration=expiration,
            stoplimit=contract.price(request.stoplimit) if request.type in STOP_LIMITS else 0.0,
        )  # fmt: skip
        server.ledger.put_order(order)
        return Outcome(Retcode.DONE, order=order.ticket, volume=order.volume_initial, quote=quote)

    return Plan(valuation(server).margin, execute)


def plan_modify(server: Server, request: TradeRequest, now_msc: int, sending: bool) -> Plan:
    """Judge new prices, levels or expiration of a pending order; all of them are replaced.  Raises Refused."""
    order = _order(server, request)
    case = Case(server, request, checks.contract_of(server, order.symbol), now_msc, sending)
    contract = case.contract
    checks.check_permission(case, None)
    checks.check_order_mode(contract, order.type, request.sl, request.tp)
    expiration = checks.expiration_of(contract, request.type_time, request.expiration, now_msc)
    quote = checks.present_quote(case)
    stoplimit = (request.stoplimit or order.price_stoplimit) if order.type in STOP_LIMITS else 0.0
    _check_prices(case, order.type, request.price, stoplimit, quote)
    checks.check_order_freeze(contract, order, quote)
    changed = replace(
        order, price_open=contract.price(request.price), sl=contract.price(request.sl), tp=contract.price(request.tp),
        type_time=request.type_time, time_expiration=expiration, price_stoplimit=contract.price(stoplimit),
    )  # fmt: skip
    if changed == order:
        raise Refused(Retcode.NO_CHANGES)

    def execute() -> Outcome:
        server.ledger.put_order(changed)
        return Outcome(Retcode.DONE, order=order.ticket, quote=quote)

    return Plan(valuation(server).margin, execute)


def plan_remove(server: Server, request: TradeRequest, now_msc: int, sending: bool) -> Plan:
    """Judge the deletion of an active order.  Raises Refused."""
    order = _order(server, request)
    case = Case(server, request, checks.contract_of(server, order.symbol), now_msc, sending)
    checks.check_permission(case, None)
    quote = checks.present_quote(case)
    checks.check_order_freeze(case.contract, order, quote)

    def execute() -> Outcome:
        server.ledger.end_order(order, OrderState.CANCELED, now_msc)
        return Outcome(Retcode.DONE, order=order.ticket, quote=quote)

    return Plan(valuation(server).margin, execute)


def _order(server: Server, request: TradeRequest) -> Order:
    order = server.ledger.orders.get(request.order)
    if order is None:
        raise Refused(Retcode.INVALID)
    if request.symbol not in ("", order.symbol):
        raise Refused(Retcode.INVALID)
    return order


def _check_prices(case: Case, order_type: int, price: float, stoplimit: float, quote: Quote) -> None:
    checks.check_pending_price(case.contract, order_type, price, stoplimit, quote)
    entry = stoplimit if order_type in STOP_LIMITS else price
    checks.check_stops(case.contract, side_of(order_type), case.request.sl, case.request.tp, entry)


def triggered(order: Order, quote: Quote) -> bool:
    """Whether this quote activates a pending order; always true for the unfilled rest of a market order."""
    if order.type in (OrderType.BUY, OrderType.SELL):
        return True
    side = side_of(order.type)
    above = quote.side(side) - order.price_open
    falls = (side == BUY) == (order.type in LIMITS)
    return above <= 0 if falls else above >= 0


def as_limit(order: Order) -> Order:
    """A stop-limit order whose stop price was reached, as the limit order that it becomes."""
    order_type = OrderType.BUY_LIMIT if side_of(order.type) == BUY else OrderType.SELL_LIMIT
    return replace(order, type=int(order_type), price_open=order.price_stoplimit, price_stoplimit=0.0)


def expires_msc(order: Order) -> int | None:
    """The server time from which the order is no longer valid, or None; a day order ends with the day it was set
    up.
    """
    if order.type_time == Lifetime.DAY:
        return (day_start(order.time_setup) + DAY_S) * 1000
    if order.type_time == Lifetime.SPECIFIED:
        return order.time_expiration * 1000
    if order.type_time == Lifetime.SPECIFIED_DAY:
        return (day_start(order.time_expiration) + DAY_S) * 1000
    return None
