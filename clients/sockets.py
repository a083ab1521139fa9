"""The two sockets of a client, with every option that `docs/protocol.md` asks for. No logic.

`IMMEDIATE` and no linger, because a request that waited for a bridge to come back would be an order nobody wants any more. `SNDHWM`
0 on SUB, because a SUB silently loses the subscriptions that exceed it. No `ROUTING_ID`: a second client with the same one could
get our replies.
"""

from __future__ import annotations

import os
import sys
from collections import Counter

import zmq

from bridge.codec import MAX_REPLY_BYTES
from bridge.errors import BridgeError, ConfigError
from clients.lock import Lock
from clients.peer import Peer
from clients.subscriptions import Action

DEFAULT_ENDPOINT = "tcp://127.0.0.1:5555"
ENDPOINT_VARIABLE = "MT5BRIDGE_ENDPOINT"
NOBLOCK = int(zmq.NOBLOCK)
POLLIN = int(zmq.POLLIN)
POLLOUT = int(zmq.POLLOUT)
QUICK_MS = 50
"""A reply is first waited for on its own socket, for so long: a third of the cost of polling both."""
MEND_S = 1.0

_COMMON = {
    zmq.LINGER: 0,
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 5_000,
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 3,
    zmq.TCP_KEEPALIVE_INTVL: 1,
    zmq.TCP_KEEPALIVE_CNT: 3,
    zmq.MAXMSGSIZE: MAX_REPLY_BYTES,
}
if sys.platform != "win32":  # as on the bridge's side
    _COMMON[zmq.TCP_MAXRT] = 5_000


_HEARTBEATS = {zmq.HEARTBEAT_IVL: 1_000, zmq.HEARTBEAT_TIMEOUT: 3_000, zmq.HEARTBEAT_TTL: 3_000}
"""Of requests alone, where nothing keeps libzmq from reading: at the heartbeat after a peer is gone from which it had stopped to
read, libzmq 4.3.5 aborts the process, and a subscriber that is slow has stopped. The bridge's own heartbeats are events."""


def default_endpoint() -> str:
    """The endpoint of the environment, or the default one."""
    return os.environ.get(ENDPOINT_VARIABLE) or DEFAULT_ENDPOINT


class Sockets:
    """A DEALER to the bridge's requests, and a SUB to its events once they are known."""

    def __init__(self, endpoint: str, lock: Lock | None = None) -> None:
        """With a `lock`, encrypted, and only with the bridge whose key it names. Raises `ConfigError` for an endpoint that is
        none."""
        self.endpoint = endpoint
        self.lock = lock
        self._server_key = 0
        self._failed_keys = 0
        self._mended_s = float("-inf")
        self.turned_away: BridgeError | None = None
        """Why the last handshake failed, with every key of the bridge."""
        self._context = zmq.Context()
        self._prefixes: Counter[bytes] = Counter()
        self._events_endpoint: str | None = None
        self.poller = zmq.Poller()
        self._open_events()
        self._open_requests()
        try:
            _connect(self.requests, endpoint)
        except ConfigError:
            self.close()
            raise

    def _open_requests(self) -> None:
        self.requests: zmq.Socket[bytes] = self._socket(zmq.DEALER)
        self.requests.setsockopt(zmq.IMMEDIATE, 1)
        self.requests.setsockopt(zmq.RCVHWM, 0)
        for option, milliseconds in _HEARTBEATS.items():
            self.requests.setsockopt(option, milliseconds)
        self.peer = Peer(self.requests, self.lock)
        self.requests.setsockopt(zmq.RCVTIMEO, QUICK_MS)
        self.poller.register(self.requests, POLLIN)

    def _open_events(self) -> None:
        self.events: zmq.Socket[bytes] = self._socket(zmq.SUB)
        self.events.setsockopt(zmq.RCVHWM, 100_000)
        self.events.setsockopt(zmq.SNDHWM, 0)
        self._events_peer = None if self.lock is None else Peer(self.events, self.lock)
        self.poller.register(self.events, POLLIN)

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        for option, value in _COMMON.items():
            socket.setsockopt(option, value)
        if self.lock is not None:
            keys = self.lock.server_keys
            socket.setsockopt(zmq.CURVE_SERVERKEY, keys[self._server_key % len(keys)])
            socket.setsockopt(zmq.CURVE_PUBLICKEY, self.lock.public)
            socket.setsockopt(zmq.CURVE_SECRETKEY, self.lock.secret)
        return socket

    def mend(self, now: float) -> bool:
        """Begin anew where the handshake was refused, which ZeroMQ does not, or fails again and again: with the next of the
        bridge's keys. At most once a second. Whether a socket is another one since."""
        if self.lock is None or self._events_peer is None or now - self._mended_s < MEND_S:
            return False
        self._mended_s = now
        requests, events = self.peer.shut_out, self._events_peer.shut_out
        if self.peer.shaken:
            self._failed_keys, self.turned_away = 0, None
        if requests or events:
            self._server_key += 1
        if requests:
            self._failed_keys += 1
            if self._failed_keys >= len(self.lock.server_keys):
                self.turned_away = self.peer.error(self.endpoint, MEND_S)
            self.poller.unregister(self.requests)
            self.peer.close()
            self.requests.close(0)
            self._open_requests()
            _connect(self.requests, self.endpoint)
        if events:
            self.poller.unregister(self.events)
            self._events_peer.close()
            self.events.close(0)
            self._open_events()
            for prefix in self._prefixes.elements():
                self.events.setsockopt(zmq.SUBSCRIBE, prefix)
            if self._events_endpoint is not None:
                _connect(self.events, self._events_endpoint)
        return requests or events

    @property
    def refused(self) -> bool:
        """Whether nothing that this client has will let it in there."""
        return self.peer.refused or self.turned_away is not None

    def act(self, action: Action) -> None:
        """Do what the session asks of the event socket. Raises `ConfigError` when the bridge gave an endpoint that is none."""
        if action.kind == "subscribe":
            self._prefixes[action.prefix] += 1
            self.events.setsockopt(zmq.SUBSCRIBE, action.prefix)
        elif action.kind == "unsubscribe":
            self._prefixes = Counter(self._prefixes) - Counter((action.prefix,))
            self.events.setsockopt(zmq.UNSUBSCRIBE, action.prefix)
        else:
            if self._events_endpoint is not None:
                self.events.disconnect(self._events_endpoint)
            _connect(self.events, action.endpoint)
            self._events_endpoint = action.endpoint

    def await_sendable(self, wanted: bool) -> None:
        """Whether the poller also wakes when a request can be sent."""
        self.poller.modify(self.requests, POLLIN | POLLOUT if wanted else POLLIN)

    def close(self) -> None:
        """Close both sockets; nothing lingers."""
        for peer in (self.peer, self._events_peer):
            if peer is not None:
                peer.close()
        self.requests.close(0)
        self.events.close(0)
        self._context.term()


def _connect(socket: zmq.Socket[bytes], endpoint: str) -> None:
    try:
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        raise ConfigError(
            f"not an endpoint: {endpoint!r} ({error.strerror})", next_step="write it as tcp://HOST:PORT", value=endpoint
        ) from None
