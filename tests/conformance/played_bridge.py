"""The bridge that a client is tested against: raw sockets, nothing of the project's own code. What it says, a scenario decides."""

from __future__ import annotations

import struct
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from typing import Any

import msgpack
import zmq

ANYWHERE = "tcp://127.0.0.1:*"
PERIOD_MS = 200
AHEAD_MS = 3_600_000
"""The bridge's clock is an hour ahead: a client that makes deadlines with its own clock is found out."""
AT_ONCE = frozenset({"hello", "goodbye", "ping", "status", "connection_history", "reconnect", "halt", "resume", "limits", "replay"})
CONNECTED = {
    "state": "connected", "cause": "attached", "since_msc": 1_700_000_000_000, "login": 1, "server": "S", "generation": 1,
    "trading": True, "at_msc": 1_700_000_000_000, "reason": "attached", "conditions": [],
}  # fmt: skip
TICK, BAR = struct.Struct("<qdddQqId"), struct.Struct("<qddddQiQ")


class Broken(Exception):
    """The client sent something that no client may send."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came."""

    peer: bytes
    id: str
    method: str
    params: dict[str, Any]
    deadline_msc: int | None


class PlayedBridge:
    """One bridge, to be given a turn again and again. Requests that it does not answer by itself are in `held`."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.requests, self.events = self._context.socket(zmq.ROUTER), self._context.socket(zmq.XPUB)
        self.requests.bind(ANYWHERE)
        self.events.bind(ANYWHERE)
        self.events_endpoint = self.events.get_string(zmq.LAST_ENDPOINT)
        self.epoch = time.time_ns() // 1_000_000
        self.answering = {"hello", "goodbye", "ping", "snapshot", "replay"}
        self.proving = self.beating = True
        self.held: list[Asked] = []
        self.seen: list[Asked] = []
        self.subscribed: set[bytes] = set()
        self.told_subscriptions: list[bytes] = []
        self.client_id = ""
        self.sequences: Counter[str] = Counter()
        self.beats: dict[str, int] = {}
        self.bodies: dict[tuple[str, int, int], Any] = {}
        self.kept: defaultdict[str, deque[tuple[int, bytes]]] = defaultdict(deque)
        self._orders: dict[str, Any] = {}
        self._beat_s = 0.0

    @property
    def endpoint(self) -> str:
        """Of its requests."""
        return self.requests.get_string(zmq.LAST_ENDPOINT)

    def close(self) -> None:
        """End it."""
        self._context.destroy(0)

    @staticmethod
    def time_msc() -> int:
        """Its clock."""
        return time.time_ns() // 1_000_000 + AHEAD_MS

    def turn(self, wait_s: float) -> None:
        """Receive what comes within a time, answer it, and beat. Raises `Broken`."""
        poller = zmq.Poller()
        poller.register(self.requests, zmq.POLLIN)
        poller.register(self.events, zmq.POLLIN)
        for socket, _ in poller.poll(max(1, int(wait_s * 1e3))):
            while socket.poll(0):
                if socket is self.requests:
                    self.take(socket.recv_multipart())
                else:
                    self._subscription(socket.recv())
        if self.beating and time.monotonic() > self._beat_s + PERIOD_MS / 1e3:
            self.beat({})

    # ---- requests ------------------------------------------------------------------------------------------------------------

    def take(self, frames: list[bytes]) -> None:
        """A request, behind who it is from. Raises `Broken`."""
        peer, *rest = frames
        if len(rest) != 1:
            raise Broken(f"a request of {len(rest)} frames: {rest!r}"[:200])
        try:
            told = msgpack.unpackb(rest[0])
        except ValueError as error:
            raise Broken(f"a request that is not msgpack: {error}") from None
        if not isinstance(told, dict) or told.get("version") != 1 or not isinstance(told.get("params"), dict):
            raise Broken(f"not the envelope of a request: {told!r}"[:200])
        name = told.get("id")
        if not (isinstance(name, str) and 1 <= len(name) <= 64 and all(33 <= ord(letter) <= 126 for letter in name)):
            raise Broken(f"not an id: {name!r}")
        asked = Asked(peer, name, told["method"], told["params"], told.get("deadline_msc"))
        if asked.method == "hello":
            self._hello(asked)
        elif told.get("client") not in (None, self.client_id):
            raise Broken(f"the client is {told.get('client')!r}, and said hello as {self.client_id!r}")
        if asked.method == "order" and self._orders.setdefault(name, asked.params) != asked.params:
            raise Broken(f"the order {name} was sent with another content")
        self.seen.append(asked)
        if asked.method in self.answering:
            self.answer_by_itself(asked)
        else:
            self.held.append(asked)

    def _hello(self, asked: Asked) -> None:
        name = asked.params.get("client_id")
        if not isinstance(name, str) or not name or ":" in name:
            raise Broken(f"not a client_id: {name!r}")
        if self.client_id not in ("", name):
            raise Broken("the client_id is another than in the hello before")
        self.client_id = name

    def answer_by_itself(self, asked: Asked, **changed: Any) -> None:
        """The reply that follows from what was published."""
        params = asked.params
        result: Any = None
        if asked.method == "hello":
            result = {"software": "kit", "events": self.events_endpoint, "heartbeat_ms": PERIOD_MS, "connection": CONNECTED}
        elif asked.method == "ping":
            result = {"state": "connected", "session_age_ms": 0}
        elif asked.method == "snapshot":
            result = {"topics": [self._state(topic) for topic in params["topics"]]}
        elif asked.method == "replay":
            result = self._replay(params)
        elif asked.method == "account":
            result = ACCOUNT
        elif asked.method != "goodbye":
            raise Broken(f"nobody has said what is to be answered to {asked.method}")
        self.reply(asked, result=result, **changed)

    def reply(self, asked: Asked, result: Any = None, error: Any = None, **changed: Any) -> None:
        """A reply; `changed` are fields of its envelope."""
        message = {"version": 1, "id": asked.id, "epoch": self.epoch, "time_msc": self.time_msc(), "result": result, "error": error}
        message |= changed
        self.requests.send_multipart([asked.peer, msgpack.packb({name: value for name, value in message.items() if value != "-"})])

    def _state(self, topic: str) -> dict[str, Any]:
        sequence = self.sequences[topic]
        body: Any = {"positions": [], "orders": []} if topic == "trade" else None
        if topic.startswith(("tick:", "bar:", "forming:")) and sequence:
            body = self.bodies[topic, self.epoch, sequence]
        return {"topic": topic, "sequence": sequence, "pending": False, "flags": 0, "body": body, "rows": b""}

    def _replay(self, params: dict[str, Any]) -> dict[str, Any]:
        topic, first = params["topic"], params.get("from_sequence", 1)
        newest = self.sequences[topic]
        last = min(params.get("to_sequence") or newest, newest)
        kept = [(number, frame) for number, frame in self.kept[topic] if first <= number <= last]
        begins = kept[0][0] if kept else last + 1
        return {
            "topic": topic, "first": begins, "missing": max(0, begins - first), "newest": newest,
            "events": [frame for _, frame in kept],
        }  # fmt: skip

    # ---- events --------------------------------------------------------------------------------------------------------------

    def _subscription(self, frame: bytes) -> None:
        if not frame or frame[0] not in (0, 1):
            raise Broken(f"not a subscription: {frame!r}")
        begins, topic = frame[0] == 1, frame[1:]
        self.told_subscriptions.append(frame)
        if begins:
            self.subscribed.add(topic)
        else:
            self.subscribed.discard(topic)
        if begins and self.proving and topic.startswith(b"client:") and topic.endswith(b"\0"):
            self.publish(topic[:-1].decode(), {"topics": len(self.subscribed)})

    def body(self, topic: str, number: int) -> Any:
        """What is in an event of a topic if nobody says it."""
        family = topic.partition(":")[0]
        price = 1.1 + number * 1e-4
        if family == "tick":
            return TICK.pack(1_700_000_000 + number, price, price + 1e-4, 0.0, 0, (1_700_000_000 + number) * 1_000, 6, 0.0)
        if family in ("bar", "forming"):
            return BAR.pack(1_700_000_000 + 60 * number, price, price, price, price, 1, 0, 0)
        if family == "log":
            return {"level": "warning", "message": f"note {number}", "topic": None}
        if family == "trade":
            return {"kind": "deal", "client": "", "request_id": f"event {number}", "reason": ""}
        if family == "connection":
            return {**CONNECTED, "generation": number}
        return {"number": number}

    def publish(self, topic: str, body: Any = None, *, flags: int = 0, how: str = "") -> None:
        """The next event of a topic. `how`: `lost` is not sent, `gone` is not even kept, another is how it is spoiled."""
        self.sequences[topic] += 1
        number = self.sequences[topic]
        content = self.body(topic, number) if body is None else body
        self.bodies[topic, self.epoch, number] = content
        frame = self.frame(topic, number, content, flags)
        if how != "gone":
            self.kept[topic].append((number, frame))
        if how not in ("lost", "gone"):
            self.events.send(spoiled(frame, how))

    def frame(self, topic: str, number: int, body: Any, flags: int = 0, epoch: int | None = None) -> bytes:
        """An event."""
        values = [1, self.epoch if epoch is None else epoch, number, self.time_msc() * 1_000, flags, body]
        return topic.encode() + b"\0" + bytes(msgpack.packb(values))

    def kept_frame(self, topic: str, number: int) -> bytes:
        """An event that was published, as it was."""
        return next(frame for kept, frame in self.kept[topic] if kept == number)

    def beat(self, more: dict[str, int]) -> None:
        """A heartbeat; `more` are sequences that it tells besides those that are true."""
        self._beat_s = time.monotonic()
        told = {topic: number for topic, number in self.sequences.items() if not topic.startswith(("heartbeat", "client:"))}
        body = {"period_ms": PERIOD_MS, "state": "connected", "session_age_ms": 0, "sequences": {**told, **more}}
        self.publish("heartbeat", body)

    # ---- what becomes of it --------------------------------------------------------------------------------------------------

    def restart(self) -> None:
        """Another epoch: nothing that was published is known any more. What was asked stays without an answer."""
        self.epoch += 1_000
        self.sequences.clear()
        self.kept.clear()
        self.held.clear()

    def cut(self, *, moved: bool = False) -> None:
        """The connections for events break; they are taken again at the same place, or another."""
        self.events.close(0)
        self.subscribed.clear()
        self.events = self._context.socket(zmq.XPUB)
        until_s = time.monotonic() + 5.0
        while True:
            try:
                self.events.bind(ANYWHERE if moved else self.events_endpoint)
            except zmq.ZMQError:
                if time.monotonic() > until_s:
                    raise
                time.sleep(0.01)
            else:
                break
        self.events_endpoint = self.events.get_string(zmq.LAST_ENDPOINT)


def spoiled(frame: bytes, how: str) -> bytes:
    """An event as it must not be."""
    topic, _, packed = frame.partition(b"\0")
    values = msgpack.unpackb(packed)
    version, epoch, sequence, time_us, flags, body = values
    ways: dict[str, bytes] = {
        "": frame,
        "no_nul": topic + packed,
        "truncated": frame[:-3],
        "trailing": frame + b"\xc0",
        "text": topic + b"\0" + msgpack.packb("text"),
        "other_version": topic + b"\0" + msgpack.packb([version + 1, *values[1:]]),
        "too_short": topic + b"\0" + msgpack.packb(values[:5]),
        "number_as_text": topic + b"\0" + msgpack.packb([version, epoch, str(sequence), time_us, flags, body]),
        "broken_records": topic + b"\0" + msgpack.packb([version, epoch, sequence, time_us, flags, b"\0" * 59]),
        "body_of_another_type": topic + b"\0" + msgpack.packb([version, epoch, sequence, time_us, flags, 7]),
        "no_msgpack": topic + b"\0" + b"\xc1" * 8,
        "more_elements": topic + b"\0" + msgpack.packb([*values, "from a later release", {}]),
        "more_flags": topic + b"\0" + msgpack.packb([version, epoch, sequence, time_us, flags | 1 << 20, body]),
    }
    return ways[how]


ACCOUNT = {
    "login": 1, "trade_mode": 0, "leverage": 100, "limit_orders": 0, "margin_so_mode": 0, "trade_allowed": True,
    "trade_expert": True, "margin_mode": 2, "currency_digits": 2, "fifo_close": False, "balance": 1000.5, "credit": 0,
    "profit": 0.0, "equity": 1000.5, "margin": 0.0, "margin_free": 1000.5, "margin_level": 0.0, "margin_so_call": 50.0,
    "margin_so_so": 30.0, "margin_initial": 0.0, "margin_maintenance": 0.0, "assets": 0.0, "liabilities": 0.0,
    "commission_blocked": 0.0, "name": "kit", "server": "S", "currency": "USD", "company": "kit",
}  # fmt: skip
