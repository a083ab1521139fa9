"""Tells an event loop when a ZeroMQ socket may have something.

The descriptor of a ZeroMQ socket becomes readable when its state may have changed, and stays silent about what was there before:
whoever is called has to take everything, and to look again after each use of the socket.

Where a loop cannot watch descriptors (Windows' Proactor loop) a thread does. It only looks at the descriptors; the sockets belong
to the loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

PATIENCE_S = 5.0


class Watch(Protocol):
    """Descriptors that are watched."""

    def close(self) -> None:
        """Watch them no more. Before the sockets are closed."""


class Socket(Protocol):
    """What has a descriptor."""

    def fileno(self) -> int:
        """It."""


def watch(loop: asyncio.AbstractEventLoop, readable: Mapping[Socket, Callable[[], None]]) -> Watch:
    """Have the loop call a function whenever its socket may have something."""
    descriptors = {socket.fileno(): act for socket, act in readable.items()}
    try:
        return LoopWatch(loop, descriptors)
    except NotImplementedError:
        return ThreadWatch(loop, descriptors)


class LoopWatch:
    """The loop itself watches."""

    def __init__(self, loop: asyncio.AbstractEventLoop, readable: Mapping[int, Callable[[], None]]) -> None:
        """Raises `NotImplementedError` where it cannot."""
        self._loop = loop
        self._descriptors = tuple(readable)
        for descriptor, act in readable.items():
            loop.add_reader(descriptor, act)

    def close(self) -> None:
        """Watch no more."""
        if not self._loop.is_closed():
            for descriptor in self._descriptors:
                self._loop.remove_reader(descriptor)


class ThreadWatch:
    """A thread watches, and leaves a descriptor alone from when it has told of it until that has been dealt with."""

    def __init__(self, loop: asyncio.AbstractEventLoop, readable: Mapping[int, Callable[[], None]]) -> None:
        self._loop = loop
        self._readable = readable
        self._wanted = set(readable)
        self._ending = False
        self._waking, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._waking.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="mt5bridge-readiness", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ending:
            try:
                ready, _, _ = select.select([self._waking.fileno(), *self._wanted.copy()], [], [])
            except (OSError, ValueError):  # a socket was replaced by another one, which gets a watch of its own
                return
            for descriptor in ready:
                if descriptor == self._waking.fileno():
                    with contextlib.suppress(BlockingIOError):
                        while self._waking.recv(4_096):
                            pass
                else:
                    self._wanted.discard(descriptor)
                    try:
                        self._loop.call_soon_threadsafe(self._act, descriptor)
                    except RuntimeError:  # the loop was closed before the client
                        return

    def _act(self, descriptor: int) -> None:
        if self._ending:
            return
        try:
            self._readable[descriptor]()
        finally:
            self._wanted.add(descriptor)
            self._rouse()

    def _rouse(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it is woken already
            self._wake.send(b"\0")

    def close(self) -> None:
        """End the thread."""
        self._ending = True
        self._rouse()
        self._thread.join(PATIENCE_S)
        self._wake.close()
        self._waking.close()
