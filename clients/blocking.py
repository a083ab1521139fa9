"""The blocking client: `with Client() as bridge: bridge.account()`."""

from __future__ import annotations

import socket
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack, overload

from bridge.errors import BridgeUnreachable, InvalidParameters, NotConnected, TimedOut
from bridge.messages import GetStatus, Ping, Request
from bridge.replies import OrderOutcome, Status
from clients import bulk, changes, downloads, holdings, market, quotes, service, sizing, stops, summaries
from clients import orders as trading
from clients.arrays import Arrays
from clients.changes import ClosingTerms
from clients.driver import Driver
from clients.knowledge import PROBE_S, Knowledge
from clients.lock import lock_of
from clients.parts import Download, fetch
from clients.streams import QUEUE_LIMIT, After
from clients.subscription import Subscription
from clients.tasks import Ask, Steps, download, knowing_task, run, task

R = TypeVar("R")


class Nothing(Enum):
    """Stands for an argument that was not given, where None says something."""

    NOTHING = 0


NOTHING: Final = Nothing.NOTHING


class Client(Knowledge):
    """A connection to a bridge, for one thread.

    Every method raises `BridgeError` or one of its subclasses; their branch says what to do (`bridge.errors`). Times are the trade
    server's (`clients.history.Moment`), unless `utc` is given; volumes are in lots. `timeout_s` bounds each request (`within` makes
    it another one); an order that stays without an answer for that long raises `OutcomeUnknown` and is never sent again by itself.
    """

    _driver: Driver

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        name: str | None = None,
        timeout_s: float = 10.0,
        on_turn: Callable[[], None] | None = None,
        key: str | Path | None = None,
        server_key: str | None = None,
    ) -> None:
        """Connect. `endpoint` is that of the bridge's requests; without one, `MT5BRIDGE_ENDPOINT` or `tcp://127.0.0.1:5555`.

        `key` is the file of this client's key and `server_key` the bridge's public key, where it asks for keys (`clients.lock`).
        `name` is shown by the bridge's monitor. `on_turn` is called at least every 0.2 s while the client waits, and may raise to
        end the wait. Raises `BridgeUnreachable` when no bridge answers within `timeout_s`, `ConfigError` for an endpoint that is
        none and keys that are none, `WrongProtocol` for a bridge of another protocol, `NotAllowed` for one that lets nobody in with
        this key.
        """
        super().__init__(endpoint, name, timeout_s)
        lock = lock_of(key, server_key)
        self._driver = Driver(self.endpoint, self.name, socket.gethostname()[:64], timeout_s, on_turn, lock=lock)

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

    def fetch(self, download: Download[R]) -> R:
        """Go through a download of several parts at a time (`clients.parts`)."""
        return fetch(self._driver, download, self.timeout_s)

    def _ask(self, ask: Ask) -> Any:
        return self.call(ask.request, timeout_s=ask.timeout_s, request_id=ask.request_id, valid_for_s=ask.valid_for_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._driver.close()

    # ---- the bridge --------------------------------------------------------------------------------------------------------------

    ping, connection, connection_history = task(service.ping), task(service.connection), task(service.connection_history)
    reconnect, halt, resume, limits = task(service.reconnect), task(service.halt), task(service.resume), task(service.limits)

    def status(self) -> Status:
        """Everything that the bridge knows of itself, its clients and its topics; the last of `links` is this client's own."""
        return self._with_own_link(self.call(GetStatus()))

    @property
    def is_connected(self) -> bool:
        """Whether the bridge answers, within 2 s, and its session with the terminal works."""
        try:
            return self.call(Ping(), timeout_s=min(self.timeout_s, PROBE_S)).state == "connected"
        except (BridgeUnreachable, NotConnected, TimedOut):
            return False

    # ---- events ------------------------------------------------------------------------------------------------------------------

    def subscribe(
        self, *topics: str, queue_limit: int = QUEUE_LIMIT, timeout_s: float | None = None, after: After | None = None
    ) -> Subscription:
        """Events of these topics, beginning with the newest state of each; a trailing `*` makes a prefix (`tick:*`).

        Raises `UnknownSymbol` and the like for a topic that cannot be served.

        `after` has the newest events that the program had of a topic of ticks or bars before it ended: what came since then comes
        first, from the terminal's history, and then the stream, each record once. To tell where that was, they have to reach back
        into the second before that of the newest tick.
        """
        driver = self._driver
        feed = driver.subscribe(topics, self.timeout_s if timeout_s is None else timeout_s, queue_limit, after)
        return Subscription(feed, driver.turn, driver.unsubscribe, lambda: self.bridge_msc() * 1_000)

    # ---- account and market ------------------------------------------------------------------------------------------------------

    account, terminal = task(holdings.account), task(market.terminal)
    symbols, symbol, find_symbol, tick = task(market.symbols), task(market.symbol), task(market.find_symbol), task(market.tick)
    rates, ticks = download(downloads.rates), download(downloads.ticks)

    @property
    def arrays(self) -> Arrays:
        """`rates` and `ticks` as numpy arrays of the terminal's own records."""
        return Arrays(self)

    # ---- what is in the account --------------------------------------------------------------------------------------------------

    positions, positions_frame = task(holdings.positions), task(holdings.positions_frame)
    orders, orders_frame = task(holdings.orders), task(holdings.orders_frame)
    deals, deals_frame = task(holdings.deals), task(holdings.deals_frame)
    history_orders, history_orders_frame = task(holdings.history_orders), task(holdings.history_orders_frame)
    summary = knowing_task(summaries.summary)

    # ---- trading -----------------------------------------------------------------------------------------------------------------

    order, check, margin, profit = task(trading.order), task(trading.check), task(trading.margin), task(trading.profit)
    buy, sell, close_by = task(trading.buy), task(trading.sell), task(changes.close_by)
    buy_limit, sell_limit = task(trading.buy_limit), task(trading.sell_limit)
    buy_stop, sell_stop = task(trading.buy_stop), task(trading.sell_stop)
    buy_stop_limit, sell_stop_limit = task(trading.buy_stop_limit), task(trading.sell_stop_limit)
    modify, cancel = task(changes.modify), task(changes.cancel)
    size, atr, atr_stops = task(sizing.size), task(stops.atr), task(stops.atr_stops)
    forex, stocks, daily_change = task(quotes.forex), task(quotes.stocks), task(quotes.daily_change)
    close_all, cancel_all, reverse = task(bulk.close_all), task(bulk.cancel_all), task(bulk.reverse)

    @overload
    def close(self) -> None: ...

    @overload
    def close(self, ticket: int, volume: float | None = None, **terms: Unpack[ClosingTerms]) -> OrderOutcome: ...

    def close(
        self, ticket: int | Nothing = NOTHING, volume: float | None = None, **terms: Unpack[ClosingTerms]
    ) -> OrderOutcome | None:
        """With a ticket: close that position, all of it or `volume` of it. Without: end this client (what `with` does)."""
        if ticket is not NOTHING:
            return self.do(changes.close(ticket, volume, **terms))
        if volume is not None or terms:
            raise InvalidParameters("terms of a closing were given, but no ticket", field="ticket", rule="ticket", nearest=None)
        self._driver.close()
        return None
