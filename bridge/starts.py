"""Which streams the session is asked to start next: few at a time, so that it is never behind by more than these. No I/O.

One client may subscribe to 100,000 names that no broker has; the terminal has to be asked about each. A subscription does not say
whose it is, so that clients cannot take turns; but of those that wait, the newest and the oldest do: who comes after such a flood
is served at once, and the flood itself in its order.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from bridge.topics import Stream, TopicState

AT_ONCE = 32
"""Starts that the session may have before it; it answers each."""


class Starts:
    """Topics by the names of their streams. Those that go on with what was sent before come first and in their order, because a
    prefix must not start before the topics that it covers."""

    def __init__(self) -> None:
        self._going_on: OrderedDict[str, TopicState] = OrderedDict()
        self._new: OrderedDict[str, TopicState] = OrderedDict()
        self._under_way: set[str] = set()
        self._newest = False

    def __len__(self) -> int:
        """How many wait."""
        return len(self._going_on) + len(self._new)

    @property
    def under_way(self) -> int:
        """How many the session was asked for and has not answered."""
        return len(self._under_way)

    def add(self, topic: TopicState, *, going_on: bool) -> None:
        """This one is to be started."""
        (self._going_on if going_on else self._new)[topic.stream_name] = topic

    def withdraw(self, name: str) -> None:
        """Nobody wants this one any more."""
        self._going_on.pop(name, None)
        self._new.pop(name, None)

    def answered(self, name: str) -> None:
        """The session has started it, cannot, or was told not to."""
        self._under_way.discard(name)

    def clear(self) -> None:
        """There is no session to ask."""
        self._going_on.clear()
        self._new.clear()
        self._under_way.clear()

    def take(self) -> Iterator[TopicState]:
        """Those to ask for now."""
        while len(self._under_way) < AT_ONCE and (self._going_on or self._new):
            if self._going_on:
                name, topic = self._going_on.popitem(last=False)
            else:
                self._newest = not self._newest
                name, topic = self._new.popitem(last=self._newest)
            if topic.stream is Stream.STARTING:
                self._under_way.add(name)
                yield topic
