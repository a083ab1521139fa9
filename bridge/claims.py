"""Which request made which ticket. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """The request that made a ticket, and the client that it came from; empty for what others did."""

    request_id: str = ""
    client: str = ""


NOBODY = Owner()


class Claims:
    """Tickets of orders with their owners; the newest `limit`."""

    def __init__(self, limit: int = 50_000) -> None:
        self._limit = limit
        self._owners: OrderedDict[int, Owner] = OrderedDict()

    def claim(self, request_id: str, client: str, *tickets: int) -> None:
        """These are the request's; 0 is no ticket."""
        for ticket in filter(None, tickets):
            self._owners[ticket] = Owner(request_id, client)
        while len(self._owners) > self._limit:
            self._owners.popitem(last=False)

    def owner(self, *tickets: int) -> Owner:
        """The owner of the first of these tickets that has one. A position has the ticket of the order that opened it."""
        return next((self._owners[ticket] for ticket in tickets if ticket in self._owners), NOBODY)

    def __contains__(self, ticket: object) -> bool:
        """Whether it has an owner."""
        return ticket in self._owners
