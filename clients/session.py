"""The client's side of the protocol, without sockets and without a clock (`docs/protocol.md`).

Whoever drives it does the following, in this order, with `now` in seconds of any clock that never steps back:

1. give it what was received: `receive_reply(frame, now)`, `receive_event(frame, now)`;
2. tell it the time: `on_time(now)`, at the latest at `next_deadline()`;
3. do what it asks of the event socket: `take_actions()`, in order;
4. send the frames it has for the bridge: while `next_outgoing()` gives a call, send its frame and say `sent(call, now)`; when the
   socket does not take it, leave it and come back later: the session knows when it is too late.

Results are in the `Call` and `Join` objects that `call` and `subscribe` return, events in the queue of the join's `Feed`. Bytes
that make no sense are counted and never raised.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from bridge.codec import decode_event, decode_reply
from bridge.errors import BridgeError, WrongProtocol
from bridge.messages import Goodbye, Hello, Request
from bridge.replies import ClockOffset, ConnectionState, LinkStatus, Welcome
from clients.calls import DEADLINE_SHARE, Call
from clients.clock import BridgeClock
from clients.endpoint import events_endpoint
from clients.exchange import Exchange
from clients.join import Join
from clients.streams import QUEUE_LIMIT, After, Feed
from clients.subscriptions import Action, Subscriptions

R = TypeVar("R")

HELLO_TIMEOUT_S = 5.0
PROBE_S = 2.0
"""Time between two greetings of a bridge that answers, but whose events do not come."""
HELLO_RETRY_S = (0.5, 1.0, 2.0, 5.0)
SILENT_HEARTBEATS = 3
"""Heartbeats that may be missing before the bridge counts as silent."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What went wrong without being an error of a call: replies that came too late, twice or unasked, frames that make no sense,
    messages of a bridge that is no more, events nobody listens to, and how often the bridge was restarted."""

    late: int
    duplicate: int
    unknown: int
    malformed: int
    stale: int
    unrouted: int
    restarts: int


class ClientSession:
    """One client of one bridge."""

    def __init__(
        self, endpoint: str, hello: Hello, *, new_id: Callable[[], str], random_fraction: Callable[[], float] = random.random
    ) -> None:
        """`endpoint` is that of the bridge's requests; `hello` says who the client is; `new_id` makes ids that never repeat."""
        self.endpoint = endpoint
        self.epoch: int | None = None
        self.clock = BridgeClock()
        self.welcome: Welcome | None = None
        self.subscriptions = Subscriptions(hello.client_id, self._ask)
        self._listeners = self.subscriptions.listeners
        self._direct = self.subscriptions.direct
        self._request = hello
        self._random = random_fraction
        self._now = 0.0
        self._retired: set[int] = set()
        self._exchange = Exchange(endpoint, hello.client_id, new_id)
        self._hello: Call[Welcome] | None = None
        self._hello_attempts = 0
        self._hello_retry_s: float | None = None
        self._probe_s = 0.0
        self._welcomed: int | None = None
        self._malformed = self._stale = self._restarts = 0

    # ---- requests ----------------------------------------------------------------------------------------------------------------

    def start(self, now: float, timeout_s: float) -> Call[Welcome]:
        """Say hello. The call's outcome says whether there is a bridge."""
        self._set_now(now)
        return self._say_hello(timeout_s)

    def call(
        self,
        request: Request[R],
        now: float,
        timeout_s: float,
        *,
        request_id: str | None = None,
        on_done: Callable[[Call[R]], None] | None = None,
        views: bool = False,
        valid_for_s: float | None = None,
    ) -> Call[R]:
        """Queue a request. `request_id` repeats an order's identity; with `views` the records of a history stay in their frame.
        Raises `InvalidParameters` for a request that cannot travel."""
        self._set_now(now)
        latest_s = timeout_s * DEADLINE_SHARE
        deadline_msc = self.clock.bridge_msc(now + (latest_s if valid_for_s is None else min(valid_for_s, latest_s)))
        return self._exchange.call(request, now, timeout_s, deadline_msc, request_id, on_done, views=views)

    def forget(self, call: Call[Any]) -> None:
        """Nobody wants the answer of a call any more."""
        self._exchange.forget(call)

    def goodbye(self, now: float, timeout_s: float) -> Call[None]:
        """Take leave."""
        return self.call(Goodbye(), now, timeout_s)

    def next_outgoing(self) -> Call[Any] | None:
        """The next call whose frame is to be sent, if any."""
        return self._exchange.next_outgoing()

    def sent(self, call: Call[Any], now: float) -> None:
        """The socket took the frame of the call that `next_outgoing` gave."""
        self._exchange.sent(call, now)

    def receive_reply(self, frame: bytes | memoryview, now: float) -> None:
        """A frame from the request socket."""
        self._set_now(now)
        try:
            reply = decode_reply(frame)
        except BridgeError as error:
            self._exchange.malformed += 1
            if isinstance(error, WrongProtocol) and not self._exchange.refused(error) and self._hello is not None:
                self._exchange.end(self._hello, error)
            return
        call = self._exchange.answered(reply.id)
        if call is None:
            return
        if self._is_present(reply.epoch):
            self.subscriptions.time_us = reply.time_msc * 1_000
            if call.sent_s is not None:
                self.clock.observe(call.sent_s, now, reply.time_msc)
        self._exchange.settle(call, reply)

    def _ask(self, request: Request[Any], timeout_s: float, on_done: Callable[[Call[Any]], None]) -> str:
        return self.call(request, self._now, timeout_s, on_done=on_done).id

    # ---- hello, epochs -----------------------------------------------------------------------------------------------------------

    def _say_hello(self, timeout_s: float) -> Call[Welcome]:
        self._hello_retry_s = None
        deadline_msc = self.clock.bridge_msc(self._now + timeout_s * DEADLINE_SHARE)
        self._hello = self._exchange.call(self._request, self._now, timeout_s, deadline_msc, None, self._on_welcome, first=True)
        return self._hello

    def _on_welcome(self, call: Call[Welcome]) -> None:
        if call is not self._hello:
            return
        self._hello = None
        if call.error is None:
            self._hello_attempts = 0
            self.welcome = call.result()
            self._probe_s = self._now + PROBE_S
            if self._welcomed != self.epoch:  # of a bridge that is new to us, this is the first sign of life
                self._welcomed = self.epoch
                self.subscriptions.heartbeat_us = self.subscriptions.time_us
                self.subscriptions.heartbeat_at_s = self._now
            self.subscriptions.connection = self.welcome.connection
            self.subscriptions.connect(events_endpoint(self.endpoint, self.welcome.events))
        elif self.welcome is not None:  # it knew us before: it went away, and may come back
            wait_s = HELLO_RETRY_S[min(self._hello_attempts, len(HELLO_RETRY_S) - 1)]
            self._hello_retry_s = self._now + wait_s * (0.5 + self._random() / 2)
            self._hello_attempts += 1

    def _is_present(self, epoch: int) -> bool:
        """Whether a message is of the present bridge; a message of a new one begins its epoch, one of a former one is stale."""
        if epoch == self.epoch:
            return True
        if epoch in self._retired:
            self._stale += 1
            return False
        former, self.epoch = self.epoch, epoch
        if former is None:
            self.subscriptions.epoch = epoch
            return True
        self._retired.add(former)
        self._restarts += 1
        self.clock.forget()
        if self._hello is None or self._hello.sent_s is not None:
            self._say_hello(HELLO_TIMEOUT_S)
        self._exchange.repeat_orders()
        self.subscriptions.restart(epoch)
        return True

    # ---- events ------------------------------------------------------------------------------------------------------------------

    def receive_event(self, frame: bytes, now: float) -> None:
        """A frame from the event socket."""
        end = frame.find(0)
        cursor = self._direct.get(frame[:end])
        if cursor is not None and cursor.receive_next(frame, end + 1, self.epoch):
            self._now = self.subscriptions.now = now
            return
        try:
            event = decode_event(frame)
        except BridgeError:
            self._malformed += 1
            return
        self._now = self.subscriptions.now = now
        if event[1] == self.epoch or self._is_present(event.epoch):
            for listener in self._listeners.get(event[0]) or self.subscriptions.unheard(event.topic):
                listener.receive(event)
            self.subscriptions.shorten(event.topic)

    def subscribe(
        self, topics: Iterable[str], now: float, timeout_s: float, *, queue_limit: int = QUEUE_LIMIT, after: After | None = None
    ) -> Join:
        """Begin to subscribe; a trailing `*` makes a prefix of a topic. Raises `InvalidParameters` for a topic that cannot be
        one."""
        self._set_now(now)
        return self.subscriptions.subscribe(topics, timeout_s, queue_limit, after)

    def unsubscribe(self, feed: Feed) -> None:
        """End a subscription; what is in its queue stays there."""
        self.subscriptions.unsubscribe(feed)

    def take_actions(self) -> list[Action]:
        """What to do with the event socket now, in order."""
        return self.subscriptions.take_actions() if self.subscriptions.has_actions else []

    @property
    def connection(self) -> ConnectionState | None:
        """Where the bridge's session with the terminal stands, as far as it is known here."""
        return self.subscriptions.connection

    @property
    def server_clock(self) -> ClockOffset:
        """The offset of the trade server's clock, as far as it is known here."""
        return ClockOffset() if self.connection is None else self.connection.clock

    def heartbeat_age_s(self, now: float) -> float | None:
        """Seconds since the bridge made the newest heartbeat that arrived (or its first welcome); None before that."""
        present_msc = self.clock.bridge_msc(now)
        if present_msc is None or not self.subscriptions.heartbeat_us:
            return None
        return max(0.0, present_msc / 1e3 - self.subscriptions.heartbeat_us / 1e6)

    def is_silent(self, now: float) -> bool:
        """Whether the bridge has published no sign of life for three heartbeats."""
        age_s = self.heartbeat_age_s(now)
        return age_s is None or self.welcome is None or age_s > SILENT_HEARTBEATS * self.welcome.heartbeat_ms / 1e3

    def link_status(self, now: float) -> LinkStatus:
        """The event stream as this client sees it. Heartbeats come with the other events: the newest is not much older than the
        newest event of all."""
        age_s = self.heartbeat_age_s(now)
        subscriptions = self.subscriptions
        missing = sum(feed.counters.missing for feed in subscriptions.feeds)
        detail = f"{len(subscriptions.feeds)} subscriptions, {missing} events missing"
        if not subscriptions.events_up:
            detail = "the event connection is not established"
        up = subscriptions.events_up and not self.is_silent(now)
        return LinkStatus("client", up, None if age_s is None else round(age_s * 1e3), detail)

    @property
    def counters(self) -> Counters:
        """What went wrong without being an error of a call."""
        exchange, subscriptions = self._exchange, self.subscriptions
        return Counters(
            late=exchange.late,
            duplicate=exchange.duplicate,
            unknown=exchange.unknown,
            malformed=self._malformed + exchange.malformed + subscriptions.malformed,
            stale=self._stale,
            unrouted=subscriptions.unrouted,
            restarts=self._restarts,
        )

    # ---- time --------------------------------------------------------------------------------------------------------------------

    def _set_now(self, now: float) -> None:
        self._now = self.subscriptions.now = now

    def next_deadline(self) -> float | None:
        """When `on_time` has something to do, if nothing is received before."""
        times = (self._exchange.next_deadline(), self.subscriptions.next_deadline(), self._hello_retry_s, self._silence_s())
        return min((at_s for at_s in times if at_s is not None), default=None)

    def on_time(self, now: float) -> None:
        """Do what is due at `now`."""
        self._set_now(now)
        self._exchange.on_time(now)
        self.subscriptions.on_time()
        silence_s = self._silence_s()
        if (silence_s is not None and silence_s <= now) or (self._hello_retry_s is not None and self._hello_retry_s <= now):
            self._say_hello(HELLO_TIMEOUT_S)

    def _silence_s(self) -> float | None:
        """When a silent bridge is to be greeted: it may have been started anew, with its events elsewhere."""
        if self.welcome is None or self._hello is not None or self._hello_retry_s is not None:
            return None
        return max(self._probe_s, self.subscriptions.heartbeat_at_s + SILENT_HEARTBEATS * self.welcome.heartbeat_ms / 1e3)
