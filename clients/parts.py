"""Long histories, several parts under way at a time.

A part is a request; the next one asks for what comes behind it (`bridge.messages.GetTicks.behind`) before it is answered, so that
the terminal, the bridge and the network work at the same time. At most `MOST_PARTS` are under way, 1.2 MB each: the rest is asked
for as answers come, which bounds what can pile up anywhere. Whoever stops to take answers stops the download.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from bridge.messages import GetRates, GetTicks, Request
from bridge.replies import Records
from clients.calls import Call
from clients.drive import drive, drive_async

T = TypeVar("T")
R = TypeVar("R")

History = GetRates | GetTicks
MOST_PARTS = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """A part that is to be asked for now, under this id."""

    request: History
    id: str


Download = Generator[tuple[Asked, ...], Records, T]
"""A task that yields the parts to ask for now, is sent the answer of the oldest that has none yet, and ends with a `T`."""
Steps = Generator[Request[Any], Any, T]
"""A task of several requests that ends with a `T`."""


class Flow:
    """The parts under way: at most `most`, of `rows` each. `exact`: also a last part that is smaller can be asked for before the
    one before it is there."""

    def __init__(self, most: int, rows: int, *, exact: bool) -> None:
        self._most = most
        self._rows = rows
        self._exact = exact
        self._name = uuid4().hex[:24]
        self._number = 0
        self._under_way: deque[Asked] = deque()

    def ask(self, request: History, rows_left: int | None, parts: int) -> tuple[Asked, ...]:
        """What to ask for now: `request` where nothing is under way, then what is behind; in all not more than `parts`, nor more
        than `rows_left` rows."""
        asked = []
        free = math.inf if rows_left is None else rows_left - sum(part.request.count for part in self._under_way)
        least = 1 if self._exact else self._rows
        while len(self._under_way) < min(self._most, max(parts, 1)) and (free >= least or not self._under_way):
            count = int(min(self._rows, free))
            behind = self._under_way[-1].id if self._under_way else None
            self._number += 1
            part = Asked(replace(request, count=count, behind=behind), f"{self._name}.{self._number}")
            self._under_way.append(part)
            asked.append(part)
            free -= count
        return tuple(asked)

    def taken(self) -> int:
        """The oldest was answered: how many rows it asked for."""
        return self._under_way.popleft().request.count


def one_by_one(download: Download[T]) -> Steps[T]:
    """A download that has one part under way, as a task of single requests."""
    try:
        asked = next(download)
        while True:
            asked = download.send((yield asked[0].request))
    except StopIteration as stop:
        result: T = stop.value
        return result


class Sender(Protocol):
    """What sends requests without waiting."""

    def begin(self, request: Request[R], timeout_s: float, request_id: str | None) -> Call[R]:
        """Send a request."""

    def forget(self, call: Call[Any]) -> None:
        """Nobody wants its answer any more."""


class Driver(Sender, Protocol):
    """What also waits for their answers."""

    def wait(self, call: Call[R]) -> R:
        """Wait for a result. Raises its error."""


class AsyncDriver(Sender, Protocol):
    """The same of an event loop."""

    def wait(self, call: Call[R]) -> Awaitable[R]:
        """Wait for a result. Raises its error."""


def fetch(driver: Driver, download: Download[T], timeout_s: float) -> T:
    """Go through a download. Each part has `timeout_s` from when the one before it is answered at the latest."""
    return drive(_under_way(driver, download, timeout_s), driver.wait)


async def fetch_async(driver: AsyncDriver, download: Download[T], timeout_s: float) -> T:
    """As `fetch`. Where it is cancelled nothing more is asked for."""
    return await drive_async(_under_way(driver, download, timeout_s), driver.wait)


def _under_way(sender: Sender, download: Download[T], timeout_s: float) -> Generator[Call[Records], Records, T]:
    """Asks for the parts, and yields the oldest call under way, to be sent its answer."""
    calls: deque[Call[Records]] = deque()
    try:
        asked = next(download)
        while True:
            for part in asked:
                calls.append(sender.begin(part.request, timeout_s * (len(calls) + 1), part.id))
            asked = download.send((yield calls[0]))
            calls.popleft()
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        download.close()
        for call in calls:
            sender.forget(call)


Progress = Callable[[int, float | None], object]
"""Is told how many rows there are so far, and which fraction of the whole, where that can be told. May raise, to end the
download."""
