from __future__ import annotations

import numpy as np
import pytest

from bridge.mt5api.structs import TICK_DTYPE
from bridge.terminal.simulator import history
from bridge.terminal.simulator.failures import BadParameters, NoHistory, TooMuch
from bridge.terminal.simulator.market import SyntheticMarket
from bridge.terminal.simulator.replay import Replay
from tests.scripted_market import START_MSC, START_S, market

MINUTES = market({"EURUSD": [(k * 20_000, 1.1 + k * 1e-5, 1.1002 + k * 1e-5) for k in range(-300, 300)]})
NOW_MSC = START_MSC + 90_000


def test_the_forming_bar_is_included() -> None:
    bars = history.rates_from_pos(MINUTES, "EURUSD", 1, 0, 2, NOW_MSC)
    assert bars["time"].tolist() == [START_S, START_S + 60]
    assert bars["tick_volume"].tolist() == [3, 2]


def test_bars_up_to_a_date() -> None:
    for date, newest in ((START_S, START_S), (START_S + 59, START_S), (START_S - 1, START_S - 60), (2**31 - 1, START_S + 60)):
        bars = history.rates_from(MINUTES, "EURUSD", 1, date, 3, NOW_MSC)
        assert bars["time"].tolist() == [newest - 120, newest - 60, newest]


@pytest.mark.parametrize("timeframe", [1, 5, 16385, 16388, 16408, 32769, 49153])
def test_the_three_ways_to_ask_for_bars_agree(timeframe: int) -> None:
    synthetic = SyntheticMarket(4)
    by_position = history.rates_from_pos(synthetic, "EURUSD", timeframe, 0, 7, NOW_MSC)
    times = by_position["time"].tolist()
    by_range = history.rates_range(synthetic, "EURUSD", timeframe, times[0], 2**31 - 1, NOW_MSC)
    by_date = history.rates_from(synthetic, "EURUSD", timeframe, times[-1] + 1, 7, NOW_MSC)
    assert by_position.tolist() == by_range.tolist() == by_date.tolist()
    earlier = history.rates_from(synthetic, "EURUSD", timeframe, times[-2], 6, NOW_MSC)
    assert earlier.tolist() == by_position.tolist()[:-1]


def test_the_end_of_a_tick_range_cuts_at_the_whole_second() -> None:
    ticks = market({"EURUSD": [(0, 1.1, 1.2), (1000, 1.1, 1.2), (1001, 1.1, 1.2)]})
    rows = history.ticks_range(ticks, "EURUSD", START_S, START_S + 1, -1, NOW_MSC)
    assert rows["time_msc"].tolist() == [START_MSC, START_MSC + 1000]


def test_ticks_of_one_kind_are_looked_for_until_there_are_enough() -> None:
    rows = np.zeros(1000, TICK_DTYPE)
    rows["time_msc"] = START_MSC + np.arange(1000)
    rows["time"] = rows["time_msc"] // 1000
    rows["bid"] = rows["ask"] = rows["last"] = 1.0
    rows["flags"] = np.where(np.arange(1000) % 100 == 0, 8 | 16, 2 | 4 | 1024)
    stocks = Replay({"AAPL": rows})
    trades = history.ticks_from(stocks, "AAPL", START_S, 5, 2, NOW_MSC)
    assert trades["time_msc"].tolist() == [START_MSC + k for k in (0, 100, 200, 300, 400)]
    assert len(history.ticks_from(stocks, "AAPL", START_S, 2000, 1, NOW_MSC)) == 990
    assert len(history.ticks_from(stocks, "AAPL", START_S, 2000, -1, NOW_MSC)) == 1000
    assert history.ticks_from(stocks, "AAPL", 0, 2, 2, NOW_MSC)["time_msc"].tolist() == [START_MSC + 800, START_MSC + 900]


def test_limits() -> None:
    with pytest.raises(TooMuch):
        history.ticks_from(MINUTES, "EURUSD", START_S, history.MAX_TICKS + 1, -1, NOW_MSC)
    with pytest.raises(BadParameters):
        history.rates_from_pos(MINUTES, "EURUSD", 1, 1, history.MAX_BARS - 1 + 1, NOW_MSC)
    with pytest.raises(NoHistory):
        history.rates_from(MINUTES, "EURUSD", 1, START_S - 60 * history.MAX_BARS - 100, 5, NOW_MSC)
