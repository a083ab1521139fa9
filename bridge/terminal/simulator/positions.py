"""Requests that work on positions: market orders, stop levels, closing by an opposite position."""

from __future__ import annotations

from dataclasses import replace

from bridge.terminal.simulator import checks, limits
from bridge.terminal.simulator.account import valuation
from bridge.terminal.simulator.checks import Case, Refused
from bridge.terminal.simulator.enums import Entry, Filling, MarginMode, OrderState, OrderType, side_of
from bridge.terminal.simulator.fills import close, fill, lots, netted, new_order, slipped
from bridge.terminal.simulator.plans import Outcome, Plan
from bridge.terminal.simulator.quotes import Quote
from bridge.terminal.simulator.retcodes import Retcode
from bridge.terminal.simulator.server import Server
from bridge.trading import Position, TradeRequest


def plan_deal(server: Server, request: TradeRequest, now_msc: int, sending: bool) -> Plan:
    """Judge a market order: it opens a position, adds to one, or closes one.  Raises Refused."""
    if request.type not in list(OrderType):
        raise Refused(Retcode.INVALID_ORDER)
    if request.type > OrderType.SELL:
        raise Refused(Retcode.INVALID)
    side = side_of(request.type)
    case = Case(server, request, checks.contract_of(server, request.symbol), now_msc, sending)
    hedging = server.profile.margin_mode == MarginMode.HEDGING
    target = _target(server, request)
    reduced = target if target is not None and target.type != side else None
    closing = reduced is not None and (hedging or request.volume <= reduced.volume)
    checks.check_permission(case, None if closing else side)
    if hedging and request.position:
        _check_close(server, request, target)
    checks.check_volume(case.contract, request.volume)
    if hedging and reduced is not None and lots(request.volume) > reduced.volume:
        raise Refused(Retcode.INVALID_CLOSE_VOLUME)
    checks.check_filling(case.contract, request.type_filling or 0, request.type)
    checks.check_order_mode(case.contract, request.type, request.sl, request.tp)
    quote = checks.present_quote(case)
    if reduced is not None:
        checks.check_position_freeze(case.contract, reduced, quote)
    if not closing:
        checks.check_stops(case.contract, side, request.sl, request.tp, quote.side(1 - side))
        limits.check_volume_limit(case, side, request.volume)
        if target is None:
            limits.check_new_position(case, side)
    elif reduced is not None:
        limits.check_fifo(case, reduced)
    price = quote.side(side)
    if hedging and reduced is not None:
        used = checks.margin_without(server, reduced, request.volume)
    else:
        used = checks.margin_with(server, side, request.symbol, request.volume, price)
        checks.check_money(server, used)
    checks.check_deviation(case, side, quote)
    return Plan(used, lambda: _deal(server, request, now_msc, quote, target))


def _target(server: Server, request: TradeRequest) -> Position | None:
    """The position that a deal works on: the given one in hedging accounts, the symbol's own in netting accounts."""
    if server.profile.margin_mode != MarginMode.HEDGING:
        return netted(server, request.symbol)
    if not request.position:
        return None
    position = server.ledger.positions.get(request.position)
    if position is None:
        raise Refused(Retcode.POSITION_CLOSED)
    return position


def _check_close(server: Server, request: TradeRequest, target: Position | None) -> None:
    """A close names a position of the same symbol and the opposite side that is not being closed already."""
    if target is None or target.symbol != request.symbol or target.type == side_of(request.type):
        raise Refused(Retcode.INVALID)
    orders = server.ledger.orders.values()
    if any(order.position_id == target.identifier and side_of(order.type) != target.type for order in orders):
        raise Refused(Retcode.CLOSE_ORDER_EXIST)


def _deal(server: Server, request: TradeRequest, now_msc: int, quote: Quote, target: Position | None) -> Outcome:
    liquidity = server.profile.liquidity
    volume = request.volume if liquidity is None else min(request.volume, liquidity)
    partial = volume < request.volume
    if partial and request.type_filling == Filling.FOK:
        raise Refused(Retcode.REJECT)
    side = side_of(request.type)
    price = slipped(server, request.symbol, side, quote.side(side))
    order = new_order(
        server, request.symbol, request.type, request.volume, price, now_msc, magic=request.magic,
        filling=request.type_filling or 0, comment=request.comment, sl=request.sl, tp=request.tp,
        position_id=target.identifier if target else 0,
    )  # fmt: skip
    deal = fill(server, order, volume, price, now_msc, target)
    left = lots(request.volume - volume)
    filled = replace(order, volume_current=left, position_id=deal.position_id)
    if partial and request.type_filling == Filling.RETURN:
        server.ledger.put_order(replace(filled, state=int(OrderState.PARTIAL)))
    else:
        server.ledger.end_order(filled, OrderState.CANCELED if partial else OrderState.FILLED, now_msc)
    retcode = Retcode.DONE_PARTIAL if partial else Retcode.DONE
    return Outcome(retcode, deal.ticket, order.ticket, lots(volume), price, quote)


