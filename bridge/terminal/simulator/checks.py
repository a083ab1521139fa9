"""The single rules a trade request must obey; each raises Refused with the return code of the rule.

Sources: MQL5, ENUM_TRADE_RETURN_CODES; MQL5 article 2555 for prices, stops and levels; `filling_mode`, `order_mode`
and `expiration_mode` of the symbol properties.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from bridge.terminal.simulator.account import Exposure, exposures, margin_used, valuation
from bridge.terminal.simulator.enums import (
    BUY,
    LIMITS,
    ORDER_MODES,
    STOP_LIMITS,
    Execution,
    Filling,
    Lifetime,
    MarginMode,
    OrderMode,
    OrderType,
    TradeMode,
    side_of,
)
from bridge.terminal.simulator.quotes import Quote
from bridge.terminal.simulator.retcodes import Retcode
from bridge.terminal.simulator.server import Server
from bridge.terminal.simulator.sessions import day_start, is_open
from bridge.terminal.simulator.symbols import Contract
from bridge.trading import Order, Position, TradeRequest

_TOLERANCE = 1e-6
"""Relative to a step or a tick: decimal fractions are not exact (0.1 + 0.2)."""


class Refused(Exception):
    """The server does not accept the request; `quote` is the new price that comes with a requote."""

    def __init__(self, retcode: Retcode, quote: Quote | None = None) -> None:
        super().__init__(retcode.name)
        self.retcode = retcode
        self.quote = quote


@dataclass(frozen=True, slots=True)
class Case:
    """A request with what it is judged against; `sending` is False for order_check, which does not look at
    sessions.
    """

    server: Server
    request: TradeRequest
    contract: Contract
    now_msc: int
    sending: bool


def contract_of(server: Server, symbol: str) -> Contract:
    """The symbol's contract; 10013 when it is unknown or not in Market Watch."""
    if symbol not in server.watch:
        raise Refused(Retcode.INVALID)
    return server.contracts[symbol]


def check_switches(server: Server) -> None:
    """The terminal's own locks: 10027 by the Algo Trading button, 10031 without a trade server."""
    if not server.switches.trade_allowed:
        raise Refused(Retcode.CLIENT_DISABLES_AT)
    if not server.switches.connected:
        raise Refused(Retcode.CONNECTION)


def check_permission(case: Case, side: int | None) -> None:
    """Account and symbol permissions; `side` is that of a new position, None for anything that opens none."""
    switches, mode = case.server.switches, case.contract.trade_mode
    if not switches.account_trade_allowed:
        raise Refused(Retcode.TRADE_DISABLED)
    if not switches.account_trade_expert:
        raise Refused(Retcode.SERVER_DISABLES_AT)
    if mode == TradeMode.DISABLED:
        raise Refused(Retcode.TRADE_DISABLED)
    if side is None or mode == TradeMode.FULL:
        return
    if mode == TradeMode.CLOSE_ONLY:
        raise Refused(Retcode.CLOSE_ONLY)
    if mode == TradeMode.LONG_ONLY and side != BUY:
        raise Refused(Retcode.LONG_ONLY)
    if mode == TradeMode.SHORT_ONLY and side == BUY:
        raise Refused(Retcode.SHORT_ONLY)


def check_volume(contract: Contract, volume: float) -> None:
    """10014 unless the volume lies within the symbol's limits, on its step."""
    if not math.isfinite(volume) or volume < contract.volume_min - _TOLERANCE or volume > contract.volume_max + _TOLERANCE:
        raise Refused(Retcode.INVALID_VOLUME)
    steps = volume / contract.volume_step
    if abs(steps - round(steps)) > _TOLERANCE * max(1.0, steps):
        raise Refused(Retcode.INVALID_VOLUME)


def check_filling(contract: Contract, filling: int, order_type: int) -> None:
    """10030 unless the filling mode suits execution and `filling_mode` (table in MQL5, "Filling policies")."""
    dealers = contract.exemode in (Execution.REQUEST, Execution.INSTANT)
    pending = order_type > OrderType.SELL
    if filling == Filling.FOK:
        allowed = dealers or bool(contract.filling_mode & 1)
    elif filling == Filling.IOC:
        allowed = dealers or bool(contract.filling_mode & 2)
    elif filling == Filling.RETURN:
        allowed = pending or contract.exemode != Execution.MARKET
    elif filling == Filling.BOC:
        booked = order_type in LIMITS or order_type in STOP_LIMITS
        allowed = booked and contract.exemode == Execution.EXCHANGE and bool(contract.filling_mode & 4)
    else:
        allowed = False
    if not allowed:
        raise Refused(Retcode.INVALID_FILL)


def check_order_mode(contract: Contract, order_type: int, sl: float, tp: float) -> None:
    """10035 when the symbol does not allow this type of order, or stop levels on it."""
    needed = ORDER_MODES[order_type] | (OrderMode.SL if sl else 0) | (OrderMode.TP if tp else 0)
    if needed & ~contract.order_mode:
        raise Refused(Retcode.INVALID_ORDER)


