"""Bridges on Windows, under Wine, and clients of theirs on this side of it.

`tests/windows/run` tells in the environment what has to be known: WINDOWS_PYTHON is the path of a python.exe, WINEPREFIX Wine's
folder.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bridge.replies import ConnectionState, Pong
from clients import Client
from clients.events import Connection, Gap
from tests.processes import ANYWHERE, environment
from tests.windows.console import WORD
from tests.windows.terminal import CHECKOUT

PATIENCE_S = 90.0
"""Longest wait for what should take seconds: machines are shared, and Wine starts slowly."""
END_S = 15.0
PING_EVERY_S = 0.05
PYTHON = Path(os.environ["WINDOWS_PYTHON"])


def windows_path(path: Path | str) -> str:
    """What Windows calls a file of this side: drive Z: is the root."""
    return "Z:" + str(path).replace("/", "\\")


class Program:
    """A program that the Windows Python runs. Its streams are pipes: with files instead it does not start under Wine.

    Each stream is closed when it ends, which is when the last process has left it: Wine hands them on to every process that the
    program starts.
    """

    def __init__(self, arguments: Sequence[str], **changes: str) -> None:
        self.process = subprocess.Popen(
            ["wine", str(PYTHON), "-u", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**{"PYTHONPATH": windows_path(CHECKOUT), "PYTHONPYCACHEPREFIX": "C:\\pycache"} | changes),
            cwd=CHECKOUT,
        )
        self.errors: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        for stream, take in ((self.process.stdout, self._lines.put), (self.process.stderr, self.errors.append)):
            assert stream is not None
            threading.Thread(target=_read, args=(stream, take), daemon=True).start()

    def line(self) -> str:
        """The next line of its standard output."""
        try:
            return self._lines.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise AssertionError(f"nothing was said; errors: {self.errors}") from None

    def say(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def end_input(self) -> None:
        """Nothing more will be said to it."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(PATIENCE_S)


def _read(stream: IO[str], take: Callable[[str], None]) -> None:
    with stream:
        for line in stream:
            take(line.rstrip())


@contextlib.contextmanager
def windows(*arguments: str, **changes: str) -> Iterator[Program]:
    """A program for the length of a block. At its end the standard input ends, and the program has a moment to end, too."""
    program = Program(arguments, **changes)
    try:
        yield program
    finally:
        program.end_input()
        try:
            program.process.wait(END_S)
        except subprocess.TimeoutExpired:
            program.process.kill()
            program.process.wait()


def until(true: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for something outside."""
    end_s = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end_s, what
        time.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Ping:
    """One ping: when it was sent, how long the answer took, and what it was."""

    sent_s: float
    took_s: float
    answer: Pong


@dataclass(slots=True)
class Figures:
    """How long answers took, in milliseconds."""

    count: int
    p50: float
    p99: float
    most: float

    @classmethod
    def of(cls, took_s: list[float]) -> Figures:
        """Of at least one."""
        ordered = sorted(took_s)
        at = [round(ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000, 1) for share in (0.5, 0.99, 1.0)]
        return cls(len(ordered), *at)

    def __str__(self) -> str:
        return f"{self.count} answers, p50 {self.p50} ms, p99 {self.p99} ms, longest {self.most} ms"


class _EndedError(Exception):
    """Nobody wants to know any more."""


@dataclass
class Watcher:
    """One client, in a thread: it follows `connection` and pings all the while, over the same sockets from beginning to end."""

    endpoint: str
    name: str
    states: list[tuple[float, ConnectionState]] = field(default_factory=list)
    """With the time at which each came."""
    gaps: list[Gap] = field(default_factory=list)
    pings: list[Ping] = field(default_factory=list)
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name=self.name)
        self._thread.start()

    def _run(self) -> None:
        try:
            client = Client(self.endpoint, name=self.name, timeout_s=PATIENCE_S, on_turn=self._turn)
            with client, client.subscribe("connection") as events:
                while not (self.states and self.states[-1][1].state == "stopped"):
                    item = events.get(PING_EVERY_S)
                    if isinstance(item, Gap):
                        self.gaps.append(item)
                    elif isinstance(item, Connection):
                        self.states.append((time.monotonic(), item.connection))
                    elif not self.states or self.states[-1][1].state != "stopping":
                        sent_s = time.monotonic()
                        pong = client.ping()
                        self.pings.append(Ping(sent_s, time.monotonic() - sent_s, pong))
        except _EndedError:
            return
        except BaseException as error:  # told by whoever looks at the watcher next
            self.failure = error

    def _turn(self) -> None:
        if self._ending.is_set():
            raise _EndedError

    def wait(self, true: Callable[[ConnectionState], bool], what: str, *, since: int = 0, patience_s: float = PATIENCE_S) -> int:
        """The number of the first state for which something is true; `since` is the number of the first that counts."""
        end_s = time.monotonic() + patience_s
        while True:
            for number, (_, state) in enumerate(self.states[since:], since):
                if true(state):
                    return number
            assert self.failure is None, self.failure
            seen = [(state.state, state.reason, state.cause) for _, state in self.states[since:][-10:]]
            assert time.monotonic() < end_s, f"never {what}; seen: {seen}"
            time.sleep(0.02)

    def between(self, first: int, last: int) -> list[Ping]:
        """The pings that were sent while the states went from one number to another."""
        from_s, to_s = self.states[first][0], self.states[last][0]
        return [ping for ping in list(self.pings) if from_s <= ping.sent_s <= to_s]

    def close(self) -> None:
        """End the client."""
        self._ending.set()
        self._thread.join(PATIENCE_S)


@dataclass(slots=True)
class Bridge:
    """A bridge under Wine, and a client that watches it."""

    program: Program
    endpoint: str
    watcher: Watcher

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        self.program.say(WORD)
        return self.program.wait()


@contextlib.contextmanager
def bridge(**changes: str) -> Iterator[Bridge]:
    """A bridge with the real package, configured by the environment."""
    words = ["-m", "bridge", "serve", "--terminal", "metatrader5", "--requests", ANYWHERE, "--events", ANYWHERE]
    with windows("-m", "tests.windows.console", *words, **changes) as program:
        told = program.line().split()
        assert told[:1] == ["requests"], (told, program.errors)
        watcher = Watcher(told[1], "watcher")
        try:
            yield Bridge(program, told[1], watcher)
        finally:
            watcher.close()
