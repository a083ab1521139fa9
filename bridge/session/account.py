"""The streams of the account: its figures, and what happens to its positions and orders."""

from __future__ import annotations

from math import inf

import msgspec

from bridge.messages import BACKFILLED
from bridge.records import Account
from bridge.session.ledger import Ledger, diff, ledger
from bridge.session.owner import Owner
from bridge.session.quotes import Event
from bridge.terminal import Terminal
from bridge.ticks import Tick
from bridge.trading import Order, Position

PERIOD_S = 0.25


class AccountStream:
    """The account's figures, when they have changed. The first state is published, too: it is a message and no record."""

    topic = "account"

    def __init__(self, owner: Owner | None = None) -> None:
        self.due = inf
        self.slow = False
        self.settled = False
        self._owner = owner or Owner()
        self._last: Account | None = None

    def poll(self, terminal: Terminal, now: float) -> list[Event]:
        """Read the figures; those of another account are nobody's business."""
        account = terminal.account()
        self.due = now + PERIOD_S
        if not self._owner.owns(account):
            self.settled = True
            return []
        changed = account != self._last
        self._last, self.settled = account, True
        return [(self.topic, 0, account)] if changed else []

    def quote(self, tick: Tick, now: float) -> None:
        """Read by the clock, not by ticks."""

    def body(self) -> bytes | None:
        """Published, see above."""
        return None

    def without_history(self) -> None:
        """The figures are published when they can be read."""
        self.settled = True

    def restore(self, now: float) -> None:
        """Read them again."""
        self.due = now


class TradeStream:
    """What happens to positions and orders, found by comparing: positions are read in one poll, orders in the next; before and
    after it is asked whose they are. `resume` is what an earlier session kept: what happened since then is found afterwards."""

    topic = "trade"

    def __init__(self, owner: Owner | None = None, resume: bytes | None = None) -> None:
        self.due = inf
        self.slow = False
        self.settled = False
        self._owner = owner or Owner()
        self._positions: list[Position] | None = None
        self._orders: list[Order] | None = None
        self._ledger: Ledger | None = None
        self._flags = 0
        self._unkept = False
        self._ours = False
        if resume is not None:
            kept = _decode_kept(resume)
            if (kept.login, kept.server) == (self._owner.login, self._owner.server):
                self._ledger, self._flags = ledger(kept.positions, kept.orders), BACKFILLED

    def poll(self, terminal: Terminal, now: float) -> list[Event]:
        """Read a part."""
        self.due = now
        if not self._ours:
            self._ours = self._owner.owns(terminal.account())
            if not self._ours:
                self._elsewhere(now)
            return []
        if self._positions is None:
            self._positions = terminal.positions()
            return []
        if self._orders is None:
            self._orders = terminal.orders()
            return []
        account = terminal.account()
        self.due = now + PERIOD_S
        seen, before, flags = ledger(self._positions, self._orders), self._ledger, self._flags
        self._begin_anew()
        self.settled = True
        if not self._owner.owns(account):
            self._elsewhere(now)
            return []
        events: list[Event] = [] if before is None else [(self.topic, flags, event) for event in diff(before, seen)]
        self._ledger, self._flags = seen, 0
        self._unkept = self._unkept or before is None or bool(events)
        return events

    def _elsewhere(self, now: float) -> None:
        """The terminal is logged in to another account: what happens on ours meanwhile is found afterwards."""
        self._flags = BACKFILLED
        self.settled = True
        self.due = now + PERIOD_S

    def _begin_anew(self) -> None:
        """Nothing of this look counts."""
        self._positions = self._orders = None
        self._ours = False

    def keep(self) -> bytes | None:
        """What a next session needs, when that has changed."""
        if not self._unkept or self._ledger is None or self._owner.login is None or self._owner.server is None:
            return None
        self._unkept = False
        positions, orders = list(self._ledger.positions.values()), list(self._ledger.orders.values())
        return msgspec.msgpack.encode(_Kept(self._owner.login, self._owner.server, positions, orders))

    def ordered(self, now: float) -> None:
        """An order was sent: look at once, and at all."""
        self._begin_anew()
        self.due = min(self.due, now)

    def quote(self, tick: Tick, now: float) -> None:
        """Read by the clock, not by ticks."""

    def body(self) -> bytes | None:
        """There is no state: positions and orders have their own requests."""
        return None

    def without_history(self) -> None:
        """The first complete look is the starting point."""
        self.settled = True

    def restore(self, now: float) -> None:
        """Differences to what was known before were found afterwards."""
        self._begin_anew()
        self._flags = BACKFILLED
        self.due = now


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """A ledger with its account."""

    login: int
    server: str
    positions: list[Position]
    orders: list[Order]


_decode_kept = msgspec.msgpack.Decoder(_Kept).decode
