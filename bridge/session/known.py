"""What is known already of a history: of its newest part the tickets, so that each of its records is told once."""

from __future__ import annotations

OVERLAP_S = 600
"""A record that appears so much later than the newest one, by its own time, is still found: the history may come late."""
MOST = 200
"""Tickets that are remembered, but for a burst in the newest seconds."""
BURST_S = 5


class Known:
    """Tickets with their server seconds. What is older than `from_s` is known."""

    def __init__(self, from_s: int = 0, tickets: dict[int, int] | None = None) -> None:
        self.from_s = from_s
        self._tickets = dict(tickets or {})

    def __contains__(self, ticket: int) -> bool:
        return ticket in self._tickets

    @property
    def tickets(self) -> dict[int, int]:
        """The tickets that are remembered, and their seconds."""
        return self._tickets

    def add(self, ticket: int, time_s: int) -> None:
        """It has been told."""
        self._tickets[ticket] = time_s

    def trim(self) -> None:
        """Forget what need not be remembered, by reading less of the history."""
        if not self._tickets:
            return
        newest = max(self._tickets.values())
        from_s = max(self.from_s, newest - OVERLAP_S)
        if len(self._tickets) > MOST:
            last_dropped = sorted(self._tickets.values())[-MOST - 1]
            from_s = max(from_s, min(last_dropped + 1, newest - BURST_S))
        self.from_s = from_s
        self._tickets = {ticket: time_s for ticket, time_s in self._tickets.items() if time_s >= from_s}
