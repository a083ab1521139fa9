"""Runs a session at its end of the link: in a child process, or in a thread of the bridge.

The link's high-water marks are off: the gateway reads all the time and watches the session, and the answer to an order must neither
wait behind ticks nor block the session. What a stalled gateway leaves unread is bounded by its own death, which ends the child.
"""

from __future__ import annotations

import math
import os
import sys
import time
import traceback
from collections.abc import Callable

import zmq

from bridge.errors import BridgeError, ConfigError
from bridge.session.core import Session
from bridge.session.link import FromSession, Misconfigured, Ready, all_to_session, pack, together
from bridge.session.settings import SessionSettings
from bridge.terminal import Terminal
from bridge.terminal.metatrader import open_terminal

MISUSED = 2
"""Exit code of a session whose settings are wrong."""
FAULT = 70
"""Exit code of a session that ended by a fault of its own (EX_SOFTWARE of sysexits.h)."""
POLL_MS = 200
"""Longest wait for a message: on Windows a wait is not interrupted by anything else."""
LAST_WORDS_MS = 500
"""How long the end waits for what was said last to be taken."""
LOOK_S = 0.0001
"""While there is something to do, the link is looked at this often, not after each step: looking costs as much as a short one."""
SHORT_S = 0.00005
HELD_S = 0.0002
MOST_HELD = 16
"""A result may wait for that of the next call after a call this short, for so long in all, and with so many others. Results of
orders, and of calls that may rightly take long, never do."""
BURST = 256
"""Messages taken from the link in one go."""
NOBLOCK = int(zmq.NOBLOCK)
POLLIN = int(zmq.POLLIN)
EVENTS = int(zmq.EVENTS)
RCVTIMEO = int(zmq.RCVTIMEO)


def run(
    settings: SessionSettings,
    context: zmq.Context[zmq.Socket[bytes]],
    terminal_factory: Callable[[str], Terminal] = open_terminal,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Serve the gateway until it says stop or ends the context; the exit code, 0, `MISUSED` or `FAULT`.

    Why it ended by itself is written to standard error.

    `clock` must be the one that the gateway uses for the deadlines of its calls.
    """
    try:
        link = _connect(settings, context)
        try:
            _serve(settings, link, terminal_factory, clock)
        finally:
            link.close()
    except zmq.ContextTerminated:
        return 0
    except BridgeError as error:
        sys.stderr.write(f"session: {error}\n")
        return MISUSED if isinstance(error, ConfigError) else FAULT
    except Exception:
        sys.stderr.write(f"session: ended by a fault\n{traceback.format_exc()}")
        sys.stderr.flush()
        return FAULT
    return 0


def _connect(settings: SessionSettings, context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
    link: zmq.Socket[bytes] = context.socket(zmq.PAIR)
    link.linger = LAST_WORDS_MS
    link.sndhwm = 0
    link.rcvhwm = 0
    if settings.server_public_key is not None:
        link.curve_serverkey = settings.server_public_key.encode()
        link.curve_publickey = (settings.public_key or "").encode()
        link.curve_secretkey = (settings.secret_key or "").encode()
    link.connect(settings.endpoint)
    return link


def _serve(
    settings: SessionSettings,
    link: zmq.Socket[bytes],
    terminal_factory: Callable[[str], Terminal],
    clock: Callable[[], float],
) -> None:
    outgoing = _Outgoing(link)
    send = outgoing.send
    send(Ready(settings.token, os.getpid()))
    try:
        terminal = terminal_factory(settings.terminal)
    except ConfigError as error:
        send(Misconfigured(error.message, error.next_step))
        raise
    session = Session(terminal, settings.credentials, send, outgoing.hold)
    try:
        look_s, timeout_ms = 0.0, -1
        while not session.stopped:
            now = clock()
            deadline = session.next_deadline()
            if deadline <= now:
                if now >= look_s:
                    look_s = now + LOOK_S
                    _receive(link, session)
                session.step(now)
                if outgoing.held and not (session.reads_wait and outgoing.may_wait(now, clock())):
                    outgoing.flush()
                continue
            wait_ms = min(POLL_MS, math.ceil((deadline - now) * 1000))
            if wait_ms != timeout_ms:
                link.setsockopt(RCVTIMEO, wait_ms)
                timeout_ms = wait_ms
            _await(link, session)
            look_s = clock() + LOOK_S
    finally:
        outgoing.flush()
        session.close()


class _Outgoing:
    """What goes to the gateway. Results of calls that take next to no time travel together."""

    def __init__(self, link: zmq.Socket[bytes]) -> None:
        self._link = link
        self._since_s: float | None = None
        self.held: list[bytes] = []

    def send(self, message: FromSession) -> None:
        """Send it now, behind what was held back."""
        self.flush()
        self._link.send(pack(message), NOBLOCK)

    def hold(self, message: FromSession) -> None:
        """Send it soon."""
        self.held.append(pack(message))

    def may_wait(self, begun_s: float, now: float) -> bool:
        """Whether what is held back may wait for the next call, after one that began at `begun_s`."""
        if self._since_s is None:
            self._since_s = begun_s
        return len(self.held) < MOST_HELD and now - begun_s < SHORT_S and now - self._since_s < HELD_S

    def flush(self) -> None:
        """Send what was held back."""
        if self.held:
            held, self.held, self._since_s = self.held, [], None
            self._link.send(together(held), NOBLOCK)


def _receive(link: zmq.Socket[bytes], session: Session) -> None:
    """What has arrived."""
    for _ in range(BURST):
        if not int(link.getsockopt(EVENTS)) & POLLIN:  # half of what it costs to be told by an exception
            return
        for message in all_to_session(link.recv(NOBLOCK)):
            session.receive(message)


def _await(link: zmq.Socket[bytes], session: Session) -> None:
    """One message. It is acted on before others are looked for: the answer is sooner out."""
    try:
        frame = link.recv()
    except zmq.Again:
        return
    for message in all_to_session(frame):
        session.receive(message)
