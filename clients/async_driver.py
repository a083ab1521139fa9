"""Drives a client session with real sockets and the real clock, in an event loop. It makes no task: the loop calls it when a socket
may have something and when the session's next deadline has come, and it wakes those who wait."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import zmq

from bridge.errors import BridgeError, CallError, InternalError
from bridge.messages import Request
from clients.abandoned import Abandoned
from clients.alarm import Alarm
from clients.calls import Call
from clients.driver import BURST, BURST_BYTES, GOODBYE_S, begin, begun, new_session, result_of
from clients.join import Join
from clients.lock import Lock
from clients.readiness import Socket, Watch, watch
from clients.sockets import MEND_S, NOBLOCK, POLLIN, POLLOUT, Sockets
from clients.streams import After, Feed
from clients.waiting import Waiting, check_use

R = TypeVar("R")


class AsyncDriver:
    """A session, its sockets, and the one event loop that may use them."""

    def __init__(self, endpoint: str, name: str, host: str, lock: Lock | None = None) -> None:
        self.session = new_session(endpoint, name, host)
        self.abandoned = Abandoned()
        self.state: Literal["new", "open", "closed"] = "new"
        self._endpoint = endpoint
        self._lock = lock
        self._pid = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sockets: Sockets | None = None
        self._watch: Watch | None = None
        self._alarm = Alarm(self._on_time)
        self._large = 0
        self._begun = False
        self._failure: BridgeError | None = None
        self._waiting = Waiting()

    async def connect(self, timeout_s: float) -> None:
        """Connect and say hello. Raises `BridgeUnreachable`, `ConfigError`, `WrongProtocol`, `NotAllowed`."""
        if self.state != "new":
            raise CallError("this client has been used before", next_step="make a new AsyncClient")
        self._pid = os.getpid()
        self._loop = asyncio.get_running_loop()
        self._sockets = sockets = Sockets(self._endpoint, self._lock)
        self.state = "open"
        try:
            self._watch_sockets(sockets)
            call = self.session.start(time.monotonic(), timeout_s)
            self._work()
            await self.until(lambda: begun(call, sockets))
            self._begun = True
            self._watch_sockets(sockets)
            begin(call, sockets, timeout_s)
        except BaseException:
            self._shut()
            raise

    def _watch_sockets(self, sockets: Sockets) -> None:
        if self._watch is not None:
            self._watch.close()
        readable: dict[Socket, Callable[[], None]] = {sockets.requests: self._on_requests, sockets.events: self._on_events}
        if not self._begun:
            readable[sockets.peer.monitor] = self._waiting.notify
        self._watch = watch(self._running, readable)

    # ---- requests ----------------------------------------------------------------------------------------------------------------

    async def call(self, request: Request[R], timeout_s: float, request_id: str | None, valid_for_s: float | None = None) -> R:
        """Send a request and wait for its result; it is not begun later than `valid_for_s` from now."""
        return await self.wait(self._begin(request, timeout_s, request_id, valid_for_s, views=False))

    def begin(self, request: Request[R], timeout_s: float, request_id: str | None) -> Call[R]:
        """Send a request without waiting for its result. Records in it stay in the frame they came in."""
        return self._begin(request, timeout_s, request_id, None, views=True)

    def _begin(
        self, request: Request[R], timeout_s: float, request_id: str | None, valid_for_s: float | None, *, views: bool
    ) -> Call[R]:
        self.check()
        call = self.session.call(
            request, time.monotonic(), timeout_s, request_id=request_id, on_done=self._done, views=views, valid_for_s=valid_for_s
        )
        self._large += views
        self._flush()
        if call.deadline_s < self._alarm.at_s:
            self._arm()
        return call

    def _done(self, call: Call[Any]) -> None:
        self._large -= call.views
        self._waiting.done(call)

    async def wait(self, call: Call[R]) -> R:
        """Wait for the result of what was begun; where that is cancelled, nobody wants it any more."""
        if not call.done:
            self.check()
            try:
                await self._waiting.answer(call)
            except asyncio.CancelledError:
                self.abandoned.note(call)
                raise
            finally:
                self.forget(call)
        return call.result() if self._sockets is None else result_of(call, self._sockets)

    def forget(self, call: Call[Any]) -> None:
        """Nobody wants the result of what was begun any more."""
        if not call.done:
            self._large -= call.views
            self.session.forget(call)

    # ---- subscriptions -----------------------------------------------------------------------------------------------------------

    def subscribe(self, topics: tuple[str, ...], timeout_s: float, queue_limit: int, after: After | None = None) -> Join:
        """Begin to subscribe."""
        self.check()
        join = self.session.subscribe(topics, time.monotonic(), timeout_s, queue_limit=queue_limit, after=after)
        self._work()
        return join

    async def joined(self, join: Join) -> None:
        """Wait until a subscription is in force. Raises why it is not."""
        if not join.done:
            try:
                await self.until(lambda: join.done)
            except BaseException:
                self.unsubscribe(join.feed)
                raise
            if join.feed.closed and join.error is None:
                raise CallError("the subscription was closed before it was in force", next_step="subscribe again")
        if join.error is not None:
            raise join.error

    def unsubscribe(self, feed: Feed) -> None:
        """End a subscription."""
        if self.state == "open" and not self._running.is_closed():
            self.check()
            self.session.unsubscribe(feed)
            self._work()

    # ---- waiting -----------------------------------------------------------------------------------------------------------------

    async def until(self, finished: Callable[[], bool], timeout_s: float | None = None) -> None:
        """Wait until something is so, for so long, or until the client is closed."""
        if not finished():
            self.check()
            await self._waiting.until(finished, timeout_s)

    async def give_way(self) -> None:
        """Other tasks of the loop have their turn, and what has arrived is received."""
        self.check()
        await asyncio.sleep(0)

    def receive(self) -> None:
        """Receive the events that are there."""
        self.check()
        self._on_events()

    # ---- what the loop calls -----------------------------------------------------------------------------------------------------

    def _on_requests(self) -> None:
        if self.state == "open":
            self._work()

    def _on_events(self) -> None:
        if self.state == "open" and self._sockets is not None:
            if _drain(self._sockets.events, self.session.receive_event, time.monotonic()):
                self._running.call_soon(self._on_events)
            self._work()

    def _on_time(self) -> None:
        if self.state == "open" and self._sockets is not None:
            if self._sockets.mend(time.monotonic()):
                self._watch_sockets(self._sockets)
            self._work()

    def _work(self) -> None:
        """What is to be done after anything has happened: the session's time, what it sends, and those who wait for it."""
        try:
            now = time.monotonic()
            if self._sockets is not None and _drain(self._sockets.requests, self.session.receive_reply, now, copy=not self._large):
                self._running.call_soon(self._on_requests)
            else:  # whatever the loop was busy with for so long: what has been answered is not too late
                self.session.on_time(now)
            self._flush()
            self._waiting.notify()
            self._arm()
        except Exception as error:
            internal = InternalError(f"the client has failed: {error!r}", next_step="report this")
            self._failure = error if isinstance(error, BridgeError) else internal
            self._waiting.fail(self._failure)
            if self._failure is internal:
                raise  # for the loop to show where

    def _flush(self) -> None:
        """Send what the session has. Whatever the used socket became ready for meanwhile, nobody will tell again."""
        session, sockets = self.session, self._sockets
        if sockets is None:
            return
        for action in session.take_actions():
            sockets.act(action)
            self._running.call_soon(self._on_events)
        wanted = 0
        while (call := session.next_outgoing()) is not None:
            wanted = POLLIN
            try:
                sockets.requests.send(call.frame, NOBLOCK)
            except zmq.Again:
                wanted = POLLIN | POLLOUT
                break
            session.sent(call, time.monotonic())
        if wanted and int(sockets.requests.get(zmq.EVENTS)) & wanted:
            self._running.call_soon(self._on_requests)

    def _arm(self) -> None:
        """Have the loop call at the session's next deadline, at the latest."""
        at_s = self.session.next_deadline()
        if self._lock is not None:
            at_s = min(math.inf if at_s is None else at_s, time.monotonic() + MEND_S)
        if at_s is not None:
            self._alarm.set(self._running, at_s)

    # ---- where and how long it may be used ---------------------------------------------------------------------------------------

    @property
    def _running(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None, "it is connected"
        return self._loop

    def check(self) -> None:
        """Raises `CallError` where the client must not be used, and what has ended it."""
        if self._failure is not None:
            raise self._failure
        check_use(self.state, self._pid, self._loop)

    async def close(self) -> None:
        """Take leave, for at most 0.3 s, and close the sockets; subscriptions end, and who waits for an answer is told."""
        if self.state != "open" or os.getpid() != self._pid:
            return
        if self._failure is not None or self._running.is_closed():
            self._shut()
            return
        self.check()
        try:
            for feed in list(self.session.subscriptions.feeds):
                self.session.unsubscribe(feed)
            call = self.session.goodbye(time.monotonic(), GOODBYE_S)
            self._waiting.end()
            self._work()
            await self.until(lambda: call.done)
        finally:
            self._shut()

    def _shut(self) -> None:
        """Close the sockets, without leave."""
        if self.state == "closed":
            return
        self.state = "closed"
        self._alarm.off()
        for feed in list(self.session.subscriptions.feeds):
            self.session.unsubscribe(feed)
        self._waiting.end()
        if self._watch is not None:
            self._watch.close()
        if self._sockets is not None:
            self._sockets.close()


def _drain(socket: zmq.Socket[bytes], take: Callable[[Any, float], None], now: float, *, copy: bool = True) -> bool:
    """Take what is there, but not too much at a time; whether there may be more, of which nobody would tell."""
    left_bytes = BURST_BYTES
    with contextlib.suppress(zmq.Again):
        for _ in range(BURST):
            frame = socket.recv(NOBLOCK) if copy else socket.recv(NOBLOCK, copy=False).buffer
            take(frame, now)
            left_bytes -= len(frame)
            if left_bytes < 0:
                break
        return True
    return False
