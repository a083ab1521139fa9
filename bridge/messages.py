"""Every message of the wire protocol, as frozen dataclasses; `docs/protocol.md` documents each field and a test keeps both
equal.

A *request* waits for a reply and travels on the ROUTER socket; an *event* is published on the XPUB socket. A request is a value
that knows its `method` and the type of its reply, so that every client has one `call(request)`. The bytes are made and read in
`codec`; replies and the bodies of events are in `replies`, the terminal's own records in `records`, `trading` and `ticks`.

Times: `*_msc` and `*_us` of the protocol itself are the bridge's clock, in milliseconds or microseconds since 1970-01-01 UTC;
this clock never steps back while a bridge runs. Times in the terminal's records are the trade server's wall clock (`records`,
`trading`, `ticks`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar, get_args

from msgspec import Meta, Raw

from bridge.records import Account, Symbol, TerminalInfo
from bridge.replies import (
    Book,
    ConnectionHistory,
    ConnectionState,
    Deals,
    FoundSymbol,
    Heartbeat,
    JournalEntries,
    LastTick,
    LimitsInForce,
    LogRecord,
    Money,
    OrderOutcome,
    Orders,
    Pong,
    Positions,
    Records,
    Replayed,
    Snapshots,
    Status,
    Subscribed,
    Symbols,
    TerminalAnswer,
    TradeEvent,
    TradingState,
    Welcome,
)
from bridge.trading import Amount, OrderCheck, Text, TradeRequest, Whole

PROTOCOL_VERSION = 1
"""Raised when a change could be misread by the other side; added fields do not raise it."""

R = TypeVar("R")

Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Topic = Annotated[str, Meta(min_length=1, max_length=200)]
ServerTime = Annotated[int, Meta(ge=0, le=2**31 - 1)]
MAX_ROWS = 20_000
"""Bars or ticks in one reply (1.2 MB); longer ranges are asked for in parts, each of which orders may overtake."""
MAX_SYMBOLS = 250
"""Symbols in one reply."""
MAX_ENTRIES = 1_000
"""Orders of the journal in one reply."""


# ---- envelopes -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RequestMessage:
    """Client to bridge. A request that is still waiting at `deadline_msc` is refused, not executed late.

    `client` is the `client_id` of the sender's `hello`.
    """

    version: int
    id: Id
    method: Annotated[str, Meta(max_length=64)]
    params: Raw
    deadline_msc: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    client: Id | None = None


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """Why a request failed; `action` is what the caller should do: fix the call, retry, look before retrying, stop."""

    code: str
    action: Literal["fix", "retry", "look", "stop"]
    message: str
    next_step: str = ""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReplyMessage:
    """Bridge to client: `result` is of the type that belongs to the method, and nil when there is an `error`."""

    version: int
    id: str
    epoch: int
    time_msc: int
    result: Raw
    error: ErrorBody | None = None


@dataclass(frozen=True, slots=True)
class EventMessage:
    """Bridge to subscribers, as an array in this order; `sequence` counts by topic, `epoch` changes when the bridge starts anew."""

    version: int
    epoch: int
    sequence: int
    time_us: int
    flags: int
    body: Raw


BACKFILLED = 1
"""Event flag: found afterwards, for example after an outage; the content is in order and complete."""
LATE = 2
"""Event flag: the broker inserted these ticks behind ticks that were already published."""
FOREIGN = 4
"""Event flag: the terminal was logged in to another account or server than the bridge's when this was read."""
REPLAYED = 8
"""Event flag, set by the client library and by no bridge: this was missed, and came by the request `replay`."""
SUSPECT = 16
"""Event flag: something in it breaks the terminal's own rules; it is published as the terminal gave it."""


# ---- requests --------------------------------------------------------------------------------------------------------------------


class Request(Generic[R]):
    """A request as a value; `R` is the type of its reply."""

    __slots__ = ()
    method: ClassVar[str]


@dataclass(frozen=True, slots=True)
class Hello(Request[Welcome]):
    """The first request of a client: who it is. `client_id` also names its own topic, `client:ID`."""

    method: ClassVar[str] = "hello"
    name: Name
    client_id: Id
    pid: Whole = 0
    host: Text = ""


@dataclass(frozen=True, slots=True)
class Goodbye(Request[None]):
    """The client leaves."""

    method: ClassVar[str] = "goodbye"


@dataclass(frozen=True, slots=True)
class Ping(Request[Pong]):
    """Is the gateway alive, and how old is its knowledge?"""

    method: ClassVar[str] = "ping"


@dataclass(frozen=True, slots=True)
class GetStatus(Request[Status]):
    """Everything the bridge knows of itself."""

    method: ClassVar[str] = "status"


@dataclass(frozen=True, slots=True)
class GetConnectionHistory(Request[ConnectionHistory]):
    """The newest `count` events of `connection`; the bridge keeps 1,000."""

    method: ClassVar[str] = "connection_history"
    count: Annotated[int, Meta(ge=1, le=1_000)] = 100


