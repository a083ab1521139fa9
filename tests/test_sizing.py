"""Volumes for a known loss, and stops by the average true range: against made-up answers, and against a simulated terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import InvalidParameters, TryAgain, UnknownTimeframe
from bridge.messages import GetAccount, GetOrders, GetPositions, GetRates, GetSymbol, GetTick
from bridge.records import Account
from bridge.replies import LastTick, Money, Orders, Positions, Records
from bridge.ticks import BAR_STRUCT, TICK_STRUCT, Bar
from clients import Client
from clients.sizing import Size, floored, size
from clients.stops import atr, atr_stops, average_true_range
from clients.tasks import Ask, Steps, run
from tests.processes import Served, serving
from tests.records import filled, order, position, symbol

T = TypeVar("T")
sized: Any = size
"""For what a type checker would refuse."""


class Market:
    """A symbol at 1.1000/1.1002 of which one lot makes 100,000 a unit of price, and an account of 10,000."""

    def __init__(self, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "volume_min": 0.01, "volume_max": 100.0, "volume_step": 0.01, "volume_limit": 0.0, "digits": 5, "point": 1e-5,
            "trade_tick_size": 1e-5, "trade_stops_level": 0,
        }  # fmt: skip
        account = {"equity": 10_000.0, "balance": 20_000.0, "margin_free": 1e9}
        self.account = filled(Account, **{name: changes.pop(name, value) for name, value in account.items()})
        self.per_lot = changes.pop("per_lot", 100_000.0)
        self.bars = changes.pop("bars", [])
        self.positions, self.orders = changes.pop("positions", ()), changes.pop("orders", ())
        self.symbol = symbol("X", **fields | changes)
        self.asked: list[Any] = []

    def __call__(self, request: Any) -> Any:
        self.asked.append(request)
        match request:
            case GetSymbol():
                return self.symbol
            case GetAccount():
                return self.account
            case GetTick():
                return LastTick(TICK_STRUCT.pack(1, 1.1, 1.1002, 0.0, 0, 1_000, 6, 0.0), 0, "terminal")
            case GetPositions():
                return Positions(self.positions)
            case GetOrders():
                return Orders(self.orders)
            case GetRates():
                rows = self.bars[: len(self.bars) - request.start][-request.count :]
                return Records(len(rows), b"".join(rows), 0)
        if request.method == "margin":
            return Money(request.volume * request.price * 1_000)
        sign = 1 if request.action == 0 else -1
        return Money(sign * request.volume * (request.price_close - request.price_open) * self.per_lot)


def drive(steps: Steps[T], market: Market) -> T:
    """What comes of steps."""

    def answer(ask: Ask) -> Any:
        return market(ask.request)

    return run(steps, answer)


def sizes(market: Market | None = None, side: str = "buy", **terms: Any) -> Size:
    found: Size = drive(sized(side, "X", **{"sl": 1.0902 if side == "buy" else 1.11} | terms), market or Market())
    return found


def test_one_percent_is_lost_at_the_stop_and_no_more() -> None:
    found = sizes(risk_percent=1.0)
    assert (found.volume, found.price, found.sl, found.bound_by) == (0.1, 1.1002, 1.0902, "risk")
    assert found.loss_per_lot == pytest.approx(1_000)
    assert found.risk == pytest.approx(100)
    assert found.allowed == 100.0
    assert "0.1 lots at 1.1002 with stop 1.0902" in str(found)
    assert sizes(risk_percent=1.0, of="balance").volume == 0.2
    assert sizes(risk=55.0).volume == 0.05
    sell = sizes(side="sell", risk_percent=1.0)
    assert (sell.price, sell.volume) == (1.1, 0.1)


LONG, SHORT = position(1, type=0, volume=0.03), position(2, type=1, volume=9.0)


@pytest.mark.parametrize(
    ("changes", "terms", "volume", "bound_by"),
    [
        ({"volume_max": 0.05}, {}, 0.05, "volume_max"),
        ({"volume_limit": 0.08, "positions": (LONG, SHORT)}, {}, 0.05, "volume_limit"),
        ({"volume_limit": 0.08, "orders": (order(1, type=2, volume_current=0.04),)}, {}, 0.04, "volume_limit"),
        ({"margin_free": 55.1}, {}, 0.05, "margin"),
        ({"volume_step": 0.03, "volume_min": 0.03}, {}, 0.09, "risk"),
        ({}, {"price": 1.0912}, 1.0, "risk"),
    ],
)  # fmt: skip
def test_what_else_bounds_it_is_said(changes: dict[str, Any], terms: dict[str, Any], volume: float, bound_by: str) -> None:
    found = sizes(Market(**changes), risk_percent=1.0, **terms)
    assert (found.volume, found.bound_by) == (volume, bound_by)


@pytest.mark.parametrize(
    ("changes", "terms", "field", "words"),
    [
        ({}, {"risk_percent": 0.05}, "risk_percent", "nearest is 0.1"),
        ({}, {"risk": 5.0}, "risk", "would risk 10.00, and 5.00 is allowed"),
        ({"margin_free": 5.0}, {"risk": 100}, "symbol", "more margin"),
        ({"volume_limit": 0.02, "positions": (position(1, type=0, volume=0.02),)}, {"risk": 100}, "risk", "volume_limit leaves 0"),
        ({}, {"risk": 10.0, "sl": 1.2}, "sl", "below its price"),
        ({}, {"risk": 10.0, "sl": 1.1002}, "sl", "below its price"),
        ({}, {"risk": 10.0, "sl": 0}, "sl", "below its price"),
        ({}, {"risk_percent": 0.0}, "risk_percent", "above 0"),
        ({}, {"risk_percent": -1}, "risk_percent", ""),
        ({}, {"risk_percent": 101}, "risk_percent", "at most 100"),
        ({}, {"risk_percent": math.nan}, "risk_percent", ""),
        ({}, {"risk_percent": "1"}, "risk_percent", "a number is needed"),
        ({}, {}, "risk", "either"),
        ({}, {"risk": 1, "risk_percent": 1}, "risk", "either"),
        ({}, {"risk": 1, "of": "margin"}, "of", "'equity' or 'balance'"),
    ],
)  # fmt: skip
def test_what_cannot_be_sized(changes: dict[str, Any], terms: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidParameters) as caught:
        sizes(Market(**changes), **terms)
    assert caught.value.details["field"] == field
    assert words in str(caught.value)


def test_no_loss_is_no_volume() -> None:
    with pytest.raises(TryAgain, match="no loss"):
        sizes(Market(per_lot=0.0), risk=10)


@given(st.floats(1, 1e5), st.floats(0.1, 1e5), st.sampled_from([0.01, 0.1, 1.0, 0.03]))
def test_never_more_than_the_risk(risk: float, per_lot: float, step: float) -> None:
    market = Market(per_lot=per_lot * 100, volume_step=step, volume_min=step, volume_max=1e9, margin_free=1e18)
    try:
        found = sizes(market, risk=risk)
    except InvalidParameters:
        assert step * per_lot > risk * (1 - 1e-9)
        return
    assert found.risk <= risk * (1 + 1e-6)
    assert found.risk > risk - found.loss_per_lot * step * (1 + 1e-6), "and not a step less than could be"
    assert floored(found.volume, step) == found.volume


# ---- stops -----------------------------------------------------------------------------------------------------------------------


def bar(number: int, high: float, low: float, close: float) -> bytes:
    return BAR_STRUCT.pack(number * 60, close, high, low, close, 1, 0, 0)


def test_wilders_average() -> None:
    bars = [Bar(0, 0, high, low, close, 0, 0, 0) for high, low, close in [(2, 1, 1.5), (3, 2, 2.5), (2.5, 2, 2.2), (6, 5, 5.5)]]
    ranges = [1.5, 0.5, 3.8]
    assert average_true_range(bars[:3], 2) == pytest.approx((ranges[0] + ranges[1]) / 2)
    assert average_true_range(bars, 2) == pytest.approx((1.0 * 1 + 3.8) / 2)


def test_the_bar_that_is_not_closed_counts_only_where_it_is_asked_for() -> None:
    bars = [bar(number, 1.01, 1.0, 1.005) for number in range(40)] + [bar(40, 2.0, 1.0, 1.005)]
    assert drive(atr("X", "M1"), Market(bars=bars)) == pytest.approx(0.01)
    assert drive(atr("X", "M1", forming=True), Market(bars=bars)) > 0.05


def test_stops_are_on_the_grid_and_far_enough() -> None:
    bars = [bar(number, 1.01, 1.0, 1.005) for number in range(40)]
    found = drive(atr_stops("buy", "X", "M5", sl=2, tp=3), Market(bars=bars))
    assert (found.price, found.sl, found.tp) == (1.1002, 1.0802, 1.1302)
    assert drive(atr_stops("sell", "X", "M5", tp=0), Market(bars=bars)).tp == 0.0
    assert drive(atr_stops("sell", "X", "M5", sl=1), Market(bars=bars, trade_tick_size=0.05)).sl == 1.1
    with pytest.raises(InvalidParameters, match=r"wants 0.03 at the least; nearest is 3.0"):
        drive(atr_stops("buy", "X", "M5", sl=2), Market(bars=bars, trade_stops_level=3_000))
    with pytest.raises(InvalidParameters, match="below zero"):
        drive(atr_stops("buy", "X", "M5", sl=200), Market(bars=bars))


def test_bad_questions() -> None:
    with pytest.raises(TryAgain, match="has 10 bars"):
        drive(atr("X", "M1"), Market(bars=[bar(number, 2, 1, 1) for number in range(11)]))
    with pytest.raises(UnknownTimeframe, match="M5"):
        drive(atr("X", "m5"), Market())
    for period in (0, -1, 1.5, True, 10_000):
        with pytest.raises(InvalidParameters):
            drive(atr("X", "M1", period), Market())  # type: ignore[arg-type]
    with pytest.raises(InvalidParameters, match="above 0"):
        drive(atr_stops("buy", "X", "M5", sl=0), Market())


# ---- with a bridge ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bridge() -> Iterator[Served]:
    with serving() as served:
        yield served


def test_a_position_of_that_size_loses_that_much(bridge: Served) -> None:
    with Client(bridge.requests, timeout_s=20.0) as client:
        while not client.status().healthy:
            pass
        for name in ("EURUSD", "USDJPY", "BTCUSD"):
            stops = client.atr_stops("sell", name, "H1", sl=2.0)
            found = client.size("sell", name, sl=stops.sl, risk_percent=2.0)
            lost = -client.profit("sell", name, found.volume, found.price, found.sl)
            assert 0 < lost <= found.allowed + 0.01, (name, found)
            assert found.allowed == pytest.approx(client.account().equity * 0.02)
