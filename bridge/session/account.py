"""The streams of the account: its figures, and what happens to its positions and orders."""

from __future__ import annotations

from math import inf

from bridge.messages import BACKFILLED
from bridge.records import Account
from bridge.session.ledger import Ledger, diff, ledger
from bridge.session.quotes import Event
from bridge.terminal import Terminal
from bridge.ticks import Tick
from bridge.trading import Position

PERIOD_S = 0.25


class AccountStream:
    """The account's figures, when they have changed. The first state is published, too: it is a message and no record."""

    topic = "account"

    def __init__(self) -> None:
        self.due = inf
        self.slow = False
        self.settled = False
        self._last: Account | None = None

    def poll(self, terminal: Terminal, now: float) -> list[Event]:
        """Read the figures."""
        account = terminal.account()
        self.due = now + PERIOD_S
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
    """What happens to positions and orders, found by comparing: positions are read in one poll and orders in the next."""

    topic = "trade"

    def __init__(self) -> None:
        self.due = inf
        self.slow = False
        self.settled = False
        self._positions: list[Position] | None = None
        self._ledger: Ledger | None = None
        self._flags = 0

    def poll(self, terminal: Terminal, now: float) -> list[Event]:
        """Read a half."""
        if self._positions is None:
            self._positions = terminal.positions()
            self.due = now
            return []
        seen = ledger(self._positions, terminal.orders())
        before, flags = self._ledger, self._flags
        self._positions, self._ledger, self._flags, self.settled = None, seen, 0, True
        self.due = now + PERIOD_S
        return [] if before is None else [(self.topic, flags, event) for event in diff(before, seen)]

    def ordered(self, now: float) -> None:
        """An order was sent: look at once, and at both halves."""
        self._positions = None
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
        self._positions = None
        self._flags = BACKFILLED
        self.due = now
