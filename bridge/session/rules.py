"""The single rules of trade requests, each a function that raises the refusal of its rule. Pure.

Sources: MQL5 `ENUM_SYMBOL_TRADE_MODE`, `ENUM_ORDER_TYPE_FILLING`, `SYMBOL_ORDER_MODE`, `SYMBOL_EXPIRATION_MODE`; MQL5 article 2555
(prices, stops and freeze levels).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from bridge.errors import InvalidParameters
from bridge.mt5api import constants as mt5
from bridge.placement import COMMENT_CHARACTERS
from bridge.records import Symbol
from bridge.session import grid
from bridge.ticks import Tick
from bridge.trading import TradeRequest

DEAL, PENDING, SLTP = mt5.TRADE_ACTION_DEAL, mt5.TRADE_ACTION_PENDING, mt5.TRADE_ACTION_SLTP
MODIFY, REMOVE, CLOSE_BY = mt5.TRADE_ACTION_MODIFY, mt5.TRADE_ACTION_REMOVE, mt5.TRADE_ACTION_CLOSE_BY
ACTIONS = (DEAL, PENDING, SLTP, MODIFY, REMOVE, CLOSE_BY)
BUY = mt5.ORDER_TYPE_BUY
FOK, IOC, RETURN, BOC = mt5.ORDER_FILLING_FOK, mt5.ORDER_FILLING_IOC, mt5.ORDER_FILLING_RETURN, mt5.ORDER_FILLING_BOC
SPECIFIED, SPECIFIED_DAY = mt5.ORDER_TIME_SPECIFIED, mt5.ORDER_TIME_SPECIFIED_DAY
LIMITS = (mt5.ORDER_TYPE_BUY_LIMIT, mt5.ORDER_TYPE_SELL_LIMIT)
STOP_LIMITS = (mt5.ORDER_TYPE_BUY_STOP_LIMIT, mt5.ORDER_TYPE_SELL_STOP_LIMIT)
PENDING_TYPES = range(mt5.ORDER_TYPE_BUY_LIMIT, mt5.ORDER_TYPE_CLOSE_BY)
ORDER_MODES = (1, 1, 2, 2, 4, 4, 8, 8, 64)
"""The bit of a symbol's `order_mode` that permits an order type, by its number; 16 permits a stop loss, 32 a take profit."""
DAY_S = 86_400
PRICED = (mt5.SYMBOL_TRADE_EXECUTION_REQUEST, mt5.SYMBOL_TRADE_EXECUTION_INSTANT)
"""Execution modes in which a deal at market has a price of its own; in the others the terminal ignores it."""

RULES: dict[str, str] = {
    "action": "use 1 deal, 5 pending order, 6 levels of a position, 7 change an order, 8 remove an order, 10 close by",
    "type": "a deal is of type 0 or 1, a pending order of type 2 to 7",
    "number": "prices and volumes are finite numbers, not negative",
    "comment": f"use at most {COMMENT_CHARACTERS} plain characters (ASCII, no control characters)",
    "symbol_required": "name the symbol",
    "symbol": "the position or order is of another symbol: name that one, or none",
    "trade_mode": "the symbol may not be traded at all, or only closed, bought or sold: see its trade_mode",
    "position": "name an open position: see positions",
    "position_side": "a position is closed by a deal of the other side, or by a position of the other side",
    "position_by": "close by needs two positions of a hedging account",
    "order": "name a pending order: see orders",
    "volume_min": "use at least the symbol's volume_min",
    "volume_max": "use at most the symbol's volume_max",
    "volume_step": "use a multiple of the symbol's volume_step",
    "volume_position": "close at most the position's volume",
    "filling_mode": "leave type_filling away, or use one that the symbol's filling_mode and trade_exemode allow",
    "order_mode": "the symbol's order_mode does not allow this type of order, or sl or tp with it",
    "expiration_mode": "use a type_time that the symbol's expiration_mode allows",
    "expiration": "use a later time, in the server's seconds",
    "price_required": "name the price",
    "tick_size": "use a multiple of the symbol's trade_tick_size (for sl and tp, of its last digit)",
    "price_side": "limits wait on the better side of the market, stops on the worse; a stop limit's limit is on the better side",
    "level_side": "the stop loss of what buys is below the price and its take profit above; of what sells, the other way round",
    "stops_level": "keep the symbol's trade_stops_level away, in points",
    "freeze_level": "the market is within the symbol's trade_freeze_level of it: wait",
}
"""Every rule by its name, with what to do; in the order in which they are looked at."""


