"""The asyncio client in virtual time: the client, its driver and asyncio itself are the real ones; the sockets, the network and the
clock are not.

The sockets tell of what has come as ZeroMQ's do: once, when the one who receives had found nothing left, and never again for what
is there already.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import zmq

from clients.subscriptions import Action
from tests.fake_link import DELAY_S, IDENTITY, Answering
from tests.virtual_time import VirtualTime

T = TypeVar("T")
Patch = Callable[[str, Any], None]


class Frame:
    """A frame that is not copied."""

    def __init__(self, frame: bytes) -> None:
        self.buffer = memoryview(frame)


class FakeSocket:
    """One socket. `told` is called when something has come, at the edge only."""

    def __init__(self) -> None:
        self.inbox: deque[bytes] = deque()
        self.told: Callable[[], None] | None = None
        self._asleep = True

    def arrive(self, frame: bytes) -> None:
        """A frame comes."""
        self.inbox.append(frame)
        self.stir()

    def stir(self) -> None:
        """The socket's state changes."""
        if self._asleep and self.told is not None:
            self._asleep = False
            asyncio.get_running_loop().call_soon(self.told)

    def recv(self, flags: int, copy: bool = True) -> bytes | Frame:
        """The next frame."""
        if not self.inbox:
            self._asleep = True
            raise zmq.Again
        frame = self.inbox.popleft()
        return frame if copy else Frame(frame)

    def get(self, option: int) -> int:
        """`EVENTS`, which is also when the socket looks after what has come."""
        assert option == zmq.EVENTS
        self._asleep = not self.inbox
        return int(zmq.POLLIN) if self.inbox else 0


class Requests(FakeSocket):
    """The request socket, which takes nothing while there is no connection."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        super().__init__()
        self.up = True
        self.up_next = False
        """It takes frames from right after the next attempt on, and only tells who asks."""
        self._send = send

    def send(self, frame: bytes, flags: int) -> None:
        """Send a frame."""
        self._asleep = not self.inbox
        if not self.up:
            self.up = self.up_next
            raise zmq.Again
        self._send(frame)

    def get(self, option: int) -> int:
        """`EVENTS`."""
        return super().get(option) | (int(zmq.POLLOUT) if self.up else 0)


class FakePeer:
    """Who listens. `refused` as in `clients.peer.Peer`."""

    def __init__(self) -> None:
        self.monitor = FakeSocket()
        self.refused = False

    def error(self, endpoint: str, timeout_s: float) -> Exception:
        """Not asked for here: real sockets know better."""
        return AssertionError("the hello was not answered")

    def close(self) -> None:
        """Watch no more."""


class VirtualSockets:
    """What `clients.sockets.Sockets` is, joined with something that answers."""

    def __init__(self, time: VirtualTime, bridge: Answering) -> None:
        self.time = time
        self.bridge = bridge
        self.requests = Requests(self._carry)
        self.events = FakeSocket()
        self.peer = FakePeer()
        self.lock = self.turned_away = None
        self.refused = False
        self.endpoint = "tcp://127.0.0.1:5555"
        self.subscribed: dict[bytes, None] = {}
        self.sent = 0
        self.closed = False
        self._connection = 0
        self._wake()

    def mend(self, now: float) -> bool:
        """There is nothing to mend without keys."""
        return False

    def _carry(self, frame: bytes) -> None:
        self.sent += 1
        self._later(lambda: self.bridge.receive_request(IDENTITY, frame, self.time.now))

    def _later(self, act: Callable[[], None]) -> None:
        connection = self._connection

        def arrive() -> None:
            if connection == self._connection and not self.closed:
                act()
                self.flush()

        self.time.after(DELAY_S, arrive)

    def flush(self) -> None:
        """Carry what the bridge has sent."""
        replies, self.bridge.replies = self.bridge.replies, []
        events, self.bridge.events = self.bridge.events, []
        if not self.requests.up:
            return
        for _, reply in replies:
            self._later(lambda reply=reply: self.requests.arrive(reply))  # type: ignore[misc]
        for event in events:
            if any(event.startswith(prefix) for prefix in self.subscribed):
                self._later(lambda event=event: self.events.arrive(event))  # type: ignore[misc]

    def _wake(self) -> None:
        at_s = self.bridge.next_deadline()
        if at_s is not None and not self.closed:
            self.time.at(at_s, self._beat)

    def _beat(self) -> None:
        self.bridge.on_time(self.time.now)
        self.flush()
        self._wake()

    def act(self, action: Action) -> None:
        """Do what the session asks of the event socket."""
        if action.kind == "connect":
            return
        wanted = action.kind == "subscribe"
        if wanted:
            self.subscribed[action.prefix] = None
        else:
            del self.subscribed[action.prefix]
        frame = (b"\1" if wanted else b"\0") + action.prefix
        self._later(lambda: self.bridge.receive_subscription(frame, self.time.now))

    def cut(self) -> None:
        """The connection is lost, with what is under way."""
        self.requests.up = False
        self._connection += 1

    def heal(self, bridge: Answering) -> None:
        """It is there again, with another bridge behind it."""
        self.bridge = bridge
        self.requests.up = True
        self._connection += 1
        self._wake()
        for prefix in sorted(self.subscribed):
            self._later(lambda prefix=prefix: bridge.receive_subscription(b"\1" + prefix, self.time.now))  # type: ignore[misc]
        self.requests.stir()

    def close(self) -> None:
        """End."""
        self.closed = True


class _Selector(selectors.SelectSelector):
    """Lets virtual time pass instead of waiting."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self._time = time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, after something that was planned has happened, or the time is over."""
        if timeout is None or timeout > 0:
            happened = self._time.step(self._time.now + (3_600.0 if timeout is None else timeout))
            assert happened or timeout is not None, "it would wait for ever"
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, on virtual time."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__(_Selector(time))
        self._virtual = time

    def time(self) -> float:
        """The virtual clock."""
        return self._virtual.now


class Stage:
    """Where asyncio clients meet a scripted bridge: `run` a coroutine, and `sockets` are those of the client that was made last."""

    def __init__(self, time: VirtualTime, bridge: Answering, patch: Patch) -> None:
        """`patch(name, value)` puts what is virtual where the client looks for the real one."""
        self.time = time
        self.bridge = bridge
        self.sockets: VirtualSockets
        patch("clients.async_driver.time.monotonic", time)
        patch("clients.async_driver.Sockets", self._connect)
        patch("clients.async_driver.watch", self._watch)

    def _connect(self, endpoint: str, lock: None) -> VirtualSockets:
        self.sockets = VirtualSockets(self.time, self.bridge)
        return self.sockets

    def _watch(self, loop: asyncio.AbstractEventLoop, readable: Mapping[FakeSocket, Callable[[], None]]) -> _Watch:
        for socket, told in readable.items():
            socket.told = told
        return _Watch(readable)

    def run(self, program: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run to the end. Nothing may be left behind, and nothing may have gone wrong on the side."""
        wrong: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=lambda: VirtualLoop(self.time)) as runner:
            loop = runner.get_loop()
            loop.set_exception_handler(lambda _, context: wrong.append(context))
            result = runner.run(program())
            assert not asyncio.all_tasks(loop)
        assert not wrong, wrong
        return result


class _Watch:
    def __init__(self, readable: Mapping[FakeSocket, Callable[[], None]]) -> None:
        self._readable = readable

    def close(self) -> None:
        """Watch no more."""
        for socket in self._readable:
            socket.told = None
