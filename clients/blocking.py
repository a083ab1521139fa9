"""The blocking client: `with Client() as bridge: bridge.account()`."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, overload

from bridge.errors import BridgeUnreachable, InvalidParameters, NotConnected, TimedOut
from bridge.messages import (
    CalcMargin,
    CalcProfit,
    CheckOrder,
    FindSymbol,
    GetAccount,
    GetConnectionHistory,
    GetDeals,
    GetHistoryOrders,
    GetOrders,
    GetPositions,
    GetStatus,
    GetSymbol,
    GetTerminal,
    GetTick,
    Ping,
    Reconnect,
    Request,
    SendOrder,
)
from bridge.records import Account, Symbol, TerminalInfo
from bridge.replies import ClockOffset, ConnectionState, FoundSymbol, OrderOutcome, Pong, Status
from bridge.ticks import Tick, last_tick
from bridge.trading import Deal, Order, OrderCheck, Position, TradeRequest
from clients import history, orders
from clients.driver import Driver
from clients.history import Moment, Steps
from clients.orders import Side
from clients.server_time import MeasuredTime, ServerTime, as_datetime, server_time
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
    server's (`clients.history.Moment`), unless `utc` is given; volumes are in lots. `timeout_s` bounds each request; an order that
    stays without an answer for that long raises `OutcomeUnknown` and is never sent again by itself.
    """

    _measured: tuple[ClockOffset, MeasuredTime] | None = None

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
        """Everything that the bridge knows of itself, its clients and its topics; the last of `links` is this client's own."""
        status = self.call(GetStatus())  # which also takes in the events that were waiting
        return replace(status, links=(*status.links, self._driver.session.link_status(time.monotonic())))

    def connection(self) -> ConnectionState:
        """Where the bridge's session with the terminal stands."""
        return self.status().connection

    def connection_history(self, count: int = 100) -> tuple[ConnectionState, ...]:
        """The newest `count` states that the bridge has published, oldest first, with their causes; it keeps 1,000."""
        return self.call(GetConnectionHistory(count)).states

    def reconnect(self) -> ConnectionState:
        """Have the bridge read its configuration again, replace its session and attach anew, for every client: what ends `refused`
        and `suspended`, and accepts another account. Returns at once, with the state that this led to."""
        return self.call(Reconnect())

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

    # ---- time --------------------------------------------------------------------------------------------------------------------

    @property
    def clock(self) -> ClockOffset:
        """How far the trade server's clock is ahead of UTC, by the last `connection` event that was received. One comes when the
        offset or its confidence changes; `status().connection.clock` has the newest measurement."""
        return self._driver.session.server_clock

    def utc(self, server_time: Moment, zone: str | None = None) -> datetime:
        """UTC at a time of the server's clock, as in `bridge.utc(tick.time_msc / 1000)`; exact to the millisecond.

        By the offset that was measured last, also when its confidence is only `low` (`clock`); or by a `zone` that you name, as
        for `rates`. Raises `TryAgain` while the offset is not known, and `InvalidParameters` for a time before the last change of
        daylight saving, for which a measured offset may not hold (`clients.server_time`).
        """
        return as_datetime(self._server_time(zone or True).utc_msc(history.server_msc(server_time, "server_time")))

    def _server_time(self, utc: bool | str) -> ServerTime:
        clock = self.clock
        if isinstance(utc, str):
            return server_time(clock, utc)
        if self._measured is None or self._measured[0] is not clock:
            self._measured = clock, MeasuredTime(clock)
        return self._measured[1]

    # ---- events ------------------------------------------------------------------------------------------------------------------

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

    def find_symbol(self, name: str) -> FoundSymbol:
        """The symbol that a plain name (`EURUSD`, `gold`, `US500`) means at this broker, and why: its `symbol` is the name that all
        other methods take, as in `bridge.tick(bridge.find_symbol("gold").symbol)`.

        Raises `UnknownSymbol`, or `InvalidParameters` when several different instruments are equally near, rather than to guess;
        their `details` have the `candidates`.
        """
        return self.call(FindSymbol(name))

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
        *,
        utc: bool | str = False,
    ) -> pd.DataFrame:
        """Bars as a DataFrame (`clients.tables.rates_frame`), any number; which ones: see `clients.history.rates`.

        Index and dates are server time. With `utc=True` both are UTC, by the one offset that was measured last: it is not applied
        to anything before the last change of daylight saving, where it may be an hour wrong; `InvalidParameters` is raised then.
        With `utc="America/New_York+7"` they are UTC by the zone, and the hours to add, that you say the server's clock has had all
        the time; this is refused when the measured offset contradicts it. Raises `TryAgain` while an offset is needed and not
        known. Bars of a day open at the server's midnight, whatever time of UTC that is.
        """
        told = self._server_time(utc) if utc else None
        if told is not None:
            date_from = history.moved(date_from, "date_from", told.server_msc)
            date_to = history.moved(date_to, "date_to", told.server_msc)
        chunks = self.do(history.rates(symbol, timeframe, count, start, date_from, date_to))
        from clients.tables import in_utc, rates_frame  # noqa: PLC0415 - pandas only when it is needed

        return rates_frame(chunks) if told is None else in_utc(rates_frame(chunks), told)

    def ticks(
        self,
        symbol: str,
        date_from: Moment,
        date_to: Moment | None = None,
        count: int | None = None,
        kind: history.Kind = "all",
        *,
        utc: bool | str = False,
    ) -> pd.DataFrame:
        """Ticks as a DataFrame (`clients.tables.ticks_frame`), any number; which ones: see `clients.history.ticks`. Index and dates
        are server time, or with `utc` UTC as for `rates`."""
        told = self._server_time(utc) if utc else None
        if told is not None:
            date_from = history.moved(date_from, "date_from", told.server_msc)
            date_to = history.moved(date_to, "date_to", told.server_msc)
        chunks = self.do(history.ticks(symbol, date_from, date_to, count, kind))
        from clients.tables import in_utc, ticks_frame  # noqa: PLC0415 - pandas only when it is needed

        return ticks_frame(chunks) if told is None else in_utc(ticks_frame(chunks), told)

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
