"""Whose turn it is: many things, each with the time at which it is due, of which the first one is wanted often."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Generic, Protocol, TypeVar


class Due(Protocol):
    """Something with a time at which it is due; infinity for not at all."""

    due: float


T = TypeVar("T", bound=Due)

_ROOM = 64
"""Outdated entries are passed over when they come first; more of them than things, and so many, are cleared away at once."""


class Turns(Generic[T]):
    """A heap by `due`, of which the times are others' to change: they tell `changed`. What has a time that is not told any more is
    an outdated entry. With a thousand things that costs no more than with ten."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._told: dict[T, float] = {}
        self._count = 0
        self.due = inf
        """When the first one is due."""

    def add(self, thing: T) -> None:
        """One more."""
        self._told[thing] = inf
        self.changed((thing,))

    def discard(self, thing: T) -> None:
        """One less, if it is there."""
        if self._told.pop(thing, None) is not None:
            self._settle()

    def changed(self, things: Iterable[T]) -> None:
        """The times of these may have changed; unknown ones are passed over. Among equals the first told comes first."""
        told = self._told
        for thing in things:
            due = thing.due
            if told.get(thing, due) != due:
                told[thing] = due
                if due < inf:
                    self._count += 1
                    heappush(self._heap, (due, self._count, thing))
        self._settle()

    def first(self) -> T:
        """The one that is due first. Only when `due` is not infinity."""
        return self._heap[0][2]

    def _settle(self) -> None:
        heap, told = self._heap, self._told
        if len(heap) > 2 * len(told) + _ROOM:
            heap[:] = {entry[2]: entry for entry in heap if told.get(entry[2]) == entry[0]}.values()
            heapify(heap)
        while heap and told.get(heap[0][2]) != heap[0][0]:
            heappop(heap)
        self.due = heap[0][0] if heap else inf
