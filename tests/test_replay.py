"""Recorded ticks as a market."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.mt5api.structs import TICK_DTYPE
from bridge.terminal.simulator.bars import TIMEFRAMES, bars_of_ticks
from bridge.terminal.simulator.recording import read_recordings
from bridge.terminal.simulator.replay import Replay

DATA = Path(__file__).parent.parent.parent / "shared" / "data" / "replay"
START = 1_400_000_000_000
POINT = 0.00001


def recording(seed: int = 0, size: int = 400, start_msc: int = START) -> Any:
    draws = np.random.default_rng(seed)
    rows = np.zeros(size, TICK_DTYPE)
    rows["time_msc"] = start_msc + np.cumsum(draws.integers(0, 40_000, size))
    rows["time"] = rows["time_msc"] // 1000
    points = 110_000 + np.cumsum(draws.integers(-5, 6, size))
    rows["bid"] = points / 100_000
    rows["ask"] = (points + draws.integers(1, 20, size)) / 100_000
    rows["flags"] = 6
    return rows


TICKS = recording()
MARKET = Replay({"EURUSD": TICKS})
END = int(TICKS["time_msc"][-1])
moments = st.integers(START - 100_000, END + 100_000)
timeframes = st.sampled_from(sorted(TIMEFRAMES))


def test_it_knows_its_symbols() -> None:
    assert MARKET.symbols() == ["EURUSD"]
    assert MARKET.digits("EURUSD") == 5
    assert MARKET.span_msc("EURUSD") == (int(TICKS["time_msc"][0]), END)
    with pytest.raises(KeyError):
        MARKET.last_tick("GBPUSD", END)


@given(moments, moments, st.integers(-1, 50))
@settings(deadline=None, max_examples=60)
def test_ticks_are_those_of_the_range(start: int, stop: int, count: int) -> None:
    inside = TICKS[(TICKS["time_msc"] >= start) & (TICKS["time_msc"] < stop)]
    assert (MARKET.ticks("EURUSD", start, stop) == inside).all()
    assert (MARKET.first_ticks("EURUSD", start, count, stop) == inside[: max(count, 0)]).all()


@given(moments)
@settings(deadline=None, max_examples=60)
def test_the_last_tick_is_the_newest_before(moment: int) -> None:
    before = TICKS[TICKS["time_msc"] < moment]
    row = MARKET.last_tick("EURUSD", moment)
    assert (row is None) == (before.size == 0)
    if row is not None:
        assert row == before[-1]


@given(timeframes, moments, moments, moments, st.integers(0, 30), st.integers(-1, 30))
@settings(deadline=None, max_examples=100)
def test_bars_show_what_had_arrived(timeframe: int, now: int, start: int, stop: int, position: int, count: int) -> None:
    seen = bars_of_ticks(TICKS[TICKS["time_msc"] < now], timeframe, POINT)
    inside = seen[(seen["time"] >= start // 1000) & (seen["time"] <= stop // 1000)]
    assert MARKET.rates("EURUSD", timeframe, start // 1000, stop // 1000, now).tolist() == inside.tolist()
    stop_at = max(seen.size - position, 0)
    newest = seen[max(stop_at - max(count, 0), 0) : stop_at]
    assert MARKET.last_rates("EURUSD", timeframe, position, count, now).tolist() == newest.tolist()


def test_history_comes_before_the_recording() -> None:
    earlier = recording(1, 50, START - 50 * 40_000)
    market = Replay({"EURUSD": TICKS}, {"EURUSD": earlier})
    assert (market.ticks("EURUSD", 0, END + 1) == np.concatenate((earlier, TICKS))).all()
    with pytest.raises(ValueError, match="goes back"):
        Replay({"EURUSD": TICKS}, {"EURUSD": TICKS})


def test_unusable_recordings_are_refused() -> None:
    with pytest.raises(ValueError, match="EURUSD: a recording is a non-empty array"):
        Replay({"EURUSD": TICKS[:0]})
    with pytest.raises(ValueError, match="TICK_DTYPE"):
        Replay({"EURUSD": np.zeros(3)})
    with pytest.raises(ValueError, match="goes back"):
        Replay({"EURUSD": TICKS[::-1]})
    with pytest.raises(ValueError, match="negative bar position"):
        MARKET.last_rates("EURUSD", 1, -1, 1, END)
    with pytest.raises(ValueError, match="unknown timeframe 9"):
        MARKET.rates("EURUSD", 9, 0, 1, END)


def test_what_it_returns_cannot_be_changed() -> None:
    rows = MARKET.ticks("EURUSD", START, END)
    with pytest.raises(ValueError, match="read-only"):
        rows["bid"][0] = 1.0


@pytest.mark.skipif(not DATA.is_dir(), reason="the recorded market data are not beside the repository")
def test_the_payrolls_of_may_2014() -> None:
    market = Replay(read_recordings(map(str, sorted(DATA.glob("*USD_*2014-05-02*")))))
    assert sorted(market.symbols()) == ["EURUSD", "NZDUSD"]
    release_s = 1_399_044_600  # Friday 15:30 server time
    bars = market.rates("EURUSD", 1, release_s - 60, release_s + 60, (release_s + 120) * 1000)
    assert bars["tick_volume"].tolist() == [302, 3011, 834]
    assert round((bars["high"][1] - bars["low"][1]) / 0.0001) == 51
