"""What the stand-in for the session is told to publish, and the messages that it publishes.

What a session sends has to cross a socket that the reference does not have. In a thread of the bridge small tokens travel over it
instead, and become the session's messages on arrival: the loop gets the very bytes that would have come over the link, and what is
measured is what the bridge does with them, against a publisher that makes its messages itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from functools import cache

from benchmarks.stub import batch, topic_of
from bridge.session.link import Publish, pack
from bridge.session.outbox import EVENTS_AT_ONCE, EVENTS_WAIT_S
from bridge.sessions import Sessions
from bridge.ticks import RECORD_BYTES

TOKEN = b"publish "
LARGEST = 256 * 1024
"""Bytes of one message, about: the session waits at most 2 ms for more events, and large ones take it longer to find."""
EACH_SECOND = 10
"""Events of a symbol that are of the same second of server time."""


@dataclass(frozen=True, slots=True)
class Order:
    """So many events of so many ticks each, of the symbols from `base` on in turns; `rate` is in events a second, 0 for as fast as
    it goes."""

    count: int
    records: int = 1
    symbols: int = 1
    rate: int = 0
    base: int = 0

    def to_bytes(self) -> bytes:
        """As it travels."""
        return b" ".join(b"%d" % number for number in astuple(self))

    @classmethod
    def from_bytes(cls, frame: bytes) -> Order:
        """The order that travelled."""
        return cls(*map(int, frame.split()))

    @property
    def together(self) -> int:
        """Events in one message."""
        most = min(EVENTS_AT_ONCE, LARGEST // (self.records * RECORD_BYTES))
        return max(1, min(most, int(self.rate * EVENTS_WAIT_S)) if self.rate else most)

    def tokens(self) -> Iterator[tuple[int, bytes]]:
        """Each message's token, and how many events are before it."""
        again = self.symbols * EACH_SECOND * 2
        together = self.together
        for first in range(0, self.count, together):
            yield first, replace(self, count=min(together, self.count - first))._token(first % again)

    def _token(self, first: int) -> bytes:
        return TOKEN + b"%d %d %d %d %d" % (first, self.count, self.records, self.symbols, self.base)


@cache
def message(token: bytes) -> bytes:
    """What a token stands for; anything else stands for itself."""
    if not token.startswith(TOKEN):
        return token
    first, count, records, symbols, base = map(int, token.removeprefix(TOKEN).split())
    events = []
    for number in range(first, first + count):
        turn, place = divmod(number, symbols)
        events.append((topic_of(base + place), 0, batch(records, turn // EACH_SECOND % 2)))
    return pack(Publish(events))


class InsideSessions(Sessions):
    """Takes the place of `bridge.sessions.Sessions`."""

    def receive(self, limit: int) -> Iterator[bytes]:
        """What the session has sent."""
        return map(message, super().receive(limit))
