"""What became of a request that changes what is there: stops, prices, a removal, a close by an opposite position. Pure."""

from __future__ import annotations

from collections.abc import Callable, Container
from math import isclose

from bridge.candidates import (
    AFTER_STOP,
    CANCELED,
    CLOSE_BY,
    FILLED,
    MODIFY,
    PARTIAL,
    REMOVE,
    SLTP,
    STATES,
    Candidate,
    Verdict,
    ambiguous,
    candidates,
    result,
    tickets,
)
from bridge.placement import Trace
from bridge.trading import Order, TradeRequest

OUT_BY = 3
"""MQL5 `DEAL_ENTRY_OUT_BY`."""


def _same(*pairs: tuple[float, float]) -> bool:
    return all(isclose(left, right, rel_tol=1e-9, abs_tol=1e-9) for left, right in pairs)


def sltp(sent: TradeRequest, trace: Trace, claimed: Container[int], from_s: float) -> Verdict:
    """New stops of a position; where it has others now, somebody may have changed them after us."""
    found = [item for item in trace.positions if sent.position in (item.ticket, item.identifier)]
    if not sent.position:
        found = [item for item in trace.positions if item.symbol == sent.symbol]
    if len(found) != 1:
        what = f"position {sent.position or sent.symbol}"
        return Verdict("ambiguous", f"{what} is not open any more: whether its stops were changed before cannot be told")
    (position,) = found
    stops = f"position {position.ticket} has sl {position.sl:g} and tp {position.tp:g}"
    if _same((position.sl, sent.sl), (position.tp, sent.tp)):
        return Verdict("done", f"{stops}, as asked", result(sent, "done"))
    return Verdict("nothing", f"{stops}, not what was asked; changed by others since, or not at all")


def modify(sent: TradeRequest, trace: Trace, claimed: Container[int], from_s: float) -> Verdict:
    """New prices of a pending order, also of one that has ended since: the history has its last prices."""
    order, is_open = _order_of(sent, trace)
    if order is None:
        return Verdict("ambiguous", f"order {sent.order} is neither open nor in the history")
    pairs = [(order.price_open, sent.price), (order.sl, sent.sl), (order.tp, sent.tp)]
    if sent.stoplimit and order.type in AFTER_STOP:
        pairs.append((order.price_stoplimit, sent.stoplimit))
    elif sent.stoplimit:  # its stop price was reached since
        pairs[0] = (order.price_open, sent.stoplimit)
    until = sent.type_time not in (2, 3) or sent.expiration == order.time_expiration
    where = "is open" if is_open else f"was {STATES[order.state]}"
    if _same(*pairs) and order.type_time == sent.type_time and until:
        return Verdict("done", f"order {sent.order} {where} with the prices that were asked", result(sent, "done"))
    return Verdict("nothing", f"order {sent.order} {where} with other prices; changed by others since, or not at all")


def remove(sent: TradeRequest, trace: Trace, claimed: Container[int], from_s: float) -> Verdict:
    """An order is removed when it was cancelled, whoever did it; what it was filled with before is its own story."""
    order, is_open = _order_of(sent, trace)
    if order is None:
        return Verdict("ambiguous", f"order {sent.order} is neither open nor in the history")
    if is_open:
        return Verdict("nothing", f"order {sent.order} is still open")
    if order.state in (CANCELED, PARTIAL):
        return Verdict("done", f"order {sent.order} was cancelled", result(sent, "done"))
    return Verdict("nothing", f"order {sent.order} was {STATES[order.state]} instead")


def _order_of(sent: TradeRequest, trace: Trace) -> tuple[Order | None, bool]:
    """The order that is meant, and whether it is open: what the history has is over."""
    for order in trace.history_orders:
        if order.ticket == sent.order and order.state in STATES:
            return order, False
    return next(((order, True) for order in trace.orders if order.ticket == sent.order), (None, False))


def close_by(sent: TradeRequest, trace: Trace, claimed: Container[int], from_s: float) -> Verdict:
    """Two deals of one order that close the two positions by each other; its comment is always the broker's."""
    pair = {sent.position, sent.position_by}
    found = []
    for candidate in candidates(trace):
        deals = [deal for deal in candidate.deals if deal.entry == OUT_BY and deal.time >= from_s]
        order = candidate.order
        meant = order is not None and {order.position_id, order.position_by_id} == pair and order.time_setup >= from_s
        if candidate.ticket not in claimed and ({deal.position_id for deal in deals} == pair or (meant and not candidate.is_open)):
            found.append(Candidate(candidate.ticket, order, deals=[deal for deal in deals if deal.position_id == sent.position]))
    if len(found) > 1:
        return ambiguous(found, "have closed the two positions by each other")
    if found:
        (candidate,) = found
        if candidate.order is not None and candidate.order.state not in (FILLED, PARTIAL):
            return Verdict("nothing", f"{tickets(candidate)} was {STATES[candidate.order.state]}")
        told = f"{tickets(candidate)} closed the positions {sent.position} and {sent.position_by} by each other"
        return Verdict("done", told, result(sent, "done", candidate), whole=bool(candidate.deals))
    return Verdict("nothing", f"no deal closed the positions {sent.position} and {sent.position_by} by each other")


ALTERATIONS: dict[int, Callable[[TradeRequest, Trace, Container[int], float], Verdict]] = {
    SLTP: sltp, MODIFY: modify, REMOVE: remove, CLOSE_BY: close_by,
}  # fmt: skip
"""Rules by action; market and pending orders are looked for otherwise."""
