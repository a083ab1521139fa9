"""What happens without a request: stop levels, pending orders, expiry, swaps at midnight, stop-out.

`advance` walks through the ticks of the symbols that have positions or orders, and through the moments that need no
tick, in the order of time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from bridge.terminal.simulator.account import is_safe, pending_margin, valuation, valued
from bridge.terminal.simulator.checks import Refused
from bridge.terminal.simulator.enums import (
    BUY,
    STOP_LIMITS,
    GtcMode,
    OrderState,
    OrderType,
    Reason,
    StopOutMode,
    SwapMode,
    side_of,
)
from bridge.terminal.simulator.fills import close, fill, lots, new_order, reopen, slipped
from bridge.terminal.simulator.limits import check_activation
from bridge.terminal.simulator.money import NoRate, swap
from bridge.terminal.simulator.pending import as_limit, expires_msc, triggered
from bridge.terminal.simulator.quotes import Quote, quote_of
from bridge.terminal.simulator.server import Server
from bridge.terminal.simulator.sessions import DAY_S, weekday
from bridge.trading import Order, Position

_DAY_MSC = DAY_S * 1000
_TRIPLE = 3


class _Tick(NamedTuple):
    time_msc: int
    symbol: str
    order: int
    quote: Quote


def advance(server: Server, from_msc: int, to_msc: int) -> None:
    """Let the server live from one moment to the next: everything with `from_msc <= time < to_msc`."""
    midnight = from_msc // _DAY_MSC * _DAY_MSC + (_DAY_MSC if from_msc % _DAY_MSC else 0)
    start = from_msc
    while start < to_msc:
        if start == midnight:
            server.quotes.move(midnight)
            _expire_orders(server, midnight)
            _start_day(server, midnight)
            midnight += _DAY_MSC
        stop = min(midnight, to_msc)
        _walk(server, start, stop)
        start = stop
    server.quotes.move(to_msc)
    _expire_orders(server, to_msc)


def _walk(server: Server, from_msc: int, to_msc: int) -> None:
    for tick in _ticks(server, from_msc, to_msc):
        server.quotes.move(tick.time_msc + 1)
        server.quotes.put(tick.symbol, tick.quote)
        _expire_orders(server, tick.time_msc)
        _activate_orders(server, tick)
        _hit_levels(server, tick)
        _stop_out(server, tick.time_msc)


def _ticks(server: Server, from_msc: int, to_msc: int) -> Iterator[_Tick]:
    """Ticks of all symbols with positions or orders, merged by time; no request adds a symbol in the meantime."""
    ledger = server.ledger
    symbols = sorted({row.symbol for book in (ledger.positions, ledger.orders) for row in book.values()})
    return heapq.merge(*(_of_symbol(server, name, from_msc, to_msc) for name in symbols if name in server.quotes.known))


def _of_symbol(server: Server, symbol: str, from_msc: int, to_msc: int) -> Iterator[_Tick]:
    for index, row in enumerate(server.market.ticks(symbol, from_msc, to_msc)):
        quote = quote_of(row)
        if quote.bid > 0 and quote.ask > 0:
            yield _Tick(quote.time_msc, symbol, index, quote)


def _expire_orders(server: Server, now_msc: int) -> None:
    for order in list(server.ledger.orders.values()):
        end_msc = expires_msc(order)
        if end_msc is not None and end_msc <= now_msc:
            server.ledger.end_order(order, OrderState.EXPIRED, end_msc)


def _activate_orders(server: Server, tick: _Tick) -> None:
    for order in list(server.ledger.orders.values()):
        if order.symbol != tick.symbol or not triggered(order, tick.quote):
            continue
        if order.type in STOP_LIMITS:
            limit = as_limit(order)
            server.ledger.put_order(limit)
            if triggered(limit, tick.quote):
                _execute(server, limit, tick)
        else:
            _execute(server, order, tick)


def _execute(server: Server, order: Order, tick: _Tick) -> None:
    """Fill an activated order at the market; one that may not open a position is rejected (to a request 10041 would be
    answered).

    The rest of a partly filled order belongs to the position it opened or closes, and is cancelled when that is gone.
    """
    side, ledger = side_of(order.type), server.ledger
    price, volume = tick.quote.side(side), order.volume_current
    if order.type in (OrderType.BUY_STOP, OrderType.SELL_STOP):
        price = slipped(server, order.symbol, side, price)
    target = next((p for p in ledger.positions.values() if order.position_id and p.identifier == order.position_id), None)
    if order.position_id and target is None:
        ledger.end_order(order, OrderState.CANCELED, tick.time_msc)
        return
    closes = target is not None and target.type != side
    if target is not None and closes:
        volume = min(volume, target.volume)
    if server.profile.liquidity is not None:
        volume = min(volume, server.profile.liquidity)
    if not closes:
        try:
            check_activation(server, order, volume, price)
        except Refused:
            ledger.end_order(order, OrderState.REJECTED, tick.time_msc)
            return
    deal = fill(server, order, volume, price, tick.time_msc, target)
    left = lots(order.volume_current - volume)
    changed = replace(order, volume_current=left, position_id=deal.position_id, price_current=price)
    if left:
        ledger.put_order(replace(changed, state=int(OrderState.PARTIAL)))
    else:
        ledger.end_order(changed, OrderState.FILLED, tick.time_msc)


def _hit_levels(server: Server, tick: _Tick) -> None:
    """Close positions at the market once the price they close at reaches a level: long ones at the bid, short ones at
    the ask.
    """
    for position in list(server.ledger.positions.values()):
        if position.symbol != tick.symbol:
            continue
        price = tick.quote.side(1 - position.type)
        sign = 1.0 if position.type == BUY else -1.0
        digits = server.contracts[position.symbol].digits
        if position.sl and (price - position.sl) * sign <= 0:
            price = slipped(server, position.symbol, 1 - position.type, price)
            close_out(server, position, price, tick.time_msc, Reason.SL, f"[sl {position.sl:.{digits}f}]")
        elif position.tp and (price - position.tp) * sign >= 0:
            close_out(server, position, price, tick.time_msc, Reason.TP, f"[tp {position.tp:.{digits}f}]")


def close_out(server: Server, position: Position, price: float, now_msc: int, reason: Reason, comment: str) -> None:
    """Close a position without a request; order and deal carry the position's magic number and the given reason."""
    order = new_order(
        server, position.symbol, OrderType(1 - position.type), position.volume, price, now_msc, reason=reason,
        magic=position.magic, comment=comment, position_id=position.identifier,
    )  # fmt: skip
    close(server, order, position.volume, price, now_msc, position)
    server.ledger.end_order(replace(order, volume_current=0.0), OrderState.FILLED, now_msc)


