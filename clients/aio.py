"""The asyncio client: `async with AsyncClient() as bridge: await bridge.account()`."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Generator
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar, Unpack, overload

from bridge.errors import BridgeUnreachable, CallError, InvalidParameters, NotConnected, TimedOut
from bridge.messages import GetStatus, Ping, Request
from bridge.replies import OrderOutcome, Status
from clients import bulk, changes, downloads, holdings, market, quotes, service, sizing, stops, summaries
from clients import orders as trading
from clients.arrays import AsyncArrays
from clients.async_driver import AsyncDriver
from clients.blocking import NOTHING, Nothing
from clients.changes import ClosingTerms
from clients.knowledge import PROBE_S, Knowledge
from clients.lock import lock_of
from clients.parts import Download, fetch_async
from clients.streams import QUEUE_LIMIT, After
from clients.subscription import AsyncSubscription
from clients.tasks import Ask, Steps, async_download, async_knowing_task, async_task, run_async

R = TypeVar("R")


class Connected(Awaitable[bool]):
    """Whether a client is connected, for `await`: where that is forgotten, it is neither true nor false but an error."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    def __await__(self) -> Generator[Any, Any, bool]:
        return self._client._is_connected().__await__()

    def __bool__(self) -> NoReturn:
        raise CallError("is_connected asks the bridge", next_step="write `await bridge.is_connected`")


