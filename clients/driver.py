"""Drives a client session with real sockets and the real clock, for a program that waits. The only logic is when to stop
waiting."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar
from uuid import uuid4

import zmq

from bridge.errors import BridgeUnreachable, CallError, TimedOut
from bridge.messages import Hello, Request
from bridge.replies import Welcome
from clients.abandoned import Abandoned
from clients.calls import Call
from clients.lock import Lock
from clients.session import ClientSession
from clients.sockets import NOBLOCK, POLLIN, QUICK_MS, Sockets
from clients.streams import After, Feed

R = TypeVar("R")

__all__ = ["BURST", "BURST_BYTES", "GOODBYE_S", "Driver", "begin", "begun", "new_session", "result_of"]
BURST = 256
BURST_BYTES = 262_144
"""Events received in one step, and their size, so that a flood does not keep a request waiting."""
LONGEST_WAIT_S = 0.2
"""A longer wait could not be interrupted with Ctrl-C on Windows."""
GOODBYE_S = 0.3


def new_session(endpoint: str, name: str, host: str, client_id: str | None = None) -> ClientSession:
    """The session of a client of this process, whose ids never repeat."""
    hello = Hello(name, client_id=client_id or uuid4().hex, pid=os.getpid(), host=host)
    prefix, numbers = uuid4().hex, count(1)
    return ClientSession(endpoint, hello, new_id=lambda: f"{prefix}.{next(numbers)}")


def begun(call: Call[Welcome], sockets: Sockets) -> bool:
    """Whether it is known what becomes of a hello."""
    return call.done or sockets.refused


def begin(call: Call[Welcome], sockets: Sockets, timeout_s: float) -> None:
    """Begin after a hello. Raises why that is not possible."""
    if not call.done or isinstance(call.error, BridgeUnreachable | TimedOut):
        raise sockets.turned_away or sockets.peer.error(sockets.endpoint, timeout_s)
    call.result()
    if sockets.lock is None:
        sockets.peer.close()


def result_of(call: Call[R], sockets: Sockets) -> R:
    """The result of a call that is done. Raises its error; where the bridge lets nobody in with what this client has, that one."""
    if isinstance(call.error, BridgeUnreachable) and sockets.turned_away is not None:
        raise sockets.turned_away from call.error
    return call.result()


class Driver:
    """A session, its sockets, and the one thread of the one process that may use them."""

    def __init__(
        self,
        endpoint: str,
        name: str,
        host: str,
        timeout_s: float,
        on_turn: Callable[[], None] | None,
        client_id: str | None = None,
        lock: Lock | None = None,
    ) -> None:
        """Connect and say hello. Raises `BridgeUnreachable`, `ConfigError`, `WrongProtocol`, `NotAllowed`."""
        self._on_turn = on_turn
        self._thread = threading.get_ident()
        self._pid = os.getpid()
        self._closed = False
        self._stepped_s = 0.0
        self.session = new_session(endpoint, name, host, client_id)
        self.abandoned = Abandoned()
        self._sockets = Sockets(endpoint, lock)
        try:
            call = self.session.start(time.monotonic(), timeout_s)
            self.run(lambda: begun(call, self._sockets))
            begin(call, self._sockets, timeout_s)
        except BaseException:
            self._closed = True
            self._sockets.close()
            raise

    def call(self, request: Request[R], timeout_s: float, request_id: str | None, valid_for_s: float | None = None) -> R:
        """Send a request and wait for its result; it is not begun later than `valid_for_s` from now."""
        self.check()
        call = self.session.call(request, time.monotonic(), timeout_s, request_id=request_id, valid_for_s=valid_for_s)
        try:
            if timeout_s > 2 * QUICK_MS / 1e3 and not self._flush():
                self._quick_reply()
            while not call.done:
                self._step(LONGEST_WAIT_S)
        except BaseException:
            self.forget(call)
            raise
        return result_of(call, self._sockets)

    def begin(self, request: Request[R], timeout_s: float, request_id: str | None) -> Call[R]:
        """Send a request without waiting for its result. Records in it stay in the frame they came in."""
        self.check()
        call = self.session.call(request, time.monotonic(), timeout_s, request_id=request_id, views=True)
        self._flush()
        return call

    def wait(self, call: Call[R]) -> R:
        """Wait for the result of what was begun."""
        while not call.done:
            self.check()
            if self._flush() or not self._quick_reply(large=True):
                self._step(LONGEST_WAIT_S)
        return call.result()

    def forget(self, call: Call[Any]) -> None:
        """Nobody wants the result of what was begun any more."""
        self.abandoned.note(call)
        self.session.forget(call)

    def _quick_reply(self, *, large: bool = False) -> bool:
        """Wait a little for a reply alone, and say whether one came; the events have their turn when none comes, or when they have
        waited for long enough."""
        try:
            frame = self._sockets.requests.recv(copy=False).buffer if large else self._sockets.requests.recv()
        except zmq.Again:
            return False
        now = time.monotonic()
        self.session.receive_reply(frame, now)
        if now - self._stepped_s > QUICK_MS / 1e3:
            self._step(0.0)
        return True

    def subscribe(self, topics: tuple[str, ...], timeout_s: float, queue_limit: int, after: After | None = None) -> Feed:
        """Subscribe and wait until it is in force."""
        self.check()
        join = self.session.subscribe(topics, time.monotonic(), timeout_s, queue_limit=queue_limit, after=after)
        try:
            self.run(lambda: join.done)
        except BaseException:
            self.session.unsubscribe(join.feed)
            raise
        if join.error is not None:
            raise join.error
        return join.feed

    def unsubscribe(self, feed: Feed) -> None:
        """End a subscription."""
        if not self._closed:
            self.check()
            self.session.unsubscribe(feed)
            self._flush()

    def turn(self, timeout_s: float) -> None:
        """Receive what is there; wait for it at most `timeout_s`, and never longer than 0.2 s."""
        self.check()
        self._step(timeout_s)

    def run(self, finished: Callable[[], bool]) -> None:
        """Receive and send until something is so."""
        while not finished():
            self._step(LONGEST_WAIT_S)

    def _step(self, timeout_s: float) -> None:
        session, sockets = self.session, self._sockets
        blocked = self._flush()
        if blocked:
            sockets.await_sendable(True)
        wait_s = min(timeout_s, LONGEST_WAIT_S)
        deadline_s = session.next_deadline()
        if deadline_s is not None:
            wait_s = min(wait_s, max(0.0, deadline_s - time.monotonic()))
        ready = dict(sockets.poller.poll(int(wait_s * 1e3 + 0.999)))
        now = time.monotonic()
        if blocked:
            sockets.await_sendable(False)
        if ready.get(sockets.requests, 0) & POLLIN:
            session.receive_reply(sockets.requests.recv(NOBLOCK), now)
        if sockets.events in ready:
            self._drain_events(now)
        self._stepped_s = now
        session.on_time(now)
        self._flush()
        sockets.mend(now)
        if self._on_turn is not None:
            self._on_turn()

    def _drain_events(self, now: float) -> None:
        receive, take = self._sockets.events.recv, self.session.receive_event
        left_bytes = BURST_BYTES
        for _ in range(BURST):
            try:
                frame = receive(NOBLOCK)
            except zmq.Again:
                return
            take(frame, now)
            left_bytes -= len(frame)
            if left_bytes < 0:
                return

    def _flush(self) -> bool:
        """Send what the session has; whether the socket does not take it now."""
        session = self.session
        for action in session.take_actions():
            self._sockets.act(action)
        while (call := session.next_outgoing()) is not None:
            try:
                self._sockets.requests.send(call.frame, NOBLOCK)
            except zmq.Again:
                return True
            session.sent(call, time.monotonic())
        return False

    @property
    def state(self) -> str:
        """`open` or `closed`."""
        return "closed" if self._closed else "open"

    def check(self) -> None:
        """Raises `CallError` where the client must not be used."""
        if self._closed:
            raise CallError("this client is closed", next_step="make a new Client")
        if threading.get_ident() != self._thread or os.getpid() != self._pid:
            raise CallError(
                "this client belongs to another thread or process than the one that uses it",
                next_step="make one Client in each thread and each process",
            )

    def close(self) -> None:
        """Take leave and close the sockets; subscriptions end. Waits at most 0.3 s. Does nothing the second time."""
        if self._closed or os.getpid() != self._pid:
            return
        self.check()
        self._on_turn = None
        for feed in list(self.session.subscriptions.feeds):
            self.session.unsubscribe(feed)
        try:
            call = self.session.goodbye(time.monotonic(), GOODBYE_S)
            self.run(lambda: call.done)
        finally:
            self._closed = True
            self._sockets.close()