@dataclass(frozen=True, slots=True)
class Reconnect(Request[ConnectionState]):
    """Read the configuration again, replace the session and attach anew: the way out of `refused` and `suspended`, and how an
    operator accepts that the terminal is logged in to another account. Answered at once with the state that this led to."""

    method: ClassVar[str] = "reconnect"


@dataclass(frozen=True, slots=True)
class Halt(Request[TradingState]):
    """The kill switch: no order is sent any more that does more than reduce exposure, of any client, also after a restart of the
    bridge, until `resume`. Positions and pending orders stay as they are. Repeated, it can give another reason."""

    method: ClassVar[str] = "halt"
    reason: Annotated[str, Meta(max_length=200)] = ""


@dataclass(frozen=True, slots=True)
class Resume(Request[TradingState]):
    """Trade on after `halt`."""

    method: ClassVar[str] = "resume"


@dataclass(frozen=True, slots=True)
class GetLimits(Request[LimitsInForce]):
    """The limits on orders of a client of this `name`; without it, of the client that asks."""

    method: ClassVar[str] = "limits"
    name: Name | None = None


@dataclass(frozen=True, slots=True)
class GetJournal(Request[JournalEntries]):
    """Orders of the journal, newest first: those at or after `since_us`, with `unknown` only those that have no final outcome."""

    method: ClassVar[str] = "journal"
    since_us: Annotated[int, Meta(ge=0, le=2**53)] = 0
    unknown: bool = False
    count: Annotated[int, Meta(ge=1, le=MAX_ENTRIES)] = 100


@dataclass(frozen=True, slots=True)
class GetSnapshot(Request[Snapshots]):
    """The newest event of each topic; starts the stream if it is not running, and fails for a symbol that does not exist. With
    `rows` also all that was published of the newest second, of ticks: their place in the terminal's history."""

    method: ClassVar[str] = "snapshot"
    topics: Annotated[tuple[Topic, ...], Meta(min_length=1, max_length=2_000)]
    rows: bool = False


@dataclass(frozen=True, slots=True)
class GetReplay(Request[Replayed]):
    """Events of a topic that were published before, from `from_sequence` to `to_sequence` (both included; without it, to the
    newest); or with `since_us` those published at or after that time of the bridge's clock."""

    method: ClassVar[str] = "replay"
    topic: Topic
    from_sequence: Annotated[int, Meta(ge=1, le=2**53)] = 1
    to_sequence: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    since_us: Annotated[int, Meta(ge=0, le=2**53)] | None = None


@dataclass(frozen=True, slots=True)
class GetAccount(Request[Account]):
    """The account."""

    method: ClassVar[str] = "account"


@dataclass(frozen=True, slots=True)
class GetTerminal(Request[TerminalInfo]):
    """The terminal."""

    method: ClassVar[str] = "terminal"


@dataclass(frozen=True, slots=True)
class GetSymbols(Request[Symbols]):
    """Symbols whose names match `group` (MQL5 group filter), hidden ones too; `start` and `count` cut the list."""

    method: ClassVar[str] = "symbols"
    group: Annotated[str, Meta(max_length=2_000)] | None = None
    start: Whole = 0
    count: Annotated[int, Meta(ge=1, le=MAX_SYMBOLS)] = MAX_SYMBOLS


@dataclass(frozen=True, slots=True)
class GetSymbol(Request[Symbol]):
    """One symbol, in Market Watch or not."""

    method: ClassVar[str] = "symbol"
    symbol: Name


@dataclass(frozen=True, slots=True)
class FindSymbol(Request[FoundSymbol]):
    """The terminal's name of an instrument: `EURUSD` may be `EURUSD.r` or `EURUSDm` at a broker, `gold` `XAUUSD` or `GOLD`."""

    method: ClassVar[str] = "find_symbol"
    name: Name


@dataclass(frozen=True, slots=True)
class GetTick(Request[LastTick]):
    """The last tick. Answered from the stream where one runs, unless `fresh`."""

    method: ClassVar[str] = "tick"
    symbol: Name
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class GetRates(Request[Records]):
    """Bars. By position: `count` bars ending `start` bars before the forming one. By time: with `to_s`, the last `count` bars that
    opened at or before it; with `from_s` and `to_s`, those that opened between them, both included, and at most `count`.
    Clients that ask the same share an answer, for a short time with its age, unless they want it `fresh`. With `behind`, the id of
    an earlier such request of the same connection, the answer goes on where that one's ends: towards older bars."""

    method: ClassVar[str] = "rates"
    symbol: Name
    timeframe: Annotated[str, Meta(max_length=8)]
    count: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = 500
    start: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    from_s: ServerTime | None = None
    to_s: ServerTime | None = None
    fresh: bool = False
    behind: Id | None = None


@dataclass(frozen=True, slots=True)
class GetTicks(Request[Records]):
    """The first `count` ticks at or after `from_s`; `fresh` as for bars. With `behind`, the id of an earlier such request of the
    same connection, they begin with the last second of that one's answer."""

    method: ClassVar[str] = "ticks"
    symbol: Name
    from_s: ServerTime
    count: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = MAX_ROWS
    kind: Literal["all", "info", "trade"] = "all"
    fresh: bool = False
    behind: Id | None = None


