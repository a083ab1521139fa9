"""The two sockets of a client, with every option that `docs/protocol.md` asks for. No logic.

`IMMEDIATE` and no linger, because a request that waited for a bridge to come back would be an order nobody wants any more. `SNDHWM`
0 on SUB, because a SUB silently loses the subscriptions that exceed it. No `ROUTING_ID`: a second client with the same one could
get our replies.
"""

from __future__ import annotations

import os

import zmq

from bridge.codec import MAX_REPLY_BYTES
from bridge.errors import ConfigError
from clients.subscriptions import Action

DEFAULT_ENDPOINT = "tcp://127.0.0.1:5555"
ENDPOINT_VARIABLE = "MT5BRIDGE_ENDPOINT"
NOBLOCK = int(zmq.NOBLOCK)
POLLIN = int(zmq.POLLIN)
POLLOUT = int(zmq.POLLOUT)
QUICK_MS = 50
"""A reply is first waited for on its own socket, for so long: a third of the cost of polling both."""

_COMMON = {
    zmq.LINGER: 0,
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 5_000,
    zmq.HEARTBEAT_IVL: 1_000,
    zmq.HEARTBEAT_TIMEOUT: 3_000,
    zmq.HEARTBEAT_TTL: 3_000,
    zmq.MAXMSGSIZE: MAX_REPLY_BYTES,
}


def default_endpoint() -> str:
    """The endpoint of the environment, or the default one."""
    return os.environ.get(ENDPOINT_VARIABLE) or DEFAULT_ENDPOINT


class Sockets:
    """A DEALER to the bridge's requests, and a SUB to its events once they are known."""

    def __init__(self, endpoint: str) -> None:
        """Raises `ConfigError` for an endpoint that is none."""
        self._context = zmq.Context()
        self.requests: zmq.Socket[bytes] = self._context.socket(zmq.DEALER)
        self.events: zmq.Socket[bytes] = self._context.socket(zmq.SUB)
        self._events_endpoint: str | None = None
        for socket in (self.requests, self.events):
            for option, value in _COMMON.items():
                socket.setsockopt(option, value)
        self.requests.setsockopt(zmq.IMMEDIATE, 1)
        self.requests.setsockopt(zmq.RCVTIMEO, QUICK_MS)
        self.events.setsockopt(zmq.RCVHWM, 100_000)
        self.events.setsockopt(zmq.SNDHWM, 0)
        self.poller = zmq.Poller()
        self.poller.register(self.requests, POLLIN)
        self.poller.register(self.events, POLLIN)
        try:
            _connect(self.requests, endpoint)
        except ConfigError:
            self.close()
            raise

    def act(self, action: Action) -> None:
        """Do what the session asks of the event socket. Raises `ConfigError` when the bridge gave an endpoint that is none."""
        if action.kind == "subscribe":
            self.events.setsockopt(zmq.SUBSCRIBE, action.prefix)
        elif action.kind == "unsubscribe":
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