def refused(rule: str, field: str, value: Any, nearest: Any, why: str = "") -> InvalidParameters:
    """A request that breaks a rule, in one line."""
    near = "" if nearest is None else f"; nearest is {words(nearest)}"
    return InvalidParameters(
        f"the order was not sent: {field}={words(value)} breaks the rule {rule}{f' ({why})' if why else ''}{near}",
        next_step=RULES[rule],
        field=field,
        value=value,
        rule=rule,
        nearest=nearest,
    )


def words(value: Any) -> str:
    """A value as people read it."""
    return f"{value:.10g}" if isinstance(value, float) else ascii(value)


def check_numbers(request: TradeRequest) -> None:
    """Prices and volumes are numbers."""
    for field in ("volume", "price", "stoplimit", "sl", "tp"):
        value = getattr(request, field)
        if not 0.0 <= value < math.inf:
            raise refused("number", field, value, None)


def check_comment(comment: str) -> None:
    """Longer ones are refused by the package, control characters taken by it, and what a terminal makes of others is not known."""
    plain = "".join(letter for letter in comment if " " <= letter <= "~")
    if plain != comment:
        raise refused("comment", "comment", comment, plain[:COMMENT_CHARACTERS], "it has other than plain characters")
    if len(comment) > COMMENT_CHARACTERS:
        raise refused("comment", "comment", comment, comment[:COMMENT_CHARACTERS], f"it has {len(comment)} characters")


def forbidden(symbol: Symbol, side: int) -> bool:
    """Whether the symbol does not allow to open a position of this side."""
    mode = symbol.trade_mode
    if mode == mt5.SYMBOL_TRADE_MODE_LONGONLY:
        return side != BUY
    if mode == mt5.SYMBOL_TRADE_MODE_SHORTONLY:
        return side == BUY
    return mode in (mt5.SYMBOL_TRADE_MODE_DISABLED, mt5.SYMBOL_TRADE_MODE_CLOSEONLY)


def not_traded(symbol: Symbol) -> InvalidParameters:
    """The refusal of a symbol that may not be traded so."""
    allowed = {0: "not traded", 1: "bought only", 2: "sold only", 3: "closed only"}[symbol.trade_mode]
    return refused("trade_mode", "symbol", symbol.name, None, f"it is {allowed}")


def volume_on_step(volume: float, symbol: Symbol) -> float:
    """A volume within the symbol's bounds, free of rounding errors."""
    least, most, step = symbol.volume_min, symbol.volume_max, symbol.volume_step
    on_grid = grid.rounded(volume, step)
    if volume < least - grid.tolerance(least, step):
        raise refused("volume_min", "volume", volume, least)
    if most > 0 and volume > most + grid.tolerance(most, step):
        raise refused("volume_max", "volume", volume, most)
    if abs(on_grid - volume) > grid.tolerance(volume, step):
        raise refused("volume_step", "volume", volume, max(least, min(on_grid, most or on_grid)), f"the step is {step:g}")
    if not on_grid > 0:
        raise refused("volume_min", "volume", volume, least or step or None)
    return on_grid


def price_on_grid(field: str, price: float, size: float) -> float:
    """A price on the tick size, free of rounding errors."""
    on_grid = grid.rounded(price, size)
    if abs(on_grid - price) > grid.tolerance(price, size):
        raise refused("tick_size", field, price, on_grid, f"the tick size is {size:g}")
    return on_grid


def levels_on_grid(request: TradeRequest, symbol: Symbol) -> TradeRequest:
    """Stop loss and take profit with the symbol's digits."""
    return replace(request, sl=price_on_grid("sl", request.sl, symbol.point), tp=price_on_grid("tp", request.tp, symbol.point))


def check_distance(rule: str, field: str, price: float, origin: float, up: float, symbol: Symbol, size: float) -> None:
    """`price` has to lie above `origin` (below, with `up` -1), by the stops level."""
    noise = symbol.point * 1e-3
    level = symbol.trade_stops_level * symbol.point
    distance = (price - origin) * up
    if distance > noise and distance >= level - noise:
        return
    nearest = grid.beyond(origin + up * max(level, size), size, up)
    if distance > noise:
        rule = "stops_level"
    where, far = ("above" if up > 0 else "below"), (f" by {words(level)} or more" if level > 0 else "")
    raise refused(rule, field, price, nearest if nearest > 0 else None, f"{where} {words(origin)}{far}")


