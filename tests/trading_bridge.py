"""A scripted bridge with one symbol: bars of one timeframe, a last price, and an account that fills every order at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bridge.errors import OrderRejected
from bridge.messages import GetRates, SendOrder
from bridge.replies import FoundSymbol, LastTick, OrderOutcome, Positions, Records, TradeEvent
from bridge.ticks import TIMEFRAME_S
from bridge.trading import OrderResult, Position, TradeRequest
from tests.records import position, symbol
from tests.scripted_bridge import ScriptedBridge, bar_record, tick_record


class TradingBridge(ScriptedBridge):
    """`bars` are the closed ones, as (time, close); one more is always forming."""

    def __init__(self, closes: list[float], *, timeframe: str = "M5", epoch: int = 1, heartbeat_s: float | None = None) -> None:
        super().__init__(epoch=epoch, heartbeat_s=heartbeat_s)
        self.topic = f"bar:EURUSD:{timeframe}"
        self.step_s = TIMEFRAME_S[timeframe]
        self.bars = [((number + 1) * self.step_s, close) for number, close in enumerate(closes)]
        self.positions: list[Position] = []
        self.orders: list[TradeRequest] = []
        self.refusing: str | None = None
        self.filling = True
        self.answers |= {
            "rates": self._rates,
            "find_symbol": lambda request: FoundSymbol(request.name, "exact", f"{request.name!r} is the broker's own name"),
            "symbol": lambda request: symbol(request.symbol, filling_mode=1, digits=5),
            "tick": lambda request: LastTick(tick_record(1_000, bid=1.1), 0, "stream"),
            "positions": lambda request: Positions(tuple(held for held in self.positions if request.ticket in (None, held.ticket))),
            "order": self._order,
        }

    def _rates(self, request: GetRates) -> Records:
        forming = (self.bars[-1][0] + self.step_s, 1.0) if self.bars else (self.step_s, 1.0)
        known = [*self.bars, forming]
        end = len(known) - request.start
        if request.to_s is not None:
            end = sum(time <= request.to_s for time, _ in known)
        chosen = known[max(0, end - request.count) : max(0, end)]
        return Records(len(chosen), b"".join(bar_record(time, close) for time, close in chosen))

    def _order(self, request: SendOrder) -> OrderOutcome | None:
        trade = request.request
        self.orders.append(trade)
        if self.refusing == "silent":
            return None
        if self.refusing:
            raise OrderRejected(self.refusing, retcode=10019)
        if self.filling:
            self._fill(trade)
        return OrderOutcome("done", OrderResult(10009, 1, len(self.orders), trade.volume, trade.price, 1.0, 1.0, "", 1, 0, trade))

    def _fill(self, trade: TradeRequest) -> None:
        if trade.position:
            held = next(held for held in self.positions if held.ticket == trade.position)
            self.positions.remove(held)
            self.publish("trade", TradeEvent("position_closed", held))
        else:
            held = position(len(self.orders), symbol=trade.symbol, magic=trade.magic, type=trade.type, volume=trade.volume)
            self.positions.append(held)
            self.publish("trade", TradeEvent("position_opened", held))

    def close_bar(self, close: float, *, flags: int = 0, published: bool = True) -> None:
        """One more bar closes."""
        time = (self.bars[-1][0] if self.bars else 0) + self.step_s
        self.bars.append((time, close))
        if published:
            self.publish(self.topic, bar_record(time, close), flags=flags)

    def set_connection(self, state: Any) -> None:
        """The connection changes."""
        self.connection = replace(self.connection, state=state, cause=f"test: {state}")
        self.publish("connection", self.connection)
