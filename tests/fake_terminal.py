"""A terminal in memory that does what a test tells it: ticks, bars, positions and errors on demand, and a log of the calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_type_hints

from bridge.records import Account, Symbol, TerminalInfo
from bridge.terminal import Credentials, Terminal, TerminalError
from bridge.ticks import BAR_STRUCT, RECORD_BYTES, TICK_STRUCT, Bar, Tick, iter_bars, iter_ticks, last_tick
from bridge.trading import BookLevel, Deal, Order, OrderCheck, OrderResult, Position, TradeRequest

T = TypeVar("T")
T0 = 1_700_000_000
"""A round server second to count from."""


def record(kind: type[T], **values: Any) -> T:
    """A record whose other fields are zero or empty."""
    return kind(**{name: values.get(name, hint()) for name, hint in get_type_hints(kind).items()})


def tick(msc: int, bid: float = 1.1, ask: float | None = None, flags: int = 6) -> bytes:
    """A packed tick, `msc` milliseconds after `T0`; the ask is 1.2 or, for a higher bid, that."""
    stamp = T0 * 1000 + msc
    return TICK_STRUCT.pack(stamp // 1000, bid, max(1.2, bid) if ask is None else ask, 0.0, 0, stamp, flags, 0.0)


def bar(at: int, close: float = 1.0) -> bytes:
    """A packed bar that opened `at` seconds after `T0`."""
    return BAR_STRUCT.pack(T0 + at, 1.0, 2.0, 0.5, close, 7, 3, 0)


class FakeTerminal(Terminal):
    """See the module. `ticks` and `bars` are packed records; `shown` is the last tick if it differs from the history's last row."""

    def __init__(self, *names: str) -> None:
        self.names = list(names or ("EURUSD",))
        self.visible = set(self.names)
        self.ticks: dict[str, bytes] = defaultdict(bytes)
        self.shown: dict[str, Tick] = {}
        self.bars: dict[tuple[str, str], bytes] = defaultdict(bytes)
        self.books: dict[str, list[BookLevel]] = {}
        self.books_open: set[str] = set()
        self.open_positions: list[Position] = []
        self.pending: list[Order] = []
        self.figures = record(Account, login=1, balance=100.0, server="Fake", name="Tester", trade_allowed=True, trade_expert=True)
        self.result = record(OrderResult, retcode=10009, order=5, deal=6, request=TradeRequest())
        self.calls: list[str] = []
        self.sent: list[TradeRequest] = []
        self.attached: list[Credentials] = []
        self.connected = True
        self.before: Callable[[str], None] = lambda function: None
        self._failures: dict[str, list[TerminalError | None]] = defaultdict(list)

    def fail(self, function: str, code: int, text: str = "on demand", times: int = 1) -> None:
        """The next calls of a method of this class fail."""
        self._failures[function] += [TerminalError(function, code, text)] * times

    def recover(self) -> None:
        """No more failures."""
        self._failures.clear()

    def _called(self, function: str) -> None:
        self.calls.append(function)
        self.before(function)
        failures = self._failures[function]
        error = failures.pop(0) if failures else None
        if error is not None:
            raise error

    def _symbol(self, function: str, name: str) -> None:
        self._called(function)
        if name not in self.names:
            raise TerminalError(function, -4, "Terminal: Not found")

    def attach(self, credentials: Credentials) -> None:
        self._called("attach")
        self.attached.append(credentials)

    def attach_limit_s(self, credentials: Credentials) -> float:
        return 70.0

    def detach(self) -> None:
        self._called("detach")

    def version(self) -> tuple[int, int, str]:
        self._called("version")
        return 500, 5000, "1 Jan 2025"

    def account(self) -> Account:
        self._called("account")
        return self.figures

    def info(self) -> TerminalInfo:
        self._called("info")
        return record(TerminalInfo, connected=self.connected, trade_allowed=True, build=5000, ping_last=1234, name="Fake")

    def symbols(self, group: str | None = None) -> list[Symbol]:
        self._called("symbols")
        return [record(Symbol, name=name, visible=name in self.visible) for name in self.names]

    def symbol(self, name: str) -> Symbol:
        self._symbol("symbol", name)
        return record(
            Symbol,
            name=name,
            visible=name in self.visible,
            trade_mode=4,
            trade_exemode=2,
            ticks_bookdepth=10 * (name in self.books),
        )

    def select(self, name: str, enable: bool = True) -> None:
        self._symbol("select", name)
        (self.visible.add if enable else self.visible.discard)(name)

    def tick(self, name: str) -> Tick:
        self._symbol("tick", name)
        if name in self.shown:
            return self.shown[name]
        return last_tick(self.ticks[name]) if self.ticks[name] else Tick(0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0)

    def native(self, function: str, arguments: Sequence[Any]) -> tuple[int, str, Any]:
        self._called(function)
        return -7, "Terminal: Unsupported function", None

    def ticks_from(self, name: str, from_s: int, count: int, kind: str = "all") -> bytes:
        self._symbol("ticks_from", name)
        rows = [TICK_STRUCT.pack(*row) for row in iter_ticks(self.ticks[name]) if row.time >= from_s]
        return b"".join(rows[:count])

    def rates_from_pos(self, name: str, timeframe: str, start: int, count: int) -> bytes:
        self._symbol("rates_from_pos", name)
        rows = list(iter_bars(self.bars[name, timeframe]))
        return _packed(rows[max(0, len(rows) - start - count) : len(rows) - start])

    def rates_from(self, name: str, timeframe: str, from_s: int, count: int) -> bytes:
        self._symbol("rates_from", name)
        return _packed([row for row in iter_bars(self.bars[name, timeframe]) if row.time <= from_s][-count:])

    def rates_range(self, name: str, timeframe: str, from_s: int, to_s: int) -> bytes:
        self._symbol("rates_range", name)
        return _packed([row for row in iter_bars(self.bars[name, timeframe]) if from_s <= row.time <= to_s])

    def book_open(self, name: str) -> None:
        self._symbol("book_open", name)
        if name not in self.books:
            raise TerminalError("market_book_add", -1, "refused without a reason")
        self.books_open.add(name)

    def book(self, name: str) -> list[BookLevel]:
        self._symbol("book", name)
        if name not in self.books_open:
            raise TerminalError("market_book_get", -4, "Terminal: Not found")
        return list(self.books[name])

    def book_close(self, name: str) -> None:
        self._symbol("book_close", name)
        self.books_open.discard(name)

    def positions(self, *, ticket: int | None = None, symbol: str | None = None, group: str | None = None) -> list[Position]:
        self._called("positions")
        return [item for item in self.open_positions if ticket in (None, item.ticket) and symbol in (None, item.symbol)]

    def orders(self, *, ticket: int | None = None, symbol: str | None = None, group: str | None = None) -> list[Order]:
        self._called("orders")
        return [item for item in self.pending if ticket in (None, item.ticket) and symbol in (None, item.symbol)]

    def history_orders(self, *, from_s: int | None = None, to_s: int | None = None, position: int | None = None) -> list[Order]:
        self._called("history_orders")
        return []

    def deals(self, *, from_s: int | None = None, to_s: int | None = None, position: int | None = None) -> list[Deal]:
        self._called("deals")
        return [record(Deal, ticket=1, position_id=position or 0)]

    def check(self, request: TradeRequest) -> OrderCheck:
        self._called("check")
        return record(OrderCheck, comment="Done", request=request)

    def send(self, request: TradeRequest) -> OrderResult:
        self._called("send")
        self.sent.append(request)
        return self.result

    def margin(self, action: int, symbol: str, volume: float, price: float) -> float:
        self._symbol("margin", symbol)
        return volume * price

    def profit(self, action: int, symbol: str, volume: float, price_open: float, price_close: float) -> float:
        self._symbol("profit", symbol)
        return volume * (price_close - price_open)


def _packed(rows: list[Bar]) -> bytes:
    return b"".join(BAR_STRUCT.pack(*row) for row in rows)


def rows(packed: bytes) -> list[bytes]:
    """The records one by one."""
    return [packed[at : at + RECORD_BYTES] for at in range(0, len(packed), RECORD_BYTES)]
