"""The ticks of minute bars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.terminal.simulator.arrivals import Arrivals
from bridge.terminal.simulator.bars import bars_of_ticks
from bridge.terminal.simulator.shapes import FXCM, METAL, OANDA, SHAPES, THROTTLED
from bridge.terminal.simulator.stretching import cells_of

MAKERS = [Arrivals(7, "EURUSD", replace(SHAPES["EURUSD"], feed=feed)) for feed in (OANDA, METAL, FXCM, THROTTLED)]


@st.composite
def minute_bars(draw: st.DrawFn) -> tuple[int, int, int, int, int, int]:
    count = draw(st.integers(1, 8) | st.integers(1, 400))
    opened = draw(st.integers(99_900, 100_100))
    closed = opened if count == 1 else draw(st.integers(99_900, 100_100))
    rise, fall = draw(st.tuples(*(st.sampled_from([0, 0, 1, 2, 40]),) * 2))
    if count < 3:
        rise = fall = 0
    elif count == 3 and rise:
        fall = 0
    return opened, max(opened, closed) + rise, min(opened, closed) - fall, closed, count, draw(st.integers(0, 30))


@given(st.sampled_from(MAKERS), st.lists(minute_bars(), min_size=1, max_size=8), st.integers(0, 30_000_000), st.booleans())
@settings(deadline=None, max_examples=200)
def test_ticks_add_up_to_their_minutes(
    maker: Arrivals, bars: list[tuple[int, int, int, int, int, int]], first: int, news: bool
) -> None:
    minutes = np.arange(first, first + len(bars), dtype=np.int64)
    magnitude = np.full(len(bars), 1.0 if news else 0.0)
    columns = [np.array(column, np.int64) for column in zip(*bars, strict=True)]
    ticks = maker.ticks(minutes, cells_of(columns), magnitude)
    made = bars_of_ticks(ticks, 1, 0.00001)
    assert made["time"].tolist() == (minutes * 60).tolist()
    for name, column in zip(("open", "high", "low", "close"), columns, strict=False):
        assert made[name].tolist() == (column / 100_000).tolist()
    assert made["tick_volume"].tolist() == columns[4].tolist()
    assert made["spread"].tolist() == columns[5].tolist()
    assert (np.diff(ticks["time_msc"]) >= 0).all()
    assert ((ticks["flags"] & 6) > 0).all()
    alone = maker.ticks(minutes[-1:], cells_of([column[-1:] for column in columns]), magnitude[-1:])
    for name in ("time_msc", "bid"):
        assert alone[name].tolist() == ticks[name][-alone.size :].tolist()


def test_feeds_differ_in_what_an_update_changes() -> None:
    minutes = np.arange(600, dtype=np.int64)
    size = np.full(600, 100)
    bars = cells_of([size * 1000, size * 1000 + 30, size * 1000 - 30, size * 1000, size, size // 50])
    shares = []
    for maker in MAKERS:
        flags = maker.ticks(minutes, bars, np.zeros(600))["flags"] & 6
        shares.append([float(np.mean(flags == side)) for side in (2, 4, 6)])
    oanda, metal, fxcm, _ = shares
    assert 0.05 < oanda[0] < 0.4
    assert 0.05 < oanda[1] < 0.4
    assert metal[2] > oanda[2] > fxcm[2]


def test_some_ticks_share_their_millisecond() -> None:
    minutes = np.arange(600, dtype=np.int64)
    size = np.full(600, 30)
    bars = cells_of([size * 1000, size * 1000 + 30, size * 1000 - 30, size * 1000, size, size // 10])
    oanda, metal, *_ = (float(np.mean(np.diff(maker.ticks(minutes, bars, np.zeros(600))["time_msc"]) == 0)) for maker in MAKERS)
    assert 0.004 < oanda < 0.02 < metal < 0.07
