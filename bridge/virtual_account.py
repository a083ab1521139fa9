"""An account at the simulated broker inside this program, in virtual time: what `strategies replay` trades on.

Orders go the way that they go in a bridge: the same rules of admission (`session.orders`), the same driver of the MetaTrader5
functions, the same broker as in the simulated terminal's process. Events of trades are made as in a session (`session.chronicle`).
"""

from __future__ import annotations

from itertools import islice
from typing import NoReturn

from bridge.placement import Placement
from bridge.replies import OrderOutcome, TradeEvent
from bridge.session.chronicle import Chronicle
from bridge.session.known import Known
from bridge.session.ledger import Ledger, ledger
from bridge.session.orders import place
from bridge.session.sight import Sight
from bridge.terminal import Credentials
from bridge.terminal.metatrader import MetaTrader
from bridge.terminal.simulator.account import close_price, floating, valuation, valued
from bridge.terminal.simulator.direct import DirectTerminal
from bridge.terminal.simulator.profile import Profile
from bridge.terminal.simulator.quotes import Market
from bridge.terminal.simulator.world import World
from bridge.trading import Deal, Position, TradeRequest

DAY_MSC = 86_400_000


def _never(seconds: float) -> NoReturn:
    raise AssertionError(f"an answer was withheld for {seconds} s, and no fault is in force")


class VirtualAccount:
    """`market` has the prices, `profile` the broker's terms; `start_msc` is the server time of the deposit."""

    def __init__(self, market: Market, start_msc: int, profile: Profile) -> None:
        self.world = World(market, start_msc, profile=profile)
        known = self.world.credentials
        direct = DirectTerminal(self.world, lambda: self.world.now_msc, _never)
        self._terminal = MetaTrader(direct.module(), sleep=lambda seconds: None)
        self._terminal.attach(Credentials(known.login, known.password, known.server))
        self._sight = Sight(self._terminal)
        told = Known(start_msc // 1000, dict.fromkeys(self.world.server.ledger.deals, start_msc // 1000))
        self._chronicle = Chronicle(Ledger({}, {}), told, Known(start_msc // 1000))
        self._read = {"deals": len(self.world.server.ledger.deals), "history": 0}

    @property
    def version(self) -> int:
        """Counts changes of positions, orders and deals."""
        return self.world.server.ledger.version

    def go(self, now_msc: int) -> None:
        """Be at this moment; the caller knows that nothing can have happened since the last one."""
        if now_msc > self.world.now_msc:
            self.world.turn(now_msc)

    def live(self, now_msc: int) -> None:
        """Let time pass: stops and targets are hit, swaps are charged, the stop-out comes."""
        self.world.live(now_msc)

    def place(self, request: TradeRequest) -> OrderOutcome:
        """Judge and execute an order. Raises `BridgeError`, as a bridge answers."""
        self._sight.begin(None, self.world.now_msc / 1e3)
        return place(self._sight, Placement(request))

    def positions(self, symbol: str, magic: int) -> tuple[Position, ...]:
        """Open positions, the oldest first, with their present prices and profits."""
        server = self.world.server
        return tuple(
            valued(server, item) for item in server.ledger.positions.values() if (item.symbol, item.magic) == (symbol, magic)
        )

    def on_grid(self, symbol: str, price: float) -> float:
        """The nearest price with the symbol's digits."""
        return self.world.server.contracts[symbol].price(price)

    def is_flat(self) -> bool:
        """Whether nothing is open."""
        return not self.world.server.ledger.positions and not self.world.server.ledger.orders

    def deals(self) -> list[Deal]:
        """All deals, in their order."""
        return list(self.world.server.ledger.deals.values())

    def balance(self) -> float:
        """Balance in the account's currency."""
        return self.world.server.ledger.balance

    def news(self) -> list[TradeEvent]:
        """What has happened since it was asked last, causes before effects."""
        books = self.world.server.ledger
        seen = ledger(list(books.positions.values()), list(books.orders.values()))
        ends = list(islice(books.history.values(), self._read["history"], None))
        deals = list(islice(books.deals.values(), self._read["deals"], None))
        self._read = {"deals": len(books.deals), "history": len(books.history)}
        return self._chronicle.look(seen, ends, deals, self.world.now_msc / 1e3)

    def bounds(self, symbol: str) -> tuple[float, float, float, float]:
        """(lowest bid, highest bid, lowest ask, highest ask): while prices stay within, nothing can happen to what is open.

        Stops and targets are exact; the distance to the stop-out is taken with a margin for conversion rates.
        """
        server = self.world.server
        low = {0: 0.0, 1: 0.0}
        high = {0: float("inf"), 1: float("inf")}
        held = [item for item in server.ledger.positions.values() if item.symbol == symbol]
        slope = 0.0
        for item in held:
            side = item.type  # a long position is closed at the bid, a short one at the ask
            below, above = (item.sl, item.tp) if side == 0 else (item.tp, item.sl)
            low[side] = max(low[side], below)
            high[side] = min(high[side], above or float("inf"))
            price = close_price(server, item)
            worse = price * (0.99 if side == 0 else 1.01)
            slope += abs(floating(server, item, price) - floating(server, item, worse)) / (0.01 * price)
        value = valuation(server)
        room = value.equity - server.profile.margin_so_so * (1.5 * value.margin / 100 if server.profile.margin_so_mode == 0 else 1)
        for item in held:
            price = close_price(server, item)
            far = min(max(room, 0.0) / (1.25 * slope) if slope else price, 0.2 * price)
            if item.type == 0:
                low[0] = max(low[0], price - far)
            else:
                high[1] = min(high[1], price + far)
        return low[0], high[0], low[1], high[1]
