"""Strategies by themselves: parameters, names, what they may do when."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.errors import InvalidParameters, NotConnected, UnknownTimeframe
from bridge.replies import OrderOutcome
from bridge.ticks import Bar
from bridge.trading import OrderResult, Position, TradeRequest
from strategies import NotLive, Strategy, param
from strategies.indicators import ATR, EMA, RSI, SMA
from strategies.param import Param, params_of
from strategies.strategy import magic_of
from tests.records import position
from tests.scripted_bridge import CONNECTED


class Example(Strategy):
    """An example.

    With more words.
    """

    fast = param(10, min=2, max=100, help="bars")
    lots = param(0.1, min=0.01)
    eager = param(False)
    note = param("x")
    stop: float | None = param(None, kind=float, min=0)
    timeframe = "M1"
    warmup = 5


class Recorded:
    """A desk that notes what it is told."""

    def __init__(self, *held: Position) -> None:
        self.held = held
        self.told: list[tuple[Any, ...]] = []

    def enter(self, side: str, volume: float, sl: float | None, tp: float | None, comment: str) -> OrderOutcome:
        self.told.append((side, volume, sl, tp, comment))
        return OrderOutcome("done", OrderResult(10009, 1, 1, volume, 1.0, 1.0, 1.0, "", 1, 0, TradeRequest()))

    def leave(self, ticket: int, volume: float | None, comment: str) -> OrderOutcome:
        self.told.append(("close", ticket, volume, comment))
        return OrderOutcome("done", OrderResult(10009, 1, 1, 0.0, 1.0, 1.0, 1.0, "", 1, 0, TradeRequest()))

    def positions(self) -> tuple[Position, ...]:
        return self.held


def live(*held: Position) -> tuple[Example, Recorded]:
    strategy, desk = Example(), Recorded(*held)
    strategy.use_desk(desk)
    strategy.live = True
    strategy.connection = CONNECTED
    return strategy, desk


def test_parameters_have_defaults_types_and_limits() -> None:
    strategy = Example(fast=20, lots=1, stop=0.5)
    assert (strategy.fast, strategy.lots, strategy.eager, strategy.stop, strategy.symbol) == (20, 1.0, False, 0.5, "EURUSD")
    assert isinstance(strategy.lots, float)
    assert Example().fast == 10
    strategy.fast = 30
    with pytest.raises(InvalidParameters, match="fast must be at least 2 and at most 100, not 1"):
        strategy.fast = 1
    assert strategy.fast == 30


@pytest.mark.parametrize(
    "values",
    [
        {"fast": 1}, {"fast": 101}, {"fast": 2.5}, {"fast": True}, {"fast": "7"}, {"fast": None}, {"lots": float("nan")},
        {"lots": float("inf")}, {"eager": 1}, {"note": 5}, {"stop": -1.0}, {"slow": 5}, {"warmup": 3},
    ],
)  # fmt: skip
def test_wrong_parameters_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameters):
        Example(**values)


def test_a_wrong_default_is_refused_when_the_class_is_made() -> None:
    with pytest.raises((InvalidParameters, RuntimeError)):
        type("Wrong", (Strategy,), {"fast": param(1, min=2)})
    with pytest.raises(InvalidParameters):
        type("Wrong", (Example,), {"fast": 1})
    with pytest.raises(TypeError, match="kind="):
        param(None)


def test_a_subclass_changes_defaults_with_plain_values() -> None:
    assert {name: found.default for name, found in params_of(Example).items()} == {
        "symbol": "EURUSD", "timeframe": "M1", "fast": 10, "lots": 0.1, "eager": False, "note": "x", "stop": None,
    }  # fmt: skip
    assert isinstance(vars(Example)["timeframe"], Param)
    assert Strategy().timeframe == "M5"


def test_an_unknown_timeframe_is_refused() -> None:
    with pytest.raises(UnknownTimeframe, match="M7"):
        Example(timeframe="M7")


def test_name_and_magic_are_stable_and_tell_instances_apart() -> None:
    strategy = Example("example", symbol="XAUUSD")
    assert strategy.name == "example/XAUUSD"
    assert strategy.magic == Example("example", "XAUUSD").magic == magic_of("example/XAUUSD") == 1954795114
    assert Example("example", "other").magic != strategy.magic
    assert all(0 < magic_of(str(number)) < 2**31 for number in range(1_000))


def test_orders_are_refused_while_history_is_played() -> None:
    strategy, desk = live(position(5))
    strategy.live = False
    for act in (lambda: strategy.buy(0.1), lambda: strategy.sell(0.1), strategy.close):
        with pytest.raises(NotLive):
            act()
    assert strategy.position is None
    assert desk.told == []


@pytest.mark.parametrize("state", [None, "reconnecting", "degraded", "stopping"])
def test_entries_need_a_connection_and_exits_do_not(state: Any) -> None:
    strategy, desk = live(position(5))
    strategy.connection = None if state is None else type(CONNECTED)(state, "", 0)
    with pytest.raises(NotConnected):
        strategy.buy(0.1)
    strategy.close()
    assert desk.told == [("close", 5, None, "")]


def test_orders_go_to_the_desk() -> None:
    strategy, desk = live(position(5), position(6))
    strategy.buy(0.1, sl=1.0, comment="c")
    strategy.sell(0.2, tp=2.0)
    strategy.close(strategy.positions[1], 0.1, comment="half")
    assert desk.told == [("buy", 0.1, 1.0, None, "c"), ("sell", 0.2, None, 2.0, ""), ("close", 6, 0.1, "half")]


def test_closing_nothing_is_nothing() -> None:
    strategy, desk = live()
    assert strategy.close() is None
    assert desk.told == []


def test_moving_averages() -> None:
    simple = SMA(3)
    assert [simple.add(value) for value in (1, 2, 3, 4)] == [None, None, 2.0, 3.0]
    exponential = EMA(3)
    assert [exponential.add(value) for value in (1, 2, 3, 4)] == [None, None, 2.0, 3.0]
    assert EMA(1).add(5.0) == 5.0


def test_the_simple_average_does_not_drift() -> None:
    average = SMA(2)
    for value in (1e16, 1.0, 1.0):
        last = average.add(value)
    assert last == 1.0


def test_strength_and_range() -> None:
    strength = RSI(2)
    assert [strength.add(value) for value in (1.0, 2.0, 3.0, 2.0)] == [None, None, 100.0, 50.0]
    flat = RSI(1)
    flat.add(1.0)
    assert flat.add(1.0) == 50.0
    bars = [Bar(0, 1.0, 3.0, 1.0, 2.0, 0, 0, 0), Bar(0, 5.0, 6.0, 5.0, 5.0, 0, 0, 0)]
    true_range = ATR(2)
    assert [true_range.add(bar) for bar in bars] == [None, 3.0]
    with pytest.raises(InvalidParameters):
        SMA(0)
