"""Everything of the event socket that needs no socket: what this client is subscribed to, who gets which event, what was missed."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from bridge.codec import Event, decode_body
from bridge.errors import MalformedMessage
from bridge.messages import Request
from bridge.replies import ConnectionState, Heartbeat
from clients.calls import Call
from clients.cursor import Cursor
from clients.join import Join
from clients.repairs import Repairs
from clients.staleness import Staleness
from clients.streams import After, Feed
from clients.topics import check_number, split_topics

REJOIN_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Action:
    """What to do with the event socket: connect it to an endpoint (and leave the former one), subscribe or unsubscribe a prefix."""

    kind: Literal["connect", "subscribe", "unsubscribe"]
    endpoint: str = ""
    prefix: bytes = b""


class Listener(Protocol):
    """Takes the events of one topic."""

    def receive(self, event: Event) -> None:
        """An event of the present epoch."""


class _Own:
    """A topic that is for the session itself."""

    __slots__ = ("receive",)

    def __init__(self, receive: Callable[[Event], None]) -> None:
        self.receive = receive


Ask = Callable[[Request[Any], float, Callable[[Call[Any]], None]], str]


class Subscriptions:
    """The subscriptions of one client. `now` and `epoch` are kept up to date by the session that owns them."""

    def __init__(self, client_id: str, ask: Ask) -> None:
        """`ask(request, timeout_s, on_done)` sends a request and gives its id."""
        self.now = 0.0
        self.epoch = 0
        self.time_us = 0
        self.events_up = False  # the event socket is connected, and the bridge has seen what it subscribes
        self.feeds: list[Feed] = []
        self.connection: ConnectionState | None = None
        self.heartbeat: Heartbeat | None = None
        self.heartbeat_us = 0
        self.heartbeat_at_s = 0.0
        self.malformed = 0
        self.unrouted = 0
        self.ask = ask
        self.repairs = Repairs(self)
        self._own_topic = f"client:{client_id}"
        self._actions: deque[Action] = deque()
        self._endpoint = ""
        self._wanted: Counter[bytes] = Counter()
        self.listeners: dict[str, list[Listener]] = {}
        self.direct: dict[bytes, Cursor] = {}
        """The only listener of a topic of ticks, by the topic's bytes: its events need not be looked at twice."""
        self._joins: list[Join] = []
        self._proofs: dict[int, Join] = {}
        self._numbers = 0

    # ---- the socket --------------------------------------------------------------------------------------------------------------

    def connect(self, endpoint: str) -> None:
        """The bridge said where its events are."""
        if endpoint == self._endpoint:
            return
        first = not self._endpoint
        self._endpoint = endpoint
        self.events_up = False
        self._actions.append(Action("connect", endpoint=endpoint))
        if first:
            for topic, receive in (
                ("heartbeat", self._on_heartbeat), ("connection", self._on_connection), (self._own_topic, self._on_events_up),
            ):  # fmt: skip
                self._listeners_of(topic).insert(0, _Own(receive))
                self._want(topic.encode() + b"\0")

    def take_actions(self) -> list[Action]:
        """What to do with the event socket now, in order."""
        actions = list(self._actions)
        self._actions.clear()
        return actions

    @property
    def has_actions(self) -> bool:
        """Whether `take_actions` has any."""
        return bool(self._actions)

    def _want(self, prefix: bytes) -> None:
        """Subscribe, unless something else of this client is subscribed to the same already."""
        self._wanted[prefix] += 1
        if self._wanted[prefix] == 1:
            self._actions.append(Action("subscribe", prefix=prefix))

    def _unwant(self, prefix: bytes) -> None:
        """Unsubscribe, unless something else of this client still needs it."""
        self._wanted[prefix] -= 1
        if not self._wanted[prefix]:
            del self._wanted[prefix]
            self._actions.append(Action("unsubscribe", prefix=prefix))

    # ---- events ------------------------------------------------------------------------------------------------------------------

    def unheard(self, topic: str) -> list[Listener]:
        """The listeners of a topic that had none: a proof, the first event of a topic that a prefix matches, or one that came too
        late."""
        number = topic.removeprefix(f"{self._own_topic}:")
        if number != topic:
            join = self._proofs.get(int(number)) if number.isdecimal() else None
            if join is not None:
                join.on_proof()
            return []
        if any(topic.startswith(prefix) for feed in self.feeds for prefix in feed.prefixes):
            return self._listeners_of(topic)
        self.unrouted += 1
        return []

    def shorten(self, topic: str) -> None:
        """From now on the events of a topic of ticks go to its cursor directly, if it is the only one who listens."""
        listeners = self.listeners.get(topic)
        if listeners is not None and len(listeners) == 1 and isinstance(listeners[0], Cursor) and listeners[0].symbol is not None:
            self.direct[topic.encode()] = listeners[0]

    def _listeners_of(self, topic: str) -> list[Listener]:
        """The listeners of a topic; when it is new, those whose prefix matches it. Who asks may change them."""
        self.direct.clear()
        if topic not in self.listeners:
            matching = (feed for feed in self.feeds if any(topic.startswith(prefix) for prefix in feed.prefixes))
            self.listeners[topic] = [feed.cursors.get(topic) or feed.join_prefix(topic) for feed in matching]
        return self.listeners[topic]

    def _on_events_up(self, _event: Event) -> None:
        self.events_up = True
        for join in list(self._joins):
            join.on_events_up()

    def _on_connection(self, event: Event) -> None:
        body = self._body(event)
        if isinstance(body, ConnectionState):
            self.connection = body
            if body.state in ("connected", "degraded"):
                self.repairs.session_is_there()

    def _on_heartbeat(self, event: Event) -> None:
        body = self._body(event)
        if not isinstance(body, Heartbeat):
            return
        self.heartbeat = body
        self.heartbeat_us = event.time_us
        self.heartbeat_at_s = self.now
        for feed in self.feeds:
            feed.beat()
            for topic, cursor in feed.cursors.items():
                newest = body.sequences.get(topic)
                if newest is not None:
                    cursor.heartbeat(newest)
                if cursor.symbol is not None and feed.staleness is not None:
                    feed.staleness.beat(cursor, event.time_us)

    def _body(self, event: Event) -> Any:
        try:
            return decode_body(event)
        except MalformedMessage:
            self.malformed += 1
            return None

    # ---- subscriptions -----------------------------------------------------------------------------------------------------------

    def subscribe(self, topics: Iterable[str], timeout_s: float, queue_limit: int, after: After | None = None) -> Join:
        """Begin to subscribe. Raises `InvalidParameters` for a topic that cannot be one, and for too many; then nothing is."""
        exact, prefixes = split_topics(topics)
        check_number(len(exact) + len(prefixes), sum(len(feed.exact) + len(feed.prefixes) for feed in self.feeds))
        feed = Feed(exact, prefixes, queue_limit, self.repairs.begin)
        feed.resume(after or {})
        feed.staleness = Staleness(self)
        self.direct.clear()
        for topic, cursor in feed.cursors.items():
            self._listeners_of(topic).append(cursor)
            self._want(topic.encode() + b"\0")
        self.feeds.append(feed)
        for prefix in prefixes:
            self._want(prefix.encode())
            for topic, listeners in self.listeners.items():
                if topic.startswith(prefix) and topic not in feed.cursors and topic != self._own_topic:
                    listeners.append(feed.join_prefix(topic))
        return self._join(feed, self.now + timeout_s, timeout_s)

    def unsubscribe(self, feed: Feed) -> None:
        """End a subscription; what is in its queue stays there."""
        if feed.closed:
            return
        feed.closed = True
        self.direct.clear()
        self.feeds.remove(feed)
        self.repairs.forget(feed)
        for join in [join for join in self._joins if join.feed is feed]:
            join.cancel()
        for topic, cursor in feed.cursors.items():
            listeners = self.listeners[topic]
            listeners.remove(cursor)
            if not listeners:
                del self.listeners[topic]
            if topic in feed.exact:
                self._unwant(topic.encode() + b"\0")
        for prefix in feed.prefixes:
            self._unwant(prefix.encode())

    def _join(self, feed: Feed, deadline_s: float | None, timeout_s: float) -> Join:
        join = Join(self, feed, deadline_s=deadline_s, timeout_s=timeout_s, endpoint=self._endpoint)
        self._joins.append(join)
        join.begin()
        return join

    def restart(self, epoch: int) -> None:
        """The bridge started anew: every subscription begins again."""
        self.epoch = epoch
        self.events_up = False
        self.repairs.forget()
        for feed in self.feeds:
            feed.interrupt(epoch)
        joining = [join.feed for join in self._joins]
        for join in self._joins:
            join.begin()
        for feed in self.feeds:
            if feed not in joining:
                self._join(feed, None, REJOIN_TIMEOUT_S)

    def joined(self, join: Join) -> None:
        """A join is over; a subscription that could not begin is taken back."""
        self._joins.remove(join)
        if join.error is not None:
            self.unsubscribe(join.feed)

    def ask_proof(self, join: Join) -> int:
        """Subscribe a topic that the bridge answers as soon as it has seen it."""
        self._numbers += 1
        self._proofs[self._numbers] = join
        self._want(self._proof_prefix(self._numbers))
        return self._numbers

    def drop_proof(self, number: int) -> None:
        """The proof came, or is not waited for any more."""
        del self._proofs[number]
        self._unwant(self._proof_prefix(number))

    def _proof_prefix(self, number: int) -> bytes:
        return f"{self._own_topic}:{number}\0".encode()

    # ---- time --------------------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `on_time` has something to do."""
        times = [at_s for join in self._joins if (at_s := join.next_s()) is not None]
        repair_s = self.repairs.next_deadline()
        return min(times if repair_s is None else (*times, repair_s), default=None)

    def on_time(self) -> None:
        """Do what is due now."""
        for join in list(self._joins):
            join.on_time(self.now)
        self.repairs.on_time()
