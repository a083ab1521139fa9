"""Joins a client session with something that answers frames, in virtual time: what ZeroMQ does between them, and what networks do
to it.

Each direction has a fault: a function that is given a frame and says after which delays it arrives. None at all: it is dropped;
two: it is doubled; a longer one than the next frame's: they are reordered. `cut` takes the connection away, `heal` brings it back
as ZeroMQ does: requests are refused meanwhile, and the subscriptions are sent again, in any order but that of their making.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from clients.session import ClientSession
from tests.virtual_time import VirtualTime

Fault = Callable[[bytes], Sequence[float]]
DELAY_S = 0.001
IDENTITY = b"\0\1\2\3\4"


def after(delay_s: float = DELAY_S) -> Fault:
    """No fault: every frame arrives, `delay_s` later."""
    return lambda frame: (delay_s,)


def lost(frame: bytes) -> Sequence[float]:
    """Every frame is dropped."""
    return ()


def doubled(frame: bytes) -> Sequence[float]:
    """Every frame arrives twice."""
    return (DELAY_S, 2 * DELAY_S)


class Answering(Protocol):
    """The other side: what is given to it may add to its `replies` (identity, frame) and `events`."""

    replies: list[tuple[bytes, bytes]]
    events: list[bytes]

    def receive_request(self, identity: bytes, frame: bytes, now: float) -> None:
        """A request."""

    def receive_subscription(self, frame: bytes, now: float) -> None:
        """A subscription frame: 1 or 0, and the prefix."""

    def on_time(self, now: float) -> None:
        """Do what is due."""

    def next_deadline(self) -> float | None:
        """When something is due."""


class FakeLink:
    """The network between one session and one bridge."""

    def __init__(self, time: VirtualTime, session: ClientSession, bridge: Answering) -> None:
        self.time = time
        self.session = session
        self.bridge = bridge
        self.requests: Fault = after()
        self.replies: Fault = after()
        self.events: Fault = after()
        self.subscribing: Fault = after()
        self.up = True
        self.events_endpoint: str | None = None
        self.subscribed: dict[bytes, None] = {}
        self.sent: list[bytes] = []
        self._connection = 0

    def work(self) -> None:
        """Do what a driver does after anything has happened, for both sides."""
        now = self.time.now
        self.session.on_time(now)
        for action in self.session.take_actions():
            match action.kind:
                case "connect":
                    self.events_endpoint = action.endpoint
                case "subscribe":
                    self.subscribed[action.prefix] = None
                    self._send_subscription(b"\1" + action.prefix)
                case "unsubscribe":
                    del self.subscribed[action.prefix]
                    self._send_subscription(b"\0" + action.prefix)
        while self.up and (call := self.session.next_outgoing()) is not None:
            self.session.sent(call, now)
            self.sent.append(call.frame)
            self._carry(call.frame, self.requests, lambda frame: self.bridge.receive_request(IDENTITY, frame, self.time.now))
        self._flush_bridge()
        self._wake(self.session.next_deadline())
        self._wake(self.bridge.next_deadline())

    def _flush_bridge(self) -> None:
        replies, self.bridge.replies = self.bridge.replies, []
        events, self.bridge.events = self.bridge.events, []
        for _, reply in replies:
            self._carry(reply, self.replies, lambda frame: self.session.receive_reply(frame, self.time.now))
        for event in events:
            if any(event.startswith(prefix) for prefix in self.subscribed):
                self._carry(event, self.events, lambda frame: self.session.receive_event(frame, self.time.now))

    def _send_subscription(self, frame: bytes) -> None:
        self._carry(frame, self.subscribing, lambda frame: self.bridge.receive_subscription(frame, self.time.now))

    def _carry(self, frame: bytes, fault: Fault, deliver: Callable[[bytes], None]) -> None:
        if not self.up:
            return
        connection = self._connection

        def arrive() -> None:
            if connection == self._connection:
                deliver(frame)
                self.work()

        for delay_s in fault(frame):
            self.time.after(delay_s, arrive)

    def _wake(self, at_s: float | None) -> None:
        if at_s is not None:
            self.time.at(at_s, self._due)

    def _due(self) -> None:
        now = self.time.now
        due = [at_s for at_s in (self.session.next_deadline(), self.bridge.next_deadline()) if at_s is not None and at_s <= now]
        if due:
            self.bridge.on_time(now)
            self.work()

    def cut(self) -> None:
        """The connection is lost, with everything that is under way."""
        self.up = False
        self._connection += 1

    def heal(self, bridge: Answering | None = None) -> None:
        """It is there again, perhaps with another bridge behind it."""
        self.bridge = bridge or self.bridge
        self.up = True
        self._connection += 1
        for prefix in sorted(self.subscribed):
            self._send_subscription(b"\1" + prefix)
        self.work()
