"""Many orders in one task: each is tried, whatever becomes of the others, and told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Unpack

from bridge.errors import BridgeError, OutcomeUnknown
from bridge.messages import GetAccount, GetOrders, GetPositions, SendOrder
from bridge.mt5api import constants as mt5
from bridge.replies import OrderOutcome
from bridge.trading import Order, Position, TradeRequest
from clients.changes import ClosingTerms, cancellation, closing, held_position
from clients.coercion import known, refused, text, whole
from clients.orders import Sending, market_order
from clients.tasks import Ask, Steps

_LONGEST_ID = 64 - 20
_SENDING = tuple(Sending.__annotations__)
_CLOSING = tuple(ClosingTerms.__annotations__)


class ClosingTermsOfAll(Sending, total=False):
    """What the closing of many positions may have: as `ClosingTerms`; each keeps its position's magic number."""

    deviation: int
    comment: str


_CLOSING_ALL = tuple(ClosingTermsOfAll.__annotations__)


@dataclass(frozen=True, slots=True)
class Part:
    """What became of one order: `ticket` is that of the position or order that it is about; there is an `outcome` or an `error`."""

    ticket: int
    symbol: str
    outcome: OrderOutcome | None = None
    error: BridgeError | None = None


@dataclass(frozen=True, slots=True)
class BulkReport:
    """What became of each part: `done` was accepted (see its outcome), `failed` was not executed, `unknown` may have been: look."""

    done: tuple[Part, ...] = ()
    failed: tuple[Part, ...] = ()
    unknown: tuple[Part, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything that there was to do was done, in full and not only as a dry run."""
        full = all(part.outcome is not None and part.outcome.outcome == "done" for part in self.done)
        return full and not (self.failed or self.unknown)

    def __len__(self) -> int:
        return len(self.done) + len(self.failed) + len(self.unknown)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Part]:
        yield from (*self.done, *self.failed, *self.unknown)


Job = tuple[int, str, Callable[[], TradeRequest]]
"""The ticket that an order is about, its symbol, and how to make the order."""


def close_all(symbol: str | None = None, magic: int | None = None, **terms: Unpack[ClosingTermsOfAll]) -> Steps[BulkReport]:
    """Close every open position, or those of a symbol, of a magic number, or both; the report tells of each.

    With `request_id` each order has the id `ID/TICKET`: the same call again sends nothing that was sent before. Raises only when
    the positions cannot be read; then nothing was sent.
    """
    known(terms, _CLOSING_ALL, "close_all")
    found: tuple[Position, ...] = (yield GetPositions(symbol=_symbol(symbol))).positions
    jobs = [(held.ticket, held.symbol, _closer(held, terms)) for held in found if _matches(held, symbol, magic)]
    return (yield from _each(jobs, terms))


def cancel_all(symbol: str | None = None, magic: int | None = None, **sending: Unpack[Sending]) -> Steps[BulkReport]:
    """Remove every pending order, or those of a symbol, of a magic number, or both; as `close_all`."""
    known(sending, _SENDING, "cancel_all")
    found: tuple[Order, ...] = (yield GetOrders(symbol=_symbol(symbol))).orders
    jobs = [(order.ticket, order.symbol, _canceller(order)) for order in found if _matches(order, symbol, magic)]
    return (yield from _each(jobs, sending))


def reverse(ticket: int, **terms: Unpack[ClosingTerms]) -> Steps[BulkReport]:
    """Turn a position around: as large to the other side, without stops.

    On a netting account that is one order of twice the volume. On a hedging account it is two, the closing and then the opening;
    the second is not sent unless the first was done in full: see the report. With `request_id` their ids are `ID/1` and `ID/2`.
    """
    known(terms, _CLOSING, "reverse")
    position = yield from held_position(ticket)
    account = yield GetAccount()
    side = "sell" if position.type == mt5.ORDER_TYPE_BUY else "buy"
    magic = terms.get("magic")
    opening = market_order(
        side,
        position.symbol,
        position.volume,
        magic=position.magic if magic is None else magic,
        comment=terms.get("comment", ""),
        deviation=terms.get("deviation", 0),
    )
    if account.margin_mode != mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING:
        twice = market_order(
            side,
            position.symbol,
            2 * position.volume,
            magic=opening.magic,
            comment=opening.comment,
            deviation=opening.deviation,
        )
        return (yield from _each([(ticket, position.symbol, lambda: twice)], terms, numbered=True))
    jobs: list[Job] = [(ticket, position.symbol, _closer(position, terms)), (ticket, position.symbol, lambda: opening)]
    return (yield from _each(jobs, terms, numbered=True, in_turn=True))


def _closer(position: Position, terms: ClosingTerms | ClosingTermsOfAll) -> Callable[[], TradeRequest]:
    return lambda: closing(position, **terms)


def _canceller(order: Order) -> Callable[[], TradeRequest]:
    return lambda: cancellation(order)


def _symbol(symbol: str | None) -> str | None:
    return None if symbol is None else text(symbol, "symbol")


def _matches(record: Position | Order, symbol: str | None, magic: int | None) -> bool:
    return symbol in (None, record.symbol) and (magic is None or record.magic == whole(magic, "magic"))


def _each(jobs: Iterable[Job], sending: Sending, *, numbered: bool = False, in_turn: bool = False) -> Steps[BulkReport]:
    """Try all; with `in_turn` end at the first that was not done in full."""
    base = sending.get("request_id")
    if base is not None and len(base) > _LONGEST_ID:
        raise refused(
            "text", "request_id", base, base[:_LONGEST_ID], f"at most {_LONGEST_ID} characters, for each order gets its own"
        )
    done: list[Part] = []
    failed: list[Part] = []
    unknown: list[Part] = []
    for number, (ticket, symbol, make) in enumerate(jobs, 1):
        order_id = None if base is None else f"{base}/{number if numbered else ticket}"
        try:
            outcome = yield Ask(SendOrder(make()), order_id, sending.get("timeout_s"), sending.get("valid_for_s"))
        except OutcomeUnknown as error:
            unknown.append(Part(ticket, symbol, error=error))
        except BridgeError as error:
            failed.append(Part(ticket, symbol, error=error))
        else:
            done.append(Part(ticket, symbol, outcome))
            if outcome.outcome == "done":
                continue
        if in_turn:
            break
    return BulkReport(tuple(done), tuple(failed), tuple(unknown))