def _start_day(server: Server, midnight_msc: int) -> None:
    """Charge the night's swaps (three nights' on the symbol's triple day, none at the weekend) and end what lasts a
    day.
    """
    ending = weekday(midnight_msc // 1000 - 1)
    for position in list(server.ledger.positions.values()):
        contract = server.contracts[position.symbol]
        nights = 0 if ending in (0, 6) else _TRIPLE if ending == contract.swap_rollover3days else 1
        if nights:
            _charge_swap(server, position, nights, midnight_msc)
        if contract.gtc_mode == GtcMode.DAILY:
            now = next(p for p in server.ledger.positions.values() if p.identifier == position.identifier)
            server.ledger.put_position(replace(now, sl=0.0, tp=0.0))
    for order in list(server.ledger.orders.values()):
        if server.contracts[order.symbol].gtc_mode != GtcMode.GTC and order.type > OrderType.SELL:
            server.ledger.end_order(order, OrderState.EXPIRED, midnight_msc)


def _charge_swap(server: Server, position: Position, nights: int, midnight_msc: int) -> None:
    contract = server.contracts[position.symbol]
    quote = server.quotes.get(position.symbol)
    price = position.price_open if quote is None else quote.side(1 - position.type)
    if contract.swap_mode in (SwapMode.REOPEN_CURRENT, SwapMode.REOPEN_BID):
        points = (contract.swap_long if position.type == BUY else contract.swap_short) * nights
        start = price if quote is None or contract.swap_mode == SwapMode.REOPEN_CURRENT else quote.bid
        # Points that are paid raise what a long position costs, and lower what a short one brought.
        shift = points * contract.point * (-1.0 if position.type == BUY else 1.0)
        _reopen(server, position, price, contract.price(start + shift), midnight_msc)
        return
    try:
        night = swap(contract, position.type, position.volume, position.price_open, price, server.bank, server.quotes.get)
    except NoRate:
        return
    server.ledger.put_position(replace(position, swap=server.bank.round(position.swap + night * nights)))


def _reopen(server: Server, position: Position, price: float, again: float, now_msc: int) -> None:
    """Close a position at `price` and open it again at another: what was floating is booked, the ticket becomes that of
    the new order, the identifier stays (MQL5, POSITION_TICKET).
    """
    close_out(server, position, price, now_msc, Reason.ROLLOVER, "")
    order = new_order(
        server, position.symbol, OrderType(position.type), position.volume, again, now_msc, reason=Reason.ROLLOVER,
        magic=position.magic, comment=position.comment, sl=position.sl, tp=position.tp, position_id=position.identifier,
    )  # fmt: skip
    reopen(server, order, position, now_msc)
    server.ledger.end_order(replace(order, volume_current=0.0), OrderState.FILLED, now_msc)


def _stop_out(server: Server, now_msc: int) -> None:
    """Below the stop-out level: delete the largest order that reserves margin, else close the worst position;
    repeat.
    """
    while server.ledger.positions and not is_safe(server):
        value = valuation(server)
        by_money = server.profile.margin_so_mode == StopOutMode.MONEY
        level = value.equity if by_money else value.margin_level
        if not value.margin or level > server.profile.margin_so_so:
            return
        reserving = [order for order in server.ledger.orders.values() if pending_margin(server, order) > 0]
        if reserving:
            largest = max(reserving, key=lambda order: pending_margin(server, order))
            server.ledger.end_order(largest, OrderState.CANCELED, now_msc)
            continue
        worst = min((valued(server, position) for position in server.ledger.positions.values()), key=lambda p: p.profit)
        comment = f"[so {value.margin_level:.2f}%/{value.equity:.2f}/{value.margin:.2f}]"
        close_out(server, server.ledger.positions[worst.ticket], worst.price_current, now_msc, Reason.SO, comment)
