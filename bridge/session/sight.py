"""What an order is judged by: looks at the terminal, each made only when a rule needs it.

An order on a symbol that was read in the last seconds costs one call at most beside the sending (close by: two), and a market order
without stops none: the symbol's properties are kept, a position shows the price that it would be closed at, an order the market's
for its side. Only a refusal may take one more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import TypeVar

from bridge.records import Account, Symbol
from bridge.session.failures import NOT_FOUND, refusal
from bridge.terminal import Terminal, TerminalError
from bridge.ticks import Tick
from bridge.trading import Order, OrderResult, Position

T = TypeVar("T")

SYMBOL_AGE_S = 5.0
"""So long the properties of a symbol count as those of now."""
LAG_S = 10.0
"""A position or order may be missing from the terminal's lists for so long after it was made."""


class Sight:
    """What can be seen of the account and the market. `begin` says whose account it is and what time, before each order.

    `looking` is called before each look, so that whoever watches knows that the last one has come back; `sending` right before
    the order is sent and `searching` before each look into the history, which may rightly take long. `streamed` tells which symbols
    clients follow.
    """

    def __init__(
        self,
        terminal: Terminal,
        looking: Callable[[], None] = lambda: None,
        sending: Callable[[], None] = lambda: None,
        searching: Callable[[], None] = lambda: None,
    ) -> None:
        self.terminal = terminal
        self.sending = sending
        self.searching = searching
        self.streamed: Callable[[], Collection[str]] = tuple
        self._looking = looking
        self._now = 0.0
        self._account: Account | None = None
        self._symbols: dict[str, tuple[float, Symbol]] = {}
        self._fresh: Symbol | None = None
        self._made: OrderedDict[int, float] = OrderedDict()

    def look(self) -> None:
        """Something is about to be looked at, which is never slow."""
        self._looking()

    def begin(self, account: Account | None, now: float) -> None:
        """A new order; what is too old is forgotten."""
        self._account, self._now, self._fresh = account, now, None
        made = self._made
        while made and now - made[ticket := next(iter(made))] >= LAG_S:
            del made[ticket]

    def forget(self) -> None:
        """The terminal was attached anew: everything may be different."""
        self._symbols.clear()
        self._made.clear()
        self._fresh = None

    def note(self, result: OrderResult) -> None:
        """An order was sent: its ticket exists from now on."""
        for ticket in (result.order, result.deal):
            if ticket:
                self._made[ticket] = self._now
                self._made.move_to_end(ticket)

    def account(self) -> Account | None:
        """The account, as it was read for this order."""
        if self._account is None:
            self._account = self._seen(self.terminal.account)
        return self._account

    def symbol(self, name: str) -> Symbol | None:
        """The symbol's properties. Raises `UnknownSymbol`."""
        read_s, known = self._symbols.get(name, (0.0, None))
        if known is not None and 0 <= self._now - read_s <= SYMBOL_AGE_S:
            return known
        self._looking()
        try:
            found = self.terminal.symbol(name)
        except TerminalError as error:
            if error.code == NOT_FOUND or error.link_lost:
                raise refusal(error, name) from error
            return None
        if len(self._symbols) > 1_000:
            self._symbols.clear()
        self._symbols[name] = self._now, found
        self._fresh = found
        return found

    def tick(self, name: str) -> Tick | None:
        """The last tick; it came with the symbol's properties where these were just read."""
        fresh = self._fresh
        if fresh is not None and fresh.name == name and fresh.bid > 0 and fresh.ask > 0:
            return Tick(fresh.time, fresh.bid, fresh.ask, fresh.last, fresh.volume, fresh.time * 1000, 0, fresh.volume_real)
        return self._seen(lambda: self.terminal.tick(name))

    def position(self, ticket: int) -> Position | None:
        """An open position."""
        return self._first(self._seen(lambda: self.terminal.positions(ticket=ticket)))

    def order(self, ticket: int) -> Order | None:
        """A pending order."""
        return self._first(self._seen(lambda: self.terminal.orders(ticket=ticket)))

    def positions(self, symbol: str) -> list[Position]:
        """The open positions of a symbol."""
        return self._seen(lambda: self.terminal.positions(symbol=symbol)) or []

    def just_made(self, ticket: int) -> bool:
        """Whether an order of the last seconds made it."""
        return ticket in self._made

    @staticmethod
    def _first(found: list[T] | None) -> T | None:
        return found[0] if found else None

    def _seen(self, look: Callable[[], T]) -> T | None:
        """What a look shows; None where the terminal does not say. Raises `NotConnected` when the link is lost."""
        self._looking()
        try:
            return look()
        except TerminalError as error:
            if error.link_lost:
                raise refusal(error) from error
            return None
