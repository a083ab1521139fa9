"""Faults of the shown quotes, as the MetaTrader5 API shows them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from bridge.terminal.simulator.fault import FaultRefused
from tests.faulty_terminal import Faulty
from tests.scripted_market import START_MSC, START_S

NAMES = ("duplicate_quote", "late_quote", "out_of_order_quote", "crossed_quote", "zero_quote", "nan_quote")


def same(first: Any, second: Any) -> bool:
    return bytes(first.tobytes()) == bytes(second.tobytes())


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_of_quotes_is_over_when_it_is_cleared(name: str) -> None:
    faulty = Faulty()
    faulty.pass_s(10)
    ticks, tick, info = faulty.ticks(), faulty.tick, faulty.mt5.symbol_info("EURUSD")
    bars = faulty.mt5.copy_rates_from_pos("EURUSD", 1, 0, 2)
    account = faulty.mt5.account_info()
    faulty.fault(name, symbol="EURUSD")
    assert not same(faulty.ticks(), ticks)
    assert faulty.mt5.account_info() == account
    assert same(faulty.mt5.copy_rates_from_pos("EURUSD", 1, 0, 2), bars), "bars are the server's"
    assert faulty.mt5.symbol_info_tick("GBPUSD").bid == 1.25, "other symbols have nothing"
    faulty.clear()
    assert same(faulty.ticks(), ticks)
    assert faulty.tick == tick
    assert faulty.mt5.symbol_info("EURUSD") == info


def test_duplicates() -> None:
    faulty = Faulty()
    before = faulty.ticks()
    faulty.fault("duplicate_quote", count=2)
    ticks = faulty.ticks()
    assert len(ticks) == len(before) + 2
    assert ticks[-1] == ticks[-2] == ticks[-3] == before[-1]
    assert len(faulty.mt5.copy_ticks_range("EURUSD", START_S - 1, START_S, -1)) == 3
    assert len(faulty.mt5.copy_ticks_from("EURUSD", START_S - 1, 2, -1)) == 2
    assert list(faulty.mt5.copy_ticks_from("EURUSD", 0, 4, -1)["time"]) == [START_S - 2, *[START_S - 1] * 3]


def test_late_ticks_appear_behind_delivered_ones() -> None:
    faulty = Faulty()
    before, tick = faulty.ticks(), faulty.tick
    faulty.fault("late_quote", age_ms=2500)
    ticks = faulty.ticks()
    assert len(ticks) == len(before) + 1
    assert (np.diff(ticks["time_msc"]) >= 0).all()
    assert ticks[-4]["time_msc"] == START_MSC - 3500
    assert ticks[-4]["time"] == START_S - 4
    assert faulty.tick == tick


def test_ticks_out_of_order_arrive_as_the_newest() -> None:
    faulty = Faulty()
    faulty.fault("out_of_order_quote", age_ms=2500)
    assert faulty.ticks()[-1]["time_msc"] == START_MSC - 3500
    assert faulty.tick.time_msc == START_MSC - 3500
    assert faulty.mt5.symbol_info("EURUSD").time == START_S - 4
    faulty.pass_s(2)
    assert faulty.tick.time_msc == START_MSC + 1000
    times = list(faulty.ticks()["time_msc"] - START_MSC)
    assert times[-4:] == [-1000, -3500, 0, 1000]


def test_crossed_quotes() -> None:
    faulty = Faulty()
    right = faulty.tick
    faulty.fault("crossed_quote", seconds=3)
    assert (faulty.tick.bid, faulty.tick.ask) == (right.ask, right.bid)
    info = faulty.mt5.symbol_info("EURUSD")
    assert (info.bid, info.ask, info.spread) == (right.ask, right.bid, -20)
    assert [(row.bid, row.ask) for row in faulty.mt5.symbols_get() if row.name == "EURUSD"] == [(right.ask, right.bid)]
    faulty.pass_s(10)
    ticks = faulty.ticks()
    crossed = ticks["bid"] > ticks["ask"]
    assert list(ticks["time_msc"][crossed] - START_MSC) == [-1, 0, 1000, 2000]
    assert faulty.tick.bid < faulty.tick.ask


def test_the_server_trades_with_the_right_prices_meanwhile() -> None:
    faulty = Faulty()
    faulty.fault("nan_quote", seconds=100)
    result = faulty.send(sl=1.09)
    assert (result.retcode, result.price) == (10009, pytest.approx(1.10019))
    faulty.pass_s(30)
    assert math.isfinite(faulty.mt5.account_info().equity)
    assert math.isfinite(faulty.mt5.positions_get()[0].profit)


@pytest.mark.parametrize(("name", "seen"), [("zero_quote", 0.0), ("nan_quote", math.nan)])
def test_prices_that_are_none(name: str, seen: float) -> None:
    faulty = Faulty()
    faulty.fault(name)
    tick, info = faulty.tick, faulty.mt5.symbol_info("EURUSD")
    np.testing.assert_array_equal([tick.bid, tick.ask, info.bid, info.ask], [seen] * 4)
    assert (tick.time_msc, tick.flags) == (START_MSC - 1, 6)
    assert info.spread == 0
    np.testing.assert_array_equal(faulty.ticks()[-1]["ask"], seen)
    faulty.pass_s(1)
    assert faulty.tick.bid > 1


def test_several_faults_of_one_symbol_add_up() -> None:
    faulty = Faulty()
    before = len(faulty.ticks())
    for name in NAMES:
        faulty.fault(name)
    assert len(faulty.ticks()) == before + len(NAMES)
    assert math.isnan(faulty.tick.bid)
    assert math.isnan(faulty.mt5.symbol_info("EURUSD").bid)
    faulty.clear("nan_quote")
    assert (faulty.tick.bid, faulty.mt5.symbol_info("EURUSD").bid) == (0.0, 0.0)


def test_a_symbol_outside_of_market_watch_shows_nothing() -> None:
    faulty = Faulty()
    assert faulty.mt5.symbol_select("GER40", False)
    faulty.fault("zero_quote", symbol="GER40")
    assert faulty.mt5.symbol_info_tick("GER40") is None
    assert faulty.mt5.symbol_info("GER40").time == 0


def test_only_quoted_symbols_can_be_disturbed() -> None:
    faulty = Faulty()
    with pytest.raises(FaultRefused, match="no symbol 'NOPE'"):
        faulty.fault("zero_quote", symbol="NOPE")
    with pytest.raises(FaultRefused, match="AUDNZD has no quote yet"):
        faulty.fault("zero_quote", symbol="AUDNZD")
    with pytest.raises(FaultRefused, match="age_ms must be from 1 to"):
        faulty.fault("late_quote", age_ms=0)