def plan_sltp(server: Server, request: TradeRequest, now_msc: int, sending: bool) -> Plan:
    """Judge new stop levels of a position; 0.0 removes a level.  Raises Refused."""
    position = _position_for_levels(server, request)
    case = Case(server, request, checks.contract_of(server, position.symbol), now_msc, sending)
    contract = case.contract
    checks.check_permission(case, None)
    checks.check_order_mode(contract, position.type, request.sl, request.tp)
    quote = checks.present_quote(case)
    checks.check_position_freeze(contract, position, quote)
    checks.check_stops(contract, position.type, request.sl, request.tp, quote.side(1 - position.type))
    sl, tp = contract.price(request.sl), contract.price(request.tp)
    if (sl, tp) == (position.sl, position.tp):
        raise Refused(Retcode.NO_CHANGES)

    def execute() -> Outcome:
        changed = replace(position, sl=sl, tp=tp, time_update=now_msc // 1000, time_update_msc=now_msc)
        server.ledger.put_position(changed)
        return Outcome(Retcode.DONE)

    return Plan(valuation(server).margin, execute)


def _position_for_levels(server: Server, request: TradeRequest) -> Position:
    if request.position:
        position = server.ledger.positions.get(request.position)
        if position is None:
            raise Refused(Retcode.POSITION_CLOSED)
        if request.symbol not in ("", position.symbol):
            raise Refused(Retcode.INVALID)
        return position
    checks.contract_of(server, request.symbol)
    if server.profile.margin_mode == MarginMode.HEDGING:
        raise Refused(Retcode.INVALID)
    position = netted(server, request.symbol)
    if position is None:
        raise Refused(Retcode.POSITION_CLOSED)
    return position


def plan_close_by(server: Server, request: TradeRequest, now_msc: int, sending: bool) -> Plan:
    """Judge closing a position by an opposite one of the same symbol.  Raises Refused."""
    if server.profile.margin_mode != MarginMode.HEDGING or request.position == request.position_by:
        raise Refused(Retcode.INVALID)
    positions = server.ledger.positions
    first, second = positions.get(request.position), positions.get(request.position_by)
    if first is None or second is None:
        raise Refused(Retcode.POSITION_CLOSED)
    if first.symbol != second.symbol or first.type == second.type or request.symbol not in ("", first.symbol):
        raise Refused(Retcode.INVALID)
    case = Case(server, request, checks.contract_of(server, first.symbol), now_msc, sending)
    checks.check_permission(case, None)
    checks.check_order_mode(case.contract, OrderType.CLOSE_BY, 0.0, 0.0)
    quote = checks.present_quote(case)
    for position in (first, second):
        checks.check_position_freeze(case.contract, position, quote)
    return Plan(valuation(server).margin, lambda: _close_by(server, request, now_msc, first, second, quote))


def _close_by(server: Server, request: TradeRequest, now_msc: int, first: Position, second: Position, quote: Quote) -> Outcome:
    """Close two opposite positions by each other: both deals at the second's open price, the whole result on the
    first.
    """
    volume, price = min(first.volume, second.volume), second.price_open
    order = new_order(
        server, first.symbol, OrderType.CLOSE_BY, volume, price, now_msc, magic=request.magic,
        comment=f"#{first.ticket} by #{second.ticket}", position_id=first.identifier, position_by_id=second.identifier,
    )  # fmt: skip
    deal = close(server, order, volume, price, now_msc, first, Entry.OUT_BY)
    close(server, order, volume, price, now_msc, second, Entry.OUT_BY)
    server.ledger.end_order(replace(order, volume_current=0.0), OrderState.FILLED, now_msc)
    return Outcome(Retcode.DONE, deal.ticket, order.ticket, lots(volume), price, quote)
