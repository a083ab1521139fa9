"""The session's process or thread, and the gateway's end of the link to it: one fresh socket for each generation.

A link that is used again lets old orders reach a new session, and lets another local process inject answers. So each generation
has a PAIR of its own in a folder that nobody else may enter and that is gone when it came (`bridge.link_place`), on Windows on a
port with keys handed over through standard input; and a token that its first message has to carry.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import zmq

from bridge.children import own_group
from bridge.errors import BridgeError, MalformedMessage
from bridge.link_place import private_place, remove
from bridge.session import link
from bridge.session.host import run
from bridge.session.settings import SessionSettings
from bridge.sockets import Keys, link_socket
from bridge.terminal import Credentials

NOBLOCK = int(zmq.NOBLOCK)
POLLIN = int(zmq.POLLIN)
EVENTS = int(zmq.EVENTS)
Socket = zmq.Socket[bytes]


class Running(Protocol):
    """A session that was started."""

    def exit_cause(self) -> str | None:
        """Why it has ended, or None while it runs."""

    def kill(self) -> None:
        """End it at once, where that is possible."""


class ChildProcess:
    """A session in a process of its own: it can be killed, whatever the terminal does to it."""

    def __init__(self, settings: SessionSettings) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "bridge.session.child"], stdin=subprocess.PIPE, **own_group())
        assert self._process.stdin is not None
        # The pipe stays open: its end is how the child learns that the bridge is gone.
        self._process.stdin.write(settings.to_json().encode() + b"\n")
        self._process.stdin.flush()

    def exit_cause(self) -> str | None:
        """Why the process has ended."""
        status = self._process.poll()
        if status is None:
            return None
        if status < 0:
            return f"the session process was killed by signal {-status}"
        return f"the session process ended with status {status}"

    def kill(self) -> None:
        """SIGKILL, TerminateProcess."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()


class ThreadInside:
    """A session in a thread of the bridge. It cannot be killed; one that hangs is left alone, and freezes the bridge while it
    holds the GIL."""

    def __init__(self, settings: SessionSettings, context: zmq.Context[Socket]) -> None:
        self._failure = ""
        self._thread = threading.Thread(target=self._run, args=(settings, context), daemon=True, name="session")
        self._thread.start()

    def _run(self, settings: SessionSettings, context: zmq.Context[Socket]) -> None:
        try:
            run(settings, context)
        except Exception as error:  # told as the cause of the exit; the gateway starts another
            self._failure = f": {error!r}"

    def exit_cause(self) -> str | None:
        """Why the thread has ended."""
        return None if self._thread.is_alive() else f"the session thread ended{self._failure}"

    def kill(self) -> None:
        """Nothing: its socket is closed, and it ends when its call returns."""
        self._thread.join(0.5)


@dataclass(slots=True)
class Generation:
    """One generation of the session with its end of the link."""

    number: int
    socket: Socket
    token: str
    running: Running
    place: Path | None = None
    proven: bool = False


class Sessions:
    """Starts, reaches and kills the session. `settings` has what is the same for every generation; `configured` gives the
    credentials for the next one, and without it they never change."""

    def __init__(
        self,
        context: zmq.Context[Socket],
        settings: SessionSettings,
        *,
        thread: bool,
        configured: Callable[[], Credentials] | None = None,
    ) -> None:
        self._context = context
        self._settings = settings
        self._thread = thread
        self._configured = configured
        self._present: Generation | None = None

    @property
    def credentials(self) -> Credentials:
        """Those of the newest generation."""
        return self._settings.credentials

    @property
    def link(self) -> Socket | None:
        """The socket to poll, while there is a session."""
        return None if self._present is None else self._present.socket

    def start(self, number: int) -> str | None:
        """Start a generation; why it could not be started, or None. Raises `ConfigError` when the settings are wrong by now."""
        self._drop()
        if self._configured is not None:
            self._settings = replace(self._settings, credentials=self._configured())
        token = secrets.token_hex(16)
        settings = replace(self._settings, token=token)
        keys = None
        place = None if self._thread else private_place()
        wanted = f"inproc://session-{number}-{token}" if place is None else f"ipc://{place}"
        if not self._thread and place is None:
            wanted = "tcp://127.0.0.1:*"
            keys = Keys(*zmq.curve_keypair())
            public, secret = zmq.curve_keypair()
            settings = replace(
                settings, server_public_key=keys.public.decode(), public_key=public.decode(), secret_key=secret.decode()
            )
        try:
            socket, endpoint = link_socket(self._context, wanted, keys)
        except BridgeError as error:
            remove(place)
            return str(error)
        settings = replace(settings, endpoint=endpoint)
        try:
            running: Running = ThreadInside(settings, self._context) if self._thread else ChildProcess(settings)
        except OSError as error:
            socket.close(0)
            remove(place)
            return f"the session process could not be started: {error}"
        self._present = Generation(number, socket, token, running, place)
        return None

    def receive(self, limit: int) -> Iterator[bytes]:
        """What the session has sent, at most `limit` messages; nothing from one that has not proven its generation.

        Only to be called when the link is readable. Each message may end the session, so that there is no next one.
        """
        present = self._present
        for number in range(limit):
            if present is None or present is not self._present:
                return
            try:
                frame = present.socket.recv(NOBLOCK)
            except zmq.Again:
                return
            if present.proven or _proves(frame, present.token):
                if not present.proven:
                    present.proven = True
                    remove(present.place)
                yield frame
            if number == 0 and present is self._present and not int(present.socket.getsockopt(EVENTS)) & POLLIN:
                return  # one alone is told so at a third of the cost of an exception

    def send(self, frame: bytes) -> None:
        """To the session; what is sent to none is gone, for nothing may reach the next one late."""
        if self._present is not None:
            try:
                self._present.socket.send(frame, NOBLOCK)
            except zmq.Again:
                return  # it is not connected yet, or no more; the gateway watches for its answers

    def exited(self) -> list[tuple[int, str]]:
        """The generation that has ended by itself, with the cause; what it had still sent is to be received before."""
        present = self._present
        if present is None:
            return []
        cause = present.running.exit_cause()
        if cause is None or present.socket.poll(0):
            return []
        self._drop()
        return [(present.number, cause)]

    def kill(self, number: int) -> None:
        """End a generation at once."""
        if self._present is not None and self._present.number == number:
            self._drop()

    def close(self) -> None:
        """End whatever runs."""
        self._drop()

    def _drop(self) -> None:
        present, self._present = self._present, None
        if present is not None:
            present.socket.close(0)
            remove(present.place)
            present.running.kill()


def _proves(frame: bytes, token: str) -> bool:
    try:
        message = link.from_session(frame)
    except MalformedMessage:
        return False
    return isinstance(message, link.Ready) and hmac.compare_digest(message.token, token)
