"""A strategy that writes down what it is told, run in virtual time against a scripted bridge with one symbol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bridge.replies import ConnectionState, TradeEvent
from bridge.ticks import Bar
from strategies import Strategy
from strategies.runner import Runner
from tests.trading_bridge import TradingBridge
from tests.virtual_client import VirtualClient
from tests.virtual_time import VirtualTime


class Diary(Strategy):
    """Writes down what it is told."""

    warmup = 3

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        self.diary: list[Any] = []
        self.acts: dict[int, Callable[[], Any]] = {}

    def on_start(self) -> None:
        self.diary.append("start")

    def on_bar(self, bar: Bar) -> None:
        self.diary.append((bar.time, self.live))
        act = self.acts.get(bar.time)
        if act is not None:
            act()

    def on_trade(self, trade: TradeEvent) -> None:
        self.diary.append(trade.kind)

    def on_connection(self, connection: ConnectionState) -> None:
        self.diary.append(connection.state)

    def on_stop(self, reason: str) -> None:
        self.diary.append(f"stop {reason}")


class Stage:
    """A strategy on a bridge. Bars are of 300 s; `at(seconds, act)` plans something."""

    def __init__(self, patch: pytest.MonkeyPatch, strategy: Strategy, bridge: TradingBridge) -> None:
        self.time = VirtualTime()
        self.bridge = bridge
        self.strategy = strategy
        self.client = VirtualClient(self.time, bridge, patch.setattr)
        self.link = self.client.virtual.link
        self.reason: str | None = None
        self.runner = Runner(strategy, self.client, lambda: self.reason, clock=self.time)

    def at(self, seconds: float, act: Callable[[], Any]) -> None:
        def do() -> None:
            act()
            self.link.work()

        self.time.after(seconds, do)

    def run(self, seconds: float = 10.0) -> int:
        def end() -> None:
            self.reason = "the test is over"

        self.time.after(seconds, end)
        return self.runner.run()


def diary(stage: Stage) -> list[Any]:
    assert isinstance(stage.strategy, Diary)
    return stage.strategy.diary
