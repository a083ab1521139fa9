"""Timeframes, alignment and aggregation of bars."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.mt5api import constants
from bridge.mt5api.structs import TICK_DTYPE
from bridge.terminal.simulator import bars

POINT = 0.00001
times = st.integers(0, 2**31 - 1)
timeframes = st.sampled_from(sorted(bars.TIMEFRAMES))


def second(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def ticks(*rows: tuple[int, float, float]) -> Any:
    made = np.zeros(len(rows), TICK_DTYPE)
    for row, (time_msc, bid, ask) in zip(made, rows, strict=True):
        row["time_msc"], row["time"], row["bid"], row["ask"] = time_msc, time_msc // 1000, bid, ask
    return made


@st.composite
def tick_arrays(draw: st.DrawFn) -> Any:
    gaps = draw(st.lists(st.integers(0, 5_000_000), min_size=1, max_size=60))
    start = draw(st.integers(1_000_000_000_000, 2_000_000_000_000))
    size = len(gaps)
    points = draw(st.lists(st.integers(90_000, 130_000), min_size=size, max_size=size))
    spreads = draw(st.lists(st.integers(-3, 40), min_size=size, max_size=size))
    rows = zip(np.cumsum([start, *gaps[1:]]).tolist(), points, spreads, strict=True)
    return ticks(*((time, p / 100_000, (p + s) / 100_000) for time, p, s in rows))


def test_the_timeframes_are_those_of_the_package() -> None:
    named = {code: name for name, code in vars(constants).items() if name.startswith("TIMEFRAME_")}
    assert {code: f"TIMEFRAME_{row.name}" for code, row in bars.TIMEFRAMES.items()} == named
    assert len(named) == 21


@pytest.mark.parametrize(
    ("timeframe", "time", "start", "end"),
    [
        (1, "2026-03-04 12:34:56", "2026-03-04 12:34:00", "2026-03-04 12:35:00"),
        (12, "2026-03-04 12:34:56", "2026-03-04 12:24:00", "2026-03-04 12:36:00"),
        (0x4003, "2026-03-04 12:34:56", "2026-03-04 12:00:00", "2026-03-04 15:00:00"),
        (0x400C, "2026-03-04 11:59:59", "2026-03-04 00:00:00", "2026-03-04 12:00:00"),
        (0x4018, "2026-03-04 23:59:59", "2026-03-04 00:00:00", "2026-03-05 00:00:00"),
        (0x8001, "2026-03-04 12:34:56", "2026-03-01 00:00:00", "2026-03-08 00:00:00"),
        (0x8001, "2026-03-07 23:59:59", "2026-03-01 00:00:00", "2026-03-08 00:00:00"),
        (0x8001, "2026-03-08 00:00:00", "2026-03-08 00:00:00", "2026-03-15 00:00:00"),
        (0xC001, "2024-02-29 01:00:00", "2024-02-01 00:00:00", "2024-03-01 00:00:00"),
        (0xC001, "2025-12-31 23:59:59", "2025-12-01 00:00:00", "2026-01-01 00:00:00"),
    ],
)
def test_periods(timeframe: int, time: str, start: str, end: str) -> None:
    assert bars.period_start(timeframe, second(time)) == second(start)
    assert bars.period_end(timeframe, second(time)) == second(end)


@given(timeframes, times)
@settings(deadline=None, max_examples=200)
def test_a_period_holds_its_times(timeframe: int, time_s: int) -> None:
    start, end = bars.period_start(timeframe, time_s), bars.period_end(timeframe, time_s)
    assert start <= time_s < end
    assert bars.period_start(timeframe, start) == start
    assert bars.period_start(timeframe, end - 1) == start
    assert bars.period_start(timeframe, end) == end


@pytest.mark.parametrize("code", [0, 7, 31, 16384, 16389, 32770, 49153 + 1])
def test_an_unknown_timeframe_is_refused(code: int) -> None:
    with pytest.raises(ValueError, match=f"unknown timeframe {code}"):
        bars.period_start(code, 0)


def test_bars_of_ticks_by_hand() -> None:
    made = bars.bars_of_ticks(
        ticks(
            (60_000, 1.10010, 1.10020),
            (61_000, 1.10050, 1.10053),
            (90_000, 1.09990, 1.10011),
            (119_999, 1.10000, 1.10010),
            (180_000, 1.20000, 1.20001),
        ),
        1,
        POINT,
    )
    assert made.tolist() == [
        (60, 1.10010, 1.10050, 1.09990, 1.10000, 4, 3, 0),
        (180, 1.2, 1.2, 1.2, 1.2, 1, 1, 0),
    ]


def test_an_empty_book_makes_no_bar() -> None:
    made = bars.bars_of_ticks(ticks((0, 1.1, 1.2), (1, 0.0, 0.0), (60_000, 0.0, 0.0)), 1, 0.1)
    assert made.tolist() == [(0, 1.1, 1.1, 1.1, 1.1, 1, 1, 0)]
    assert bars.bars_of_ticks(ticks((5, 0.0, 0.0)), 1, POINT).size == 0
    assert bars.merge_bars(made[:0], 5).size == 0


@given(tick_arrays(), timeframes)
@settings(deadline=None, max_examples=100)
def test_bars_add_up(rows: Any, timeframe: int) -> None:
    direct = bars.bars_of_ticks(rows, timeframe, POINT)
    assert (bars.merge_bars(bars.bars_of_ticks(rows, 1, POINT), timeframe) == direct).all()
    assert direct["tick_volume"].sum() == rows.size
    for bar in direct:
        inside = rows[bars.period_starts(timeframe, rows["time"]) == bar["time"]]
        assert (bar["open"], bar["close"]) == (inside["bid"][0], inside["bid"][-1])
        assert (bar["high"], bar["low"]) == (inside["bid"].max(), inside["bid"].min())
        assert bar["spread"] == min(round((ask - bid) / POINT) for bid, ask in inside[["bid", "ask"]].tolist())


@pytest.mark.parametrize(
    ("prices", "digits"), [([1.0, 25.0], 0), ([1.5], 1), ([1.3216700000000001, 1.32], 5), ([0.1 + 0.2], 1), ([2 / 3], 8)]
)
def test_digits_of(prices: list[float], digits: int) -> None:
    assert bars.digits_of(np.array(prices)) == digits
