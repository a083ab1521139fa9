"""The blocking client in virtual time: the same client, session and subscriptions, with a fake link where the sockets are."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar, cast

from bridge.messages import Hello, Request
from clients.abandoned import Abandoned
from clients.blocking import Client
from clients.calls import Call
from clients.driver import Driver
from clients.session import ClientSession
from clients.streams import After, Feed
from tests.fake_link import FakeLink
from tests.scripted_bridge import ScriptedBridge
from tests.virtual_time import VirtualTime

R = TypeVar("R")


class VirtualDriver:
    """What `clients.driver.Driver` is, in virtual time."""

    def __init__(self, time: VirtualTime, bridge: ScriptedBridge) -> None:
        ids = count(1)
        self.time = time
        self.state, self.abandoned = "open", Abandoned()
        self.session = ClientSession("tcp://127.0.0.1:5555", Hello("test", "me"), new_id=lambda: f"id{next(ids)}")
        self.link = FakeLink(time, self.session, bridge)
        hello = self.session.start(time.now, 10.0)
        self.link.work()
        time.run_while(lambda: not hello.done)
        hello.result()

    def call(self, request: Request[R], timeout_s: float, request_id: str | None, valid_for_s: float | None = None) -> R:
        """Send a request and let time pass until it is done."""
        return self.wait(self.begin(request, timeout_s, request_id, valid_for_s))

    def begin(self, request: Request[R], timeout_s: float, request_id: str | None, valid_for_s: float | None = None) -> Call[R]:
        """Send a request."""
        call = self.session.call(request, self.time.now, timeout_s, request_id=request_id, valid_for_s=valid_for_s)
        self.link.work()
        return call

    def wait(self, call: Call[R]) -> R:
        """Let time pass until it is done."""
        self.time.run_while(lambda: not call.done)
        return call.result()

    def forget(self, call: Call[Any]) -> None:
        """Nobody wants its answer any more."""
        self.abandoned.note(call)
        self.session.forget(call)

    def subscribe(self, topics: tuple[str, ...], timeout_s: float, queue_limit: int, after: After | None = None) -> Feed:
        """Subscribe and let time pass until it is in force."""
        join = self.session.subscribe(topics, self.time.now, timeout_s, queue_limit=queue_limit, after=after)
        self.link.work()
        self.time.run_while(lambda: not join.done)
        if join.error is not None:
            raise join.error
        return join.feed

    def unsubscribe(self, feed: Feed) -> None:
        """End a subscription."""
        self.session.unsubscribe(feed)
        self.link.work()

    def turn(self, timeout_s: float) -> None:
        """Let time pass until something happens."""
        self.time.step(self.time.now + min(timeout_s, 0.2))

    def close(self) -> None:
        """End."""


class VirtualClient(Client):
    """A client whose time is virtual, also in `Subscription.get`."""

    def __init__(self, time: VirtualTime, bridge: ScriptedBridge, patch: Callable[[str, Any], None]) -> None:
        """`patch(name, value)` puts the virtual clock where the client's modules look at the real one."""
        patch("clients.subscription.time.monotonic", time)
        self.endpoint, self.name, self.timeout_s = "tcp://127.0.0.1:5555", "test", 10.0
        self.virtual = VirtualDriver(time, bridge)
        self._driver = cast(Driver, self.virtual)
