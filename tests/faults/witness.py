"""Clients that live through a fault run: each holds one subscription from the beginning to the end, asks all the time, and writes
down what it sees.

Each is a thread with a `Client` of its own. What it receives is noted when it is received, also while it waits for an answer.
"""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bridge.errors import AccountChanged, BridgeError, OrderNotExecuted, OutcomeUnknown, TryAgain
from bridge.replies import ConnectionState
from bridge.simulation import LOGIN
from bridge.trading import Position, TradeRequest
from clients import Client, events
from clients.subscription import Subscription

TOPICS = ("tick:EURUSD", "tick:GBPUSD", "trade", "connection", "heartbeat")
PAUSE_S = 0.04
"""Between two requests of a client."""
REFUSED_PAUSE_S = 0.1
ORDER_S = 1.5
"""How long the answer to an order is waited for."""
AGAIN_S = 3.0
"""How long after that it is asked for again."""
VOLUME = 0.01
MAGIC = 7_714
PREFIX = "run-"
"""How the comments of the orders begin."""


Identity = tuple[int, float, float]


def told_apart(position: Position) -> Identity:
    """What tells a position from those of another account: ticket, volume and price; the same tickets may be used there."""
    return position.ticket, position.volume, position.price_open


@dataclass(frozen=True, slots=True)
class Seen:
    """An event, and when it was received (this machine's monotonic clock)."""

    at_s: float
    item: events.Item


@dataclass(slots=True)
class Sent:
    """An order, by its own comment: when it was sent and answered, and what the answer was. `error` is the code of a refusal, or of
    an unknown outcome."""

    comment: str
    at_s: float
    answered_s: float = 0.0
    outcome: Literal["done", "refused", "unknown"] = "unknown"
    error: str = ""
    ticket: int = 0


class Witness(threading.Thread):
    """One client. `news` is notified of everything that somebody may wait for."""

    def __init__(self, name: str, requests: str, news: threading.Condition) -> None:
        super().__init__(name=name, daemon=True)
        self.timeout_s = 10.0
        self.seen: list[Seen] = []
        self.states: list[ConnectionState] = []
        self.failure = ""
        self.wrong: list[str] = []
        self.client: Client | None = None
        self.feed: Subscription | None = None
        self._requests = requests
        self._news = news
        self._ending = threading.Event()

    # ---- the thread --------------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Live until `end`."""
        try:
            with Client(self._requests, name=self.name, on_turn=self._take, timeout_s=self.timeout_s) as client:
                self.client = client
                self.feed = client.subscribe(*TOPICS)
                welcome = client._driver.session.welcome
                while not self._ending.is_set():
                    self._rest(self.work(client))
                self._judge_client(client, welcome)
        except Exception:
            self.failure = traceback.format_exc()
            self._tell()

    def work(self, client: Client) -> float:
        """One request; how long to rest after it."""
        raise NotImplementedError

    def _rest(self, seconds: float) -> None:
        assert self.feed is not None
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            item = self.feed.get(left_s)
            if item is not None:
                self._note(item)
            self._take()

    def _take(self) -> None:
        while self.feed is not None and self.feed.queued:
            item = self.feed.get()
            assert item is not None
            self._note(item)

    def _note(self, item: events.Item) -> None:
        self.seen.append(Seen(time.monotonic(), item))
        if isinstance(item, events.Connection):
            self.states.append(item.connection)
            self._tell()

    def _tell(self) -> None:
        with self._news:
            self._news.notify_all()

    def _judge_client(self, client: Client, welcome: object) -> None:
        """It is to be one client of one bridge all the time, and nothing it was sent may have been nonsense."""
        assert self.feed is not None
        if client._driver.session.welcome is not welcome:
            self.wrong.append(f"{self.name} had to say hello again")
        counters, streams = client.counters, self.feed.counters
        odd = {
            "restarts": counters.restarts, "malformed": counters.malformed, "stale": counters.stale, "unknown": counters.unknown,
            "duplicate replies": counters.duplicate, "gaps": streams.gaps, "duplicate events": streams.duplicates,
            "malformed events": streams.malformed, "overflowed": streams.overflowed,
        }  # fmt: skip
        self.wrong += [f"{self.name}: {name} {count}" for name, count in odd.items() if count]

    # ---- for the one who waits for it --------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Ask it to end."""
        self._ending.set()


