from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.terminal.simulator.enums import BUY, SELL
from bridge.terminal.simulator.quotes import Quote, Quotes
from tests.scripted_market import START_MSC, market


class Counting:
    """A market that counts how often it is asked for the newest tick."""

    def __init__(self, quotes: Mapping[str, Any]) -> None:
        self.inner = market(quotes)
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def last_tick(self, symbol: str, before_msc: int) -> Any:
        self.asked += 1
        return self.inner.last_tick(symbol, before_msc)


def test_buying_pays_the_ask() -> None:
    assert Quote(0, 1.1, 1.2).side(BUY) == 1.2
    assert Quote(0, 1.1, 1.2).side(SELL) == 1.1


def test_only_what_came_before_the_moment_is_seen() -> None:
    quotes = Quotes(market({"EURUSD": [(0, 1.1, 1.2), (10, 1.3, 1.4)]}))
    quotes.move(START_MSC)
    assert quotes.get("EURUSD") is None
    quotes.move(START_MSC + 1)
    assert quotes.get("EURUSD") == Quote(START_MSC, 1.1, 1.2)
    quotes.move(START_MSC + 11)
    assert quotes.get("EURUSD") == Quote(START_MSC + 10, 1.3, 1.4)
    assert quotes.get("NOPE") is None


def test_the_market_is_asked_once_a_moment() -> None:
    counting = Counting({"EURUSD": [(0, 1.1, 1.2)]})
    quotes = Quotes(counting)
    quotes.move(START_MSC + 1)
    for _ in range(3):
        quotes.get("EURUSD")
        quotes.move(START_MSC + 1)
    assert counting.asked == 1
    quotes.put("EURUSD", Quote(5, 2.0, 2.1))
    assert quotes.get("EURUSD") == Quote(5, 2.0, 2.1)
    quotes.move(START_MSC + 2)
    assert quotes.get("EURUSD") == Quote(START_MSC, 1.1, 1.2)
    assert counting.asked == 2
