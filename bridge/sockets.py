"""The bridge's sockets, with every option that `docs/protocol.md` promises. No logic."""

from __future__ import annotations

import contextlib
import re
import sys
from dataclasses import dataclass

import zmq

from bridge.codec import MAX_REQUEST_BYTES
from bridge.errors import ConfigError
from bridge.zap import DOMAIN

_ENDPOINT = re.compile(r"tcp://(?P<host>[0-9A-Za-z.*_-]+|\[[0-9A-Za-z:.%]+\]):(?P<port>[0-9]{1,5}|\*)")
"""Exact, for libzmq binds to what it makes of a text: to `127.0.0.1:99999` as well, at port 34463."""
LIBZMQ = (4, 3, 5)
"""Oldest libzmq that is used: earlier ones have known faults before authentication."""


@dataclass(frozen=True, slots=True)
class Keys:
    """A CURVE key pair, in z85."""

    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"Keys(public={self.public.decode()}, secret=***)"


def check_libzmq() -> str:
    """The version of libzmq. Raises `ConfigError` where it is too old."""
    if zmq.zmq_version_info() < LIBZMQ:
        wanted = ".".join(map(str, LIBZMQ))
        raise ConfigError(
            f"libzmq {zmq.zmq_version()} is too old", next_step=f"install a pyzmq that brings libzmq {wanted} or newer"
        )
    return zmq.zmq_version()


def is_loopback(endpoint: str) -> bool:
    """Whether an endpoint can be reached from this machine alone. Raises `ConfigError` for one that is none."""
    found = _ENDPOINT.fullmatch(endpoint)
    if found is None or (found["port"] != "*" and int(found["port"]) > 65_535):
        raise ConfigError(
            f"not an endpoint: {endpoint!r}", next_step="write it as tcp://127.0.0.1:5555, or with port 0 for any free one"
        )
    return found["host"] in ("127.0.0.1", "localhost")


def _bind(socket: zmq.Socket[bytes], endpoint: str, what: str) -> str:
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        socket.close(0)
        raise ConfigError(
            f"cannot bind the {what} endpoint {endpoint}: {error.strerror}",
            next_step=f"stop what uses the port, or choose another with --{what}",
        ) from None
    return socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0")


def _harden(socket: zmq.Socket[bytes], *, largest: int) -> None:
    """Options of every socket that others connect to. Peers that are gone without a word are found by TCP, and by the heartbeats of
    those that send some: none are sent from here, for libzmq 4.3.5 aborts the process at the next one when a peer went away from
    which it had stopped reading, because more had come than the high-water mark lets in (`out_event` asserts `!_io_error`)."""
    socket.set(zmq.MAXMSGSIZE, largest)
    socket.set(zmq.HANDSHAKE_IVL, 3_000)
    socket.set(zmq.TCP_KEEPALIVE, 1)
    socket.set(zmq.TCP_KEEPALIVE_IDLE, 3)
    socket.set(zmq.TCP_KEEPALIVE_INTVL, 1)
    socket.set(zmq.TCP_KEEPALIVE_CNT, 3)
    if sys.platform != "win32":  # Windows has something of the name; where it does not (Wine), no connection would be taken
        socket.set(zmq.TCP_MAXRT, 5_000)


def _lock(socket: zmq.Socket[bytes], keys: Keys | None) -> None:
    """Encryption, and a question about every key. The domain and its enforcement belong together: without either libzmq asks nobody
    and lets everybody in."""
    if keys is not None:
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.CURVE_SECRETKEY, keys.secret)
        socket.set(zmq.ZAP_DOMAIN, DOMAIN)
        socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)


def requests_socket(
    context: zmq.Context[zmq.Socket[bytes]], endpoint: str, keys: Keys | None = None
) -> tuple[zmq.Socket[bytes], str]:
    """The bound ROUTER and its endpoint. The receiving high-water mark is small: flooding clients wait in their own memory."""
    socket = context.socket(zmq.ROUTER)
    _harden(socket, largest=MAX_REQUEST_BYTES)
    socket.set(zmq.RCVHWM, 50)
    socket.set(zmq.SNDHWM, 1_000)
    socket.set(zmq.ROUTER_MANDATORY, 1)
    _lock(socket, keys)
    socket.set(zmq.LINGER, 500)
    return socket, _bind(socket, endpoint, "requests")


def events_socket(
    context: zmq.Context[zmq.Socket[bytes]], endpoint: str, keys: Keys | None = None
) -> tuple[zmq.Socket[bytes], str]:
    """The bound XPUB and its endpoint; manual, so that every subscription passes through the gateway."""
    socket = context.socket(zmq.XPUB)
    _harden(socket, largest=1_024)
    socket.set(zmq.SNDHWM, 100_000)
    socket.set(zmq.XPUB_MANUAL, 1)
    _lock(socket, keys)
    socket.set(zmq.LINGER, 500)
    return socket, _bind(socket, endpoint, "events")


def link_socket(context: zmq.Context[zmq.Socket[bytes]], endpoint: str, keys: Keys | None) -> tuple[zmq.Socket[bytes], str]:
    """The bound PAIR for one generation of the session. Nothing on it may be dropped, so it has no high-water mark."""
    socket = context.socket(zmq.PAIR)
    socket.set(zmq.SNDHWM, 0)
    socket.set(zmq.RCVHWM, 0)
    socket.set(zmq.LINGER, 0)
    if keys is not None:
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.CURVE_SECRETKEY, keys.secret)
        socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)  # and no domain: who knows this key has it from us, and nobody is asked
    return socket, _bind(socket, endpoint, "session")


class Bell:
    """How another thread tells the one that polls `socket` that there is something for it."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        endpoint = f"inproc://bell-{id(self)}"
        self.socket = context.socket(zmq.PAIR)
        self._other = context.socket(zmq.PAIR)
        for end in (self.socket, self._other):
            end.set(zmq.LINGER, 0)
        self.socket.bind(endpoint)
        self._other.connect(endpoint)

    def ring(self) -> None:
        """To be called from the other thread, and only there; never waits. One that was not heard yet is enough."""
        with contextlib.suppress(zmq.Again):
            self._other.send(b"", zmq.NOBLOCK)

    def heard(self) -> None:
        """Take the ringing off the socket."""
        with contextlib.suppress(zmq.Again):
            while True:
                self.socket.recv(zmq.NOBLOCK)

    def close(self) -> None:
        """The other thread has ended."""
        self.socket.close(0)
        self._other.close(0)
