"""How many orders were accepted within the last minute: of each client, and of all together. No I/O; times in monotonic seconds."""

from __future__ import annotations

from collections import deque

MINUTE_S = 60.0
MOST_NAMES = 10_000
"""Clients of which account is kept; names are the clients' own, and may be any number."""


class Minute:
    """The moments of what was accepted within the last minute."""

    __slots__ = ("_moments",)

    def __init__(self) -> None:
        self._moments: deque[float] = deque()

    def count(self, now: float) -> int:
        """How many there are."""
        moments = self._moments
        while moments and moments[0] <= now - MINUTE_S:
            moments.popleft()
        return len(moments)

    def add(self, now: float) -> None:
        """One more."""
        self.count(now)
        self._moments.append(now)

    def wait_s(self, limit: int, now: float) -> float:
        """In how many seconds there will be fewer than the limit, if none comes."""
        return max(0.0, self._moments[-limit] + MINUTE_S - now) if self.count(now) >= limit else 0.0


class Minutes:
    """`everybody` counts all orders; each client has a minute of its orders, and one of those that were sent by its reserve."""

    def __init__(self, most_names: int = MOST_NAMES) -> None:
        self._most_names = most_names
        self.everybody = Minute()
        self._clients: dict[str, tuple[Minute, Minute]] = {}

    def of(self, name: str) -> tuple[Minute, Minute]:
        """The orders of a client, and those of its reserve. Nothing is kept of a client that has none."""
        return self._clients.get(name) or (Minute(), Minute())

    def count(self, name: str, *, reserve: bool, now: float) -> None:
        """An order of a client was accepted."""
        known = self._clients.get(name)
        if known is None:
            if len(self._clients) >= self._most_names:
                self._forget(now)
            known = self._clients[name] = (Minute(), Minute())
        self.everybody.add(now)
        known[0].add(now)
        if reserve:
            known[1].add(now)

    def _forget(self, now: float) -> None:
        """Drop those who sent nothing for a minute; if all did, the one that is known longest."""
        idle = [name for name, (orders, _) in self._clients.items() if not orders.count(now)]
        for name in idle or [next(iter(self._clients))]:
            del self._clients[name]
