"""The sockets that clients connect to: bound, kept closed to those without a key where that is asked for, and bound anew to cut the
connections of a key that was revoked."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import zmq
import zmq.utils.monitor

from bridge.errors import ConfigError
from bridge.sockets import Keys, events_socket, requests_socket
from bridge.zap import ENDPOINT as ZAP

Socket = zmq.Socket[bytes]


def user_of(frame: zmq.Frame) -> str:
    """The id of the key with which the connection was made; empty where none is known."""
    try:
        return str(frame.get("User-Id"))
    except zmq.ZMQError:
        return ""


AGAIN_S = 2.0
"""How long a port that was just given up may take until it can be bound again."""
PROOF_S = 5.0


class Doors:
    """Bound `requests` and `events`, and `asked`, where libzmq asks about connections; None without keys."""

    def __init__(self, context: zmq.Context[Socket], requests: str, events: str, keys: Keys | None = None) -> None:
        """`keys` is the bridge's own key pair; with it, nobody gets in about whom nobody was asked. Raises `ConfigError`."""
        self._context = context
        self._keys = keys
        self.asked: Socket | None = None
        with contextlib.ExitStack() as undo:
            if keys is not None:  # before anything is bound: where nobody answers, libzmq lets everybody in
                self.asked = context.socket(zmq.REP)
                undo.callback(self.asked.close, 0)
                self.asked.set(zmq.LINGER, 0)
                self.asked.bind(ZAP)
            self.requests, self.requests_endpoint = requests_socket(context, requests, keys)
            undo.callback(self.requests.close, 0)
            self.events, self.events_endpoint = events_socket(context, events, keys)
            undo.pop_all()

    def judge(self, answer: Callable[[list[bytes]], list[bytes]]) -> None:
        """Answer what libzmq asks now."""
        if self.asked is None:
            return
        while int(self.asked.getsockopt(zmq.EVENTS)) & int(zmq.POLLIN):
            self.asked.send_multipart(answer(self.asked.recv_multipart(zmq.NOBLOCK)), zmq.NOBLOCK)

    def cut_events(self) -> None:
        """Cut every connection for events, and listen again at the same place. Raises `ConfigError` where that cannot be had."""
        self.events.close(0)
        until_s = time.monotonic() + AGAIN_S
        while True:
            try:
                self.events, _ = events_socket(self._context, self.events_endpoint, self._keys)
            except ConfigError:
                if time.monotonic() >= until_s:
                    raise
                time.sleep(0.01)
            else:
                return

    def prove_closed(self, answer: Callable[[list[bytes]], list[bytes]]) -> None:
        """Try to get in with a key that nobody knows. Raises `ConfigError` when that succeeds, or cannot be tried."""
        if self._keys is None:
            return
        for kind, endpoint in ((zmq.DEALER, self.requests_endpoint), (zmq.SUB, self.events_endpoint)):
            here = endpoint.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")  # noqa: S104 - compared, not bound
            if not self._refuses(kind, here, answer):
                raise ConfigError(
                    f"{endpoint} let in a stranger, or could not be tried", next_step="do not use this machine's libzmq; report it"
                )

    def _refuses(self, kind: int, endpoint: str, answer: Callable[[list[bytes]], list[bytes]]) -> bool:
        assert self._keys is not None
        public, secret = zmq.curve_keypair()
        with self._context.socket(kind) as stranger:
            stranger.set(zmq.LINGER, 0)
            stranger.set(zmq.CURVE_SERVERKEY, self._keys.public)
            stranger.set(zmq.CURVE_PUBLICKEY, public)
            stranger.set(zmq.CURVE_SECRETKEY, secret)
            told = stranger.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH)
            try:
                stranger.connect(endpoint)
                until_s = time.monotonic() + PROOF_S
                while time.monotonic() < until_s:
                    self.judge(answer)
                    if told.poll(10):
                        return bool(zmq.utils.monitor.recv_monitor_message(told)["event"] == zmq.EVENT_HANDSHAKE_FAILED_AUTH)
                return False
            finally:
                stranger.disable_monitor()
                told.close(0)

    def close(self) -> None:
        """Close them; what is to be sent has half a second."""
        for socket in (self.requests, self.events):
            socket.close(500)
        if self.asked is not None:  # last: where nobody answers, libzmq lets everybody in
            self.asked.close(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
