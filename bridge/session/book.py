"""The stream of a symbol's depth of market: opened when somebody wants it, read while somebody does, released afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import msgspec

from bridge.errors import TerminalRefused
from bridge.records import Symbol
from bridge.replies import Book, LogRecord
from bridge.session.quotes import Event
from bridge.session.suspect import Suspects, of_book
from bridge.terminal import Terminal, TerminalError
from bridge.ticks import Tick

SHORTEST_S = 0.05
LONGEST_S = 0.25
"""Bounds of the time between two looks at a book: often while it changes, seldom while it does not."""
LOOKS_PER_S = 200
"""Looks in a second, at all books together, at most."""
REOPEN_AFTER = 10
"""So many looks in a row that failed, and the book is opened anew: the terminal may have forgotten that it was."""

_pack = msgspec.msgpack.Encoder().encode


def opening(terminal: Terminal, symbol: Symbol) -> Iterator[float]:
    """Subscribe to the depth of market; yields before each call to the terminal, as the start of a stream does.

    Raises `TerminalRefused` for a symbol that has none, `TerminalError` when the terminal cannot be asked. The package gives no
    reason when it refuses, and refuses in the same way when it has no connection (MetaTrader5 5.0.6231): so another call tells.
    """
    if not symbol.ticks_bookdepth:
        raise _no_depth(symbol.name, "the broker gives none")
    yield 0.0
    try:
        terminal.book_open(symbol.name)
    except TerminalError as error:
        if error.link_lost:
            raise
        refused = error
    else:
        return
    yield 0.0
    terminal.symbol(symbol.name)
    raise _no_depth(symbol.name, f"the terminal refused: {refused}") from refused


def _no_depth(symbol: str, why: str) -> TerminalRefused:
    return TerminalRefused(
        f"{symbol} has no depth of market: {why}",
        next_step=f"use the topic tick:{symbol}; a symbol with depth has a ticks_bookdepth above 0 (method symbol)",
        function="market_book_add",
        symbol=symbol,
    )


class BookStream:
    """The whole book whenever it has changed. The terminal gives no time with it, and a book that was never updated is empty.

    It begins when the terminal is subscribed, see `opening`; after an outage it selects the symbol and subscribes again.
    """

    slow = False

    def __init__(self, symbol: str, suspects: Suspects) -> None:
        self.topic = f"book:{symbol}"
        self.symbol = symbol
        self.opened = True
        self.due = inf
        self.settled = False
        self.shortest_s = SHORTEST_S
        self._suspects = suspects
        self._selected = True
        self._last: bytes | None = None
        self._wait_s = SHORTEST_S
        self._failures = 0

    def poll(self, terminal: Terminal, now: float) -> list[Event]:
        """Look at the book, or do what has to be done before that."""
        self.due = now
        if not self._selected:
            terminal.select(self.symbol)
            self._selected = True
            return []
        if not self.opened:
            terminal.book_open(self.symbol)
            self.opened = True
            return []
        try:
            levels = terminal.book(self.symbol)
        except TerminalError:
            self._failures += 1
            if self._failures >= REOPEN_AFTER:
                self._failures, self.opened, self._selected = 0, False, False
            raise
        self._failures = 0
        book = Book(self.symbol, tuple(levels))
        packed = _pack(book)  # compared as bytes, in which NaN equals itself
        first, changed = not self.settled, packed != self._last
        self.settled, self._last = True, packed
        self._wait_s = self.shortest_s if changed else max(self.shortest_s, min(2 * self._wait_s, LONGEST_S))
        self.due = now + self._wait_s
        return self._suspects.event(self.topic, 0, book, of_book(levels), now) if changed and not first else []

    def quote(self, tick: Tick, now: float) -> None:
        """Read by the clock, not by ticks."""

    def body(self) -> bytes | None:
        """The book as last seen."""
        return self._last

    def without_history(self) -> None:
        """The book is published when it can be read."""
        self.settled = True

    def restore(self, now: float) -> None:
        """Subscribe again, and look."""
        self.opened = self._selected = False
        self._failures = 0
        self.due = now


def pace(streams: list[BookStream]) -> None:
    """These are all books: share the looks among them."""
    for stream in streams:
        stream.shortest_s = max(SHORTEST_S, len(streams) / LOOKS_PER_S)


class Releases:
    """Ends the subscriptions that nobody needs any more, one in each turn."""

    slow = False
    topic = "book:"

    def __init__(self) -> None:
        self.due = inf
        self._symbols: dict[str, None] = {}

    def add(self, symbol: str) -> None:
        """Nobody needs this book any more."""
        self._symbols[symbol] = None
        self.due = -inf

    def withdraw(self, symbol: str) -> bool:
        """Somebody does, again; whether the terminal is still subscribed to it."""
        opened = symbol in self._symbols
        self._symbols.pop(symbol, None)
        self.due = -inf if self._symbols else inf
        return opened

    def poll(self, terminal: Terminal, now: float) -> list[Event]:
        """Release one. It is tried once: there is no harm in a terminal that goes on listening."""
        symbol = next(iter(self._symbols))
        self.withdraw(symbol)
        try:
            terminal.book_close(symbol)
        except TerminalError as error:
            if error.link_lost:
                raise
            return [("log", 0, LogRecord("warning", f"book:{symbol} was not released: {error}", f"book:{symbol}"))]
        return []

    def restore(self) -> None:
        """The session is another one: subscriptions ended with the last one."""
        self._symbols.clear()
        self.due = inf
