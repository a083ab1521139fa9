"""Rules on how much an account may hold: volumes, orders and positions by number, opposite and older positions.

Each function raises Refused with the return code of its rule.
"""

from __future__ import annotations

from bridge.terminal.simulator.checks import Case, Refused, check_money, margin_with
from bridge.terminal.simulator.enums import MarginMode, side_of
from bridge.terminal.simulator.retcodes import Retcode
from bridge.terminal.simulator.server import Server
from bridge.trading import Order, Position

_TOLERANCE = 1e-6
"""Relative: decimal fractions are not exact (0.1 + 0.2)."""


def check_volume_limit(case: Case, side: int, volume: float) -> None:
    """10034 when positions and pending orders of one direction would exceed the symbol's volume limit."""
    limit = case.contract.volume_limit
    if not limit:
        return
    ledger, name = case.server.ledger, case.contract.name
    held = sum(p.volume for p in ledger.positions.values() if p.symbol == name and p.type == side)
    waiting = sum(o.volume_current for o in ledger.orders.values() if o.symbol == name and side_of(o.type) == side)
    if held + waiting + volume > limit * (1 + _TOLERANCE):
        raise Refused(Retcode.LIMIT_VOLUME)


def check_order_limit(server: Server) -> None:
    """10033 when the account already has as many pending orders as it may."""
    limit = server.profile.limit_orders
    if limit and len(server.ledger.orders) >= limit:
        raise Refused(Retcode.LIMIT_ORDERS)


def check_new_position(case: Case, side: int) -> None:
    """10040 when no more positions are allowed, 10046 when an opposite one exists and hedging is prohibited."""
    check_position_limit(case.server)
    check_hedge(case.server, case.contract.name, side)


def check_position_limit(server: Server) -> None:
    """10040 when the account may have no more positions.

    In hedging accounts pending orders count as well, because each of them will open a position; in netting accounts
    they do not (MQL5, TRADE_RETCODE_LIMIT_POSITIONS).
    """
    limit, ledger = server.profile.limit_positions, server.ledger
    if limit is None:
        return
    taken = len(ledger.positions)
    if server.profile.margin_mode == MarginMode.HEDGING:
        taken += sum(not order.position_id for order in ledger.orders.values())
    if taken >= limit:
        raise Refused(Retcode.LIMIT_POSITIONS)


def check_hedge(server: Server, symbol: str, side: int) -> None:
    """10046 when an opposite position exists and the account prohibits hedging."""
    profile = server.profile
    if profile.margin_mode != MarginMode.HEDGING or profile.hedge_allowed:
        return
    if any(p.symbol == symbol and p.type != side for p in server.ledger.positions.values()):
        raise Refused(Retcode.HEDGE_PROHIBITED)


def check_activation(server: Server, order: Order, volume: float, price: float) -> None:
    """What can still forbid a pending order that has been triggered: an opposite position, the number of positions,
    money.

    The volume limit cannot be exceeded then: it was checked with the order's own volume when the order was placed.
    """
    side, profile, ledger = side_of(order.type), server.profile, server.ledger
    netting = profile.margin_mode != MarginMode.HEDGING
    added = netting and any(position.symbol == order.symbol for position in ledger.positions.values())
    if not (order.position_id or added):
        check_hedge(server, order.symbol, side)
        if profile.limit_positions is not None and len(ledger.positions) >= profile.limit_positions:
            raise Refused(Retcode.LIMIT_POSITIONS)
    check_money(server, margin_with(server, side, order.symbol, volume, price))


def check_fifo(case: Case, position: Position) -> None:
    """10045 when an older position of the symbol must be closed first."""
    if not case.server.profile.fifo_close:
        return
    same = [p for p in case.server.ledger.positions.values() if p.symbol == position.symbol and p.type == position.type]
    if min((p.time_msc, p.ticket) for p in same) != (position.time_msc, position.ticket):
        raise Refused(Retcode.FIFO_CLOSE)
