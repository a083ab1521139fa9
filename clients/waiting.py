"""The tasks of an event loop that wait for something of their client."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from bridge.errors import BridgeError, CallError
from clients.calls import Call, unknown_outcome


class Waiting:
    """Those who wait for the answer of a call, and those who wait until something is so."""

    def __init__(self) -> None:
        self._answers: dict[Call[Any], asyncio.Future[None]] = {}
        self._others: dict[asyncio.Future[None], Callable[[], bool]] = {}

    async def answer(self, call: Call[Any]) -> None:
        """Wait until a call is done. Raises what has ended the client meanwhile."""
        answer = self._answers[call] = asyncio.get_running_loop().create_future()
        try:
            await answer
        finally:
            del self._answers[call]

    def done(self, call: Call[Any]) -> None:
        """A call is done."""
        answer = self._answers.get(call)
        if answer is not None:
            _settle(answer)

    async def until(self, finished: Callable[[], bool], timeout_s: float | None = None) -> None:
        """Wait until something is so, for so long, or until the client is closed."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._others[waiter] = finished
        late = None if timeout_s is None else loop.call_later(timeout_s, _settle, waiter)
        try:
            await waiter
        finally:
            del self._others[waiter]
            if late is not None:
                late.cancel()

    def notify(self) -> None:
        """Something has happened."""
        if self._others:
            for waiter, finished in [*self._others.items()]:
                if finished():
                    _settle(waiter)

    def end(self) -> None:
        """The client is closed: orders that have left are of unknown outcome."""
        for call, answer in self._answers.items():
            if not answer.done():
                lost = call.is_order and call.sent_s is not None
                answer.set_exception(unknown_outcome(call, "the client was closed") if lost else _closed())
        for waiter in self._others:
            _settle(waiter)

    def fail(self, error: BridgeError) -> None:
        """The client cannot go on."""
        for waiter in [*self._answers.values(), *self._others]:
            if not waiter.done():
                waiter.set_exception(error)


def check_use(state: str, pid: int, loop: asyncio.AbstractEventLoop | None) -> None:
    """Raises `CallError` where a client of this process and this loop must not be used."""
    if state == "closed":
        raise CallError("this client is closed", next_step="make a new AsyncClient")
    if state == "new":
        raise CallError(
            "this client is not connected yet",
            next_step="write `async with AsyncClient(…) as bridge:`, or `bridge = await AsyncClient.connect(…)`",
        )
    if os.getpid() != pid or _present_loop() is not loop:
        raise CallError(
            "this client belongs to another event loop, thread or process than the one that uses it",
            next_step="make one AsyncClient in each event loop and each process",
        )


def _present_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _closed() -> CallError:
    return CallError("this client was closed while the call waited", next_step="make a new AsyncClient")


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
