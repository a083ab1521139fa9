"""Events on their way to the gateway: those of one turn of the feed travel together."""

from __future__ import annotations

from collections.abc import Callable

from bridge.session.feed import Feed
from bridge.session.link import Publish
from bridge.session.quotes import Event

EVENTS_AT_ONCE = 64
EVENTS_WAIT_S = 0.002
"""Events of one turn travel together, but not more than this many and not after waiting longer than this."""


class Outbox:
    """What the feed found and the gateway does not have yet; with what the next session needs to go on behind it."""

    def __init__(self, feed: Feed, send: Callable[[Publish], None]) -> None:
        self._feed = feed
        self._send = send
        self._events: list[Event] = []
        self._since_s = 0.0

    def __bool__(self) -> bool:
        return bool(self._events)

    def add(self, events: list[Event], now: float) -> None:
        """More events, in order."""
        if not events:
            return
        if not self._events:
            self._since_s = now
        self._events += events
        if len(self._events) >= EVENTS_AT_ONCE:
            self.flush()

    def turn(self, now: float) -> None:
        """A step is over: what has waited long enough goes, and all if the feed has nothing more to do now."""
        if self._events and (now - self._since_s >= EVENTS_WAIT_S or self._feed.next_deadline() > now):
            self.flush()

    def flush(self) -> None:
        """All goes, before what is said next."""
        if self._events:
            self._send(Publish(self._events, self._feed.kept(), self._feed.take_suspect_records()))
            self._events = []
