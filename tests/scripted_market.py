"""A market of ticks written down in a test, and short ways to ask a world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bridge.mt5api.structs import TICK_DTYPE
from bridge.records import Account
from bridge.terminal.simulator.profile import PROFILES, Profile
from bridge.terminal.simulator.replay import Replay
from bridge.terminal.simulator.world import World
from bridge.trading import Deal, Order, OrderCheck, OrderResult, Position, TradeRequest

START_S = 1_704_888_000
"""Wednesday 2024-01-10 12:00 of server time."""
START_MSC = START_S * 1000

Ticks = Sequence[tuple[int, float, float]]
"""(milliseconds after START_MSC, bid, ask)"""

QUOTES: Mapping[str, Ticks] = {
    "EURUSD": [(-1000, 1.1000, 1.1002)],
    "USDJPY": [(-1000, 150.00, 150.02)],
    "GBPUSD": [(-1000, 1.2500, 1.2503)],
    "EURGBP": [(-1000, 0.8800, 0.8802)],
    "XAUUSD": [(-1000, 2000.00, 2000.30)],
    "GER40": [(-1000, 16_000.0, 16_001.0)],
    "BTCUSD": [(-1000, 45_000.0, 45_010.0)],
}


def market(quotes: Mapping[str, Ticks]) -> Replay:
    recordings = {}
    for symbol, ticks in quotes.items():
        rows = np.zeros(len(ticks), TICK_DTYPE)
        for index, (after_msc, bid, ask) in enumerate(ticks):
            time_msc = START_MSC + after_msc
            rows[index] = (time_msc // 1000, bid, ask, 0.0, 0, time_msc, 6, 0.0)
        recordings[symbol] = rows
    return Replay(recordings)


def profile(name: str = "hedging-cfd", *, contract: Mapping[str, Any] | None = None, **changes: Any) -> Profile:
    """A profile with changes; `contract` changes every symbol's contract."""
    base = replace(PROFILES[name], **changes)
    if contract:
        return replace(base, contracts={n: replace(c, **contract) for n, c in base.contracts.items()})
    return base


class Desk:
    """A world with a clock to turn by hand, asked in the way of the MetaTrader5 package."""

    def __init__(self, quotes: Mapping[str, Ticks] | None = None, of: Profile | None = None) -> None:
        self.world = World(market({**QUOTES, **(quotes or {})}), START_MSC, profile=of)
        self.now_msc = START_MSC
        self.sent: list[int] = []
        for symbol in self.world.server.quotes.known:
            self.world.server.watch[symbol] = True

    def wait(self, msc: int) -> None:
        self.now_msc += msc
        self.world.advance(self.now_msc)

    def ask(self, function: str, *args: Any) -> Any:
        code, text, value = self.world.call(function, list(args), self.now_msc)
        assert (code, text) == (1, "Success"), (function, code, text)
        return value

    def error(self, function: str, *args: Any) -> tuple[int, str, Any]:
        return self.world.call(function, list(args), self.now_msc)

    def send(self, **fields: Any) -> OrderResult:
        result = OrderResult(*self.ask("order_send", request(**fields)))
        self.sent.append(result.retcode)
        return result

    def check(self, **fields: Any) -> OrderCheck:
        return OrderCheck(*self.ask("order_check", request(**fields)))

    def buy(self, volume: float = 0.1, symbol: str = "EURUSD", **fields: Any) -> OrderResult:
        return self.done(action=1, type=0, symbol=symbol, volume=volume, **fields)

    def sell(self, volume: float = 0.1, symbol: str = "EURUSD", **fields: Any) -> OrderResult:
        return self.done(action=1, type=1, symbol=symbol, volume=volume, **fields)

    def done(self, **fields: Any) -> OrderResult:
        result = self.send(**fields)
        assert result.retcode == 10009, result
        return result

    @property
    def positions(self) -> list[Position]:
        return [Position(*row) for row in self.ask("positions_get", None, None, None)]

    @property
    def orders(self) -> list[Order]:
        return [Order(*row) for row in self.ask("orders_get", None, None, None)]

    @property
    def history(self) -> list[Order]:
        return [Order(*row) for row in self.ask("history_orders_get", 0, 2**31 - 1, None, None, None)]

    @property
    def deals(self) -> list[Deal]:
        return [Deal(*row) for row in self.ask("history_deals_get", 0, 2**31 - 1, None, None, None)]

    @property
    def account(self) -> Account:
        return Account(*self.ask("account_info"))


def request(**fields: Any) -> list[Any]:
    """The 17 fields of a trade request, those that are not given as the package sends them."""
    asked = TradeRequest(**{"action": 1, "type_filling": 0, **fields})
    return [getattr(asked, name) for name in TradeRequest.__slots__]
