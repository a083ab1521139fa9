"""What the terminal shows that can belong to an order of unknown outcome."""

from __future__ import annotations

from bridge.placement import Trace, TraceOrder
from bridge.session.sight import Sight
from bridge.trading import Deal, Order, Position

PLACED_BEFORE_S = 31 * 86_400
"""How far back an order that is neither open nor in the recent history is looked for: a terminal may go by when it was placed."""


def trace(sight: Sight, ask: TraceOrder) -> Trace:
    """Positions, pending orders, deals and orders of the history, of the order's symbol or with a ticket that it names.

    Six calls, seven for an order to modify or remove that is not found. What is done last is read last, so that an execution in
    between shows somewhere; the link to the trade server has to be up before and after it all. Only the history may take long, so
    that a terminal that hangs is found soon. Raises `TerminalError`.
    """
    terminal = sight.terminal
    sight.look()
    connected = terminal.info().connected
    sight.look()
    positions = terminal.positions()
    sight.look()
    orders = terminal.orders()
    sight.searching()
    deals = terminal.deals(from_s=ask.from_s)
    sight.searching()
    history = terminal.history_orders(from_s=ask.from_s)
    named = _named(ask)
    symbol = ask.request.symbol or _symbol(named, positions, orders, history)
    target = ask.request.order
    if target and ask.from_s is not None and all(order.ticket != target for order in (*orders, *history)):
        sight.searching()
        older = terminal.history_orders(from_s=max(0, ask.from_s - PLACED_BEFORE_S), to_s=ask.from_s)
        history = [*(order for order in older if order.ticket == target), *history]
    sight.look()
    connected = terminal.info().connected and connected
    return Trace(
        tuple(item for item in positions if item.symbol == symbol or {item.ticket, item.identifier} & named),
        tuple(item for item in orders if item.symbol == symbol or item.ticket in named),
        tuple(item for item in history if item.symbol == symbol or {item.ticket, item.position_id, item.position_by_id} & named),
        tuple(item for item in deals if item.symbol == symbol or {item.order, item.position_id} & named or item.ticket == ask.deal),
        connected,
    )


def _named(ask: TraceOrder) -> set[int]:
    """Tickets of orders and positions that the order names."""
    return {ask.request.order, ask.request.position, ask.request.position_by, ask.order} - {0}


def _symbol(named: set[int], *lists: list[Position] | list[Order] | list[Deal]) -> str | None:
    """The symbol of what is named, where the order does not give it."""
    return next((item.symbol for items in lists for item in items if item.ticket in named), None)
