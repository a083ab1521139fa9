"""Would an order lead to more than the limits allow? Asked right before it is sent, of what the account holds then. Pure.

What only reduces exposure is never held back by a limit of exposure (`reduces`), so that nobody is locked into a loss; whose
positions and orders may be touched (`magics`) holds for that too.

Sources: MQL5 `ENUM_TRADE_REQUEST_ACTIONS`, `ENUM_ORDER_TYPE`, `ENUM_DEAL_TYPE`, `ENUM_ACCOUNT_MARGIN_MODE`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge.errors import BridgeError, LimitReached, TradingHalted
from bridge.placement import ExposureLimits
from bridge.records import Account, Symbol
from bridge.trading import Deal, Order, Position, TradeRequest

DEAL, PENDING, SLTP, MODIFY, REMOVE, CLOSE_BY = 1, 5, 6, 7, 8, 10
ACTIONS = frozenset({DEAL, PENDING, SLTP, MODIFY, REMOVE, CLOSE_BY})
"""`TRADE_ACTION_*`: all that there are."""
HEDGING = 2
"""`ACCOUNT_MARGIN_MODE_RETAIL_HEDGING`; with any other margin mode a symbol has one position."""
NO_TRADE = frozenset({2, 3, 5, 6})
"""`DEAL_TYPE_BALANCE`, `CREDIT`, `CORRECTION`, `BONUS`: money that came or went without a trade. Commissions, charges, interest,
dividends and taxes count."""
BY = 8
"""`ORDER_TYPE_CLOSE_BY`: opens nothing."""
NEARLY = 1e-9
"""Volumes that differ by less are equal: 0.1 + 0.2 is 0.30000000000000004."""
DAY_S = 86_400


def needs_deals(limits: ExposureLimits) -> bool:
    """Whether today's deals have to be read for these limits."""
    return limits.daily_loss is not None or (limits.own is not None and limits.own.daily_loss is not None)


def day_start_s(server_s: int) -> int:
    """The trade server's midnight before a time of its clock, both in seconds: where the day of `daily_loss` begins."""
    return server_s - server_s % DAY_S


def exposure_refusal(
    request: TradeRequest,
    limits: ExposureLimits,
    positions: Sequence[Position],
    orders: Sequence[Order],
    deals_today: Sequence[Deal],
    account: Account,
    symbol: Symbol | None,
) -> BridgeError | None:
    """Why the order may not be sent; None when it may.

    `positions` and `orders` are all of the account, `deals_today` those since `day_start_s` (needed where `needs_deals`), `symbol`
    that of the request, for the nearest volume that would be allowed. Pending orders count as if all of one side were filled.
    `limits.own` counts only what has one of its magic numbers, where it has such; a deal is the client's also by its position, as
    far as today's deals and the open positions tell.
    """
    if not limits:
        return None
    held = _Held(positions, orders, deals_today, account.margin_mode != HEDGING)
    scopes = [("the account", limits)] + ([] if limits.own is None else [("this client", limits.own)])
    for whose, scope in scopes:
        foreign = _foreign(request, scope, held, whose)
        if foreign is not None:
            return foreign
    if reduces(request, positions, netting=held.netting):
        return None
    if limits.reducing_only:
        return _not_reducing(limits.reducing_only)
    for whose, scope in scopes:
        seen = held if scope is limits else held.of(scope.magics)
        refusal = _daily_loss(scope, seen, whose)
        if refusal is None and request.action in (DEAL, PENDING):
            refusal = _open_positions(request, scope, seen, whose) or _net_volume(request, scope, seen, whose, symbol)
        if refusal is not None:
            return refusal
    return None


def reduces(request: TradeRequest, positions: Sequence[Position], *, netting: bool) -> bool:
    """Whether the order can only reduce what the account holds: it removes a pending order, closes at most the volume of a position
    by a deal of the other side or by an opposite position, or moves a stop loss nearer (the take profit may be anything)."""
    match request.action:
        case 8:
            return True
        case 10:
            one, other = _by_ticket(positions, request.position), _by_ticket(positions, request.position_by)
            return one is not None and other is not None and one.symbol == other.symbol and one.type != other.type
        case 1:
            position = _touched_position(request, positions, netting)
            return (
                position is not None
                and position.symbol == request.symbol
                and position.type != _side(request.type)
                and request.volume <= position.volume + NEARLY
            )
        case 6:
            position = _touched_position(request, positions, netting)
            if position is None:
                return False
            nearer = request.sl >= position.sl if position.type == 0 else request.sl <= position.sl
            return position.sl == 0 or (request.sl > 0 and nearer)
    return False


# ---- what the account holds ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Held:
    positions: Sequence[Position]
    orders: Sequence[Order]
    deals: Sequence[Deal]
    netting: bool

    def of(self, magics: tuple[int, ...] | None) -> _Held:
        """What has one of these magic numbers; None: everything."""
        if magics is None:
            return self
        positions = [position for position in self.positions if position.magic in magics]
        ids = {position.identifier for position in positions} | {deal.position_id for deal in self.deals if deal.magic in magics}
        return _Held(
            positions,
            [order for order in self.orders if order.magic in magics],
            [deal for deal in self.deals if deal.magic in magics or (deal.position_id and deal.position_id in ids)],
            self.netting,
        )


def _side(order_type: int) -> int:
    """0 for the types that buy (all even ones), 1 for those that sell."""
    return order_type % 2


def _by_ticket(positions: Sequence[Position], ticket: int) -> Position | None:
    return next((position for position in positions if position.ticket == ticket), None)


