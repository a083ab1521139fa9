"""Outcomes of orders: what each is to the journal, and its bytes there."""

from __future__ import annotations

import msgspec

from bridge import codec
from bridge.entries import Entry, Kind, Settlement
from bridge.errors import (
    AccountChanged,
    BridgeError,
    CallError,
    IdReused,
    OrderNotExecuted,
    OutcomeUnknown,
    Stopping,
    TradingHalted,
    TryAgain,
    from_wire,
)
from bridge.messages import ErrorBody
from bridge.replies import JournalEntry, OrderOutcome

LOOK_FIRST = "look at positions, orders and deals before sending another, or repeat the request with the same id"

_decode_outcome = msgspec.msgpack.Decoder(OrderOutcome).decode
_decode_error = msgspec.msgpack.Decoder(ErrorBody).decode


def readable(outcome: bytes | BridgeError) -> bytes | BridgeError:
    """What a session has answered; where that makes no sense, the order's outcome is unknown."""
    if isinstance(outcome, bytes):
        try:
            _decode_outcome(outcome)
        except msgspec.MsgspecError as error:
            return OutcomeUnknown(f"the session's answer to the order cannot be read: {error}", next_step=LOOK_FIRST)
    return outcome


def kind_of(outcome: bytes | BridgeError) -> tuple[Kind, int, int]:
    """What an outcome is to the journal, with the tickets of its order and deal."""
    if isinstance(outcome, bytes):
        found = _decode_outcome(outcome)
        return found.outcome, found.result.order, found.result.deal
    if isinstance(outcome, OrderNotExecuted):
        return "not_executed", 0, 0
    if isinstance(outcome, TryAgain | AccountChanged | Stopping | TradingHalted):
        return "not_sent", 0, 0
    if isinstance(outcome, CallError):
        return "rejected", 0, 0
    return "unknown", 0, 0


def packed(outcome: bytes | BridgeError) -> bytes:
    """An outcome as the journal keeps it."""
    return outcome if isinstance(outcome, bytes) else codec.pack(codec.error_body(outcome))


def unpacked(settlement: Settlement) -> bytes | BridgeError:
    """The outcome that the journal has kept."""
    if settlement.kind in ("done", "partial", "placed", "dry_run"):
        return settlement.result
    try:
        body = _decode_error(settlement.result)
    except msgspec.MsgspecError:
        return OutcomeUnknown("what the journal has of the order is of another release and cannot be read", next_step=LOOK_FIRST)
    return from_wire(body.code, body.action, body.message, body.next_step, body.details, None)


def reused() -> IdReused:
    """The error of an id that was used before with another content."""
    return IdReused(
        "this request id was used for another order; nothing was sent",
        next_step="make a new id for each new order, and repeat an id only with the same content",
    )


def told(entry: Entry) -> JournalEntry:
    """An entry of the journal, as clients see it."""
    intent, settlement = entry.intent, entry.settlement
    if settlement is None:
        return JournalEntry(intent.id, intent.client, intent.request, intent.time_us)
    outcome = unpacked(settlement)
    return JournalEntry(
        intent.id,
        intent.client,
        intent.request,
        intent.time_us,
        settlement.kind,
        settlement.time_us,
        settlement.order,
        settlement.deal,
        settlement.evidence,
        outcome.message if isinstance(outcome, BridgeError) else "",
    )
