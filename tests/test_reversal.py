"""How a signal is traded: one position, turned only when it is closed; stops as multiples of the average true range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bridge.errors import OrderRejected
from bridge.ticks import Bar
from strategies.reversal import Reversal
from strategies.turtle_breakout import TurtleBreakout
from tests.played_strategy import play as played
from tests.trading_bridge import TradingBridge

HISTORY = [1.0 + number % 2 / 1_000 for number in range(40)]


class ByThreshold(Reversal):
    """Long above 1.5, short below 0.5."""

    atr_period = 2

    def signal(self, bar: Bar) -> bool | None:
        """By the close."""
        return True if bar.close > 1.5 else False if bar.close < 0.5 else None


Play = Callable[..., TradingBridge]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Play closing prices after a history, and give what was ordered."""

    def run(kind: type[Reversal], closes: list[float], before: Any = None, **values: Any) -> TradingBridge:
        return played(kind("test", **values), closes, HISTORY, before, monkeypatch.setattr)

    return run


def sent(bridge: TradingBridge) -> list[tuple[Any, ...]]:
    return [(order.type, order.volume, order.position, order.comment) for order in bridge.orders]


def test_it_enters_once_and_turns_when_the_position_is_closed(play: Play) -> None:
    bridge = play(ByThreshold, [1.6, 1.7, 1.0, 0.4, 0.3], lots=0.3, tp_atr=0.0)
    assert sent(bridge) == [(0, 0.3, 0, "test long"), (1, 0.3, 1, "test turn"), (1, 0.3, 0, "test short")]


def test_nothing_while_history_is_played(play: Play) -> None:
    assert sent(play(ByThreshold, [1.0, 1.1])) == []


def test_stops_are_multiples_of_the_average_true_range(play: Play) -> None:
    (order,) = play(ByThreshold, [1.6], sl_atr=1.0, tp_atr=3.0).orders
    far = 1.6 - order.sl
    assert far == pytest.approx((abs(1.6 - HISTORY[-1]) + 0.001) / 2, rel=0.1)
    assert order.tp - 1.6 == pytest.approx(3 * far, abs=3e-5)
    (order,) = play(ByThreshold, [0.4], sl_atr=1.0, tp_atr=0.0).orders
    assert order.sl > 0.4
    assert order.tp == 0.0


def test_no_entry_with_a_target_below_zero(play: Play) -> None:
    assert sent(play(ByThreshold, [0.4], tp_atr=50.0)) == []


def test_a_close_that_is_refused_is_followed_by_no_entry(play: Play) -> None:
    def before(bridge: TradingBridge) -> None:
        answer = bridge.answers["order"]

        def refuse(request: Any) -> Any:
            if request.request.position:
                raise OrderRejected("no", retcode=10006)
            return answer(request)

        bridge.answers["order"] = refuse

    bridge = play(ByThreshold, [1.6, 0.4, 0.3], before=before, tp_atr=0.0)
    assert [order[3] for order in sent(bridge)] == ["test long"]


def test_turtles_leave_on_the_shorter_channel(play: Play) -> None:
    closes = [1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 2.1, 2.2, 1.25, 1.24]
    bridge = play(TurtleBreakout, closes)
    assert [order[3] for order in sent(bridge)] == ["test long", "test exit"]
    assert bridge.orders[0].tp == 0.0
