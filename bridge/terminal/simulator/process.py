"""The process of a simulated terminal: it listens on TCP, serves attached programs, and lets its world live by the
clock.

One thread and one selector.  Every attached program has its own connection; one that sends garbage, reads slowly or
vanishes is dropped without the others noticing.  Functions named `control.*` are not part of the MetaTrader5 API:
they tell and steer what is simulated, and are answered in the same form.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bridge.errors import ConfigError
from bridge.terminal.simulator.answers import OK, Answer
from bridge.terminal.simulator.clock import SimulatedClock
from bridge.terminal.simulator.controls import CONTROLS, ControlRefused
from bridge.terminal.simulator.failures import BadParameters, CallFailed, TooMuch
from bridge.terminal.simulator.link import READ_BYTES, FrameReader, LinkError, pack_frame
from bridge.terminal.simulator.settings import Furnished, TerminalSettings, furnish

STEP_S = 0.05
"""The world advances at least this often."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Attached:
    """One attached program: its connection, what it asked and what it has not read yet."""

    number: int
    connection: socket.socket
    reader: FrameReader = field(default_factory=FrameReader)
    asked: deque[Any] = field(default_factory=deque)
    unsent: bytearray = field(default_factory=bytearray)


class TerminalProcess:
    """The loop of a terminal: a listener, the attached programs, a world and its clock.

    `monotonic` is the clock that the simulated one is read from, in seconds.
    """

    def __init__(self, listener: socket.socket, furnished: Furnished, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.world = furnished.world
        self.clock = furnished.clock
        self.replay = furnished.replay
        self.store = furnished.store
        self.monotonic = monotonic
        self.stopping = threading.Event()
        self.attached: dict[int, Attached] = {}
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._numbers = 0
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, None)

    def serve(self) -> None:
        """Serve until `stopping` is set, then close every connection."""
        try:
            while not self.stopping.is_set():
                self.step(STEP_S)
        finally:
            for client in list(self.attached.values()):
                with contextlib.suppress(OSError):
                    client.connection.send(bytes(client.unsent))
                self._drop(client)
            self._selector.close()
            self._listener.close()

    def step(self, timeout_s: float) -> None:
        """Let the world live up to now, then do what sockets are ready for, waiting at most `timeout_s` for one."""
        self.world.advance(self.now_msc())
        self.save()
        for key, events in self._selector.select(timeout_s):
            if key.data is None:
                self._accept()
            elif key.data.number in self.attached:
                self._serve_client(key.data, events)

    def now_msc(self) -> int:
        """The simulated server time."""
        return self.clock.now_msc(self.monotonic())

    def save(self) -> None:
        """Write what changed to the state file, if there is one."""
        if self.store:
            self.store.save(self.world)

    def set_clock(self, clock: SimulatedClock) -> None:
        """Go on with another clock, and remember it."""
        self.clock = clock
        if self.store:
            self.store.save_clock(clock, self.now_msc(), _utc_msc())

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # the program went away before it was accepted
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._numbers += 1
        client = self.attached[self._numbers] = Attached(self._numbers, connection)
        self._selector.register(connection, selectors.EVENT_READ, client)

    def _drop(self, client: Attached) -> None:
        del self.attached[client.number]
        self._selector.unregister(client.connection)
        client.connection.close()
        self.world.detach(client.number)

    def _serve_client(self, client: Attached, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                received = client.connection.recv(READ_BYTES)
                if not received:
                    self._drop(client)
                    return
                client.asked.extend(client.reader.feed(received))
            self._answer(client)
        except BlockingIOError:
            return
        except (OSError, LinkError) as error:
            _log.info("program %d is detached: %s", client.number, error)
            self._drop(client)

    def _answer(self, client: Attached) -> None:
        """Answer what was asked, one at a time: nothing more is read or done for a program that does not take its
        answers.
        """
        while True:
            if client.unsent:
                with contextlib.suppress(BlockingIOError):
                    del client.unsent[: client.connection.send(client.unsent)]
            if client.unsent or not client.asked:
                break
            client.unsent += self._reply(client, client.asked.popleft())
        self._selector.modify(client.connection, selectors.EVENT_WRITE if client.unsent else selectors.EVENT_READ, client)

    def _reply(self, client: Attached, message: Any) -> bytes:
        if not (isinstance(message, list) and len(message) == 2 and isinstance(message[0], str) and isinstance(message[1], list)):
            raise LinkError("a request is not [function, args]")
        answer = self._call(message[0], message[1], client.number)
        try:
            return pack_frame(answer)
        except LinkError:  # more than one message holds: fewer rows must be asked for
            return pack_frame((*TooMuch.error, None))

    def _call(self, function: str, args: list[Any], client: int) -> Answer:
        control = CONTROLS.get(function)
        try:
            if control is not None:
                return (*OK, control(self, *args))
            answer = self.world.call(function, args, self.now_msc(), client)
            self.save()
            return answer
        except ControlRefused as refused:
            return (BadParameters.error[0], str(refused), None)
        except sqlite3.Error:
            raise  # nothing may be answered that was not kept
        except Exception:
            # A fault of the simulator must not end the other programs' sessions; the person reads it here.
            _log.exception("%s failed", function)
            return (*CallFailed.error, None)


def run(settings: TerminalSettings) -> int:
    """Run a terminal until it is stopped; returns the exit code of the process.

    Prints `terminal listening on tcp://HOST:PORT` as its only line on standard output once programs can attach.  Ends
    cleanly on SIGINT, SIGTERM, Ctrl-Break and `control.stop`, and with `exit_with_parent` when standard input ends.
    """
    try:
        listener = _listen(settings)
    except OSError as error:
        host, port = settings.listen
        _complain(
            f"cannot listen on {host}:{port}: {error.strerror or error}; is a terminal already running there? choose another port"
        )
        return 1
    try:
        furnished = furnish(settings, utc_msc=_utc_msc(), monotonic_s=time.monotonic())
    except ConfigError as error:
        listener.close()
        _complain(str(error))
        return 1
    process = TerminalProcess(listener, furnished)
    if settings.exit_with_parent:
        threading.Thread(target=_await_end_of_input, args=(process.stopping,), daemon=True).start()
    host, port = listener.getsockname()[:2]
    with _signals(process.stopping):
        print(f"terminal listening on tcp://{host}:{port}", flush=True)
        try:
            process.serve()
        except sqlite3.Error as error:
            _complain(f"the state file {settings.state} cannot be written: {error}; the terminal ends")
            return 1
        finally:
            if furnished.store:
                furnished.store.close()
    return 0


def _utc_msc() -> int:
    return time.time_ns() // 1_000_000


def _complain(text: str) -> None:
    print(f"terminal: {text}", file=sys.stderr, flush=True)


def _listen(settings: TerminalSettings) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # On Windows SO_REUSEADDR would let two terminals share the port; elsewhere it only skips TIME_WAIT.
        if sys.platform == "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(settings.listen)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def _await_end_of_input(stopping: threading.Event) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    stopping.set()


@contextlib.contextmanager
def _signals(stopping: threading.Event) -> Iterator[None]:
    """Let the stop signals set the event; only the main thread can, elsewhere nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = [(number, signal.signal(number, lambda *_: stopping.set())) for number in numbers]
    try:
        yield
    finally:
        for number, previous in before:
            signal.signal(number, previous)
