"""The session of a bridge that streams, without its link: small tokens travel over it, and become the session's messages on
arrival.

What a session sends has to cross a socket that the reference does not have. With the tokens the loop gets the very bytes that
would have come over the link, and what is measured is what the bridge does with them, against a publisher that makes its
messages itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from benchmarks.stub import TOPIC, batch
from bridge.session.link import Publish, pack
from bridge.sessions import Sessions

TOKEN = b"publish "


def token(together: int, records: int) -> bytes:
    """Stands for a message with so many events of so many ticks each."""
    return TOKEN + b"%d %d" % (together, records)


@cache
def message(token: bytes) -> bytes:
    """What a token stands for; anything else stands for itself."""
    if not token.startswith(TOKEN):
        return token
    together, records = map(int, token.removeprefix(TOKEN).split())
    return pack(Publish([(TOPIC, 0, batch(records))] * together))


class InsideSessions(Sessions):
    """Takes the place of `bridge.sessions.Sessions`."""

    def receive(self, limit: int) -> Iterator[bytes]:
        """What the session has sent."""
        return map(message, super().receive(limit))
