from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.terminal.simulator import checks
from bridge.terminal.simulator.checks import Refused
from bridge.terminal.simulator.enums import Execution, Filling
from bridge.terminal.simulator.quotes import Quote
from bridge.terminal.simulator.symbols import CONTRACTS, Contract
from tests.scripted_market import START_MSC, START_S

EURUSD = CONTRACTS["EURUSD"]
QUOTE = Quote(START_MSC, 1.1000, 1.1002)


def accepts(check, *args) -> bool:  # type: ignore[no-untyped-def]
    try:
        check(*args)
    except Refused:
        return False
    return True


@given(st.integers(1, 50_000))
def test_every_multiple_of_the_step_is_a_volume(steps: int) -> None:
    assert accepts(checks.check_volume, EURUSD, steps * 0.01)
    assert accepts(checks.check_volume, EURUSD, sum([0.01] * (steps % 300 + 1)))


@pytest.mark.parametrize("volume", [0.0, 0.005, 0.015, 0.0149999, 500.01, -0.01, float("nan"), float("inf")])
def test_other_volumes_are_refused(volume: float) -> None:
    assert not accepts(checks.check_volume, EURUSD, volume)


FILLINGS = [
    # execution, filling_mode, order type, accepted fillings (MQL5, "Filling policies")
    (Execution.REQUEST, 0, 0, {Filling.FOK, Filling.IOC, Filling.RETURN}),
    (Execution.INSTANT, 0, 0, {Filling.FOK, Filling.IOC, Filling.RETURN}),
    (Execution.MARKET, 1, 0, {Filling.FOK}),
    (Execution.MARKET, 2, 0, {Filling.IOC}),
    (Execution.MARKET, 3, 0, {Filling.FOK, Filling.IOC}),
    (Execution.MARKET, 3, 2, {Filling.FOK, Filling.IOC, Filling.RETURN}),
    (Execution.EXCHANGE, 0, 0, {Filling.RETURN}),
    (Execution.EXCHANGE, 7, 0, {Filling.FOK, Filling.IOC, Filling.RETURN}),
    (Execution.EXCHANGE, 7, 2, {Filling.FOK, Filling.IOC, Filling.RETURN, Filling.BOC}),
    (Execution.EXCHANGE, 7, 4, {Filling.FOK, Filling.IOC, Filling.RETURN}),
    (Execution.EXCHANGE, 7, 6, {Filling.FOK, Filling.IOC, Filling.RETURN, Filling.BOC}),
]


@pytest.mark.parametrize(("execution", "filling_mode", "order_type", "accepted"), FILLINGS)
def test_filling_policies(execution: int, filling_mode: int, order_type: int, accepted: set[int]) -> None:
    contract = replace(EURUSD, exemode=execution, filling_mode=filling_mode)
    assert {filling for filling in range(6) if accepts(checks.check_filling, contract, filling, order_type)} == accepted


@pytest.mark.parametrize(
    ("order_type", "nearest"),
    [(2, 1.0992), (3, 1.1010), (4, 1.1012), (5, 1.0990)],  # ten points of stops level away from ask or bid
)
def test_pending_prices_keep_the_stops_level(order_type: int, nearest: float) -> None:
    contract = replace(EURUSD, stops_level=100)
    away = -1 if order_type in (2, 5) else 1
    assert accepts(checks.check_pending_price, contract, order_type, nearest, 0.0, QUOTE)
    assert accepts(checks.check_pending_price, contract, order_type, round(nearest + away * 1e-4, 5), 0.0, QUOTE)
    assert not accepts(checks.check_pending_price, contract, order_type, round(nearest - away * 1e-5, 5), 0.0, QUOTE)


@given(st.integers(1, 10**7))
def test_every_price_of_the_grid_is_on_the_grid(points: int) -> None:
    price = points * EURUSD.tick_size
    side = 2 if price < 1.1 else 4
    if abs(price - 1.1001) > 1e-3:
        assert accepts(checks.check_pending_price, EURUSD, side, price, 0.0, QUOTE)
        assert not accepts(checks.check_pending_price, EURUSD, side, price + 4e-6, 0.0, QUOTE)


def levelled(level: int) -> Contract:
    return replace(EURUSD, stops_level=level)


@pytest.mark.parametrize("level", [0, 50])
def test_stops_on_both_sides(level: int) -> None:
    near = max(level, 1) * 1e-5
    for sl, tp, accepted in (
        (1.1 - near, 1.1 + near, True), (0.0, 0.0, True), (1.1 - near + 1e-5, 0.0, False), (0.0, 1.1 + near - 1e-5, False),
        (1.2, 0.0, False), (0.0, 1.0, False), (0.0, float("inf"), False), (float("nan"), 0.0, False),
    ):  # fmt: skip
        assert accepts(checks.check_stops, levelled(level), 0, round(sl, 5), round(tp, 5) if tp < 9 else tp, 1.1) is accepted


def test_stops_of_a_short_position_are_mirrored() -> None:
    assert accepts(checks.check_stops, EURUSD, 1, 1.2, 1.0, 1.1)
    assert not accepts(checks.check_stops, EURUSD, 1, 1.0, 0.0, 1.1)
    assert not accepts(checks.check_stops, EURUSD, 1, 0.0, 1.2, 1.1)


def test_what_an_order_shows_as_its_expiration() -> None:
    # An order of the day set up on 2021-01-27 11:06:04 was published with time_expiration 1611705600, its day's midnight.
    assert checks.expiration_of(EURUSD, 1, 0, 1_611_745_564_529) == 1_611_705_600
    assert checks.expiration_of(EURUSD, 0, 77, START_MSC) == 0
    assert checks.expiration_of(EURUSD, 2, START_S + 1, START_MSC) == START_S + 1
    assert checks.expiration_of(EURUSD, 3, START_S - 3600, START_MSC) == START_S - 3600
