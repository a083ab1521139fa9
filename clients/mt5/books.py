"""Depths of market that this program has opened, each held open by a subscription of its own client, in a thread.

So a book stays open while any program has it open, and is closed when the last one leaves, however it leaves. The bridge's events
are taken as they come and thrown away: what is asked for is the terminal's present book.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future

from bridge.errors import BridgeError
from clients.blocking import Client
from clients.subscription import Subscription

TURN_S = 0.2


class Books:
    """The books of one bridge; `add` and `release` are called by one thread at a time."""

    def __init__(self, endpoint: str, timeout_s: float) -> None:
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._jobs: queue.SimpleQueue[tuple[Callable[[], bool], Future[bool]] | None] = queue.SimpleQueue()
        self._held: dict[str, Subscription] = {}
        self._client: Client | None = None
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    def add(self, symbol: str) -> bool:
        """Open a book; whether it is open now. Raises `BridgeError`."""
        return symbol in self._held or self._do(lambda: self._add(symbol))

    def release(self, symbol: str) -> bool:
        """Close it, as far as this program is concerned; whether it was open."""
        return symbol in self._held and self._do(lambda: self._release(symbol))

    def holds(self, symbol: str) -> bool:
        """Whether this program has it open."""
        return symbol in self._held

    def close(self) -> None:
        """Close all of them."""
        if self._thread is not None and self._pid == os.getpid():
            self._jobs.put(None)
            self._thread.join(TURN_S * 10)

    def _do(self, job: Callable[[], bool]) -> bool:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="books", daemon=True)
            self._thread.start()
        done: Future[bool] = Future()
        self._jobs.put((job, done))
        return done.result(self._timeout_s * 2)

    def _run(self) -> None:
        while True:
            try:
                task = self._jobs.get(timeout=None if not self._held else TURN_S)
            except queue.Empty:
                self._drain()
                continue
            if task is None:
                break
            job, done = task
            try:
                done.set_result(job())
            except Exception as error:  # it is the caller's
                done.set_exception(error)
        if self._client is not None:
            with contextlib.suppress(BridgeError):
                self._client.close()

    def _drain(self) -> None:
        for subscription in list(self._held.values()):
            with contextlib.suppress(BridgeError):
                while subscription.get() is not None:
                    pass

    def _add(self, symbol: str) -> bool:
        if self._client is None:
            self._client = Client(self._endpoint, name=f"books-{os.getpid()}", timeout_s=self._timeout_s)
        self._held[symbol] = self._client.subscribe(f"book:{symbol}")
        return True

    def _release(self, symbol: str) -> bool:
        self._held.pop(symbol).close()
        return True
