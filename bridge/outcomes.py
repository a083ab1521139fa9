"""The orders of this run of the bridge, by request id: the same id again never sends a second order.

Held in memory: it covers clients that retry, not a crash of the bridge itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.errors import BridgeError, Busy, IdReused, TryAgain
from bridge.trading import TradeRequest

Waiter = tuple[bytes, str]
"""Who waits for an outcome: the peer's routing id, and the request id."""


@dataclass(slots=True)
class OrderEntry:
    """One order: its content, who waits for it, and its outcome once it is known (a packed result, or an error)."""

    request: TradeRequest
    waiters: list[Waiter] = field(default_factory=list)
    outcome: bytes | BridgeError | None = None


class Outcomes:
    """Orders by id; the oldest known outcomes are forgotten beyond `limit`, orders in flight never."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._entries: OrderedDict[str, OrderEntry] = OrderedDict()

    def admit(self, order_id: str, request: TradeRequest, waiter: Waiter) -> OrderEntry | None:
        """The entry of an id that is known, with the waiter added while it is in flight; None for a new one, which is entered.

        Raises `IdReused` when the id came before with another content, and `Busy` when `limit` orders are in flight.
        """
        entry = self._entries.get(order_id)
        if entry is None:
            if len(self._entries) >= self._limit and not self._forget():
                raise Busy(f"{self._limit} orders are in flight", next_step="wait for answers before sending more")
            self._entries[order_id] = OrderEntry(request, [waiter])
            return None
        if entry.request != request:
            raise IdReused(
                "this request id was used for another order; nothing was sent",
                next_step="make a new id for each new order, and repeat an id only with the same content",
            )
        if entry.outcome is None:
            entry.waiters.append(waiter)
        return entry

    def withdraw(self, order_id: str) -> None:
        """The order was not even sent: its id is free again."""
        self._entries.pop(order_id, None)

    def _forget(self) -> bool:
        for order_id, entry in self._entries.items():
            if entry.outcome is not None:
                del self._entries[order_id]
                return True
        return False

    def settle(self, order_id: str, outcome: bytes | BridgeError, answer: Callable[[Waiter, OrderEntry], None]) -> None:
        """The outcome is known, or known better than before; all who wait are answered. Where nothing was sent, the id is free
        again."""
        entry = self._entries.get(order_id)
        if entry is None:
            return
        entry.outcome = outcome
        waiters, entry.waiters = entry.waiters, []
        if isinstance(outcome, TryAgain):
            del self._entries[order_id]
        for waiter in waiters:
            answer(waiter, entry)
