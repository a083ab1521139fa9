"""The stream of what happens on the account: to its positions, orders and deals, by whomever."""

from __future__ import annotations

from collections.abc import Generator
from math import inf

from bridge.messages import BACKFILLED
from bridge.records import Account
from bridge.replies import TradeSnapshot
from bridge.session import kept
from bridge.session.account import PERIOD_S
from bridge.session.chronicle import ENDS, WAIT_S, Chronicle
from bridge.session.known import Known
from bridge.session.ledger import Ledger, ledger, same
from bridge.session.link import pack
from bridge.session.owner import Owner
from bridge.session.quotes import Event
from bridge.terminal import Terminal, TerminalError
from bridge.ticks import Tick
from bridge.trading import Deal, Order

WAITING_S = 0.1
"""Time between two looks while something waits for what the history says."""
HISTORY_S = 5.0
"""The history is read this often at least, and at once when what is open or the balance has changed, or an order was sent."""
BLIND_S = 5.0
"""After the terminal has refused to show its history, it is not asked for so long; what happens is told without it."""
DAY_S = 86_400
SPANS_S = (DAY_S, 32 * DAY_S, 1024 * DAY_S)
"""Spans in which the newest deals are looked for at the first start; beyond them the whole history is read."""

ALL = Known(2**62)
"""Of a history that was never read, all is known: what is in it by the time it can be read was before."""

Look = Generator[None, None, list[Event]]


class TradeStream:
    """Each look asks, one call in each poll: whose account it is, positions, orders, where needed deals and the orders of the
    history, and again whose account it is. `resume` is what an earlier session kept: what happened since then is found afterwards.

    What is read later covers what was read before, so that a cause is there with its effect unless the terminal itself is late.
    A quiet account costs 16 calls a second, and two more every five seconds.
    """

    topic = "trade"

    def __init__(self, owner: Owner | None = None, resume: bytes | None = None) -> None:
        self.due = inf
        self.slow = False
        self.settled = False
        self._owner = owner or Owner()
        self._chronicle = None if resume is None else kept.unpacked(resume, self._owner.login, self._owner.server)
        self._flags = 0 if self._chronicle is None else BACKFILLED
        self._look: Look | None = None
        self._now = 0.0
        self._history_due = -inf
        self._eager_until = -inf
        self._blind_until = -inf
        self._money: tuple[float, float] | None = None
        self._unkept = False

    def poll(self, terminal: Terminal, now: float) -> list[Event]:
        """Make the next call of the look."""
        self.due = self._now = now
        if self._look is None:
            self._look = self._steps(terminal)
        try:
            next(self._look)
        except StopIteration as end:
            self._look = None
            self.settled = True
            events: list[Event] = end.value
            return events
        except TerminalError:
            self._begin_anew()
            raise
        return []

    def _steps(self, terminal: Terminal) -> Look:
        account = terminal.account()
        if not self._owner.owns(account):
            return self._elsewhere()
        yield
        positions = terminal.positions()
        yield
        seen = ledger(positions, terminal.orders())
        reads = self.slow = self._needs_history(seen, account)
        yield
        deals: list[Deal] = []
        ends: list[Order] = []
        if reads:
            try:
                deals = yield from self._deals(terminal)
                ends = terminal.history_orders(from_s=self._orders_from_s(seen, deals))
            except TerminalError:
                self._blind_until = self._now + BLIND_S
                raise
            self.slow = False
            self._history_due = self._now + HISTORY_S
            yield
        account = terminal.account()
        if not self._owner.owns(account):
            return self._elsewhere()
        begins = first = self._chronicle is None
        chronicle = self._chronicle = self._chronicle or Chronicle(Ledger(dict(seen.positions), dict(seen.orders)), ALL, ALL)
        if reads and chronicle.deals is ALL:
            chronicle.deals, chronicle.ended = _primed(deals), _ended(deals, ends)
            deals, ends, begins = [], [], True
        told = chronicle.account(account)
        if not first:
            told += chronicle.look(seen, ends, deals, self._now)
        flags = self._flags
        if reads and not chronicle.waiting:
            self._flags = 0
        self.due = self._now + (WAITING_S if chronicle.waiting else PERIOD_S)
        self._unkept = self._unkept or begins or bool(told)
        return [(self.topic, flags, event) for event in told]

    def _needs_history(self, seen: Ledger, account: Account) -> bool:
        """Whether something has happened, or may have."""
        money, before = (account.balance, account.credit), self._money
        self._money = money
        if self._now < self._blind_until:
            return False
        chronicle = self._chronicle
        if chronicle is None or money != before or not same(chronicle.told, seen):
            self._eager_until = self._now + WAIT_S
        return self._now >= self._history_due or self._now <= self._eager_until or (chronicle is not None and chronicle.waiting)

    def _deals(self, terminal: Terminal) -> Generator[None, None, list[Deal]]:
        """The deals since the last known one; at the very first all since the newest and a while before, however old that is."""
        if self._chronicle is not None and self._chronicle.deals is not ALL:
            found = terminal.deals(from_s=self._chronicle.deals.from_s)
            yield
            return found
        newest_s = max((symbol.time for symbol in terminal.symbols()), default=0)
        yield
        for span_s in SPANS_S:
            if newest_s > span_s:
                found = terminal.deals(from_s=newest_s - span_s)
                yield
                if found:
                    return found
        found = terminal.deals()
        yield
        return found

    def _orders_from_s(self, seen: Ledger, deals: list[Deal]) -> int:
        if self._chronicle is not None and self._chronicle.deals is not ALL:
            return self._chronicle.orders_from_s(seen)
        return _primed(deals).from_s

    def _elsewhere(self) -> list[Event]:
        """The terminal is logged in to another account: what happens on ours meanwhile is found afterwards."""
        self._found_afterwards()
        self.due = self._now + PERIOD_S
        return []

    def _found_afterwards(self) -> None:
        self._flags = BACKFILLED
        self._history_due = -inf

    def _begin_anew(self) -> None:
        """Nothing of this look counts."""
        self._look = None
        self.slow = False

    def keep(self) -> bytes | None:
        """What a next session needs, when that has changed."""
        login, server = self._owner.login, self._owner.server
        if not self._unkept or self._chronicle is None or self._chronicle.deals is ALL or login is None or server is None:
            return None
        self._unkept = False
        return kept.packed(self._chronicle, login, server)

    def ordered(self, now: float) -> None:
        """An order was sent: look at once, and at all."""
        self._begin_anew()
        self._eager_until = now + WAIT_S
        self.due = min(self.due, now)

    def quote(self, tick: Tick, now: float) -> None:
        """Read by the clock, not by ticks."""

    def body(self) -> bytes | None:
        """What is open, as it follows from what was told."""
        if self._chronicle is None:
            return None
        told = self._chronicle.told
        positions = sorted(told.positions.values(), key=lambda position: position.ticket)
        return pack(TradeSnapshot(tuple(positions), tuple(told.orders[ticket] for ticket in sorted(told.orders))))

    def without_history(self) -> None:
        """The first complete look is the starting point."""
        self.settled = True

    def restore(self, now: float) -> None:
        """Differences to what was known before were found afterwards."""
        self._begin_anew()
        self._found_afterwards()
        self.due = now


def _primed(deals: list[Deal]) -> Known:
    known = Known(0, {deal.ticket: deal.time for deal in deals})
    known.trim()
    return known


def _ended(deals: list[Deal], ends: list[Order]) -> Known:
    known = Known(
        _primed(deals).from_s, {order.ticket: max(order.time_done, order.time_setup) for order in ends if order.state in ENDS}
    )
    known.trim()
    return known