def _touched_position(request: TradeRequest, positions: Sequence[Position], netting: bool) -> Position | None:
    """The position that a deal, a pending order or new levels change; on a netting account that is the symbol's."""
    if netting and request.symbol:
        return next((position for position in positions if position.symbol == request.symbol), None)
    return _by_ticket(positions, request.position) if request.position else None


def _touched(request: TradeRequest, held: _Held) -> list[Position | Order]:
    """What exists already and would be changed by the request."""
    found: list[Position | Order | None] = []
    if request.action in (DEAL, SLTP) or (request.action == PENDING and held.netting):
        found.append(_touched_position(request, held.positions, held.netting))
    elif request.action == CLOSE_BY:
        found += [_by_ticket(held.positions, request.position), _by_ticket(held.positions, request.position_by)]
    elif request.action in (MODIFY, REMOVE):
        found.append(next((order for order in held.orders if order.ticket == request.order), None))
    return [record for record in found if record is not None]


# ---- the rules -------------------------------------------------------------------------------------------------------------------


def reached(message: str, next_step: str, **details: Any) -> LimitReached:
    """The refusal by a rule; details that are None are left out."""
    return LimitReached(message, next_step=next_step, **{name: value for name, value in details.items() if value is not None})


def _foreign(request: TradeRequest, limits: ExposureLimits, held: _Held, whose: str) -> BridgeError | None:
    if limits.magics is None:
        return None
    for record in _touched(request, held):
        if record.magic not in limits.magics:
            kind = "position" if isinstance(record, Position) else "order"
            return reached(
                f"the {kind} {record.ticket} has the magic number {record.magic}; magics of {whose} are {_numbers(limits.magics)}",
                "leave it to whom it belongs, or have an operator add its magic number to magics",
                rule="magics", field="order" if kind == "order" else "position", value=record.magic, limit=list(limits.magics),
                ticket=record.ticket,
            )  # fmt: skip
    return None


def _not_reducing(rule: str) -> BridgeError:
    """`rule` let the order pass because it looked like one that closes, and the account says that it does not."""
    told = "the order does not only reduce exposure: no position of the other side with this ticket and at least this volume"
    if rule == "halt":
        return TradingHalted(
            f"trading is halted, and {told}", next_step="close by the position's ticket, or wait for `mt5bridge resume`", rule=rule
        )
    return reached(f"{rule} forbids the order, and {told}", "close by the position's ticket", rule=rule)


def _daily_loss(limits: ExposureLimits, held: _Held, whose: str) -> BridgeError | None:
    if limits.daily_loss is None:
        return None
    made = math.fsum(deal.profit + deal.swap + deal.commission + deal.fee for deal in held.deals if deal.type not in NO_TRADE)
    floating = math.fsum(position.profit + position.swap for position in held.positions)
    loss = -(made + floating)
    if loss < limits.daily_loss:
        return None
    return reached(
        f"{whose} has lost {loss:.2f} today ({made:+.2f} realised, {floating:+.2f} floating); daily_loss is {limits.daily_loss:g}",
        "only orders that reduce exposure are sent until the server's midnight, or until an operator changes the limit",
        rule="daily_loss", value=round(loss, 8), limit=limits.daily_loss,
    )  # fmt: skip


def _open_positions(request: TradeRequest, limits: ExposureLimits, held: _Held, whose: str) -> BridgeError | None:
    if limits.open_positions is None:
        return None
    if held.netting:
        symbols = {record.symbol for records in (held.positions, held.orders) for record in records}
        before, after = len(symbols), len(symbols | {request.symbol})
    else:
        before = len(held.positions) + len(held.orders)
        after = before + 1
    if after <= max(limits.open_positions, before):
        return None
    return reached(
        f"{whose} would have {after} positions, pending orders included; open_positions is {limits.open_positions}",
        "close a position or remove a pending order first",
        rule="open_positions", value=after, limit=limits.open_positions,
    )  # fmt: skip


def _net_volume(
    request: TradeRequest, limits: ExposureLimits, held: _Held, whose: str, symbol: Symbol | None
) -> BridgeError | None:
    if limits.net_volume is None:
        return None
    side, name = _side(request.type), request.symbol
    before = math.fsum(
        position.volume if position.type == side else -position.volume for position in held.positions if position.symbol == name
    ) + math.fsum(
        order.volume_current for order in held.orders if order.symbol == name and order.type < BY and _side(order.type) == side
    )
    after = before + request.volume
    if after <= limits.net_volume + NEARLY:
        return None
    room = _down_to_step(limits.net_volume - before, symbol)
    return reached(
        f"{whose} would be {'short' if side else 'long'} by {after:g} lots of {name} once pending orders are filled; "
        f"net_volume is {limits.net_volume:g}",
        "wait until less is open" if room is None else f"use a volume of at most {room:g}",
        rule="net_volume", field="volume", value=round(after, 8), limit=limits.net_volume, nearest=room,
    )  # fmt: skip


def _down_to_step(volume: float, symbol: Symbol | None) -> float | None:
    """The largest volume that the symbol allows and that is not above this one; None when there is none."""
    if symbol is None or symbol.volume_step <= 0:
        return round(volume, 8) if volume > NEARLY else None
    found = round(math.floor(volume / symbol.volume_step + NEARLY) * symbol.volume_step, 8)
    return found if found > 0 and found >= symbol.volume_min - NEARLY else None


def _numbers(magics: tuple[int, ...]) -> str:
    return ", ".join(map(str, magics)) or "none"
