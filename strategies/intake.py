"""What a strategy receives: one subscription at a time, and what came while it waited for something else."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from bridge.errors import AccountChanged, Stopping, TryAgain
from bridge.messages import BACKFILLED, LATE, REPLAYED
from clients.blocking import Client
from clients.events import Bars, Item, Ticks
from clients.subscription import Subscription

T = TypeVar("T")

LONGEST_WAIT_S = 0.2
RETRY_S = 1.0
NEWS_S = 5.0
"""What was lost on its way and is older than this when it comes after all is history: nothing is decided from it any more."""
OF_ACCOUNT = ("connection", "trade")
"""Topics that are received whatever the symbol is."""


def is_news(item: Bars | Ticks, now_msc: int) -> bool:
    """Whether it has just happened, by the bridge's clock; the rest is history, and feeds indicators only."""
    if item.snapshot or item.flags & (BACKFILLED | LATE):
        return False
    return not item.flags & REPLAYED or now_msc / 1e3 - item.time_us / 1e6 <= NEWS_S


class Stopped(BaseException):
    """The strategy was told to stop while it waited for something; not an `Exception`, so that no callback holds it up."""


class Intake:
    """The events of one client. `stop_reason` gives the reason to stop once there is one; `clock` never steps back."""

    def __init__(
        self, client: Client, stop_reason: Callable[[], str | None], clock: Callable[[], float], log: logging.Logger
    ) -> None:
        self._client = client
        self._stop_reason = stop_reason
        self._clock = clock
        self._log = log
        self._subscription: Subscription | None = None
        self._kept: deque[Item] = deque()

    def listen(self, *market: str) -> None:
        """Subscribe to these topics and those of the account. What came of a former subscription, and was not taken, is dropped.

        The first time it raises whatever `Client.subscribe` does; later it waits until the bridge can be asked.
        """
        before = self._subscription
        if before is None:
            self._subscription = self._client.subscribe(*OF_ACCOUNT, *market)
            return
        self._subscription = self.patiently("events", lambda: self._client.subscribe(*OF_ACCOUNT, *market))
        before.close()
        self._kept.clear()

    def close(self) -> None:
        """Unsubscribe."""
        if self._subscription is not None:
            self._subscription.close()

    def take(self, timeout_s: float) -> Item | None:
        """The next event, waiting for it at most `timeout_s` seconds."""
        return self._kept.popleft() if self._kept else self._receive(timeout_s)

    def _receive(self, timeout_s: float) -> Item | None:
        assert self._subscription is not None, "listen comes first"
        return self._subscription.get(timeout_s)

    def patiently(self, what: str, ask: Callable[[], T]) -> T:
        """Ask, and ask again while the bridge cannot answer now; said once. Raises `Stopped`."""
        told = False
        while True:
            try:
                return ask()
            except (TryAgain, Stopping, AccountChanged) as error:
                if not told:
                    self._log.warning("waiting for %s: %s", what, error.message)
                    told = True
                self.wait(RETRY_S)

    def wait(self, seconds: float) -> None:
        """Let time pass; what is received is kept for later. Raises `Stopped`."""
        until_s = self._clock() + seconds
        while (left_s := until_s - self._clock()) > 0:
            item = self._receive(min(left_s, LONGEST_WAIT_S))
            if item is not None:
                self._kept.append(item)
            reason = self._stop_reason()
            if reason is not None:
                raise Stopped(reason)
