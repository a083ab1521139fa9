"""What has happened on the account: from what is open, what the history says and what was told already to what is to be told now.

Each thing is told once, and causes before effects: the end of an order before its deals, a deal before what it makes of a position.
The terminal's lists do not change at one moment, so an effect waits `WAIT_S` for its cause and is told without it then. Whether the
deals told explain a position is seen by their volumes: what was told of it, plus what was bought, less what was sold. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from bridge.records import Account
from bridge.replies import TradeEvent
from bridge.session.known import Known
from bridge.session.ledger import Ledger, lots, order_state, position_state
from bridge.trading import Deal, Order

WAIT_S = 2.0
"""How long an effect waits for its cause."""
LOOK_S = 0.5
"""A longer pause between two looks counts as this: what was not looked for has not been missing."""
FORGET_S = 300.0
"""For how long deals whose effect on a position is not seen, or effects without deals, are kept account of."""
DUST = 1e-9
"""Lots that are nothing."""

REASONS = {
    0: "client", 1: "mobile", 2: "web", 3: "expert", 4: "sl", 5: "tp", 6: "so", 7: "rollover", 8: "vmargin", 9: "split",
    10: "corporate_action",
}  # fmt: skip
"""MQL5 `ENUM_DEAL_REASON`; of orders and positions the first ones."""
OPERATIONS = {
    2: "balance", 3: "credit", 4: "charge", 5: "correction", 6: "bonus", 7: "commission", 8: "commission_daily",
    9: "commission_monthly", 10: "commission_agent_daily", 11: "commission_agent_monthly", 12: "interest", 13: "buy_canceled",
    14: "sell_canceled", 15: "dividend", 16: "dividend_franked", 17: "tax",
}  # fmt: skip
"""MQL5 `ENUM_DEAL_TYPE` of deals that are no trades."""
ENDS = {2: "order_cancelled", 3: "order_cancelled", 4: "order_filled", 5: "order_rejected", 6: "order_expired"}
"""Kind by the state of an order in the history (MQL5 `ENUM_ORDER_STATE`); one filled in part is cancelled as to its rest."""
TERMS = (
    "login", "trade_mode", "leverage", "limit_orders", "margin_so_mode", "trade_allowed", "trade_expert", "margin_mode",
    "currency_digits", "fifo_close", "margin_so_call", "margin_so_so", "name", "server", "currency", "company",
)  # fmt: skip
"""Fields of an account that are told as `account_changed`; the others are its figures."""


class _Step(NamedTuple):
    """Events that belong together, in order, and where they stand in time."""

    time_msc: int
    rank: int
    ticket: int
    events: list[TradeEvent]


class Chronicle:
    """`told` is the account as it follows from what was told, `deals` and `ended` what of the history was."""

    def __init__(self, told: Ledger, deals: Known, ended: Known, owed: dict[int, float] | None = None) -> None:
        self.told = told
        self.deals = deals
        self.ended = ended
        self.terms: list[object] | None = None
        self._owed: dict[int, tuple[float, float]] = {key: (volume, 0.0) for key, volume in (owed or {}).items()}
        self._waited: dict[tuple[str, int], float] = {}
        self._looked_s = 0.0
        self._newest: dict[int, Deal] = {}

    @property
    def waiting(self) -> bool:
        """Whether something was seen that waits for its cause."""
        return bool(self._waited)

    @property
    def owed(self) -> dict[int, float]:
        """By position, what deals were told of that is not seen in the position yet, in lots; negative for the reverse."""
        return {key: volume for key, (volume, _) in self._owed.items()}

    def orders_from_s(self, seen: Ledger) -> int:
        """From when on the history of orders has to be read: a terminal may go by when they were placed."""
        gone = [order.time_setup for ticket, order in self.told.orders.items() if ticket not in seen.orders]
        return min([self.ended.from_s, *gone])

    def account(self, account: Account) -> list[TradeEvent]:
        """What has changed of the account's terms."""
        now, before = terms(account), self.terms
        self.terms = now
        if before is None or before == now or len(before) != len(now):
            return []
        names = [name for name, old, new in zip(TERMS, before, now, strict=True) if old != new]
        return [TradeEvent("account_changed", account=account, reason=",".join(names))]

    def look(self, seen: Ledger, ends: Iterable[Order], deals: Iterable[Deal], now: float) -> list[TradeEvent]:
        """What is to be told now: `seen` is what is open, `ends` and `deals` what was read of the history after that, if it was."""
        waited: dict[tuple[str, int], float] = {}
        ended = {order.ticket: order for order in ends if self._is_news(order)}
        told = [*self._placed(seen, ended)]
        partly = self._changed(seen, ended, told)
        new = self._deals(deals, seen, ended, waited, now)
        told += self._ordered(self._steps(ended, partly, new), self._positions(seen, new, waited, now))
        told += self._gone(seen, waited, now)
        self._waited, self._looked_s = waited, now
        self._refresh(seen)
        self.deals.trim()
        self.ended.trim()
        self._owed = {key: item for key, item in self._owed.items() if abs(item[0]) > DUST and now - item[1] <= FORGET_S}
        return told

    # ---- orders ------------------------------------------------------------------------------------------------------------------

    def _is_news(self, order: Order) -> bool:
        if order.state not in ENDS or order.ticket in self.ended:
            return False
        return order.ticket in self.told.orders or order.time_setup >= self.ended.from_s

    def _placed(self, seen: Ledger, ended: dict[int, Order]) -> Iterable[TradeEvent]:
        for ticket, order in sorted(seen.orders.items()):
            if ticket not in self.told.orders and ticket not in self.ended and ticket not in ended:
                self.told.orders[ticket] = order
                yield TradeEvent("order_placed", order=order, reason=REASONS.get(order.reason, ""))

    def _changed(self, seen: Ledger, ended: dict[int, Order], told: list[TradeEvent]) -> dict[int, Order]:
        """Tell the orders that have changed; those that were filled in part are returned, for they belong to their deals."""
        partly: dict[int, Order] = {}
        for ticket in sorted(seen.orders.keys() & self.told.orders.keys() - ended.keys()):
            order, before = seen.orders[ticket], self.told.orders[ticket]
            if order_state(order) == order_state(before):
                continue
            self.told.orders[ticket] = order
            if order.volume_current < before.volume_current - DUST:
                partly[ticket] = order
            else:
                told.append(TradeEvent("order_changed", order=order))
        return partly

    def _gone(self, seen: Ledger, waited: dict[tuple[str, int], float], now: float) -> Iterable[TradeEvent]:
        for ticket in sorted(self.told.orders.keys() - seen.orders.keys()):
            if not self._waits("order", ticket, waited, now):
                yield TradeEvent("order_gone", order=self.told.orders.pop(ticket))

    # ---- deals -------------------------------------------------------------------------------------------------------------------

    def _deals(
        self, deals: Iterable[Deal], seen: Ledger, ended: dict[int, Order], waited: dict[tuple[str, int], float], now: float
    ) -> list[Deal]:
        """The new ones of which the order is known, or does not come."""
        new = [deal for deal in deals if deal.ticket not in self.deals and deal.time >= self.deals.from_s]
        ready = []
        for deal in {deal.ticket: deal for deal in new}.values():
            known = not deal.order or any(deal.order in orders for orders in (ended, self.ended, self.told.orders, seen.orders))
            if known or not self._waits("deal", deal.ticket, waited, now):
                self.deals.add(deal.ticket, deal.time)
                ready.append(deal)
        return sorted(ready, key=lambda deal: (deal.time_msc, deal.ticket))

    def _steps(self, ended: dict[int, Order], partly: dict[int, Order], deals: list[Deal]) -> list[_Step]:
        """Ends of orders and deals by time, an order before its deals."""
        first: dict[int, Deal] = {}
        for deal in deals:
            first.setdefault(deal.order, deal)
        steps = [_Step(deal.time_msc, 1, deal.ticket, [_of_deal(deal)]) for deal in deals]
        for ticket, order in {**partly, **ended}.items():
            its = first.get(ticket)
            time_msc = its.time_msc if its else max(order.time_done_msc, order.time_setup_msc)
            kind = ENDS[order.state] if ticket in ended else "order_partially_filled"
            event = TradeEvent(kind, order=order, reason=REASONS.get(order.reason, ""))  # type: ignore[arg-type]
            steps.append(_Step(time_msc, 0, ticket, [event]))
            if ticket in ended:
                self.ended.add(ticket, max(order.time_done, order.time_setup))
                self.told.orders.pop(ticket, None)
        return sorted(steps, key=lambda step: step[:3])

    # ---- positions ---------------------------------------------------------------------------------------------------------------

    def _positions(
        self, seen: Ledger, deals: list[Deal], waited: dict[tuple[str, int], float], now: float
    ) -> dict[int, TradeEvent]:
        """What is to be told of positions, by identifier."""
        for deal in deals:
            if deal.position_id and deal.type in (0, 1):
                volume = self._owed.get(deal.position_id, (0.0, now))[0]
                self._owed[deal.position_id] = volume + (deal.volume if deal.type == 0 else -deal.volume), now
                self._newest[deal.position_id] = deal
        events: dict[int, TradeEvent] = {}
        for key in {**self.told.positions, **seen.positions}:
            before, after = self.told.positions.get(key), seen.positions.get(key)
            if before is not None and after is not None and position_state(before) == position_state(after):
                continue
            moved = lots(after) - lots(before)
            unexplained = abs(moved - self._owed.get(key, (0.0, now))[0]) > DUST and abs(moved) > DUST
            if unexplained and self._waits("position", key, waited, now):
                continue
            if abs(moved) > DUST:
                self._owed[key] = self._owed.get(key, (0.0, now))[0] - moved, now
            made = self._newest.pop(key, None)
            reason = "" if made is None else REASONS.get(made.reason, "")
            if after is None:
                events[key] = TradeEvent("position_closed", self.told.positions.pop(key), deal=made, reason=reason)
                continue
            self.told.positions[key] = after
            kind = "position_opened" if before is None else "position_changed"
            opened = REASONS.get(after.reason, "") if before is None else ""
            events[key] = TradeEvent(kind, after, deal=made, reason=reason or opened)  # type: ignore[arg-type]
        gone = self._newest.keys() - self.told.positions.keys() - self._owed.keys()
        for key in gone:
            del self._newest[key]
        return events

    def _ordered(self, steps: list[_Step], positions: dict[int, TradeEvent]) -> Iterable[TradeEvent]:
        """Each position after the last of its deals; those without one at the end: closed, opened, changed."""
        last = {event.deal.position_id: event.deal.ticket for step in steps for event in step.events if event.deal is not None}
        for step in steps:
            yield from step.events
            deal = step.events[-1].deal
            if deal is not None and last[deal.position_id] == deal.ticket and deal.position_id in positions:
                yield positions.pop(deal.position_id)
        places = {"position_closed": 0, "position_opened": 1, "position_changed": 2}
        yield from (positions[key] for key in sorted(positions, key=lambda key: (places[positions[key].kind], key)))

    def _waits(self, what: str, key: int, waited: dict[tuple[str, int], float], now: float) -> bool:
        """Whether something that was seen still has to wait for its cause; it is noted in `waited` then."""
        waited_s = self._waited[what, key] + min(now - self._looked_s, LOOK_S) if (what, key) in self._waited else 0.0
        if waited_s >= WAIT_S:
            return False
        waited[what, key] = waited_s
        return True

    def _refresh(self, seen: Ledger) -> None:
        """Take over the prices of what has not changed otherwise."""
        for key, position in seen.positions.items():
            before = self.told.positions.get(key)
            if before is not None and position_state(before) == position_state(position):
                self.told.positions[key] = position


def _of_deal(deal: Deal) -> TradeEvent:
    reason = REASONS.get(deal.reason, "") if deal.type in (0, 1) else OPERATIONS.get(deal.type, "")
    return TradeEvent("deal", deal=deal, reason=reason)


def terms(account: Account) -> list[object]:
    """The fields of `TERMS`."""
    return [getattr(account, name) for name in TERMS]
