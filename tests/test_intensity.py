"""Tick counts and spreads of hours and minutes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.terminal.simulator.calendar import Hours, News
from bridge.terminal.simulator.intensity import Intensity
from bridge.terminal.simulator.shapes import SHAPES


def intensity(symbol: str) -> Intensity:
    shape = SHAPES[symbol]
    return Intensity(7, symbol, shape, Hours(shape.schedule), News(7))


MADE = {symbol: intensity(symbol) for symbol in ("EURUSD", "XAUUSD", "AAPL", "USDRUB", "BTCUSD")}


@given(st.sampled_from(sorted(MADE)), st.lists(st.integers(360_000, 590_000), min_size=1, max_size=5))
@settings(deadline=None, max_examples=60)
def test_minutes_share_out_the_hour(symbol: str, chosen: list[int]) -> None:
    made = MADE[symbol]
    hours = np.array(sorted(set(chosen)), np.int64)
    counts = made.of_hours(hours)
    hours, counts = hours[counts > 0], counts[counts > 0]
    assert (counts >= 8).all()
    if hours.size:
        minutes = made.of_minutes(hours, counts)
        assert (minutes.sum(axis=1) == counts).all()
        assert (minutes >= 0).all()
        assert ((minutes > 0).sum(axis=1) >= 4).all()
        spreads = made.spreads(hours, minutes)
        assert (np.where(minutes > 0, spreads, 10**6).min(axis=1) == SHAPES[symbol].spread).all()
        alone = made.of_minutes(hours[-1:], counts[-1:])
        assert (alone[0] == minutes[-1]).all()


def test_an_hour_of_wide_minutes_still_has_its_smallest_spread() -> None:
    counts = np.zeros((1, 60), np.int64)
    counts[0, :4] = 5  # the first minutes of a day, when all spreads are wide
    spreads = MADE["EURUSD"].spreads(np.array([492_288]), counts)[0, :4]
    assert spreads.min() == SHAPES["EURUSD"].spread
    assert spreads.max() > 10 * spreads.min()


@pytest.mark.parametrize("symbol", ["EURUSD", "XAUUSD", "BTCUSD"])
def test_the_mean_rate_is_that_of_the_shape(symbol: str) -> None:
    hours = np.arange(490_000, 490_000 + 24 * 7 * 100)
    open_minutes = np.diff(Hours(SHAPES[symbol].schedule).of(hours), axis=0).sum()
    assert MADE[symbol].of_hours(hours).sum() / (60 * open_minutes) == pytest.approx(SHAPES[symbol].rate, rel=0.15)


def test_the_day_has_its_profile() -> None:
    hours = np.arange(490_008, 490_008 + 24 * 7 * 100)
    counts = MADE["EURUSD"].of_hours(hours)
    by_hour = np.array([counts[(hours % 24 == hour) & (counts > 0)].mean() for hour in range(24)])
    assert by_hour.argmax() in (16, 17)
    assert by_hour.max() / by_hour.min() > 3
