"""What the trade server remembers of an account: positions, orders, deals, balance and the counters of tickets.

Every change goes through the functions here, and is noted, so that a store can write what changed and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from bridge.terminal.simulator.enums import DealType, OrderState, Reason
from bridge.terminal.simulator.money import round_money
from bridge.trading import Deal, Order, Position

FIRST_ORDER = 50_000_001
FIRST_DEAL = 40_000_001

Change = tuple[str, int]
"""A table of the ledger ("positions", "orders", "history" or "deals") and the ticket whose row was put or dropped
there.
"""


@dataclass(slots=True)
class Ledger:
    """The books of one account; rows by ticket, in order of creation; `version` counts changes."""

    currency_digits: int = 2
    balance: float = 0.0
    credit: float = 0.0
    next_order: int = FIRST_ORDER
    next_deal: int = FIRST_DEAL
    requests: int = 0
    positions: dict[int, Position] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    history: dict[int, Order] = field(default_factory=dict)
    deals: dict[int, Deal] = field(default_factory=dict)
    changes: set[Change] = field(default_factory=set)
    version: int = 0

    def put_position(self, position: Position) -> None:
        """Add or replace a position."""
        self.positions[position.ticket] = position
        self._note(("positions", position.ticket))

    def drop_position(self, ticket: int) -> None:
        """Remove a closed position."""
        del self.positions[ticket]
        self._note(("positions", ticket))

    def put_order(self, order: Order) -> None:
        """Add or replace an active order."""
        self.orders[order.ticket] = order
        self._note(("orders", order.ticket))

    def end_order(self, order: Order, state: OrderState, now_msc: int, **changes: Any) -> Order:
        """Move an order to the history in a final state, whether or not it was active before."""
        done = replace(
            order, state=int(state), time_done=now_msc // 1000, time_done_msc=now_msc, **changes
        )  # fmt: skip
        if self.orders.pop(order.ticket, None) is not None:
            self._note(("orders", order.ticket))
        self.history[order.ticket] = done
        self._note(("history", order.ticket))
        return done

    def put_deal(self, deal: Deal) -> Deal:
        """Book a deal: its profit, swap, commission and fee change the balance (MQL5: DEAL_* properties)."""
        self.deals[deal.ticket] = deal
        self._note(("deals", deal.ticket))
        result = deal.profit + deal.swap + deal.commission + deal.fee
        self.balance = round_money(self.balance + result, self.currency_digits)
        return deal

    def _note(self, change: Change) -> None:
        self.changes.add(change)
        self.version += 1

    def take_order_ticket(self) -> int:
        """The next order ticket; a position takes the ticket of the order that opened it."""
        self.next_order += 1
        return self.next_order - 1

    def take_deal_ticket(self) -> int:
        """The next deal ticket."""
        self.next_deal += 1
        return self.next_deal - 1

    def deposit(self, amount: float, now_msc: int, comment: str = "") -> Deal:
        """Book a balance operation; order, position and symbol of such a deal are empty."""
        ticket = self.take_deal_ticket()
        return self.put_deal(
            Deal(
                ticket, 0, now_msc // 1000, now_msc, int(DealType.BALANCE), 0, 0, 0, int(Reason.CLIENT), 0.0, 0.0, 0.0, 0.0,
                amount, 0.0, "", comment, "",
            )
        )  # fmt: skip

    def drain(self) -> set[Change]:
        """The changes since the last drain, which are forgotten."""
        changes, self.changes = self.changes, set()
        return changes
