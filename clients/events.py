"""What a subscription yields, one class for each kind of topic, and `Gap` where events are missing.

Records stay packed until they are looked at: making an event costs a fraction of a microsecond, whatever it carries. `time_us` is
the bridge's clock when the event was published (microseconds since 1970-01-01 UTC); the times inside records are the trade
server's. `flags` has the bits of `bridge.messages` (`BACKFILLED`, `LATE`, `SUSPECT` …). `snapshot` is true for the state that a
subscription begins with, and begins anew with after a `Gap`; every other event is news.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from msgspec import MsgspecError, Struct
from msgspec.msgpack import Decoder

from bridge.codec import Event, decode_body
from bridge.errors import MalformedMessage
from bridge.records import Account
from bridge.replies import Book, ConnectionState, LogRecord, TradeEvent, TradeSnapshot
from bridge.replies import Heartbeat as HeartbeatBody
from bridge.ticks import RECORD_BYTES, Bar, Tick, iter_bars, iter_ticks, last_tick

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Envelope(Struct, frozen=True, gc=False):
    """What every event carries: the bridge's `epoch`, the `sequence` inside its topic, when it was published, and how it came."""

    epoch: int
    sequence: int
    time_us: int
    flags: int
    snapshot: bool


class Ticks(Envelope, frozen=True, gc=False):
    """One or more ticks of a symbol, oldest first; iterating gives `Tick`, `len` their number."""

    symbol: str
    records: memoryview

    @property
    def topic(self) -> str:
        """`tick:SYMBOL`."""
        return f"tick:{self.symbol}"

    @property
    def array(self) -> NDArray[np.void]:
        """The ticks as a read-only array of shape (n,) and `tables.TICK_DTYPE`, without a copy."""
        from clients.tables import TICK_DTYPE, records_array  # noqa: PLC0415 - numpy only when it is needed

        return records_array(self.records, TICK_DTYPE)

    @property
    def last(self) -> Tick:
        """The newest tick."""
        return last_tick(self.records)

    def __len__(self) -> int:
        return len(self.records) // RECORD_BYTES

    def __iter__(self) -> Iterator[Tick]:
        return iter_ticks(self.records)

    def __repr__(self) -> str:
        return f"<Ticks {self.topic} #{self.sequence}{_state(self)}: {len(self)}, the newest {self.last}>"


class Bars(Envelope, frozen=True, gc=False):
    """One or more bars, oldest first: closed ones, or with `forming` the open one as it stands; iterating gives `Bar`."""

    symbol: str
    timeframe: str
    forming: bool
    records: memoryview

    @property
    def topic(self) -> str:
        """`bar:SYMBOL:TIMEFRAME` or `forming:SYMBOL:TIMEFRAME`."""
        return f"{'forming' if self.forming else 'bar'}:{self.symbol}:{self.timeframe}"

    @property
    def array(self) -> NDArray[np.void]:
        """The bars as a read-only array of shape (n,) and `tables.BAR_DTYPE`, without a copy."""
        from clients.tables import BAR_DTYPE, records_array  # noqa: PLC0415 - numpy only when it is needed

        return records_array(self.records, BAR_DTYPE)

    @property
    def last(self) -> Bar:
        """The newest bar."""
        return next(iter_bars(self.records[-RECORD_BYTES:]))

    def __len__(self) -> int:
        return len(self.records) // RECORD_BYTES

    def __iter__(self) -> Iterator[Bar]:
        return iter_bars(self.records)

    def __repr__(self) -> str:
        return f"<Bars {self.topic} #{self.sequence}{_state(self)}: {len(self)}, the newest {self.last}>"


def _state(event: Envelope) -> str:
    return " (snapshot)" if event.snapshot else ""


class Connection(Envelope, frozen=True, gc=False):
    """Where the bridge's session with the terminal stands."""

    connection: ConnectionState


class TradeUpdate(Envelope, frozen=True, gc=False):
    """Something happened on the account, whoever did it: to an order, a position, the account's terms, or a deal was made."""

    trade: TradeEvent


class OpenTrades(Envelope, frozen=True, gc=False):
    """What a subscription to `trade` begins with, and begins anew with after a `Gap`: `open.positions` and `open.orders` as the
    bridge last saw them. Each `TradeUpdate` after it changes one of them."""

    open: TradeSnapshot


class AccountUpdate(Envelope, frozen=True, gc=False):
    """The account as it is now."""

    account: Account


