"""A connection to a bridge that notices at once when the bridge is gone, and that moves from thread to thread.

Whoever uses it holds a lock, so that only one thread at a time does: that is all that ZeroMQ asks for.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from typing import Any, TypeVar
from urllib.parse import urlsplit

from bridge.errors import BridgeError, BridgeUnreachable
from bridge.messages import Ping, Request, SendOrder
from clients.calls import Call
from clients.driver import Driver
from clients.lock import lock_of

R = TypeVar("R")

UNSENT_S = 1.0
"""So long a request may wait for a connection on a line that worked before."""
PROBE_S = 1.0
"""Time between two questions whether the bridge is still there, while an answer is waited for."""
GONE_S = 3.0
"""A bridge that does not say in that time that it is there is gone; its gateway never waits for the terminal."""
OUTCOME_S = 10.0
"""So long an order that has left waits for a bridge that is gone to come back and tell what became of it."""
STUCK_S = 0.3
"""A probe that has not left by then is a reason to look whether anybody listens."""
STEP_S = 0.2
LISTEN_S = 2.0


class Gone(Exception):
    """The bridge is gone. `sent` says whether the request may have reached it."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__("sent" if sent else "not sent")
        self.sent = sent


def listens(endpoint: str, timeout_s: float) -> bool:
    """Whether anything accepts connections there; what is not TCP is taken to."""
    if not endpoint.startswith("tcp://"):
        return True
    try:
        address = urlsplit(endpoint)
        with contextlib.closing(socket.create_connection((address.hostname or "", address.port or 0), min(timeout_s, LISTEN_S))):
            return True
    except (OSError, ValueError):
        return False


def open_line(endpoint: str, timeout_s: float) -> Line:
    """Connect. Raises `BridgeError`."""
    if not listens(endpoint, timeout_s):
        raise BridgeUnreachable(f"no bridge answers at {endpoint}", next_step="start one with `mt5bridge serve`", endpoint=endpoint)
    program = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else "python"
    return Line(endpoint, f"{program[:50]}-{os.getpid()}", socket.gethostname()[:64], timeout_s, None, lock=lock_of(None, None))


class Line(Driver):
    """See the module."""

    def ask(self, request: Request[R], timeout_s: float, request_id: str | None = None, valid_for_s: float | None = None) -> R:
        """Send a request and wait for its result. Raises `Gone` and `BridgeError`."""
        self._thread = threading.get_ident()
        until_s = time.monotonic() + timeout_s
        while True:
            left_s = max(until_s - time.monotonic(), 0.001)
            call = self.session.call(request, time.monotonic(), left_s, request_id=request_id, valid_for_s=valid_for_s)
            try:
                if self._waited(call):
                    return call.result()
            finally:
                if not call.done:
                    self.forget(call)

    def _waited(self, call: Call[Any]) -> bool:
        """Wait until a call is done. False when it was sent to a bridge that is no more and another one is there: ask again."""
        if not self._flush() and self._quick_reply() and call.done:
            return True
        begun_s = time.monotonic()
        epoch, order = self.session.epoch, isinstance(call.request, SendOrder)
        alive_s = begun_s
        probe: Call[Any] | None = None
        while True:
            self._step(STEP_S)
            now = time.monotonic()
            if call.done:
                return True
            if self.session.epoch != epoch and not order:  # an order is asked for again by the session, with its id
                return False
            if call.sent_s is None and now - begun_s > UNSENT_S:
                raise Gone(sent=False)
            if probe is not None and probe.done:
                alive_s = alive_s if isinstance(probe.error, BridgeError) else now
            if now - alive_s > (OUTCOME_S if order else GONE_S) or (not order and self._closed_to(probe, now)):
                raise Gone(sent=True)
            if now - begun_s > PROBE_S / 2 and (probe is None or (probe.done and now - alive_s > PROBE_S)):
                probe = self.session.call(Ping(), now, PROBE_S)

    def _closed_to(self, probe: Call[Any] | None, now: float) -> bool:
        """Whether a probe does not get out, because nobody listens there any more."""
        stuck = probe is not None and not probe.done and probe.sent_s is None and now - (probe.deadline_s - PROBE_S) > STUCK_S
        return stuck and not listens(self.session.endpoint, STUCK_S)

    def leave(self) -> None:
        """Close it, from whatever thread."""
        self._thread = threading.get_ident()
        with contextlib.suppress(BridgeError):
            self.close()
