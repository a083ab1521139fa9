"""Tasks of several requests, written once for every client: a generator yields requests and is sent their results.

`task` and `download` make a method of a blocking client out of such a generator, `async_task` and `async_download` one of an
asyncio client; the client has `do` and `fetch`, which go through it. A request that fails is raised where it was yielded, so that a
task of many orders can go on with the next.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from bridge.messages import Request
from clients.drive import drive, drive_async
from clients.parts import Download

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


def asked(step: Request[Any] | Ask) -> Ask:
    """What a task yields, with its terms."""
    return step if isinstance(step, Ask) else Ask(step)


# ---- going through a task --------------------------------------------------------------------------------------------------------


def run(steps: Steps[T], call: Callable[[Ask], Any]) -> T:
    """Go through a task; `call` waits for one request."""
    return drive(steps, lambda step: call(asked(step)))


async def run_async(steps: Steps[T], call: Callable[[Ask], Awaitable[Any]]) -> T:
    """As `run`."""
    return await drive_async(steps, lambda step: call(asked(step)))


# ---- methods of clients ----------------------------------------------------------------------------------------------------------


def task(steps: Callable[P, Steps[T]]) -> Callable[Concatenate[Any, P], T]:
    """A method of a blocking client that goes through these steps."""

    @wraps(steps)
    def method(self: Any, /, *arguments: P.args, **options: P.kwargs) -> T:
        result: T = self.do(steps(*arguments, **options))
        return result

    return _signed(method, steps)


def async_task(steps: Callable[P, Steps[T]]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """The same of an asyncio client."""

    @wraps(steps)
    async def method(self: Any, /, *arguments: P.args, **options: P.kwargs) -> T:
        result: T = await self.do(steps(*arguments, **options))
        return result

    return _signed(method, steps)


def knowing_task(steps: Callable[Concatenate[Any, P], Steps[T]]) -> Callable[Concatenate[Any, P], T]:
    """A method of a blocking client that goes through these steps, whose first argument is the client, for what it knows."""

    @wraps(steps)
    def method(self: Any, /, *arguments: P.args, **options: P.kwargs) -> T:
        result: T = self.do(steps(self, *arguments, **options))
        return result

    return _signed(method, steps, own=1)


def async_knowing_task(
    steps: Callable[Concatenate[Any, P], Steps[T]],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """The same of an asyncio client."""

    @wraps(steps)
    async def method(self: Any, /, *arguments: P.args, **options: P.kwargs) -> T:
        result: T = await self.do(steps(self, *arguments, **options))
        return result

    return _signed(method, steps, own=1)


def download(parts: Callable[Concatenate[Any, P], Download[T]]) -> Callable[Concatenate[Any, P], T]:
    """A method of a blocking client that goes through a download, whose first argument is the client."""

    @wraps(parts)
    def method(self: Any, /, *arguments: P.args, **options: P.kwargs) -> T:
        result: T = self.fetch(parts(self, *arguments, **options))
        return result

    return _signed(method, parts, own=1)


def async_download(parts: Callable[Concatenate[Any, P], Download[T]]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """The same of an asyncio client."""

    @wraps(parts)
    async def method(self: Any, /, *arguments: P.args, **options: P.kwargs) -> T:
        result: T = await self.fetch(parts(self, *arguments, **options))
        return result

    return _signed(method, parts, own=1)


F = TypeVar("F", bound=Callable[..., Any])


def _signed(method: F, steps: Callable[..., Any], own: int = 0) -> F:
    """With the signature that people see: that of the steps, without the first `own` parameters, and with the task's result."""
    del method.__wrapped__  # type: ignore[attr-defined]
    whole = inspect.signature(steps)
    bound = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    told = str(whole.return_annotation).removeprefix("Steps[").removeprefix("Download[").removesuffix("]")
    parameters = [bound, *list(whole.parameters.values())[own:]]
    setattr(method, "__signature__", whole.replace(parameters=parameters, return_annotation=told))  # noqa: B010 - unknown to mypy
    return method
