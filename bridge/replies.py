"""The replies to requests and the bodies of events, as frozen dataclasses; see `messages` for the envelopes and the requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta, Raw

from bridge.records import Account, Symbol
from bridge.trading import BookLevel, Deal, Order, OrderCheck, OrderResult, Position, TradeRequest

Reason = Literal[
    "",
    "attached", "bridge", "session_exited", "session_hung", "too_many_restarts", "settings",
    "no_terminal", "wrong_path", "not_started", "starting", "wizard", "busy", "mute", "link_lost",
    "bad_credentials", "otp", "wrong_build", "other",
    "broker_down", "wrong_account", "algo_trading_off", "api_disabled", "investor", "robots_off", "journal", "halted",
    "symbol_gone", "clock_unknown",
]  # fmt: skip
"""Every cause that is told apart, for programs; `cause` and `next_step` say it to people. Empty: nothing is wrong."""
ReasonText = Annotated[str, Meta(max_length=40)]
"""A `Reason` as it travels: a later bridge may know more of them, and its events must stay readable."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is not as it should be while the terminal can be reached; `stops` says what does not work because of it."""

    reason: ReasonText
    message: str
    next_step: str
    since_msc: int
    stops: Literal["nothing", "trading"]


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """How far the trade server's clock is ahead of UTC, measured from live ticks, never assumed.

    `offset_s` is a multiple of 900 and stays known, with its age, while nothing is quoted. `confidence` is `high` while several
    symbols agree or one has agreed for a while, `low` after the first sign or when the last one is old, `unknown` before any and
    while the clock runs at another speed than time (a replay).
    """

    offset_s: int | None = None
    measured_msc: int | None = None
    confidence: Literal["unknown", "low", "high"] = "unknown"
    symbols: int = 0


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """Event `connection`: where the session with the terminal stands, why, since when, and what a person can do."""

    state: Literal["stopped", "starting", "connecting", "connected", "degraded", "reconnecting", "refused", "suspended", "stopping"]
    cause: str
    since_msc: int
    next_step: str = ""
    cause_code: int | None = None
    attempt: int = 0
    next_attempt_msc: int | None = None
    login: int | None = None
    server: str | None = None
    generation: int = 0
    reason: ReasonText = ""
    at_msc: int = 0
    trading: bool = False
    conditions: tuple[Condition, ...] = ()
    clock: ClockOffset = ClockOffset()


@dataclass(frozen=True, slots=True)
class ConnectionHistory:
    """Reply to `connection_history`: what was published on `connection`, oldest first."""

    states: tuple[ConnectionState, ...]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Event `heartbeat`: proof of life, with the newest sequence of each topic so that a lost tail is noticed."""

    period_ms: int
    state: str
    session_age_ms: int | None
    sequences: dict[str, int]


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One link on the way from the trade server to a strategy: whether it works, and how old the evidence is."""

    link: Literal["broker_terminal", "terminal_session", "session_gateway", "gateway_client", "client"]
    up: bool | None
    age_ms: int | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FoundSymbol:
    """Reply to `find_symbol`: the terminal's name, the rule that chose it, why in words, and what else would have matched."""

    symbol: str
    rule: Literal["exact", "case", "variant", "alias", "affix"]
    explanation: str
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.symbol


@dataclass(frozen=True, slots=True)
class TradeEvent:
    """Event `trade`: what happened on the account, whoever did it, each once.

    An order's end comes before its deals, a deal before what it makes of a position. `position`, `order` and `account` are the
    newest states known; `deal` is the deal itself, or with `position_*` the last one that made the change. `client` and
    `request_id` are those of the order of the bridge's clients that this comes from, where it does. `reason` is who or what did
    it."""

    kind: Literal[
        "order_placed", "order_changed", "order_partially_filled", "order_filled", "order_cancelled", "order_expired",
        "order_rejected", "order_gone", "deal", "position_opened", "position_changed", "position_closed", "account_changed",
        "order_resolved",
    ]  # fmt: skip
    position: Position | None = None
    order: Order | None = None
    deal: Deal | None = None
    account: Account | None = None
    client: str = ""
    request_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TradeSnapshot:
    """Snapshot of `trade`: the open positions and pending orders as the bridge last saw them, each in the order of the tickets.

    Current prices and profits in them are those of the last change: they move with every tick, and are no change of a position.
    """

    positions: tuple[Position, ...]
    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class Book:
    """Event `book`: the whole depth of market as the terminal shows it, highest price first; no levels where it shows none. The
    terminal gives no time: the event's own `time_us` is when it was published."""

    symbol: str
    levels: tuple[BookLevel, ...]


@dataclass(frozen=True, slots=True)
class LogRecord:
    """Event `log`: something that an operator should read."""

    level: Literal["warning", "error"]
    message: str
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class Subscribed:
    """Event `client:ID` and `client:ID:N`: every subscription that this client sent before this one is in force."""

    topics: int


