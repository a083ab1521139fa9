"""The blocking client: `with Client() as bridge: bridge.account()`."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, overload

from bridge.errors import BridgeUnreachable, InvalidParameters, NotConnected, TimedOut
from bridge.messages import (
    CalcMargin,
    CalcProfit,
    CheckOrder,
    GetAccount,
    GetDeals,
    GetHistoryOrders,
    GetOrders,
    GetPositions,
    GetStatus,
    GetSymbol,
    GetTerminal,
    GetTick,
    Ping,
    Request,
    SendOrder,
)
from bridge.records import Account, Symbol, TerminalInfo
from bridge.replies import ConnectionState, OrderOutcome, Pong, Status
from bridge.ticks import Tick, last_tick
from bridge.trading import Deal, Order, OrderCheck, Position, TradeRequest
from clients import history, orders
from clients.driver import Driver
from clients.history import Moment, Steps
from clients.orders import Side
from clients.session import Counters
from clients.sockets import default_endpoint
from clients.streams import QUEUE_LIMIT
from clients.subscription import Subscription

if TYPE_CHECKING:
    import pandas as pd

R = TypeVar("R")


class _Nothing(Enum):
    NOTHING = 0


_NOTHING: Final = _Nothing.NOTHING
PROBE_S = 2.0
"""Longest wait of `is_connected`."""


class Client:
    """A connection to a bridge, for one thread.

    Every method raises `BridgeError` or one of its subclasses; their branch says what to do (`bridge.errors`). Times are the trade
    server's (`clients.history.Moment`), volumes are in lots. `timeout_s` bounds each request; an order that stays without an answer
    for that long raises `OutcomeUnknown` and is never sent again by itself.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        name: str | None = None,
        timeout_s: float = 10.0,
        on_turn: Callable[[], None] | None = None,
    ) -> None:
        """Connect. `endpoint` is that of the bridge's requests; without one, `MT5BRIDGE_ENDPOINT` or `tcp://127.0.0.1:5555`.

        `name` is shown by the bridge's monitor. `on_turn` is called at least every 0.2 s while the client waits, and may raise to
        end the wait. Raises `BridgeUnreachable` when no bridge answers within `timeout_s`, `ConfigError` for an endpoint that is
        none.
        """
        self.endpoint = endpoint or default_endpoint()
        self.name = (name or f"python-{os.getpid()}")[:64]
        self.timeout_s = timeout_s
        self._driver = Driver(self.endpoint, self.name, socket.gethostname()[:64], timeout_s, on_turn)

    def call(self, request: Request[R], *, timeout_s: float | None = None, request_id: str | None = None) -> R:
        """Send any request of `bridge.messages` and wait for its result."""
        return self._driver.call(request, self.timeout_s if timeout_s is None else timeout_s, request_id)

    def do(self, steps: Steps[R]) -> R:
        """Go through a task of several requests (`clients.history`, `clients.orders`)."""
        try:
            request = next(steps)
            while True:
                request = steps.send(self.call(request))
        except StopIteration as stop:
            result: R = stop.value
            return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._driver.close()

    # ---- the bridge --------------------------------------------------------------------------------------------------------------

    def ping(self) -> Pong:
        """Is the bridge alive, and how old is its knowledge?"""
        return self.call(Ping())

    def status(self) -> Status:
        """Everything that the bridge knows of itself, its clients and its topics."""
        return self.call(GetStatus())

    def connection(self) -> ConnectionState:
        """Where the bridge's session with the terminal stands."""
        return self.status().connection

    @property
    def is_connected(self) -> bool:
        """Whether the bridge answers, within 2 s, and its session with the terminal works."""
        try:
            return self.call(Ping(), timeout_s=min(self.timeout_s, PROBE_S)).state == "connected"
        except (BridgeUnreachable, NotConnected, TimedOut):
            return False

    @property
    def is_silent(self) -> bool:
        """Whether no heartbeat of the bridge has come for three periods. Looks only at what was received."""
        return self._driver.session.is_silent(time.monotonic())

    @property
    def known_connection(self) -> ConnectionState | None:
        """Where the bridge's session with the terminal stood, by the last event that was received; `connection` asks."""
        return self._driver.session.connection

    @property
    def counters(self) -> Counters:
        """What went wrong without being an error of a call."""
        return self._driver.session.counters

    def bridge_msc(self) -> int:
        """The bridge's clock now, in milliseconds since 1970-01-01 UTC, as far as it is known here."""
        return self._driver.session.clock.bridge_msc(time.monotonic()) or 0

    def subscribe(self, *topics: str, queue_limit: int = QUEUE_LIMIT, timeout_s: float | None = None) -> Subscription:
        """Events of these topics, beginning with the newest state of each; a trailing `*` makes a prefix (`tick:*`).

        Raises `UnknownSymbol` and the like for a topic that cannot be served.
        """
        driver = self._driver
        feed = driver.subscribe(topics, self.timeout_s if timeout_s is None else timeout_s, queue_limit)
        return Subscription(feed, driver.turn, driver.unsubscribe, lambda: self.bridge_msc() * 1_000)

    # ---- account and market ------------------------------------------------------------------------------------------------------

    def account(self) -> Account:
        """The account."""
        return self.call(GetAccount())

    def terminal(self) -> TerminalInfo:
        """The terminal."""
        return self.call(GetTerminal())

    def symbols(self, group: str | None = None) -> tuple[Symbol, ...]:
        """All symbols, hidden ones too, or those whose names match `group` (`*USD*`; MQL5 group filter)."""
        return self.do(history.symbols(group))

    def symbol(self, symbol: str) -> Symbol:
        """One symbol's properties. Raises `UnknownSymbol`."""
        return self.call(GetSymbol(symbol))

    def find_symbol(self, text: str) -> str:
        """The name that this broker gives to a symbol: see `clients.orders.find_symbol`. Raises `UnknownSymbol` with
        `candidates`."""
        return self.do(orders.find_symbol(text))

    def tick(self, symbol: str, *, fresh: bool = False) -> Tick:
        """The last tick; with `fresh` the terminal is asked even where the bridge streams the symbol."""
        return last_tick(self.call(GetTick(symbol, fresh)).record)

    def rates(
        self,
        symbol: str,
        timeframe: str,
        count: int | None = None,
        start: int = 0,
        date_from: Moment | None = None,
        date_to: Moment | None = None,
    ) -> pd.DataFrame:
        """Bars as a DataFrame (`clients.tables.rates_frame`), any number; which ones: see `clients.history.rates`."""
        chunks = self.do(history.rates(symbol, timeframe, count, start, date_from, date_to))
        from clients.tables import rates_frame  # noqa: PLC0415 - pandas only when it is needed

        return rates_frame(chunks)

    def ticks(
        self, symbol: str, date_from: Moment, date_to: Moment | None = None, count: int | None = None, kind: history.Kind = "all"
    ) -> pd.DataFrame:
        """Ticks as a DataFrame (`clients.tables.ticks_frame`), any number; which ones: see `clients.history.ticks`."""
        chunks = self.do(history.ticks(symbol, date_from, date_to, count, kind))
        from clients.tables import ticks_frame  # noqa: PLC0415 - pandas only when it is needed

        return ticks_frame(chunks)

    # ---- what is in the account --------------------------------------------------------------------------------------------------

    def positions(self, symbol: str | None = None, *, ticket: int | None = None) -> tuple[Position, ...]:
        """Open positions, of all symbols or of one."""
        return self.call(GetPositions(ticket=ticket, symbol=symbol)).positions

    def orders(self, symbol: str | None = None, *, ticket: int | None = None) -> tuple[Order, ...]:
        """Pending orders, of all symbols or of one."""
        return self.call(GetOrders(ticket=ticket, symbol=symbol)).orders

    def deals(self, start: Moment | None = None, end: Moment | None = None, *, position: int | None = None) -> tuple[Deal, ...]:
        """Deals done from `start` to `end`, both included (default: all), or those of one `position`."""
        if position is not None:
            return self.call(GetDeals(position=position)).deals
        return self.call(GetDeals(*history.seconds_range(start, end))).deals

    def history_orders(
        self, start: Moment | None = None, end: Moment | None = None, *, position: int | None = None
    ) -> tuple[Order, ...]:
        """Orders done from `start` to `end`, both included (default: all), or those of one `position`."""
        if position is not None:
            return self.call(GetHistoryOrders(position=position)).orders
        return self.call(GetHistoryOrders(*history.seconds_range(start, end))).orders

    # ---- trading -----------------------------------------------------------------------------------------------------------------

    def order(self, request: TradeRequest | Mapping[str, Any], *, request_id: str | None = None) -> OrderOutcome:
        """Send a trade request. Raises `OrderRejected` when it was refused and nothing was executed.

        Its id is the order's identity. After `OutcomeUnknown` (whose `request_id` has it) the same request with the same id asks
        the bridge what became of it.
        """
        return self.call(SendOrder(orders.trade_request(request)), request_id=request_id)

    def check(self, request: TradeRequest | Mapping[str, Any]) -> OrderCheck:
        """Would the terminal accept this request? `retcode` 0 says yes. Nothing is placed."""
        return self.call(CheckOrder(orders.trade_request(request)))

    def buy(
        self,
        symbol: str,
        volume: float,
        *,
        sl: float | None = None,
        tp: float | None = None,
        comment: str = "",
        magic: int = 0,
        deviation: int = 0,
    ) -> OrderOutcome:
        """Buy at the market. `sl` and `tp` are prices, `deviation` is in points (used in instant execution only)."""
        return self.order(
            self.do(orders.market_order("buy", symbol, volume, sl=sl, tp=tp, comment=comment, magic=magic, deviation=deviation))
        )

    def sell(
        self,
        symbol: str,
        volume: float,
        *,
        sl: float | None = None,
        tp: float | None = None,
        comment: str = "",
        magic: int = 0,
        deviation: int = 0,
    ) -> OrderOutcome:
        """Sell at the market; terms as for `buy`."""
        return self.order(
            self.do(orders.market_order("sell", symbol, volume, sl=sl, tp=tp, comment=comment, magic=magic, deviation=deviation))
        )

    @overload
    def close(self) -> None: ...

    @overload
    def close(self, ticket: int, volume: float | None = None, *, comment: str = "", deviation: int = 0) -> OrderOutcome: ...

    def close(
        self, ticket: int | _Nothing = _NOTHING, volume: float | None = None, *, comment: str = "", deviation: int = 0
    ) -> OrderOutcome | None:
        """With a ticket: close that position, all of it or `volume` of it. Without: end this client (what `with` does)."""
        if ticket is _NOTHING:
            if volume is not None:
                raise InvalidParameters("a volume was given, but no ticket", field="ticket")
            self._driver.close()
            return None
        return self.order(self.do(orders.closing(ticket, volume, comment=comment, deviation=deviation)))

    def modify(self, ticket: int, *, sl: float | None = None, tp: float | None = None, price: float | None = None) -> OrderOutcome:
        """Change the levels of a position, or levels and price of a pending order; None keeps what is, 0.0 takes a level away."""
        return self.order(self.do(orders.modification(ticket, sl, tp, price)))

    def cancel(self, ticket: int) -> OrderOutcome:
        """Remove a pending order."""
        return self.order(self.do(orders.cancellation(ticket)))

    def margin(self, side: Side, symbol: str, volume: float, price: float | None = None) -> float:
        """Margin that a market order would need, in the account's currency; at the present price unless one is given."""
        at = self.do(orders.market_price(side, symbol)) if price is None else price
        return self.call(CalcMargin(orders.side_of(side), symbol, volume, at)).value

    def profit(self, side: Side, symbol: str, volume: float, price_open: float, price_close: float) -> float:
        """Profit of a position between two prices, in the account's currency."""
        return self.call(CalcProfit(orders.side_of(side), symbol, volume, price_open, price_close)).value
