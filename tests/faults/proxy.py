"""A TCP proxy between a client and a bridge, whose connections can be cut.

The bridge tells its clients where its events are; so that they come through the proxy, too, that address is replaced in what the
bridge sends by the proxy's own, which is as long.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

READ_BYTES = 1 << 16
MOST_UNSENT = 1 << 18
"""Bytes that wait for a side that does not take them; then no more are read of the other side."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: the connection is reset, and what was not sent is lost."""
LOOPBACK = "127.0.0.1"


@dataclass(slots=True)
class Route:
    """Where connections come in, and how the one onward is begun: a socket that does not block, and may not be connected yet."""

    name: str
    listener: socket.socket
    dial: Callable[[], socket.socket]


@dataclass(slots=True, eq=False)
class Side:
    """One end of a pair of connections; `unsent` waits to be written to it."""

    socket: socket.socket
    route: str
    replaces: bool
    other: Side | None = None
    unsent: bytearray = field(default_factory=bytearray)


class Proxy(threading.Thread):
    """Serves its routes until `end`. `replace` are bytes that the far side sends, and what the near side gets instead."""

    def __init__(self, routes: Sequence[Route], replace: tuple[bytes, bytes] | None = None) -> None:
        super().__init__(name="proxy", daemon=True)
        assert replace is None or len(replace[0]) == len(replace[1])
        self.accepted = 0
        self._routes = routes
        self._replace = replace
        self._selector = selectors.DefaultSelector()
        self._sides: list[Side] = []
        self._asked: list[Callable[[], None]] = []
        self._ending = False
        self._done = threading.Condition()
        self._wake, woken = socket.socketpair()
        self._selector.register(woken, selectors.EVENT_READ, None)
        self._woken = woken
        for route in routes:
            route.listener.setblocking(False)
            self._selector.register(route.listener, selectors.EVENT_READ, route)

    # ---- for others --------------------------------------------------------------------------------------------------------------

    def cut(self, *routes: str, reset: bool = True) -> int:
        """Cut every connection of these routes, on both sides, with a reset or an orderly end; how many there were."""
        cut: list[int] = []

        def act() -> None:
            near = [side for side in self._sides if side.route in routes and side.replaces and side.other is not None]
            for side in near:
                self._close(side, reset=reset)
            cut.append(len(near))

        self._ask(act)
        return cut[0]

    def end(self) -> None:
        """Close everything."""
        self._ending = True
        with contextlib.suppress(OSError):  # it has noticed by itself
            self._wake.send(b"\0")
        self.join(5.0)

    def _ask(self, act: Callable[[], None]) -> None:
        with self._done:
            self._asked.append(act)
            self._wake.send(b"\0")
            assert self._done.wait_for(lambda: act not in self._asked, 5.0), "the proxy does not answer"

    # ---- the thread --------------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until the end."""
        while not self._ending:
            for key, events in self._selector.select(1.0):
                if key.data is None:
                    self._woken.recv(READ_BYTES)
                elif isinstance(key.data, Route):
                    self._accept(key.data)
                elif key.data in self._sides:  # else closed because of the one before it
                    self._serve(key.data, events)
            with self._done:
                for act in self._asked:
                    act()
                self._asked.clear()
                self._done.notify_all()
        for side in list(self._sides):
            self._close(side, reset=True)
        for route in self._routes:
            route.listener.close()
        self._selector.close()
        self._wake.close()
        self._woken.close()

    def _accept(self, route: Route) -> None:
        try:
            near, _ = route.listener.accept()
        except OSError:
            return
        try:
            far = route.dial()
        except OSError:  # nobody is there
            near.close()
            return
        self.accepted += 1
        a, b = Side(near, route.name, replaces=True), Side(far, route.name, replaces=False)
        a.other, b.other = b, a
        for side in (a, b):
            side.socket.setblocking(False)
            side.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sides.append(side)
            self._selector.register(side.socket, selectors.EVENT_READ, side)

    def _serve(self, side: Side, events: int) -> None:
        assert side.other is not None
        try:
            if events & selectors.EVENT_READ:
                received = side.socket.recv(READ_BYTES)
                if not received:
                    self._close(side, reset=False)
                    return
                if self._replace is not None and side.other.replaces:
                    received = received.replace(*self._replace)
                side.other.unsent += received
                self._write(side.other)
            if events & selectors.EVENT_WRITE:
                self._write(side)
        except BlockingIOError:
            return
        except OSError:
            self._close(side, reset=True)
            return
        self._arrange(side)
        self._arrange(side.other)

    def _write(self, side: Side) -> None:
        while side.unsent:
            try:
                del side.unsent[: side.socket.send(side.unsent)]
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if isinstance(error, ConnectionError) or side.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise
                return  # not connected yet

    def _arrange(self, side: Side) -> None:
        """Read what the other side can take, write what waits."""
        assert side.other is not None
        reads = len(side.other.unsent) < MOST_UNSENT
        events = (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if side.unsent else 0)
        watched = side.socket in self._selector.get_map()
        if not events:
            if watched:
                self._selector.unregister(side.socket)
        elif watched:
            self._selector.modify(side.socket, events, side)
        else:
            self._selector.register(side.socket, events, side)

    def _close(self, side: Side, *, reset: bool) -> None:
        for end in (side, side.other):
            if end is None or end not in self._sides:
                continue
            self._sides.remove(end)
            if end.socket in self._selector.get_map():
                self._selector.unregister(end.socket)
            if reset:
                with contextlib.suppress(OSError):
                    end.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.socket.close()


# ---- sockets ---------------------------------------------------------------------------------------------------------------------


def listening(host: str = LOOPBACK, port: int = 0) -> socket.socket:
    """A listening socket, without more digits in its port than any free port has (five)."""
    while True:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(64)
        if port or len(str(listener.getsockname()[1])) == 5:
            return listener
        listener.close()


def dialling(host: str, port: int) -> socket.socket:
    """A connection that is being made."""
    dialled = socket.socket()
    dialled.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        dialled.connect((host, port))
    return dialled


def port_of(endpoint: str) -> int:
    """The port of `tcp://HOST:PORT`."""
    return int(endpoint.rpartition(":")[2])


def before(requests: str, events: str) -> tuple[Proxy, str]:
    """A proxy in front of a bridge that is on loopback, started, and its endpoint for requests."""
    routes = [
        Route(name, listening(), partial(dialling, LOOPBACK, port_of(endpoint)))
        for name, endpoint in (("requests", requests), ("events", events))
    ]
    mine = [f"tcp://{LOOPBACK}:{route.listener.getsockname()[1]}" for route in routes]
    assert len(mine[1]) == len(events), "the ports of the bridge and of the proxy have different lengths"
    proxy = Proxy(routes, (events.encode(), mine[1].encode()))
    proxy.start()
    return proxy, mine[0]