@dataclass(frozen=True, slots=True)
class GetPositions(Request[Positions]):
    """Open positions; at most one of the filters is used: `ticket`, then `symbol`, then `group`."""

    method: ClassVar[str] = "positions"
    ticket: Whole | None = None
    symbol: Name | None = None
    group: Annotated[str, Meta(max_length=1_000)] | None = None


@dataclass(frozen=True, slots=True)
class GetOrders(Request[Orders]):
    """Pending orders; filters as for positions."""

    method: ClassVar[str] = "orders"
    ticket: Whole | None = None
    symbol: Name | None = None
    group: Annotated[str, Meta(max_length=1_000)] | None = None


@dataclass(frozen=True, slots=True)
class GetHistoryOrders(Request[Orders]):
    """Orders of the history, either of one `position` or done between `from_s` and `to_s`."""

    method: ClassVar[str] = "history_orders"
    from_s: ServerTime | None = None
    to_s: ServerTime | None = None
    position: Whole | None = None


@dataclass(frozen=True, slots=True)
class GetDeals(Request[Deals]):
    """Deals, either of one `position` or done between `from_s` and `to_s`."""

    method: ClassVar[str] = "deals"
    from_s: ServerTime | None = None
    to_s: ServerTime | None = None
    position: Whole | None = None


@dataclass(frozen=True, slots=True)
class CheckOrder(Request[OrderCheck]):
    """Would the terminal accept this order? Nothing is placed."""

    method: ClassVar[str] = "order_check"
    request: TradeRequest


@dataclass(frozen=True, slots=True)
class SendOrder(Request[OrderOutcome]):
    """Send an order. The envelope's `id` is the order's identity: the same id again returns the stored outcome."""

    method: ClassVar[str] = "order"
    request: TradeRequest


@dataclass(frozen=True, slots=True)
class CalcMargin(Request[Money]):
    """Margin for a market order of `action` (0 buy, 1 sell)."""

    method: ClassVar[str] = "margin"
    action: Literal[0, 1]
    symbol: Name
    volume: Amount
    price: Amount


@dataclass(frozen=True, slots=True)
class CalcProfit(Request[Money]):
    """Profit of a position of `action` (0 buy, 1 sell) between two prices."""

    method: ClassVar[str] = "profit"
    action: Literal[0, 1]
    symbol: Name
    volume: Amount
    price_open: Amount
    price_close: Amount


@dataclass(frozen=True, slots=True)
class CallTerminal(Request[TerminalAnswer]):
    """One function of the terminal's own API, about itself or the market, with the arguments as they are."""

    method: ClassVar[str] = "terminal_call"
    function: Literal["version", "terminal_info", "symbols_total", "symbol_info", "symbol_info_tick", "market_book_get"]
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class CallHistory(Request[TerminalAnswer]):
    """One function of the terminal's own API that reads bars or ticks, with the arguments as they are."""

    method: ClassVar[str] = "history_call"
    function: Literal["copy_rates_from", "copy_rates_from_pos", "copy_rates_range", "copy_ticks_from", "copy_ticks_range"]
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class CallAccount(Request[TerminalAnswer]):
    """One function of the terminal's own API that reads or calculates something of the account, with the arguments as they are."""

    method: ClassVar[str] = "account_call"
    function: Literal[
        "account_info", "orders_total", "orders_get", "positions_total", "positions_get", "history_orders_total",
        "history_orders_get", "history_deals_total", "history_deals_get", "order_calc_margin", "order_calc_profit", "order_check",
    ]  # fmt: skip
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class SelectSymbol(Request[TerminalAnswer]):
    """Show a symbol in the terminal's Market Watch, or hide it. One that is streamed to a client is not hidden."""

    method: ClassVar[str] = "symbol_select"
    symbol: Text
    enable: bool = True


_REQUESTS: tuple[type[Request[Any]], ...] = (
    Hello, Goodbye, Ping, GetStatus, GetConnectionHistory, Reconnect, Halt, Resume, GetLimits, GetJournal, GetSnapshot, GetReplay,
    GetAccount, GetTerminal, GetSymbols, GetSymbol, FindSymbol, GetTick, GetRates, GetTicks, GetPositions, GetOrders,
    GetHistoryOrders, GetDeals, CheckOrder, SendOrder, CalcMargin, CalcProfit, CallTerminal, CallHistory, CallAccount,
    SelectSymbol,
)  # fmt: skip

REQUESTS: dict[str, type[Request[Any]]] = {kind.method: kind for kind in _REQUESTS}
"""Request class by method."""

REPLIES: dict[str, Any] = {
    kind.method: get_args(kind.__orig_bases__[0])[0]  # type: ignore[attr-defined]
    for kind in _REQUESTS
}
"""Type of the reply by method."""

EVENT_BODIES: dict[str, Any] = {
    "tick": bytes, "bar": bytes, "forming": bytes, "connection": ConnectionState, "account": Account, "trade": TradeEvent,
    "book": Book, "heartbeat": Heartbeat, "log": LogRecord, "client": Subscribed,
}  # fmt: skip
"""Type of an event's body by the first word of its topic; `bytes` are packed records of 60 bytes."""
