"""Tasks of several requests, written once for every client: a generator yields requests and is sent their results.

`task` makes a method of a client out of such a generator; the client has `do`, which goes through it. A request that fails is
raised where it was yielded, so that a task of many orders can go on with the next.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from bridge.errors import BridgeError
from bridge.messages import Request

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request with terms of its own: its id, how long its answer is waited for, and how long it may take until it is begun."""

    request: Request[Any]
    request_id: str | None = None
    timeout_s: float | None = None
    valid_for_s: float | None = None


Steps = Generator[Request[Any] | Ask, Any, T]
"""A task of several requests that ends with a `T`."""


def run(steps: Generator[Any, Any, T], call: Callable[[Ask], Any]) -> T:
    """Go through a task; `call` waits for one request."""
    try:
        step = next(steps)
        while True:
            ask = step if isinstance(step, Ask) else Ask(step)
            try:
                reply = call(ask)
            except BridgeError as error:
                step = steps.throw(error)
            else:
                step = steps.send(reply)
    except StopIteration as stop:
        result: T = stop.value
        return result


def task(steps: Callable[P, Steps[T]]) -> Callable[Concatenate[Any, P], T]:
    """A method of a blocking client that goes through these steps."""

    @wraps(steps)
    def method(self: Any, /, *arguments: P.args, **options: P.kwargs) -> T:
        result: T = self.do(steps(*arguments, **options))
        return result

    del method.__wrapped__
    whole = inspect.signature(steps)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    told = str(whole.return_annotation).removeprefix("Steps[").removesuffix("]")
    signature = whole.replace(parameters=[own, *whole.parameters.values()], return_annotation=told)
    setattr(method, "__signature__", signature)  # noqa: B010 - mypy does not know this attribute
    return method
