"""What the journal of orders holds, and the messages between the gateway, which decides, and the scribe, which writes.

The gateway gives the scribe `Write`s in order and goes on; the scribe makes them durable, several at a time, and answers with
`Written`s in the same order, those to lines of the audit last. Nothing reaches the terminal before its `Intent` is durable, and no
answer leaves the bridge before its `Settlement` is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bridge.errors import BridgeError
from bridge.trading import TradeRequest

Kind = Literal["done", "partial", "placed", "dry_run", "rejected", "not_sent", "not_executed", "unknown"]
"""What became of an order. `not_sent` is free to be sent again under its id; `not_executed` is an unknown one that left no
trace."""


@dataclass(frozen=True, slots=True)
class Intent:
    """An order that is about to be sent. `request` is what the client asked for: the same id with another content is an error;
    `token` is what the bridge puts at the end of its comment, empty where there is no room. `time_us` is UTC, `server_s` a time
    that the trade server's clock had reached by then, as near as is known."""

    id: str
    client: str
    login: int
    server: str
    request: TradeRequest
    token: str
    time_us: int
    server_s: float | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of the order `id`: `result` is the packed `OrderOutcome`, or the packed `ErrorBody` of a failure; `order` and
    `deal` are tickets, 0 where there are none; `evidence` says how an unknown outcome was resolved."""

    id: str
    kind: Kind
    result: bytes
    time_us: int
    order: int = 0
    deal: int = 0
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One order of the journal; `settlement` is None while it is under way, or when a crash left it open."""

    intent: Intent
    settlement: Settlement | None = None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One line of the audit: who asked what, what was decided and why, and how long it took. `digest` is of the request's bytes."""

    time_us: int
    client: str
    method: str
    id: str
    digest: str
    decision: str
    detail: str = ""
    latency_us: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """A named value that has to survive a restart, such as that trading is halted."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Query:
    """Read entries, newest first: intents at or after `since_us`, only open and unknown ones with `unknown`, at most `count`; or
    the one with this `id`."""

    since_us: int = 0
    unknown: bool = False
    count: int = 1_000
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """Can the journal be written again?"""


Record = Intent | Settlement | AuditRecord | Note | Query | Probe


@dataclass(frozen=True, slots=True)
class Write:
    """One record for the scribe; numbers count up."""

    number: int
    record: Record


@dataclass(frozen=True, slots=True)
class Opened:
    """The journal of this account is open: `open_entries` are all that are without a final outcome, `recent` the newest of the
    others, `notes` the named values. `repaired` says what was found and put right by itself, such as a torn end."""

    login: int
    server: str
    open_entries: tuple[Entry, ...]
    recent: tuple[Entry, ...]
    notes: dict[str, str]
    repaired: str = ""


@dataclass(frozen=True, slots=True)
class NotOpened:
    """It cannot be opened: `JournalDamaged` (an operator has to decide) or `JournalUnavailable` (tried again by itself)."""

    login: int
    server: str
    error: BridgeError


@dataclass(frozen=True, slots=True)
class Durable:
    """The write with this number is on disk."""

    number: int


@dataclass(frozen=True, slots=True)
class Existing:
    """An intent was not written, because its id is in the journal already: this is what is known of it."""

    number: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Found:
    """The entries that a query asked for."""

    number: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class NotWritten:
    """The write with this number failed, and left nothing behind."""

    number: int
    error: BridgeError


Written = Opened | NotOpened | Durable | Existing | Found | NotWritten
