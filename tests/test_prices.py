"""Price paths from days to minutes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.terminal.simulator.calendar import FIRST_DAY, LAST_DAY, Hours
from bridge.terminal.simulator.draws import LogNoise, key_of
from bridge.terminal.simulator.prices import Days, minutes_within
from bridge.terminal.simulator.shapes import SHAPES
from bridge.terminal.simulator.stretching import cells_of

KEY = key_of(7, "minutes")
NOISE = LogNoise(KEY, KEY, sd=0.0, reach=0.0, share=0.0)


@st.composite
def hour_bars(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    sizes = draw(st.sampled_from([[0], [0, 0, 0, 1, 5], [0, 1, 1, 2, 3, 4, 5, 90]]))
    counts = draw(st.lists(st.sampled_from(sizes), min_size=60, max_size=60))
    counts[0], counts[20], counts[40], counts[59] = (max(1, counts[place]) for place in (0, 20, 40, 59))
    opened, closed = draw(st.integers(900, 1100)), draw(st.integers(900, 1100))
    high = max(opened, closed) + draw(st.sampled_from([0, 1, 2, 300]))
    low = min(opened, closed) - draw(st.sampled_from([0, 1, 2, 300]))
    return [opened, high, low, closed, max(8, sum(counts)), 1], counts


@given(hour_bars(), st.integers(0, 2**30))
@settings(deadline=None, max_examples=150)
def test_minutes_add_up_to_their_hour(hour: tuple[list[int], list[int]], index: int) -> None:
    bar, counts = hour
    ticks = np.array([counts], np.int64)
    made = minutes_within(
        KEY, index * 60 + np.arange(60)[None, :], cells_of([np.array([value]) for value in bar]), ticks, np.ones((1, 60)), ticks
    )
    filled = ticks[0] > 0
    opened, high, low, closed = (column[0, filled] for column in made[:4])
    assert (int(opened[0]), int(high.max()), int(low.min()), int(closed[-1])) == tuple(bar[:4])
    upper, lower = np.maximum(opened, closed), np.minimum(opened, closed)
    needed = 1 + (opened != closed) + (high > upper) + (low < lower)
    needed += (opened == closed) & (needed == 2)
    assert (needed <= np.array(counts)[filled]).all()


def test_days_join_and_stay_near_their_price() -> None:
    for symbol in ("EURUSD", "BTCUSD", "AAPL", "USDTRY"):
        shape = SHAPES[symbol]
        days = Days(7, symbol, shape, Hours(shape.schedule), NOISE)
        assert days.close.size == days.open.size == LAST_DAY - FIRST_DAY + 1
        move = np.abs(np.log(days.open[1:] / days.close[:-1]))
        assert move.max() < 4 * shape.volatility
        distance = np.log(days.close / (shape.price * shape.scale))
        assert np.abs(distance).max() < 16 * shape.volatility * 4
        assert (days.variance > 0).all()


def test_a_closed_day_keeps_the_price() -> None:
    shape = SHAPES["EURUSD"]
    days = Days(7, "EURUSD", shape, Hours("forex"), NOISE)
    saturday = 8 - (FIRST_DAY + 4) % 7 - 2 + 7
    assert (FIRST_DAY + saturday + 4) % 7 == 6
    assert days.close[saturday] == days.close[saturday - 1] == days.close[saturday + 1]
