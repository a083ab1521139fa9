"""A bridge of a few lines, whose answers a test writes itself."""

from __future__ import annotations

import struct
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from msgspec import Raw

from bridge import codec
from bridge.errors import BridgeError, UnknownMethod
from bridge.messages import GetRates, GetReplay, GetSnapshot, GetTicks, Request
from bridge.parts import Parts
from bridge.replies import ConnectionState, Heartbeat, Pong, Records, Replayed, Snapshots, Subscribed, TopicSnapshot, Welcome
from bridge.ring import cut
from bridge.ticks import BAR_STRUCT, TICK_STRUCT
from clients.sockets import DEFAULT_ENDPOINT

CONNECTED = ConnectionState("connected", "attached", 0, login=1, server="S", generation=1)
START_MSC = 1_700_000_000_000
Answer = Callable[[Any], Any]


def tick_record(time_msc: int, bid: float = 1.1) -> bytes:
    """One tick."""
    return TICK_STRUCT.pack(time_msc // 1000, bid, bid + 0.0001, 0.0, 0, time_msc, 6, 0.0)


def bar_record(time_s: int, close: float = 1.1) -> bytes:
    """One bar."""
    return BAR_STRUCT.pack(time_s, close, close, close, close, 1, 0, 0)


def snapshot_of(topic: str, sequence: int, body: Any, *, pending: bool = False, flags: int = 0, rows: bytes = b"") -> TopicSnapshot:
    """What a bridge tells of a topic; `body` is bytes for records, else plain msgpack types."""
    return TopicSnapshot(topic, sequence, pending, flags, Raw(codec.pack(body)), rows)


class ScriptedBridge:
    """`answers` gives for each method a function from the request to its result (or an error to raise); None as an answer is
    silence. Without `replays` it does not know what it published, as a bridge of an early release."""

    def __init__(
        self, epoch: int = 1, start_s: float = 1_000.0, heartbeat_s: float | None = None, *, replays: bool = False
    ) -> None:
        self.epoch = epoch
        self.replies: list[tuple[bytes, bytes]] = []
        self.events: list[bytes] = []
        self.seen: list[tuple[str, Request[Any], int | None]] = []
        self.sequences: Counter[str] = Counter()
        self.newest: dict[str, Any] = {}
        self.kept: dict[str, deque[bytes]] = {}
        self.subscriptions: list[bytes] = []
        self.connection = CONNECTED
        self.events_endpoint = "tcp://127.0.0.1:5556"
        self.proving = True
        self.answers: dict[str, Answer] = {
            "hello": lambda request: Welcome("test", self.events_endpoint, self._period_ms(), self.connection),
            "goodbye": lambda request: Nil,
            "ping": lambda request: Pong(self.connection.state, 0),
            "snapshot": self._snapshot,
        }
        if replays:
            self.answers["replay"] = self._replay
        self._start_s = start_s
        self.start_msc = START_MSC
        self.parts: Parts[None] = Parts()
        self.heartbeat_s = heartbeat_s
        self._beat_s = start_s
        self.now = start_s

    def time_msc(self) -> int:
        """The bridge's clock."""
        return self.start_msc + int((self.now - self._start_s) * 1e3)

    def _period_ms(self) -> int:
        return round((self.heartbeat_s or 1_000_000.0) * 1_000)

    def methods(self) -> list[str]:
        """Methods of the requests that came, in order."""
        return [method for method, _, _ in self.seen]

    def receive_request(self, identity: bytes, frame: bytes, now: float) -> None:
        """A request."""
        self.now = now
        message = codec.decode_request(frame)
        request = codec.decode_params(message.method, message.params)
        self.seen.append((message.method, request, message.deadline_msc))
        answer = self.answers.get(message.method)
        try:
            if answer is None:
                raise UnknownMethod(message.method)
            if isinstance(request, GetRates | GetTicks):
                result = self._part((identity, message.id), request, answer)
            else:
                result = answer(request)
        except BridgeError as error:
            self.replies.append((identity, codec.encode_failure(message.id, self.epoch, self.time_msc(), error)))
        else:
            if result is not None:
                packed = codec.pack(None if result is Nil else result)
                self.replies.append((identity, codec.encode_reply(message.id, self.epoch, self.time_msc(), packed)))

    def _part(self, place: tuple[bytes, str], request: GetRates | GetTicks, answer: Answer) -> Any:
        """Bars or ticks, also those behind an earlier answer."""
        self.parts.begun(place, request)
        found = self.parts.resolve(place, request, None)
        assert found is not None, "requests are answered in order"
        result = Records(0, b"") if isinstance(found, bytes) else answer(found)
        if result is not None:
            self.parts.answered(place, codec.pack(result))
        return result

    def _snapshot(self, request: GetSnapshot) -> Snapshots:
        return Snapshots(tuple(snapshot_of(topic, self.sequences[topic], self.newest.get(topic)) for topic in request.topics))

    def _replay(self, request: GetReplay) -> Replayed:
        """What is in `kept`, from which a test may take the oldest."""
        newest = self.sequences[request.topic]
        last = min(request.to_sequence or newest, newest)
        first, events = cut(self.kept.get(request.topic, deque()), newest, request.from_sequence, last)
        return Replayed(request.topic, first, max(0, min(first, last + 1) - request.from_sequence), newest, events)

    def receive_subscription(self, frame: bytes, now: float) -> None:
        """A subscription; the client's own topics are answered."""
        self.now = now
        if frame[0] == 1:
            self.subscriptions.append(frame[1:])
            if frame[1:].startswith(b"client:") and self.proving:
                self.publish(frame[1:-1].decode(), Subscribed(len(self.subscriptions)))

    def publish(self, topic: str, body: Any, *, flags: int = 0) -> bytes:
        """One more event."""
        self.sequences[topic] += 1
        plain = body if isinstance(body, bytes) else codec.plain_body(body)
        if topic != "trade":  # what happened is not what is open
            self.newest[topic] = plain
        frame = codec.encode_event(topic.encode() + b"\0", self.epoch, self.sequences[topic], self.time_msc() * 1_000, flags, plain)
        self.events.append(frame)
        self.kept.setdefault(topic, deque()).append(frame)
        return frame

    def beat(self) -> None:
        """A heartbeat."""
        sequences = {topic: number for topic, number in self.sequences.items() if not topic.startswith(("client:", "heartbeat"))}
        self.publish("heartbeat", Heartbeat(self._period_ms(), self.connection.state, 0, sequences))

    def on_time(self, now: float) -> None:
        """Heartbeats, if there are any."""
        self.now = now
        if self.heartbeat_s is not None and now >= self._beat_s + self.heartbeat_s:
            self._beat_s = now
            self.beat()

    def next_deadline(self) -> float | None:
        """The next heartbeat."""
        return None if self.heartbeat_s is None else self._beat_s + self.heartbeat_s


class Nil:
    """The answer nil, which is not silence."""


assert struct.calcsize("<qdddQqId") == TICK_STRUCT.size
__all__ = ["CONNECTED", "DEFAULT_ENDPOINT", "START_MSC", "Nil", "ScriptedBridge", "bar_record", "snapshot_of", "tick_record"]
