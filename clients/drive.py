"""Going through a generator that yields what is to be waited for and is sent the answers: once for a program that waits, once for
one of an event loop. A `BridgeError` is raised where the generator yielded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

from bridge.errors import BridgeError

T = TypeVar("T")
Y = TypeVar("Y")


def drive(steps: Generator[Y, Any, T], wait: Callable[[Y], Any]) -> T:
    """Go through what a generator yields; `wait` gets the answer of each."""
    try:
        step = next(steps)
        while True:
            try:
                reply = wait(step)
            except BridgeError as error:
                step = steps.throw(error)
            else:
                step = steps.send(reply)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        steps.close()


async def drive_async(steps: Generator[Y, Any, T], wait: Callable[[Y], Awaitable[Any]]) -> T:
    """As `drive`. Where it is cancelled the generator is closed."""
    try:
        step = next(steps)
        while True:
            try:
                reply = await wait(step)
            except BridgeError as error:
                step = steps.throw(error)
            else:
                step = steps.send(reply)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        steps.close()
