"""What the terminal lists of an account at one moment: its open positions and pending orders, and whether they have changed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter

from bridge.trading import Order, Position

_FLOATING = {"price_current", "profit"}
"""Fields that move with every tick and are no change of the position or order."""
position_state = attrgetter(*(field.name for field in fields(Position) if field.name not in _FLOATING))
order_state = attrgetter(*(field.name for field in fields(Order) if field.name not in _FLOATING))


@dataclass(frozen=True, slots=True)
class Ledger:
    """Open positions by identifier, which unlike the ticket survives a reversal on a netting account; pending orders by ticket."""

    positions: dict[int, Position]
    orders: dict[int, Order]


def ledger(positions: list[Position], orders: list[Order]) -> Ledger:
    """A ledger of what the terminal lists."""
    return Ledger({item.identifier or item.ticket: item for item in positions}, {item.ticket: item for item in orders})


def same(before: Ledger, after: Ledger) -> bool:
    """Whether nothing but prices and profits differs."""
    return (
        before.positions.keys() == after.positions.keys()
        and before.orders.keys() == after.orders.keys()
        and all(position_state(item) == position_state(before.positions[key]) for key, item in after.positions.items())
        and all(order_state(item) == order_state(before.orders[key]) for key, item in after.orders.items())
    )


def lots(position: Position | None) -> float:
    """The volume of a position in lots, negative for a short one; 0 for none."""
    if position is None:
        return 0.0
    return position.volume if position.type == 0 else -position.volume
