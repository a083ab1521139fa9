"""What each outcome is to the journal, and its bytes there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge import codec
from bridge.entries import Entry, Intent, Settlement
from bridge.errors import (
    AccountChanged,
    BridgeError,
    DeadlinePassed,
    InternalError,
    InvalidParameters,
    LimitReached,
    NotConnected,
    OrderNotExecuted,
    OrderRejected,
    OutcomeUnknown,
    Stopping,
    TradingHalted,
)
from bridge.outcomes import kind_of, packed, readable, told, unpacked
from tests.scripted_session import BUY, DONE

INTENT = Intent("o1", "grid", 5001, "Demo", BUY.request, "~abcdef", 1_000, 2.0)


@pytest.mark.parametrize("kind", ["done", "partial", "placed", "dry_run"])
def test_what_the_terminal_accepted_has_its_tickets(kind: str) -> None:
    outcome = codec.pack(replace(DONE, outcome=kind, result=replace(DONE.result, order=11, deal=12)))  # type: ignore[arg-type]
    assert kind_of(outcome) == (kind, 11, 12)
    assert unpacked(Settlement("o1", kind, packed(outcome), 5)) == outcome  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OrderRejected("no money", retcode=10019), "rejected"), (InvalidParameters("volume"), "rejected"),
        (LimitReached("net"), "rejected"),
        (OrderNotExecuted("no trace"), "not_executed"), (OutcomeUnknown("?"), "unknown"), (InternalError("oops"), "unknown"),
        (NotConnected("gone"), "not_sent"), (DeadlinePassed("late"), "not_sent"), (AccountChanged("other"), "not_sent"),
        (Stopping("bye"), "not_sent"), (TradingHalted("halt"), "not_sent"),
    ],
)  # fmt: skip
def test_every_failure_is_of_a_kind_and_comes_back_as_it_was(error: BridgeError, kind: str) -> None:
    assert kind_of(error) == (kind, 0, 0)
    back = unpacked(Settlement("o1", kind, packed(error), 5))  # type: ignore[arg-type]
    assert isinstance(back, type(error))
    assert (back.message, back.next_step, back.details) == (error.message, error.next_step, error.details)


def test_what_cannot_be_read_is_unknown() -> None:
    assert isinstance(readable(b"\xc0"), OutcomeUnknown)
    assert isinstance(unpacked(Settlement("o1", "rejected", b"\xc1", 5)), OutcomeUnknown)
    assert readable(codec.pack(DONE)) == codec.pack(DONE)


def test_entries_as_clients_see_them() -> None:
    open_one = told(Entry(INTENT))
    assert (open_one.id, open_one.client, open_one.kind, open_one.settled_us) == ("o1", "grid", None, None)
    error = OrderRejected("no money", retcode=10019)
    rejected = told(Entry(INTENT, Settlement("o1", "rejected", packed(error), 9, 3, 4, "as told")))
    assert (rejected.kind, rejected.message, rejected.settled_us) == ("rejected", "no money", 9)
    assert (rejected.order, rejected.deal, rejected.evidence) == (3, 4, "as told")
