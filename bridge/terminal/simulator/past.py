"""The past of a used demo account: what its owner did in the two weeks before the terminal starts.

Nothing is made up: the requests are sent to the world at moments of its past, so that balance, tickets, orders and
deals fit each other and the market.  Where something cannot be done (no quotes yet, a symbol that is replayed from a
later day on) it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge.terminal.simulator.enums import BUY, SELL, Action, Filling, MarginMode, OrderType
from bridge.terminal.simulator.retcodes import Retcode
from bridge.terminal.simulator.sessions import DAY_S, is_open
from bridge.terminal.simulator.trade import order_send
from bridge.terminal.simulator.world import World
from bridge.trading import OrderResult, TradeRequest

PAST_DAYS = 14
"""How many days before the start the account was opened."""

_DAY_MSC = DAY_S * 1000
_MINUTE_MSC = 60_000
_WORKDAYS = 8
_LAST_MSC = 30 * _MINUTE_MSC  # before the start: the pending order, which has to be watched from then on


@dataclass(slots=True)
class _Owner:
    """Sends requests; `symbols` are the broker's names by the plain ones."""

    world: World
    symbols: dict[str, str]

    def send(self, **fields: Any) -> OrderResult | None:
        server, symbol = self.world.server, fields["symbol"]
        quote = server.quotes.get(symbol)
        if quote is None:
            return None
        if fields["action"] == Action.DEAL:
            fields = {"price": quote.side(fields["type"]), "deviation": 100, **fields}
        plain: dict[str, Any] = {name: int(value) if isinstance(value, int) else value for name, value in fields.items()}
        result = order_send(server, TradeRequest(**plain), self.world.now_msc)
        return result if result.retcode in (Retcode.DONE, Retcode.DONE_PARTIAL) else None

    def open(self, plain: str, side: int, volume: float, *, away: float = 0.0) -> None:
        """A market order, with stop levels at this part of the price on both sides if given."""
        symbol = self.symbols[plain]
        quote, contract = self.world.server.quotes.get(symbol), self.world.server.contracts[symbol]
        sl = tp = 0.0
        if away and quote is not None:
            low, high = contract.price(quote.bid * (1 - away)), contract.price(quote.ask * (1 + away))
            sl, tp = (low, high) if side == BUY else (high, low)
        self.send(
            action=Action.DEAL, symbol=symbol, type=side, volume=volume, sl=sl, tp=tp, type_filling=Filling.FOK, comment="demo"
        )

    def close(self, plain: str, volume: float | None = None) -> None:
        """Close the symbol's position, or so much of it."""
        symbol, server = self.symbols[plain], self.world.server
        position = next((p for p in server.ledger.positions.values() if p.symbol == symbol), None)
        if position is not None:
            hedging = server.profile.margin_mode == MarginMode.HEDGING
            self.send(
                action=Action.DEAL, symbol=symbol, type=1 - position.type, volume=volume or position.volume,
                type_filling=Filling.FOK, position=position.ticket if hedging else 0,
            )  # fmt: skip

    def pend(self, plain: str, kind: OrderType, volume: float, distance: float) -> int:
        """A pending order at this part of the price away; its ticket, 0 if there is none."""
        symbol = self.symbols[plain]
        quote, contract = self.world.server.quotes.get(symbol), self.world.server.contracts[symbol]
        if quote is None:
            return 0
        result = self.send(
            action=Action.PENDING, symbol=symbol, type=kind, volume=volume, price=contract.price(quote.bid * (1 + distance)),
            type_filling=Filling.RETURN, comment="demo",
        )  # fmt: skip
        return result.order if result else 0

    def remove(self, plain: str, ticket: int) -> None:
        """Delete a pending order."""
        if ticket:
            self.send(action=Action.REMOVE, symbol=self.symbols[plain], order=ticket)


def live(world: World, until_msc: int) -> None:
    """Let the owner of a new account trade from `world.now_msc`, `PAST_DAYS` before it, up to `until_msc`.

    The result: a deposit, five positions that are closed, one of them carried over a night and one closed in two parts,
    a deleted order, and a buy limit order far below the market that waits.
    """
    owner = _Owner(world, {contract.shape: name for name, contract in world.server.contracts.items()})
    days = _workdays_before(until_msc)

    def at(day: int, hour: int, minute: int) -> None:
        world.advance(min(days[day] + (hour * 60 + minute) * _MINUTE_MSC, until_msc))

    at(0, 10, 30)
    owner.open("EURUSD", BUY, 0.1, away=0.01)
    at(0, 11, 5)
    owner.close("EURUSD")
    at(2, 15, 40)
    owner.open("GBPUSD", SELL, 0.2)
    at(2, 16, 10)
    owner.close("GBPUSD", 0.1)
    at(2, 16, 25)
    owner.close("GBPUSD")
    at(3, 16, 2)
    owner.open("XAUUSD", BUY, 0.05, away=0.0015)
    at(3, 16, 50)
    owner.close("XAUUSD")
    at(4, 11, 0)
    ticket = owner.pend("USDJPY", OrderType.BUY_STOP, 0.3, 0.015)
    at(4, 11, 20)
    owner.remove("USDJPY", ticket)
    at(5, 23, 20)
    owner.open("USDJPY", BUY, 0.1)
    at(6, 0, 25)
    owner.close("USDJPY")
    at(7, 14, 10)
    owner.open("EURUSD", SELL, 0.15)
    at(7, 14, 35)
    owner.close("EURUSD")
    world.advance(_last_session(world, owner.symbols["EURUSD"], until_msc - _LAST_MSC))
    owner.pend("EURUSD", OrderType.BUY_LIMIT, 0.2, -0.02)
    world.advance(until_msc)
    world.server.ledger.requests = 0


def _workdays_before(until_msc: int) -> list[int]:
    """Midnights of the last workdays that are over by then, oldest first."""
    midnight = until_msc - until_msc % _DAY_MSC
    found: list[int] = []
    while len(found) < _WORKDAYS:
        midnight -= _DAY_MSC
        if is_open("forex", midnight):
            found.append(midnight)
    return found[::-1]


def _last_session(world: World, symbol: str, time_msc: int) -> int:
    """The newest minute up to then in which the symbol is traded."""
    schedule = world.server.contracts[symbol].schedule
    while not is_open(schedule, time_msc):
        time_msc -= _MINUTE_MSC
    return time_msc
