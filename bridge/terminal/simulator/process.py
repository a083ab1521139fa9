"""The process of a simulated terminal: it listens on TCP, serves attached programs, and lets its world live by the
clock.

One thread and one selector.  Every attached program has its own connection; one that sends garbage, reads slowly or
vanishes is dropped without the others noticing.  Functions named `control.*` are not part of the MetaTrader5 API:
they tell and steer what is simulated, and are answered in the same form.
"""

from __future__ import annotations

import contextlib
import logging
import math
import selectors
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from bridge.errors import ConfigError
from bridge.mt5api.backend import LinkLost
from bridge.terminal.simulator.answers import OK, Answer
from bridge.terminal.simulator.attached import Attached, Withheld
from bridge.terminal.simulator.clock import SimulatedClock
from bridge.terminal.simulator.controls import CONTROLS, ControlRefused
from bridge.terminal.simulator.failures import BadParameters, CallFailed, TooMuch
from bridge.terminal.simulator.fault import hold_of
from bridge.terminal.simulator.faults import restarted
from bridge.terminal.simulator.lifetime import await_end_of_input, die, listen, stop_signals
from bridge.terminal.simulator.link import READ_BYTES, LinkError, pack_frame
from bridge.terminal.simulator.settings import Furnished, TerminalSettings, furnish
from bridge.terminal.simulator.world import fits

STEP_S = 0.05
"""The world advances at least this often."""

_log = logging.getLogger(__name__)


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
        self._address: tuple[str, int] = listener.getsockname()[:2]
        self._selector = selectors.DefaultSelector()
        self._numbers = 0
        self._back_s: float | None = None  # when a terminal that has ended is there again
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
        if self._back_s is not None and not self._come_back(timeout_s):
            return
        self.world.advance(self.now_msc())
        self.save()
        if self.world.faults.in_force:
            timeout_s = self._until_due(timeout_s)
        for key, events in self._selector.select(timeout_s):
            if key.data is None:
                self._accept()
            elif key.data.number in self.attached:
                self._serve_client(key.data, events)
            if self.world.faults.fate:
                self._end()
                return
        for client in [client for client in self.attached.values() if client.withheld and self._is_due(client.withheld)]:
            self._serve_client(client, 0)

    def now_msc(self) -> int:
        """The simulated server time."""
        return self.clock.now_msc(self.monotonic())

    def save(self) -> None:
        """Write what changed to the state file, if there is one; not what happens to another account that is shown."""
        if self.store and not self.world.faults.away:
            self.store.save(self.world)

    def set_clock(self, clock: SimulatedClock) -> None:
        """Go on with another clock, and remember it."""
        self.clock = clock
        if self.store:
            self.store.save_clock(clock, self.now_msc(), _utc_msc())

    def _end(self) -> None:
        """End as a fault demands: for good, or to come back later without faults."""
        fate, self.world.faults.fate = self.world.faults.fate, None
        if fate is None:
            return
        if fate.back_after_s is None:
            die()
            return
        for client in list(self.attached.values()):
            self._drop(client)
        self._selector.unregister(self._listener)
        self._listener.close()
        restarted(self.world, fate)
        self._back_s = self.monotonic() + fate.back_after_s

    def _come_back(self, timeout_s: float) -> bool:
        """Listen again once it is time; waits for that at most `timeout_s`."""
        left_s = (self._back_s or 0.0) - self.monotonic()
        if left_s > 0:
            self.stopping.wait(min(left_s, timeout_s))
            return False
        try:
            self._listener = listen(self._address)
        except OSError as error:
            _log.warning("cannot listen on %s:%d again yet: %s", *self._address, error)
            self.stopping.wait(timeout_s)
            return False
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._back_s = None
        return True

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
        if client.withheld:
            client.withheld.hold.released = True
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
        except (OSError, LinkError, LinkLost) as error:
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
            if client.unsent:
                break
            if client.withheld:
                if not self._is_due(client.withheld):
                    break
                client.unsent += self._released(client, client.withheld)
            elif client.asked:
                client.unsent += self._reply(client, client.asked.popleft())
            else:
                break
        self._selector.modify(client.connection, selectors.EVENT_WRITE if client.unsent else selectors.EVENT_READ, client)

    def _reply(self, client: Attached, message: Any) -> bytes:
        if not (isinstance(message, list) and len(message) == 2 and isinstance(message[0], str) and isinstance(message[1], list)):
            raise LinkError("a request is not [function, args]")
        function, args = message
        if self.world.faults.in_force and function not in CONTROLS and fits(function, args):
            hold = hold_of(self.world, function, args)
            if hold:
                reply = self._packed(function, args, client.number) if hold.executes else None
                client.withheld = Withheld(hold, self.monotonic() + hold.seconds, function, args, reply)
                return b""
        return self._packed(function, args, client.number)

    def _released(self, client: Attached, withheld: Withheld) -> bytes:
        client.withheld, withheld.hold.released = None, True
        return withheld.reply or self._packed(withheld.function, withheld.args, client.number)

    def _is_due(self, withheld: Withheld) -> bool:
        return withheld.hold.released or self.monotonic() >= withheld.due_s

    def _until_due(self, timeout_s: float) -> float:
        due_s = min((client.withheld.due_s for client in self.attached.values() if client.withheld), default=math.inf)
        return max(0.0, min(timeout_s, due_s - self.monotonic()))

    def _packed(self, function: str, args: list[Any], client: int) -> bytes:
        answer = self._call(function, args, client)
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
        except LinkLost:
            self.save()  # what was executed is kept, although its answer is lost
            raise
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
        listener = listen(settings.listen)
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
        threading.Thread(target=await_end_of_input, args=(process.stopping,), daemon=True).start()
    host, port = listener.getsockname()[:2]
    with stop_signals(process.stopping):
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
