"""What the terminal shows that can be an order of unknown outcome, collected by order tickets; and what is said of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isclose
from typing import Literal

from bridge.placement import Trace
from bridge.trading import Deal, Order, OrderResult, Position, TradeRequest

DEAL, PENDING, SLTP, MODIFY, REMOVE, CLOSE_BY = 1, 5, 6, 7, 8, 10
"""MQL5 `ENUM_TRADE_REQUEST_ACTIONS`."""
CANCELED, PARTIAL, FILLED, REJECTED, EXPIRED = 2, 3, 4, 5, 6
"""MQL5 `ENUM_ORDER_STATE` of the history."""
STATES = {CANCELED: "cancelled", PARTIAL: "filled in part", FILLED: "filled", REJECTED: "rejected", EXPIRED: "expired"}
EXPERT, FIRST_OF_SERVER = 3, 4
"""MQL5 `ENUM_ORDER_REASON`: a program; from 4 on what the server does by itself: stops, stop out, rollover."""
AFTER_STOP = {6: 2, 7: 3}
"""What a stop-limit order becomes when its stop price is reached: type by type."""
RETCODES = {"done": 10009, "partial": 10010, "placed": 10008}
DUST = 1e-7
"""Lots that are nothing."""
TOKEN = re.compile(r"~[a-z2-7]{6}", re.IGNORECASE)
"""The bridge's tokens, of whichever order."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an order, and `evidence` in one line. `result` is there for `done`, `partial` and `placed`.

    `sure` is false where it was recognised by its fields alone: an equal order of somebody else would look the same. `whole` is
    false where it is proven, but the history does not have all of its deals yet.
    """

    kind: Literal["done", "partial", "placed", "nothing", "ambiguous"]
    evidence: str
    result: OrderResult | None = None
    sure: bool = True
    whole: bool = True


@dataclass(slots=True)
class Candidate:
    """What belongs to one order ticket; `order` as in the history, else as it is open."""

    ticket: int
    order: Order | None = None
    is_open: bool = False
    deals: list[Deal] = field(default_factory=list)
    position: Position | None = None

    @property
    def parts(self) -> list[Order | Deal | Position]:
        """All that is there of it."""
        return [item for item in (self.order, *self.deals, self.position) if item is not None]

    @property
    def filled(self) -> float:
        """Lots, as far as its deals show."""
        return sum(deal.volume for deal in self.deals)


def candidates(trace: Trace) -> list[Candidate]:
    """All orders of a trace, by ticket."""
    found: dict[int, Candidate] = {}

    def of(ticket: int) -> Candidate:
        return found.setdefault(ticket, Candidate(ticket))

    for item in trace.orders:
        of(item.ticket).order, of(item.ticket).is_open = item, True
    for item in trace.history_orders:
        if item.state in STATES:
            of(item.ticket).order, of(item.ticket).is_open = item, False
    for deal in trace.deals:
        if deal.order:
            of(deal.order).deals.append(deal)
    for position in trace.positions:  # it has the ticket of the order that opened it
        of(position.ticket).position = position
    return sorted(found.values(), key=lambda candidate: candidate.ticket)


def can_be(candidate: Candidate, sent: TradeRequest) -> bool:
    """What even the token does not make ours: another symbol, side or kind, or what the server did by itself."""
    order = candidate.order
    if order is not None and order.type not in (sent.type, AFTER_STOP.get(sent.type, sent.type)):
        return False
    if any(part.reason >= FIRST_OF_SERVER for part in (order, *candidate.deals) if part is not None):
        return False
    traded: list[Deal | Position] = [*candidate.deals, *([candidate.position] if candidate.position else [])]
    if any(part.type != sent.type % 2 for part in traded):
        if order is None or candidate.deals or candidate.position is None:
            return False
        candidate.position = None  # it was turned since
    return all(part.symbol == sent.symbol for part in candidate.parts)


def has(candidate: Candidate, token: str) -> bool:
    """Whether it has this token."""
    return bool(token) and any(token.lower() in part.comment.lower() for part in candidate.parts)


def has_others(candidate: Candidate, sent: TradeRequest) -> bool:
    """Whether it has the token of another order of the bridge."""
    tokens = {found.lower() for part in candidate.parts for found in TOKEN.findall(part.comment)}
    return bool(tokens - {found.lower() for found in TOKEN.findall(sent.comment)})


def fits(candidate: Candidate, sent: TradeRequest, from_s: float, to_s: float) -> bool:
    """Magic number, volume, time and, of a pending order, price."""
    order, position = candidate.order, candidate.position
    if any(part.magic != sent.magic for part in candidate.parts):
        return False
    if order is not None:
        if sent.action == PENDING:
            price = sent.stoplimit if order.type != sent.type else sent.price
            if not isclose(order.price_open, price, rel_tol=1e-9):
                return False
        return abs(order.volume_initial - sent.volume) <= DUST and from_s <= order.time_setup <= to_s
    if candidate.deals:
        return candidate.filled <= sent.volume + DUST and all(from_s <= deal.time <= to_s for deal in candidate.deals)
    return position is not None and position.volume <= sent.volume + DUST and from_s <= position.time <= to_s


def by_program(candidate: Candidate) -> bool:
    """Whether a program sent it, and no person."""
    return all(part.reason == EXPERT for part in candidate.parts)


def keeps_comments(trace: Trace) -> bool:
    """Whether the broker leaves comments as they were sent: a token is seen."""
    comments = [item.comment for items in (trace.orders, trace.history_orders, trace.deals) for item in items]
    return any(map(TOKEN.search, comments))


def at_position(candidate: Candidate, sent: TradeRequest, trace: Trace) -> bool:
    """Whether it works on the position that the order names; on a netting account that has an identifier other than its ticket."""
    if not sent.position:
        return True
    meant = {sent.position}
    meant |= {position.identifier for position in trace.positions if position.ticket == sent.position}
    meant |= {order.position_id for order in trace.history_orders if order.ticket == sent.position}
    named = {part.position_id for part in (candidate.order, *candidate.deals) if part is not None}
    return bool(named & (meant - {0}))


# ---- verdicts --------------------------------------------------------------------------------------------------------------------


def result(sent: TradeRequest, kind: Literal["done", "partial", "placed"], candidate: Candidate | None = None) -> OrderResult:
    """As the trade server would have answered, from what was found; the price is that of the deals, by their volumes."""
    deal, ticket, volume, price = 0, sent.order, 0.0, 0.0
    if candidate is not None:
        ticket, deals, position = candidate.ticket, candidate.deals, candidate.position
        volume = round(candidate.filled, 8)
        if deals:
            deal = max(deals, key=lambda made: (made.time_msc, made.ticket)).ticket
            price = sum(made.price * made.volume for made in deals) / candidate.filled
        elif position is not None and kind != "placed":
            volume, price = position.volume, position.price_open
        elif candidate.order is not None:
            order = candidate.order
            volume = order.volume_initial if kind == "placed" else round(order.volume_initial - order.volume_current, 8)
    return OrderResult(RETCODES[kind], deal, ticket, volume, price, 0.0, 0.0, "reconciled", 0, 0, sent)


def tickets(candidate: Candidate) -> str:
    """Its name for people."""
    deals = ", ".join(str(deal.ticket) for deal in candidate.deals)
    word = "order" if candidate.order is not None or candidate.deals else "position"
    return f"{word} {candidate.ticket}" + (f" with deal {deals}" if deals else "")


def ambiguous(found: Iterable[Candidate], why: str) -> Verdict:
    """Not certain."""
    return Verdict("ambiguous", f"{'; '.join(map(tickets, found))}: {why}")
