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
from bridge.session.link import FromSession, Misconfigured, Ready, pack, to_session
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
    def send(message: FromSession) -> None:
        link.send(pack(message), NOBLOCK)

    send(Ready(settings.token, os.getpid()))
    try:
        terminal = terminal_factory(settings.terminal)
    except ConfigError as error:
        send(Misconfigured(error.message, error.next_step))
        raise
    session = Session(terminal, settings.credentials, send)
    try:
        while not session.stopped:
            now = clock()
            deadline = session.next_deadline()
            if deadline <= now:
                session.step(now)
                _receive(link, session)
            else:
                link.setsockopt(RCVTIMEO, min(POLL_MS, math.ceil((deadline - now) * 1000)))
                _await(link, session)
    finally:
        session.close()


def _receive(link: zmq.Socket[bytes], session: Session) -> None:
    """What has arrived."""
    for _ in range(BURST):
        if not int(link.getsockopt(EVENTS)) & POLLIN:  # half of what it costs to be told by an exception
            return
        session.receive(to_session(link.recv(NOBLOCK)))


def _await(link: zmq.Socket[bytes], session: Session) -> None:
    """One message. It is acted on before others are looked for: the answer is sooner out."""
    try:
        session.receive(to_session(link.recv()))
    except zmq.Again:
        return
