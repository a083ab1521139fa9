"""Who listens at an endpoint: what ZeroMQ tells of the first handshake, so that a client can say why it cannot begin.

A ZeroMQ socket keeps all that to itself: where the handshake is refused, what is sent just never leaves.
"""

from __future__ import annotations

import struct

import zmq

from bridge.errors import BridgeError, BridgeUnreachable, NotAllowed, WrongProtocol
from clients.calls import unreachable
from clients.lock import Lock

_EVENT = struct.Struct("=hi")
_NOBLOCK = int(zmq.NOBLOCK)
_CONNECTED, _DISCONNECTED = int(zmq.Event.CONNECTED), int(zmq.Event.DISCONNECTED)
_SHAKEN, _CUT = int(zmq.Event.HANDSHAKE_SUCCEEDED), int(zmq.Event.HANDSHAKE_FAILED_NO_DETAIL)
_NOT_ALLOWED = int(zmq.Event.HANDSHAKE_FAILED_AUTH)
_REFUSED = int(zmq.Event.HANDSHAKE_FAILED_PROTOCOL) | _NOT_ALLOWED
CUTS = 2
"""So often the handshake has to fail without a word until that means something: a bridge that ends does that too."""


class Peer:
    """What is known of it. `refused`: ZeroMQ will not try again."""

    def __init__(self, socket: zmq.Socket[bytes], lock: Lock | None = None) -> None:
        """Watches a socket that is not connected yet; `lock` is what it has."""
        self._lock = lock
        self._cuts = 0
        self._not_allowed = False
        self.monitor = socket.get_monitor_socket(_CONNECTED | _DISCONNECTED | _SHAKEN | _CUT | _REFUSED)
        self._socket = socket
        self._stage = 0
        self._reached = self._shaken = self._refused = self._other_kind = False
        self.open = True

    @property
    def refused(self) -> bool:
        """Whether it has refused the handshake, once and for all."""
        self._look()
        return self._refused or self._other_kind

    @property
    def shut_out(self) -> bool:
        """Whether the handshake fails again and again: with the wrong key of the bridge ZeroMQ tries for ever."""
        self._look()
        return self._refused or self._cuts >= CUTS

    @property
    def not_allowed(self) -> bool:
        """Whether the bridge does not allow the key."""
        self._look()
        return self._not_allowed

    @property
    def shaken(self) -> bool:
        """Whether a handshake has succeeded."""
        self._look()
        return self._shaken

    def _look(self) -> None:
        while self.open:
            try:
                frame, _ = self.monitor.recv_multipart(_NOBLOCK)
            except zmq.Again:
                return
            event = _EVENT.unpack(frame)[0] & 0xFFFF
            self._refused |= bool(event & _REFUSED)
            self._not_allowed |= event == _NOT_ALLOWED
            self._cuts = 0 if event == _SHAKEN else self._cuts + (event == _CUT)
            self._shaken |= event == _SHAKEN
            # One of another kind (the events of a bridge, for example) is left without a word.
            self._other_kind |= event == _DISCONNECTED and self._stage == _CONNECTED
            self._reached |= event == _CONNECTED
            self._stage = event

    def error(self, endpoint: str, timeout_s: float) -> BridgeError:
        """Why a client did not come to its welcome there."""
        if self.not_allowed:
            return NotAllowed(
                f"the bridge at {endpoint} does not allow this key",
                next_step="on its machine: mt5bridge keys list, and mt5bridge keys allow NAME PUBLIC --role ROLE",
                endpoint=endpoint,
            )
        if self._lock is not None and not self.refused and self.shut_out:
            return NotAllowed(
                f"what listens at {endpoint} has another key than the bridge's that was given",
                next_step="compare it with what `mt5bridge keys server` prints on the bridge's machine",
                endpoint=endpoint,
            )
        if self._refused:
            what = "wants no keys" if self._lock is not None else "wants a key"
            return NotAllowed(
                f"the bridge at {endpoint} {what}",
                next_step="leave --key and --server-key out" if self._lock is not None else "give it with --key and --server-key",
                endpoint=endpoint,
            )
        if self._other_kind:
            return WrongProtocol(
                f"what listens at {endpoint} does not take our requests: it is a ZeroMQ socket of another kind",
                next_step="give the first of the two endpoints that `mt5bridge serve` prints",
                endpoint=endpoint,
            )
        if not self._reached:
            return unreachable(endpoint, timeout_s)
        answer = "does not answer" if self._shaken else "does not speak ZeroMQ"
        return BridgeUnreachable(
            f"something listens at {endpoint}, but it {answer} within {timeout_s:g} s",
            next_step="see which program has this port; `mt5bridge serve` prints the endpoints of a bridge",
            endpoint=endpoint,
        )

    def close(self) -> None:
        """Watch no more."""
        if self.open:
            self.open = False
            self._socket.disable_monitor()  # before its other end is closed, or that would hang
            self.monitor.close(0)
