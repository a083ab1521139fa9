"""The blocking client: `with Client() as bridge: bridge.account()`."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, Unpack, overload

from bridge.errors import BridgeUnreachable, InvalidParameters, NotConnected, TimedOut
from bridge.messages import (
    GetConnectionHistory,
    GetLimits,
    GetStatus,
    Halt,
    Ping,
    Reconnect,
    Request,
    Resume,
)
from bridge.replies import ClockOffset, ConnectionState, LimitsInForce, OrderOutcome, Pong, Status, TradingState
from clients import bulk, changes, history, holdings, market
from clients import orders as trading
from clients.arrays import Arrays
from clients.changes import ClosingTerms
from clients.driver import Driver
from clients.history import Moment
from clients.moments import server_span
from clients.parts import Progress
from clients.server_time import MeasuredTime, ServerTime, as_datetime, server_time
from clients.session import Counters
from clients.sockets import default_endpoint
from clients.streams import QUEUE_LIMIT
from clients.subscription import Subscription
from clients.tasks import Ask, Steps, run, task

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

    def call(
        self,
        request: Request[R],
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
        valid_for_s: float | None = None,
    ) -> R:
        """Send any request of `bridge.messages` and wait for its result. It is not begun later than `valid_for_s` from now, by
        default 0.9 of `timeout_s`."""
        wait_s = self.timeout_s if timeout_s is None else timeout_s
        if valid_for_s is None:
            return self._driver.call(request, wait_s, request_id)
        return self._driver.call(request, wait_s, request_id, valid_for_s)

    def do(self, steps: Steps[R]) -> R:
        """Go through a task of several requests (`clients.tasks`)."""
        return run(steps, self._ask)

    def _ask(self, ask: Ask) -> Any:
        return self.call(ask.request, timeout_s=ask.timeout_s, request_id=ask.request_id, valid_for_s=ask.valid_for_s)

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

    def halt(self, reason: str = "") -> TradingState:
        """The kill switch, for every client: no order is sent any more that does more than reduce exposure, until `resume`, also
        after a restart of the bridge. Positions and pending orders stay as they are."""
        return self.call(Halt(reason))

    def resume(self) -> TradingState:
        """Trade on after `halt`."""
        return self.call(Resume())

    def limits(self, name: str | None = None) -> LimitsInForce:
        """The limits on orders that hold for this client, or for one of another name."""
        return self.call(GetLimits(name))

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

    account, terminal = task(holdings.account), task(market.terminal)
    symbols, symbol, find_symbol, tick = task(market.symbols), task(market.symbol), task(market.find_symbol), task(market.tick)

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
        progress: Progress | None = None,
    ) -> pd.DataFrame:
        """Bars as a DataFrame (`clients.tables.rates_frame`), any number; which ones: see `clients.history.rates_parts`.

        Without rows (but with its columns) it says that the terminal has nothing there: what failed is raised. `progress(rows,
        fraction)` is called as the parts come (`clients.parts.Progress`); what it raises ends the download.

        Index and dates are server time. With `utc=True` both are UTC, by the one offset that was measured last: it is not applied
        to anything before the last change of daylight saving, where it may be an hour wrong; `InvalidParameters` is raised then.
        With `utc="America/New_York+7"` they are UTC by the zone, and the hours to add, that you say the server's clock has had all
        the time; this is refused when the measured offset contradicts it. Raises `TryAgain` while an offset is needed and not
        known. Bars of a day open at the server's midnight, whatever time of UTC that is.
        """
        told = self._server_time(utc) if utc else None
        span = server_span(date_from, date_to, self.bridge_msc(), told)
        chunks = self.arrays.fetch(history.rates_parts(symbol, timeframe, count, start, *span, progress=progress))
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
        progress: Progress | None = None,
    ) -> pd.DataFrame:
        """Ticks as a DataFrame (`clients.tables.ticks_frame`), any number; which ones: see `clients.history.ticks_parts`. Index and
        dates are server time, or with `utc` UTC as for `rates`, and `progress` and what is empty as there."""
        told = self._server_time(utc) if utc else None
        span = server_span(date_from, date_to, self.bridge_msc(), told)
        chunks = self.arrays.fetch(history.ticks_parts(symbol, *span, count, kind, progress=progress))
        from clients.tables import in_utc, ticks_frame  # noqa: PLC0415 - pandas only when it is needed

        return ticks_frame(chunks) if told is None else in_utc(ticks_frame(chunks), told)

    @property
    def arrays(self) -> Arrays:
        """`rates` and `ticks` as numpy arrays of the terminal's own records."""
        return Arrays(self.timeout_s, self._driver, self.bridge_msc)

    # ---- what is in the account --------------------------------------------------------------------------------------------------

    positions, positions_frame = task(holdings.positions), task(holdings.positions_frame)
    orders, orders_frame = task(holdings.orders), task(holdings.orders_frame)
    deals, deals_frame = task(holdings.deals), task(holdings.deals_frame)
    history_orders, history_orders_frame = task(holdings.history_orders), task(holdings.history_orders_frame)

    # ---- trading -----------------------------------------------------------------------------------------------------------------

    order, check, margin, profit = task(trading.order), task(trading.check), task(trading.margin), task(trading.profit)
    buy, sell, close_by = task(trading.buy), task(trading.sell), task(changes.close_by)
    buy_limit, sell_limit = task(trading.buy_limit), task(trading.sell_limit)
    buy_stop, sell_stop = task(trading.buy_stop), task(trading.sell_stop)
    buy_stop_limit, sell_stop_limit = task(trading.buy_stop_limit), task(trading.sell_stop_limit)
    modify, cancel = task(changes.modify), task(changes.cancel)
    close_all, cancel_all, reverse = task(bulk.close_all), task(bulk.cancel_all), task(bulk.reverse)

    @overload
    def close(self) -> None: ...

    @overload
    def close(self, ticket: int, volume: float | None = None, **terms: Unpack[ClosingTerms]) -> OrderOutcome: ...

    def close(
        self, ticket: int | _Nothing = _NOTHING, volume: float | None = None, **terms: Unpack[ClosingTerms]
    ) -> OrderOutcome | None:
        """With a ticket: close that position, all of it or `volume` of it. Without: end this client (what `with` does)."""
        if ticket is not _NOTHING:
            return self.do(changes.close(ticket, volume, **terms))
        if volume is not None or terms:
            raise InvalidParameters("terms of a closing were given, but no ticket", field="ticket", rule="ticket", nearest=None)
        self._driver.close()
        return None
