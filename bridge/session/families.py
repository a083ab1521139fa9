"""The families of topics that a session can send, and the stream of each."""

from __future__ import annotations

from bridge.errors import InvalidParameters
from bridge.session.account import AccountStream
from bridge.session.bars import BarStream, FormingStream
from bridge.session.book import BookStream
from bridge.session.calls import check_timeframe
from bridge.session.owner import Owner
from bridge.session.quotes import Stream, TickStream
from bridge.session.suspect import Suspects
from bridge.session.trades import TradeStream


def make(topic: str, resume: bytes | None, owner: Owner, suspects: Suspects) -> tuple[Stream, str | None]:
    """A topic's stream, which goes on behind `resume`, and its symbol, if it has one.

    Raises `InvalidParameters` for what is no topic of a session, `UnknownTimeframe`.
    """
    family, _, rest = topic.partition(":")
    if topic == "account":
        return AccountStream(owner), None
    if topic == "trade":
        return TradeStream(owner, resume), None
    if family == "tick":
        return TickStream(rest, resume, suspects), rest
    if family == "book":
        return BookStream(rest, suspects), rest
    symbol, _, timeframe = rest.rpartition(":")
    if family not in ("bar", "forming") or not symbol:
        raise InvalidParameters(f"no topic {topic!r}", next_step="see the list of topics in docs/protocol.md", topic=topic)
    check_timeframe(timeframe)
    if family == "bar":
        return BarStream(symbol, timeframe, resume, suspects), symbol
    return FormingStream(symbol, timeframe, suspects), symbol
