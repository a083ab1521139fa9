"""The moving average crossover, bar by bar."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from bridge.errors import InvalidParameters
from strategies.ma_crossover import MACrossover
from tests.played_strategy import play
from tests.trading_bridge import TradingBridge

DOWN = [1.0 - number / 1_000 for number in range(10)]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., TradingBridge]:
    """Play closing prices after a history that falls, and give what was ordered."""

    def run_it(closes: list[float], history: list[float] | None = None, before: Any = None, **values: Any) -> TradingBridge:
        strategy = MACrossover("ma_crossover", fast=2, slow=5, **values)
        return play(strategy, closes, DOWN if history is None else history, before, monkeypatch.setattr)

    return run_it


def test_nothing_without_a_cross(run: Callable[..., TradingBridge]) -> None:
    assert run([0.98, 0.97, 0.96]).orders == []


def test_a_cross_in_the_history_is_not_traded(run: Callable[..., TradingBridge]) -> None:
    assert run([1.4, 1.5], history=[*DOWN, 1.2, 1.3]).orders == []


def test_up_buys_and_down_closes_first_and_then_sells(run: Callable[..., TradingBridge]) -> None:
    bridge = run([1.2, 1.3, 1.3, 0.5, 0.4, 0.3], lots=0.3)
    assert [(order.type, order.volume, order.position, order.comment) for order in bridge.orders] == [
        (0, 0.3, 0, "ma 2/5 up"), (1, 0.3, 1, "ma 2/5 turn"), (1, 0.3, 0, "ma 2/5 down"),
    ]  # fmt: skip
    assert [held.type for held in bridge.positions] == [1]
    assert len({order.magic for order in bridge.orders}) == 1


def test_stop_and_target_are_distances_from_the_close(run: Callable[..., TradingBridge]) -> None:
    order = run([1.2], sl_distance=0.1, tp_distance=0.2).orders[0]
    assert [order.sl, order.tp] == pytest.approx([1.1, 1.4])


def test_no_reversal_while_the_close_is_not_confirmed(run: Callable[..., TradingBridge], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    def stick(bridge: TradingBridge) -> None:
        fill = bridge._fill

        def only_entries(trade: Any) -> None:
            if not trade.position:
                fill(trade)

        bridge._fill = only_entries  # type: ignore[method-assign]

    bridge = run([1.2, 1.3, 0.5, 0.4], before=stick)
    assert [order.comment for order in bridge.orders] == ["ma 2/5 up", "ma 2/5 turn"]
    assert "still open after its close" in caplog.text


def test_no_reversal_when_the_close_is_refused(run: Callable[..., TradingBridge]) -> None:
    def refuse_closes(bridge: TradingBridge) -> None:
        order = bridge.answers["order"]

        def answer(request: Any) -> Any:
            bridge.refusing = "market closed" if request.request.position else None
            return order(request)

        bridge.answers["order"] = answer

    bridge = run([1.2, 1.3, 0.5, 0.4], before=refuse_closes)
    assert [order.comment for order in bridge.orders] == ["ma 2/5 up", "ma 2/5 turn"]
    assert [held.type for held in bridge.positions] == [0]


def test_equal_averages_are_no_cross(run: Callable[..., TradingBridge]) -> None:
    assert run([1.0] * 8, history=[1.0] * 10).orders == []


def test_fast_must_be_below_slow() -> None:
    with pytest.raises(InvalidParameters, match="must be below slow"):
        MACrossover(fast=5, slow=5).on_start()
    assert MACrossover(slow=30).warmup == 31