@dataclass(frozen=True, slots=True)
class Welcome:
    """Reply to `hello`."""

    software: str
    events: str
    heartbeat_ms: int
    connection: ConnectionState


@dataclass(frozen=True, slots=True)
class Pong:
    """Reply to `ping`, made by the gateway alone; `session_age_ms` is the age of the session's last sign of progress."""

    state: str
    session_age_ms: int | None


@dataclass(frozen=True, slots=True)
class ClientStatus:
    """One client as the bridge sees it; `subscribed` is true while its event connection lives."""

    name: str
    pid: int
    host: str
    subscribed: bool
    seen_age_ms: int
    requests: int
    orders_done: int
    orders_failed: int


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """One topic: its newest sequence, how many subscribers want it, and whether its stream is running."""

    topic: str
    sequence: int
    subscribers: int
    stream: Literal["idle", "starting", "live", "failed"]


@dataclass(frozen=True, slots=True)
class TradingState:
    """Reply to `halt` and `resume`: whether trading is halted, since when (or since when not, nil if it never was), why, and the
    name of the client that said so."""

    halted: bool = False
    since_msc: int | None = None
    reason: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class LimitSection:
    """The limits of one section of the configuration, by name; `section` is its title as in the file."""

    section: str
    limits: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LimitsInForce:
    """Reply to `limits`: what holds for a client of this name, and how many orders were accepted within the last minute, of such
    clients and of all."""

    client: str
    sections: tuple[LimitSection, ...]
    orders: int
    orders_of_all: int
    trading: TradingState


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One order of the journal. `kind` is nil while it is under way; `message` is the error's where it failed, `evidence` says how
    an unknown outcome was resolved. `settled_us` is when the outcome was written down."""

    id: str
    client: str
    request: TradeRequest
    time_us: int
    kind: Literal["done", "partial", "placed", "dry_run", "rejected", "not_sent", "not_executed", "unknown"] | None = None
    settled_us: int | None = None
    order: int = 0
    deal: int = 0
    evidence: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class JournalEntries:
    """Reply to `journal`, newest first."""

    entries: tuple[JournalEntry, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """Reply to `status`; `healthy` is true when trading and data work now."""

    software: str
    healthy: bool
    uptime_s: float
    connection: ConnectionState
    session_age_ms: int | None
    session_pid: int | None
    clients: tuple[ClientStatus, ...]
    topics: tuple[TopicStatus, ...]
    counters: dict[str, int]
    links: tuple[LinkStatus, ...] = ()
    trading: TradingState = TradingState()
    server_key: str = ""


@dataclass(frozen=True, slots=True)
class TopicSnapshot:
    """The newest event of a topic; `body` is nil before the first one, and `pending` is true while there is no session to ask."""

    topic: str
    sequence: int
    pending: bool
    flags: int
    body: Raw
    rows: bytes = b""


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Reply to `snapshot`, one entry for each topic asked for, in the same order."""

    topics: tuple[TopicSnapshot, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """Reply to `replay`: `events` are frames as they were published, the first of them with sequence `first`; of those asked for
    `missing` are not kept any more (they come before `first`). `newest` is the topic's newest sequence: ask again for what is
    still missing after the last event, at most 2,000 or 1 MiB of them come at once."""

    topic: str
    first: int
    missing: int
    newest: int
    events: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class LastTick:
    """Reply to `tick`: one tick record of 60 bytes; `age_ms` is how long ago the terminal was asked."""

    record: bytes
    age_ms: int
    source: Literal["stream", "terminal"]


@dataclass(frozen=True, slots=True)
class Records:
    """Reply to `rates` and `ticks`: packed records of 60 bytes, oldest first; `age_ms` is how long ago the terminal gave them."""

    rows: int
    records: bytes
    age_ms: int = 0


@dataclass(frozen=True, slots=True)
class Symbols:
    """Reply to `symbols`; `total` counts all that match."""

    total: int
    symbols: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class Positions:
    """Reply to `positions`."""

    positions: tuple[Position, ...]


@dataclass(frozen=True, slots=True)
class Orders:
    """Reply to `orders` and `history_orders`."""

    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class Deals:
    """Reply to `deals`."""

    deals: tuple[Deal, ...]


@dataclass(frozen=True, slots=True)
class OrderOutcome:
    """Reply to `order`, when the terminal accepted it; a refusal is the error `order_rejected`.

    With `dry_run` nothing was sent: `check` is the terminal's own check, and `result` has no tickets.
    """

    outcome: Literal["done", "partial", "placed", "dry_run"]
    result: OrderResult
    check: OrderCheck | None = None


@dataclass(frozen=True, slots=True)
class TerminalAnswer:
    """Reply to `terminal_call`, `history_call`, `account_call` and `symbol_select`: the terminal's own code and text (1 is success)
    and what it gave, nil when it failed: a struct as the list of its fields, records as bytes."""

    code: int
    text: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Money:
    """Reply to `margin` and `profit`, in the account's currency."""

    value: float