def check_levels(request: TradeRequest, symbol: Symbol, side: int, price: float) -> None:
    """Stop loss and take profit of what buys or sells, measured from `price`."""
    up = 1.0 if side == BUY else -1.0
    for field, level, direction in (("sl", request.sl, -up), ("tp", request.tp, up)):
        if level:
            check_distance("level_side", field, level, price, direction, symbol, symbol.point)


def check_freeze(ticket: int, field: str, symbol: Symbol, *distances: float) -> None:
    """What is this near to its trigger cannot be changed any more."""
    frozen = symbol.trade_freeze_level * symbol.point
    if frozen > 0 and any(abs(distance) <= frozen for distance in distances):
        raise refused("freeze_level", field, ticket, None, f"the market is within {words(frozen)} of it")


def check_order_mode(order_type: int | None, request: TradeRequest, symbol: Symbol) -> None:
    """The symbol allows this type of order, and its levels."""
    mode = symbol.order_mode
    if mode == 0:  # not told
        return
    if order_type is not None and not mode & ORDER_MODES[order_type]:
        raise refused("order_mode", "type", order_type, None, f"order_mode is {mode}")
    for field, bit in (("sl", 16), ("tp", 32)):
        if getattr(request, field) and not mode & bit:
            raise refused("order_mode", field, getattr(request, field), 0.0, f"order_mode is {mode}")


def filling(symbol: Symbol, order_type: int) -> int:
    """A filling mode that the symbol allows: for deals fill or kill, else immediate or cancel, else return; for orders return.

    `symbol.filling_mode` has bit 1 for fill or kill and bit 2 for immediate or cancel; `return` is not allowed for deals in market
    execution.
    """
    if order_type in PENDING_TYPES:
        return RETURN
    if symbol.filling_mode & 1:
        return FOK
    if symbol.filling_mode & 2:
        return IOC
    return FOK if symbol.trade_exemode == mt5.SYMBOL_TRADE_EXECUTION_MARKET else RETURN


def allowed_filling(request: TradeRequest, symbol: Symbol) -> int:
    """The filling mode that was asked for, or one that is chosen."""
    given, execution, bits = request.type_filling, symbol.trade_exemode, symbol.filling_mode
    chosen = filling(symbol, request.type)
    if given is None:
        return chosen
    pending = request.type in PENDING_TYPES
    if given in (FOK, IOC):
        allowed = execution in PRICED or bool(bits & (1 if given == FOK else 2)) or given == chosen
    elif given == RETURN:
        allowed = pending or execution != mt5.SYMBOL_TRADE_EXECUTION_MARKET
    else:
        booked = request.type in LIMITS or request.type in STOP_LIMITS
        allowed = given == BOC and booked and execution == mt5.SYMBOL_TRADE_EXECUTION_EXCHANGE and bool(bits & 4)
    if not allowed:
        raise refused("filling_mode", "type_filling", given, chosen, f"filling_mode is {bits}, trade_exemode {execution}")
    return given


def check_expiration(request: TradeRequest, symbol: Symbol, tick: Tick | None) -> None:
    """What lies before the last tick is past for certain; whether anything later is, the terminal knows."""
    kind, mode = request.type_time, symbol.expiration_mode
    if kind > SPECIFIED_DAY or (mode and not mode & (1 << kind)):
        nearest = next((number for number in range(4) if mode & (1 << number)), None)
        raise refused("expiration_mode", "type_time", kind, nearest, f"expiration_mode is {mode}")
    if kind < SPECIFIED:
        return
    now_s = max(symbol.time, tick.time if tick is not None else 0)
    last_s = request.expiration if kind == SPECIFIED else request.expiration - request.expiration % DAY_S + DAY_S - 1
    if last_s <= now_s or not request.expiration:
        nearest = now_s + 1 if kind == SPECIFIED else now_s - now_s % DAY_S
        raise refused("expiration", "expiration", request.expiration, nearest or None, f"the server's clock shows {now_s} or later")
