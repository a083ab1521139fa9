"""The table of synthetic symbols."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.terminal.simulator.sessions import SCHEDULES
from bridge.terminal.simulator.shapes import SHAPES

EURUSD = SHAPES["EURUSD"]


def test_the_table_covers_the_usual_symbols() -> None:
    majors = {"EURUSD", "GBPUSD", "USDJPY", "USDCHF", "USDCAD", "AUDUSD", "NZDUSD"}
    others = {"USDRUB", "USDMXN", "XAUUSD", "XAGUSD", "BTCUSD", "ETHUSD", "US500", "GER40", "AAPL", "MSFT"}
    assert majors | others <= set(SHAPES)
    assert all(shape.schedule in SCHEDULES for shape in SHAPES.values())


def test_crosses_fit_their_majors() -> None:
    price = {symbol: shape.price for symbol, shape in SHAPES.items()}
    assert price["EURGBP"] == pytest.approx(price["EURUSD"] / price["GBPUSD"], rel=0.01)
    assert price["EURJPY"] == pytest.approx(price["EURUSD"] * price["USDJPY"], rel=0.01)
    assert price["AUDNZD"] == pytest.approx(price["AUDUSD"] / price["NZDUSD"], rel=0.01)


@pytest.mark.parametrize(
    ("field", "value"),
    [("price", 0.0), ("volatility", -0.1), ("rate", 0.0), ("rate", 21.0), ("digits", 9), ("hours", (1.0,) * 23)],
)
def test_impossible_shapes_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"symbol's price|ticks a second|day profile"):
        replace(EURUSD, **{field: value})  # type: ignore[arg-type]


def test_the_point_is_the_last_digit() -> None:
    assert (EURUSD.point, EURUSD.scale) == (0.00001, 100_000.0)
