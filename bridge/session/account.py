"""The stream of the account's figures."""

from __future__ import annotations

from math import inf

from bridge.records import Account
from bridge.session.owner import Owner
from bridge.session.quotes import Event
from bridge.terminal import Terminal
from bridge.ticks import Tick

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
