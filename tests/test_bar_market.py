"""Bars as a market: the same ticks and bars as those of a replay of all their ticks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.mt5api.structs import RATE_DTYPE
from bridge.terminal.simulator.bar_files import RecordedBars
from bridge.terminal.simulator.bar_market import BarMarket
from bridge.terminal.simulator.bar_ticks import ticks_of_bars
from bridge.terminal.simulator.replay import Replay

START_S = 1_704_153_600


def recorded(seed: int, count: int = 60, period_s: int = 3_600) -> RecordedBars:
    """Bars of a random walk, some of them missing."""
    dice = np.random.default_rng(seed)
    rows = np.zeros(count, RATE_DTYPE)
    rows["time"] = START_S + np.cumsum(dice.choice([1, 1, 1, 5], count)) * period_s
    close = 110_000 + np.cumsum(dice.integers(-60, 61, count))
    opened = close + dice.integers(-40, 41, count)
    rows["open"], rows["close"] = opened / 1e5, close / 1e5
    rows["high"] = (np.maximum(opened, close) + dice.integers(0, 30, count)) / 1e5
    rows["low"] = (np.minimum(opened, close) - dice.integers(0, 30, count)) / 1e5
    rows["tick_volume"], rows["spread"] = dice.integers(1, 40, count), dice.integers(0, 20, count)
    return RecordedBars(rows, period_s, 5, True)


@given(st.integers(0, 50), st.data())
@settings(deadline=None, max_examples=60)
def test_ticks_are_those_of_the_whole_recording(seed: int, data: st.DataObject) -> None:
    bars = recorded(seed)
    market, whole = BarMarket("EURUSD", bars), Replay({"EURUSD": ticks_of_bars(bars.rows, bars.period_s, bars.digits)})
    first_s, last_s = int(bars.rows["time"][0]), int(bars.rows["time"][-1]) + 3_600
    moment = st.integers(first_s * 1000 - 5_000, last_s * 1000 + 5_000) | st.sampled_from((bars.rows["time"] * 1000 + 1).tolist())
    for _ in range(5):
        now_msc, until_msc = sorted((data.draw(moment), data.draw(moment)))
        mine, its = market.ticks("EURUSD", now_msc, until_msc), whole.ticks("EURUSD", now_msc, until_msc)
        for name in ("time_msc", "bid", "ask"):
            assert mine[name].tolist() == its[name].tolist()
        one, other = market.last_tick("EURUSD", now_msc), whole.last_tick("EURUSD", now_msc)
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert [one[name] for name in ("time_msc", "bid", "ask")] == [other[name] for name in ("time_msc", "bid", "ask")]
        for code in (0x4001, 0x4004, 0x4018):
            found, wanted = (m.last_rates("EURUSD", code, 0, 2, until_msc) for m in (market, whole))
            for name in ("time", "open", "high", "low", "close"):
                assert found[name].tolist() == wanted[name].tolist()
            found, wanted = (m.rates("EURUSD", code, first_s, last_s, until_msc) for m in (market, whole))
            assert found["close"].tolist() == wanted["close"].tolist()


def test_other_symbols_are_not_there() -> None:
    market = BarMarket("EURUSD", recorded(1))
    assert market.symbols() == ["EURUSD"]
    with pytest.raises(KeyError):
        market.last_tick("GBPUSD", 0)
    with pytest.raises(ValueError, match="negative"):
        market.last_rates("EURUSD", 0x4001, -1, 1, 0)
    assert market.last_rates("EURUSD", 0x4001, 0, 0, 0).size == 0