class Reader(Witness):
    """Asks for this and that. A read may fail because the terminal cannot be asked now, or is logged in to another account."""

    def __init__(self, requests: str, news: threading.Condition) -> None:
        super().__init__("reader", requests, news)
        self.pings_s: list[float] = []
        self.reads = 0
        self.try_again = 0
        self.elsewhere = 0
        self.held: set[Identity] = set()
        """Every position that it was ever told of."""
        self.healthy_s = 0.0
        self.sessions_started = 0
        self.subscribed: dict[str, bool] = {}
        self._turn = 0

    def work(self, client: Client) -> float:
        """A ping, the status, and one read of the terminal."""
        began_s = time.monotonic()
        client.ping()
        self.pings_s.append(time.monotonic() - began_s)
        status = client.status()
        self.sessions_started = status.counters["sessions_started"]
        self.subscribed = {peer.name: peer.subscribed for peer in status.clients}
        if status.healthy:
            self.healthy_s = began_s
            self._tell()
        reads: tuple[Callable[[], object], ...] = (
            lambda: client.tick("EURUSD", fresh=True),
            lambda: client.symbol("GBPUSD"),
            lambda: self._account(client),
            lambda: self.held.update(map(told_apart, client.positions())),
        )
        self._turn += 1
        self.reads += 1
        try:
            reads[self._turn % len(reads)]()
        except TryAgain:
            self.try_again += 1
        except AccountChanged:
            self.elsewhere += 1
        return PAUSE_S

    def _account(self, client: Client) -> None:
        login = client.account().login
        if login != LOGIN:
            self.wrong.append(f"reader was given the figures of account {login}")


class Trader(Witness):
    """Buys and sells a little, each order with a comment of its own, and repeats an order of unknown outcome under the same id: a
    little later, for until it is known the bridge keeps the answer back, and once more in the end.

    Whoever holds `trading` keeps it from sending.
    """

    def __init__(self, requests: str, news: threading.Condition) -> None:
        super().__init__("trader", requests, news)
        self.trading = threading.Lock()
        self.sent: list[Sent] = []
        self.done_s = 0.0
        """When the last order was sent that was executed."""
        self.timeout_s = ORDER_S
        self._open: deque[tuple[float, TradeRequest, Sent, str | None]] = deque()
        self._halted = False

    def halt(self) -> None:
        """Let it send no new one, and none be under way."""
        with self.trading:
            self._halted = True

    def work(self, client: Client) -> float:
        """One order."""
        number = len(self.sent)
        request = TradeRequest(
            action=1, symbol="EURUSD", volume=VOLUME, type=number % 2, magic=MAGIC, comment=f"{PREFIX}{number}", type_filling=0
        )
        with self.trading:
            if self._open and (self._halted or self._open[0][0] < time.monotonic()):
                self._repeat(client, *self._open.popleft())
                return PAUSE_S
            if self._halted:
                return REFUSED_PAUSE_S
            sent = Sent(request.comment, time.monotonic())
            self.sent.append(sent)
            try:
                self._send(client, request, sent, None)
            except OutcomeUnknown as unknown:
                sent.error = unknown.code
                self._open.append((time.monotonic() + AGAIN_S, request, sent, unknown.request_id))
            except BridgeError as error:
                sent.outcome, sent.error = "refused", error.code
            sent.answered_s = time.monotonic()
        self._tell()
        return PAUSE_S if sent.outcome == "done" else REFUSED_PAUSE_S

    def _repeat(self, client: Client, due_s: float, request: TradeRequest, sent: Sent, request_id: str | None) -> None:
        """The same id again asks what became of it, and never sends another."""
        try:
            self._send(client, request, sent, request_id)
        except OutcomeUnknown:
            if due_s < math.inf and not self._halted:
                self._open.append((math.inf, request, sent, request_id))
        except OrderNotExecuted as error:
            sent.outcome, sent.error = "refused", error.code
        except BridgeError as error:
            self.wrong.append(f"{sent.comment}: unknown at first, and when it was repeated: {error}")

    def _send(self, client: Client, request: TradeRequest, sent: Sent, request_id: str | None) -> None:
        outcome = client.order(request, request_id=request_id)
        sent.outcome, sent.ticket = "done", outcome.result.order
        self.done_s = sent.at_s
