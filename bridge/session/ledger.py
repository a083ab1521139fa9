"""What happened on the account between two looks at it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Literal

from bridge.replies import TradeEvent
from bridge.trading import Order, Position

OrderKind = Literal["order_placed", "order_changed", "order_gone"]
PositionKind = Literal["position_opened", "position_changed", "position_closed"]

_FLOATING = {"price_current", "profit"}
"""Fields that move with every tick and are no change of the position or order."""
_position_state = attrgetter(*(field.name for field in fields(Position) if field.name not in _FLOATING))
_order_state = attrgetter(*(field.name for field in fields(Order) if field.name not in _FLOATING))


@dataclass(frozen=True, slots=True)
class Ledger:
    """Open positions by identifier, which unlike the ticket survives a reversal on a netting account; pending orders by ticket."""

    positions: dict[int, Position]
    orders: dict[int, Order]


def ledger(positions: list[Position], orders: list[Order]) -> Ledger:
    """A ledger of what the terminal lists."""
    return Ledger({item.identifier or item.ticket: item for item in positions}, {item.ticket: item for item in orders})


def diff(before: Ledger, after: Ledger) -> list[TradeEvent]:
    """Each difference once: orders before positions and, of either, what went before what came or changed, by ticket.

    A filled pending order is thus seen to go before its position opens, and a position to close before its successor opens.
    An event carries the newest state known; what came and went between two looks is not seen.
    """
    return [
        *(_order("order_gone", before.orders[key]) for key in sorted(before.orders.keys() - after.orders.keys())),
        *(_order("order_placed", after.orders[key]) for key in sorted(after.orders.keys() - before.orders.keys())),
        *(
            _order("order_changed", after.orders[key])
            for key in sorted(after.orders.keys() & before.orders.keys())
            if _order_state(after.orders[key]) != _order_state(before.orders[key])
        ),
        *(_position("position_closed", before.positions[key]) for key in sorted(before.positions.keys() - after.positions.keys())),
        *(_position("position_opened", after.positions[key]) for key in sorted(after.positions.keys() - before.positions.keys())),
        *(
            _position("position_changed", after.positions[key])
            for key in sorted(after.positions.keys() & before.positions.keys())
            if _position_state(after.positions[key]) != _position_state(before.positions[key])
        ),
    ]


def _order(kind: OrderKind, order: Order) -> TradeEvent:
    return TradeEvent(kind, order=order)


def _position(kind: PositionKind, position: Position) -> TradeEvent:
    return TradeEvent(kind, position=position)