class AsyncClient(Knowledge):
    """A connection to a bridge, for the tasks of one event loop: `Client`, with `await`.

    It is connected by `async with`, or by `bridge = await AsyncClient.connect(…)`. Any number of tasks may call it at a time. A
    call that is cancelled is forgotten; an order that had left by then is of unknown outcome: it is told in the log, and in
    `abandoned`. A download that is cancelled asks for nothing more.
    """

    _driver: AsyncDriver

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        name: str | None = None,
        timeout_s: float = 10.0,
        key: str | Path | None = None,
        server_key: str | None = None,
    ) -> None:
        """Nothing is connected yet. `endpoint` is that of the bridge's requests; without one, `MT5BRIDGE_ENDPOINT` or
        `tcp://127.0.0.1:5555`. `name` is shown by the bridge's monitor. `key` is the file of this client's key and `server_key` the
        bridge's public key, where it asks for keys (`clients.lock`). Raises `ConfigError` for keys that are none."""
        super().__init__(endpoint, name, timeout_s)
        self._driver = AsyncDriver(self.endpoint, self.name, socket.gethostname()[:64], lock_of(key, server_key))

    @classmethod
    async def connect(
        cls,
        endpoint: str | None = None,
        *,
        name: str | None = None,
        timeout_s: float = 10.0,
        key: str | Path | None = None,
        server_key: str | None = None,
    ) -> Self:
        """A connected client, to be closed with `await bridge.close()`. Raises `BridgeUnreachable` when no bridge answers within
        `timeout_s`, `ConfigError` for an endpoint that is none, `WrongProtocol` for a bridge of another protocol, `NotAllowed`
        for one that lets nobody in with this key."""
        return await cls(endpoint, name=name, timeout_s=timeout_s, key=key, server_key=server_key).__aenter__()

    async def call(
        self,
        request: Request[R],
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
        valid_for_s: float | None = None,
    ) -> R:
        """Send any request of `bridge.messages` and wait for its result. It is not begun later than `valid_for_s` from now, by
        default 0.9 of `timeout_s`."""
        return await self._driver.call(request, self.timeout_s if timeout_s is None else timeout_s, request_id, valid_for_s)

    async def do(self, steps: Steps[R]) -> R:
        """Go through a task of several requests (`clients.tasks`)."""
        return await run_async(steps, self._ask)

    async def fetch(self, download: Download[R]) -> R:
        """Go through a download of several parts at a time (`clients.parts`)."""
        return await fetch_async(self._driver, download, self.timeout_s)

    def _ask(self, ask: Ask) -> Awaitable[Any]:
        wait_s = self.timeout_s if ask.timeout_s is None else ask.timeout_s
        return self._driver.call(ask.request, wait_s, ask.request_id, ask.valid_for_s)

    async def __aenter__(self) -> Self:
        """Connect. Raises as `connect` does."""
        await self._driver.connect(self.timeout_s)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._driver.close()

    # ---- the bridge --------------------------------------------------------------------------------------------------------------

    ping, connection = async_task(service.ping), async_task(service.connection)
    connection_history, reconnect = async_task(service.connection_history), async_task(service.reconnect)
    halt, resume, limits = async_task(service.halt), async_task(service.resume), async_task(service.limits)

    async def status(self) -> Status:
        """Everything that the bridge knows of itself, its clients and its topics; the last of `links` is this client's own."""
        return self._with_own_link(await self.call(GetStatus()))

    @property
    def is_connected(self) -> Awaitable[bool]:
        """Whether the bridge answers, within 2 s, and its session with the terminal works: `await bridge.is_connected`."""
        return Connected(self)

    async def _is_connected(self) -> bool:
        try:
            return (await self.call(Ping(), timeout_s=min(self.timeout_s, PROBE_S))).state == "connected"
        except (BridgeUnreachable, NotConnected, TimedOut):
            return False

    # ---- events ------------------------------------------------------------------------------------------------------------------

    def subscribe(
        self, *topics: str, queue_limit: int = QUEUE_LIMIT, timeout_s: float | None = None, after: After | None = None
    ) -> AsyncSubscription:
        """Events of these topics, beginning with the newest state of each; a trailing `*` makes a prefix (`tick:*`).

        `async with bridge.subscribe(…) as events: async for event in events`; or `await` it, to have it in force. That raises
        `UnknownSymbol` and the like for a topic that cannot be served.

        `after` has the newest events that the program had of a topic of ticks or bars before it ended: what came since then comes
        first, from the terminal's history, and then the stream, each record once. To tell where that was, they have to reach back
        into the second before that of the newest tick.
        """
        join = self._driver.subscribe(topics, self.timeout_s if timeout_s is None else timeout_s, queue_limit, after)
        return AsyncSubscription(join, self._driver, lambda: self.bridge_msc() * 1_000)

    # ---- account and market ------------------------------------------------------------------------------------------------------

    account, terminal = async_task(holdings.account), async_task(market.terminal)
    symbols, symbol = async_task(market.symbols), async_task(market.symbol)
    find_symbol, tick = async_task(market.find_symbol), async_task(market.tick)
    rates, ticks = async_download(downloads.rates), async_download(downloads.ticks)

    @property
    def arrays(self) -> AsyncArrays:
        """`rates` and `ticks` as numpy arrays of the terminal's own records."""
        return AsyncArrays(self)

    # ---- what is in the account --------------------------------------------------------------------------------------------------

    positions, positions_frame = async_task(holdings.positions), async_task(holdings.positions_frame)
    orders, orders_frame = async_task(holdings.orders), async_task(holdings.orders_frame)
    deals, deals_frame = async_task(holdings.deals), async_task(holdings.deals_frame)
    history_orders, history_orders_frame = async_task(holdings.history_orders), async_task(holdings.history_orders_frame)
    summary = async_knowing_task(summaries.summary)

    # ---- trading -----------------------------------------------------------------------------------------------------------------

    order, check = async_task(trading.order), async_task(trading.check)
    margin, profit = async_task(trading.margin), async_task(trading.profit)
    buy, sell, close_by = async_task(trading.buy), async_task(trading.sell), async_task(changes.close_by)
    buy_limit, sell_limit = async_task(trading.buy_limit), async_task(trading.sell_limit)
    buy_stop, sell_stop = async_task(trading.buy_stop), async_task(trading.sell_stop)
    buy_stop_limit, sell_stop_limit = async_task(trading.buy_stop_limit), async_task(trading.sell_stop_limit)
    modify, cancel = async_task(changes.modify), async_task(changes.cancel)
    size, atr, atr_stops = async_task(sizing.size), async_task(stops.atr), async_task(stops.atr_stops)
    forex, stocks, daily_change = async_task(quotes.forex), async_task(quotes.stocks), async_task(quotes.daily_change)
    close_all, cancel_all, reverse = async_task(bulk.close_all), async_task(bulk.cancel_all), async_task(bulk.reverse)

    @overload
    async def close(self) -> None: ...

    @overload
    async def close(self, ticket: int, volume: float | None = None, **terms: Unpack[ClosingTerms]) -> OrderOutcome: ...

    async def close(
        self, ticket: int | Nothing = NOTHING, volume: float | None = None, **terms: Unpack[ClosingTerms]
    ) -> OrderOutcome | None:
        """With a ticket: close that position, all of it or `volume` of it. Without: end this client (what `async with` does)."""
        if ticket is not NOTHING:
            return await self.do(changes.close(ticket, volume, **terms))
        if volume is not None or terms:
            raise InvalidParameters("terms of a closing were given, but no ticket", field="ticket", rule="ticket", nearest=None)
        await self._driver.close()
        return None