class BookUpdate(Envelope, frozen=True, gc=False):
    """The depth of market of a symbol as it is now: `book.levels`, highest price first. The terminal gives no time for it."""

    book: Book

    @property
    def topic(self) -> str:
        """`book:SYMBOL`."""
        return f"book:{self.book.symbol}"


class LogLine(Envelope, frozen=True, gc=False):
    """Something that an operator should read."""

    record: LogRecord


class Heartbeat(Envelope, frozen=True, gc=False):
    """The bridge lives."""

    heartbeat: HeartbeatBody


class Other(Envelope, frozen=True, gc=False):
    """An event of a topic that this release does not know; `body` is of msgpack's plain types."""

    topic: str
    body: Any


class Gap(Struct, frozen=True, gc=False):
    """Events that this subscription did not get, and will not.

    Sequences `from_sequence` to `to_sequence` of `topic` are missing, `missing` of them. `reason` says how it was noticed:
    `sequence` (a later event came), `heartbeat` (none came, but the bridge counted some), `overflow` (they came, but were not taken
    out of a full queue), `epoch` (the bridge started anew: what happened in between is not known, so the three numbers are None).
    """

    topic: str
    epoch: int
    reason: Literal["sequence", "heartbeat", "overflow", "epoch"]
    from_sequence: int | None
    to_sequence: int | None
    missing: int | None


class Stale(Envelope, frozen=True, gc=False):
    """A topic of ticks is silent for `age_s` seconds while its market is open; up to `expected_s` would be nothing unusual. Made by
    the client, with the sequence of the newest event; only where it is asked for (`Subscription.tell_stale`)."""

    topic: str
    age_s: float
    expected_s: float


class Fresh(Envelope, frozen=True, gc=False):
    """A topic that was `Stale` goes on; it was silent for so long."""

    topic: str
    silent_s: float


Item = (
    Ticks | Bars | Connection | OpenTrades | TradeUpdate | AccountUpdate | BookUpdate | LogLine | Heartbeat | Other
    | Gap | Stale | Fresh
)  # fmt: skip
"""Everything that a subscription can yield."""
Maker = Callable[[Event, bool], Item]

_WRAPPERS: dict[str, Callable[[int, int, int, int, bool, Any], Item]] = {
    "connection": Connection, "trade": TradeUpdate, "account": AccountUpdate, "book": BookUpdate, "log": LogLine,
    "heartbeat": Heartbeat,
}  # fmt: skip


def maker(topic: str) -> Maker:
    """The function that makes the events of a topic; it raises `MalformedMessage` for a body that is not of the topic's type."""
    family, _, rest = topic.partition(":")
    if family == "tick":
        return _tick_maker(rest)
    if family in ("bar", "forming"):
        symbol, _, timeframe = rest.rpartition(":")
        return _bar_maker(symbol, timeframe, family == "forming")
    wrapper = _WRAPPERS.get(family)

    def make(event: Event, snapshot: bool) -> Item:
        if snapshot and family == "trade":
            return _open_trades(event)
        body = decode_body(event)
        _, epoch, sequence, time_us, flags, _ = event
        if wrapper is None:
            return Other(epoch, sequence, time_us, flags, snapshot, topic, body)
        return wrapper(epoch, sequence, time_us, flags, snapshot, body)

    return make


_decode_trades = Decoder(TradeSnapshot).decode


def _open_trades(event: Event) -> OpenTrades:
    _, epoch, sequence, time_us, flags, body = event
    try:
        return OpenTrades(epoch, sequence, time_us, flags, True, _decode_trades(body))
    except (MsgspecError, ValueError, RecursionError) as error:
        raise MalformedMessage(f"not a snapshot of {event.topic}: {error}") from None


def _tick_maker(symbol: str) -> Maker:
    def make(event: Event, snapshot: bool) -> Item:
        _, epoch, sequence, time_us, flags, records = event
        if len(records) % RECORD_BYTES or not records:
            raise MalformedMessage(f"{len(records)} bytes are not records of {RECORD_BYTES}")
        return Ticks(epoch, sequence, time_us, flags, snapshot, symbol, records)

    return make


def _bar_maker(symbol: str, timeframe: str, forming: bool) -> Maker:
    def make(event: Event, snapshot: bool) -> Item:
        _, epoch, sequence, time_us, flags, records = event
        if len(records) % RECORD_BYTES or not records:
            raise MalformedMessage(f"{len(records)} bytes are not records of {RECORD_BYTES}")
        return Bars(epoch, sequence, time_us, flags, snapshot, symbol, timeframe, forming, records)

    return make
