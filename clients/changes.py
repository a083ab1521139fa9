"""Orders about what exists: closing positions, changing levels and prices, removing pending orders; for every client the same.

Sources: MQL5 `MqlTradeRequest`, `ENUM_TRADE_REQUEST_ACTIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Unpack

from bridge.errors import InvalidParameters
from bridge.messages import GetOrders, GetPositions
from bridge.mt5api import constants as mt5
from bridge.replies import OrderOutcome
from bridge.trading import Order, Position, TradeRequest
from clients.coercion import known, refused, trade_request, whole
from clients.orders import SENDING, Sending, ask, lifetime_of
from clients.tasks import Steps


class ClosingTerms(Sending, total=False):
    """What the closing of a position may have; its magic number is the position's unless another is given."""

    price: float | None
    deviation: int
    comment: str
    magic: int | None


_CLOSING = tuple(ClosingTerms.__annotations__)


def close(ticket: int, volume: float | None = None, **terms: Unpack[ClosingTerms]) -> Steps[OrderOutcome]:
    """Close a position, all of it or `volume` of it, by a deal of the other side (`ClosingTerms`)."""
    known(terms, _CLOSING, "the closing of a position")
    position = yield from held_position(ticket)
    outcome: OrderOutcome = yield ask(closing(position, volume, **terms), terms)
    return outcome


def closing(position: Position, volume: float | None = None, **terms: Unpack[ClosingTerms]) -> TradeRequest:
    """The request that closes a position."""
    fields = {name: value for name, value in terms.items() if name not in SENDING and value is not None}
    return trade_request(
        {
            "action": mt5.TRADE_ACTION_DEAL, "symbol": position.symbol, "volume": position.volume if volume is None else volume,
            "type": 1 - position.type, "position": position.ticket, "magic": position.magic, **fields,
        }
    )  # fmt: skip


def close_by(ticket: int, other: int, **sending: Unpack[Sending]) -> Steps[OrderOutcome]:
    """Close a position of a hedging account by an opposite one of the same symbol; what is left stays with the larger."""
    known(sending, SENDING, "close by")
    request = {"action": mt5.TRADE_ACTION_CLOSE_BY, "position": whole(ticket, "ticket"), "position_by": whole(other, "other")}
    outcome: OrderOutcome = yield ask(trade_request(request), sending)
    return outcome


# ---- changes ---------------------------------------------------------------------------------------------------------------------


def modify(
    ticket: int,
    *,
    sl: float | None = None,
    tp: float | None = None,
    price: float | None = None,
    stoplimit: float | None = None,
    expiration: datetime | float | Literal["day"] | None = None,
    **sending: Unpack[Sending],
) -> Steps[OrderOutcome]:
    """Change the levels of a position, or levels, prices and expiration of a pending order; None keeps what is, 0.0 takes a level
    away."""
    known(sending, SENDING, "a change")
    changes = {"sl": sl, "tp": tp, "price": price, "stoplimit": stoplimit, "expiration": expiration}
    request = yield from modification(ticket, {name: value for name, value in changes.items() if value is not None})
    outcome: OrderOutcome = yield ask(request, sending)
    return outcome


def modification(ticket: int, changes: Mapping[str, Any]) -> Steps[TradeRequest]:
    """The request that changes a position or a pending order."""
    ticket = whole(ticket, "ticket")
    found = (yield GetPositions(ticket=ticket)).positions
    if found:
        position: Position = found[0]
        for field in ("price", "stoplimit", "expiration"):
            if field in changes:
                raise refused(
                    "contradiction", field, changes[field], None, f"{ticket} is a position: its {field} cannot be changed"
                )
        return trade_request(
            {
                "action": mt5.TRADE_ACTION_SLTP, "symbol": position.symbol, "position": ticket, "magic": position.magic,
                "sl": changes.get("sl", position.sl), "tp": changes.get("tp", position.tp),
            }
        )  # fmt: skip
    order = yield from waiting_order(ticket, "neither an open position nor a pending order")
    lifetime = {"type_time": order.type_time, "expiration": order.time_expiration, **lifetime_of(changes.get("expiration"))}
    return trade_request(
        {
            "action": mt5.TRADE_ACTION_MODIFY, "order": ticket, "symbol": order.symbol,
            "price": changes.get("price", order.price_open), "stoplimit": changes.get("stoplimit", order.price_stoplimit),
            "sl": changes.get("sl", order.sl), "tp": changes.get("tp", order.tp),
            "type": order.type, "type_filling": order.type_filling, **lifetime,
        }
    )  # fmt: skip


def cancel(ticket: int, **sending: Unpack[Sending]) -> Steps[OrderOutcome]:
    """Remove a pending order."""
    known(sending, SENDING, "the removal of an order")
    order = yield from waiting_order(ticket, "no pending order")
    outcome: OrderOutcome = yield ask(cancellation(order), sending)
    return outcome


def cancellation(order: Order) -> TradeRequest:
    """The request that removes a pending order."""
    return TradeRequest(action=mt5.TRADE_ACTION_REMOVE, order=order.ticket, symbol=order.symbol)


def held_position(ticket: int) -> Steps[Position]:
    """The open position with this ticket. Raises `InvalidParameters`."""
    found = (yield GetPositions(ticket=whole(ticket, "ticket"))).positions
    if not found:
        raise _no_ticket(ticket, "no open position", "positions()")
    position: Position = found[0]
    return position


def waiting_order(ticket: int, what: str) -> Steps[Order]:
    """The pending order with this ticket. Raises `InvalidParameters`."""
    found = (yield GetOrders(ticket=whole(ticket, "ticket"))).orders
    if not found:
        raise _no_ticket(ticket, what, "positions() and orders()")
    order: Order = found[0]
    return order


def _no_ticket(ticket: int, what: str, where: str) -> InvalidParameters:
    return InvalidParameters(
        f"{ticket} is {what}", next_step=f"see {where}", field="ticket", value=ticket, rule="ticket", nearest=None
    )