def expiration_of(contract: Contract, type_time: int, expiration: int, now_msc: int) -> int:
    """The time_expiration that an order will show, in seconds; 10022 when the symbol or the clock forbids it.

    A day order shows 00:00 of the present day, as real terminals do.
    """
    if type_time not in list(Lifetime) or not contract.expiration_mode & (1 << type_time):
        raise Refused(Retcode.INVALID_EXPIRATION)
    if type_time == Lifetime.GTC:
        return 0
    if type_time == Lifetime.DAY:
        return day_start(now_msc // 1000)
    last_msc = expiration * 1000
    if type_time == Lifetime.SPECIFIED_DAY:
        last_msc = (day_start(expiration) + 86_399) * 1000
    if last_msc <= now_msc:
        raise Refused(Retcode.INVALID_EXPIRATION)
    return expiration


def present_quote(case: Case) -> Quote:
    """The symbol's quote; 10018 outside of trading sessions (when sending), 10021 without a price."""
    if case.sending and not is_open(case.contract.schedule, case.now_msc):
        raise Refused(Retcode.MARKET_CLOSED)
    quote = case.server.quotes.get(case.contract.name)
    if quote is None or quote.bid <= 0 or quote.ask <= 0:
        raise Refused(Retcode.PRICE_OFF)
    return quote


def _on_grid(contract: Contract, price: float) -> bool:
    ticks = price / contract.tick_size
    return math.isfinite(ticks) and abs(ticks - round(ticks)) < 1e-4


def _far(distance: float, level: float, contract: Contract) -> bool:
    """Whether a price is at least `level` away, and never exactly on it."""
    return distance > contract.point * 1e-3 and distance >= level - contract.point * 1e-3


def check_pending_price(contract: Contract, order_type: int, price: float, stoplimit: float, quote: Quote) -> None:
    """10015 when a pending price is off the tick grid, not positive, or on the wrong side of the market."""
    side = side_of(order_type)
    prices = (price, stoplimit) if order_type in STOP_LIMITS else (price,)
    if any(not p > 0 or not _on_grid(contract, p) for p in prices):
        raise Refused(Retcode.INVALID_PRICE)
    above = price - quote.side(side)  # above the price at which this side executes
    rises = (side == BUY) != (order_type in LIMITS)  # buy stops and sell limits wait above the market
    if not _far(above if rises else -above, contract.stops_level * contract.point, contract):
        raise Refused(Retcode.INVALID_PRICE)
    if order_type in STOP_LIMITS and not _far(
        price - stoplimit if side == BUY else stoplimit - price, contract.stops_level * contract.point, contract
    ):
        raise Refused(Retcode.INVALID_PRICE)


def check_stops(contract: Contract, side: int, sl: float, tp: float, price: float) -> None:
    """10016 when a level is on the wrong side of `price`, or nearer than the stops level.

    `price` is what the levels are measured from: the bid for a long position, the ask for a short one, a pending
    order's own price.
    """
    level = contract.stops_level * contract.point
    sign = 1.0 if side == BUY else -1.0
    for distance, given in (((price - sl) * sign, sl), ((tp - price) * sign, tp)):
        if given and not (0 < given < math.inf and _far(distance, level, contract)):
            raise Refused(Retcode.INVALID_STOPS)


def check_position_freeze(contract: Contract, position: Position, quote: Quote) -> None:
    """10029 when a position's stop level is about to be hit (nearer than the freeze level)."""
    price = quote.side(1 - position.type)
    if any(level and _frozen(contract, price - level) for level in (position.sl, position.tp)):
        raise Refused(Retcode.FROZEN)


def check_order_freeze(contract: Contract, order: Order, quote: Quote) -> None:
    """10029 when a pending order is about to be triggered (nearer than the freeze level)."""
    if _frozen(contract, quote.side(side_of(order.type)) - order.price_open):
        raise Refused(Retcode.FROZEN)


def _frozen(contract: Contract, distance: float) -> bool:
    return contract.freeze_level > 0 and abs(distance) <= contract.freeze_level * contract.point * (1 + _TOLERANCE)


def margin_with(server: Server, side: int, symbol: str, volume: float, price: float) -> float:
    """The account's margin if this volume were dealt at this price on top of what is open."""
    held = exposures(server.ledger.positions.values())
    if server.profile.margin_mode == MarginMode.HEDGING:
        return margin_used(server, [*held, Exposure(symbol, side, volume, price)])
    own = next((e for e in held if e.symbol == symbol), None)
    others = [e for e in held if e.symbol != symbol]
    if own is None:
        return margin_used(server, [*others, Exposure(symbol, side, volume, price)])
    if own.side == side:
        total = own.volume + volume
        average = (own.volume * own.price + volume * price) / total
        return margin_used(server, [*others, Exposure(symbol, side, total, average)])
    left = own.volume - volume
    if left >= 0:
        return margin_used(server, [*others, Exposure(symbol, own.side, left, own.price)])
    return margin_used(server, [*others, Exposure(symbol, side, -left, price)])


def margin_without(server: Server, position: Position, volume: float) -> float:
    """The account's margin once this much of a position is closed."""
    held = server.ledger.positions.values()
    rest = replace(position, volume=max(0.0, position.volume - volume))
    return margin_used(server, exposures(rest if p.ticket == position.ticket else p for p in held))


def check_money(server: Server, margin_after: float) -> None:
    """10019 when the deal needs more margin than before and leaves no free margin."""
    value = valuation(server)
    if margin_after > value.margin and value.equity - margin_after < 0:
        raise Refused(Retcode.NO_MONEY)


def check_deviation(case: Case, side: int, quote: Quote) -> None:
    """10004 with new prices when the market left the requested price by more than `deviation` points (instant,
    request).

    The price itself must be given in these execution modes: 10015 otherwise.
    """
    contract, request = case.contract, case.request
    if contract.exemode not in (Execution.REQUEST, Execution.INSTANT):
        return
    if not request.price > 0 or not _on_grid(contract, request.price):
        raise Refused(Retcode.INVALID_PRICE)
    if abs(request.price - quote.side(side)) > request.deviation * contract.point + contract.point * 1e-3:
        raise Refused(Retcode.REQUOTE, quote)
