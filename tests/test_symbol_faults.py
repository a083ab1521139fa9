"""Faults of symbols and of history, as the MetaTrader5 API shows them."""

from __future__ import annotations

import pytest

from bridge.terminal.simulator.fault import FaultRefused
from tests.faulty_terminal import EVER, FAILED, MOVING, Faulty

NOT_FOUND = (-4, "Terminal: Not found")


def test_a_renamed_symbol_has_the_new_name_everywhere() -> None:
    faulty = Faulty()
    mt5 = faulty.mt5
    order = faulty.send().order
    pending = faulty.send(action=5, type=2, price=1.05, type_filling=2).order
    total = mt5.symbols_total()
    faulty.fault("symbol_renamed", symbol="EURUSD", to="EURUSD.r")
    assert (mt5.symbol_info("EURUSD"), mt5.last_error()) == (None, NOT_FOUND)
    assert mt5.symbol_info_tick("EURUSD") is None
    assert mt5.copy_rates_from_pos("EURUSD", 1, 0, 1) is None
    assert mt5.symbol_select("EURUSD", True) is False
    assert faulty.retcode() == 10013
    info = mt5.symbol_info("EURUSD.r")
    assert (info.name, info.path) == ("EURUSD.r", info.path.removesuffix("EURUSD.r") + "EURUSD.r")
    assert mt5.symbol_info_tick("EURUSD.r").bid > 1
    assert len(mt5.copy_ticks_from("EURUSD.r", 1, 10, -1)) == 10
    assert mt5.order_calc_margin(0, "EURUSD.r", 1.0, 1.1) == 1100.0
    assert mt5.symbols_total() == total == len(mt5.symbols_get())
    assert [row.name for row in mt5.symbols_get("EURUSD*")] == ["EURUSD.r"]
    assert [row.name for row in mt5.symbols_get("EURUSD")] == []
    assert [row.symbol for row in mt5.positions_get()] == ["EURUSD.r"]
    assert mt5.positions_get(symbol="EURUSD") == ()
    assert [row.ticket for row in mt5.positions_get(symbol="EURUSD.r")] == [order]
    assert [row.symbol for row in mt5.orders_get(ticket=pending)] == ["EURUSD.r"]
    assert {row.symbol for row in mt5.history_deals_get(*EVER)} == {"", "EURUSD.r"}
    assert {row.symbol for row in mt5.history_orders_get(*EVER)} == {"EURUSD.r"}
    result = faulty.send(symbol="EURUSD.r")
    assert (result.retcode, result.request.symbol) == (10009, "EURUSD.r")
    faulty.clear()
    assert {row.symbol for row in mt5.positions_get()} == {"EURUSD"}
    assert mt5.symbol_info("EURUSD.r") is None
    assert mt5.symbol_info("EURUSD").name == "EURUSD"


def test_a_symbol_that_is_gone() -> None:
    faulty = Faulty()
    mt5 = faulty.mt5
    faulty.send()
    total = mt5.symbols_total()
    faulty.fault("symbol_gone", symbol="EURUSD")
    assert (mt5.symbol_info("EURUSD"), mt5.last_error()) == (None, NOT_FOUND)
    assert mt5.symbol_info_tick("EURUSD") is None
    assert faulty.retcode() == 10013
    assert mt5.symbols_total() == total - 1 == len(mt5.symbols_get())
    assert len(mt5.positions_get(symbol="EURUSD")) == 1
    faulty.clear()
    assert mt5.symbols_total() == total
    assert faulty.retcode() == 10009


def test_names_that_cannot_be() -> None:
    faulty = Faulty()
    for arguments, text in (
        ({"symbol": "NOPE"}, "no symbol 'NOPE'"), ({"to": "GBPUSD"}, "'GBPUSD' already"), ({"to": ""}, "name is empty"),
    ):  # fmt: skip
        with pytest.raises(FaultRefused, match=text):
            faulty.fault("symbol_renamed", **arguments)
    with pytest.raises(FaultRefused, match="no symbol 'NOPE'"):
        faulty.fault("symbol_gone", symbol="NOPE")
    with pytest.raises(FaultRefused, match="no symbol 'NOPE'"):
        faulty.fault("history_missing", symbol="NOPE")


@pytest.mark.parametrize(("answer", "seen"), [("short", 5), ("empty", 0), ("failed", None)])
def test_history_that_is_not_downloaded_yet(answer: str, seen: int | None) -> None:
    faulty = Faulty({"EURUSD": MOVING, "USDJPY": [(second * 60_000, 150.0, 150.1) for second in range(-60, 0)]})
    mt5 = faulty.mt5
    whole = mt5.copy_rates_from_pos("USDJPY", 1, 0, 50)
    faulty.fault("history_missing", answer=answer, count=2)
    for _ in range(2):
        rows = mt5.copy_rates_from_pos("USDJPY", 1, 0, 50)
        if seen is None:
            assert rows is None
            assert mt5.last_error() == FAILED
        else:
            assert [tuple(row) for row in rows] == [tuple(row) for row in whole[50 - seen :]]
    assert len(mt5.copy_rates_from_pos("USDJPY", 1, 0, 50)) == 50
    other = mt5.copy_rates_from_pos("USDJPY", 5, 0, 10)
    assert (None if other is None else len(other)) == (None if seen is None else min(seen, 1)), "each timeframe has its own"
    ticks = faulty.ticks()
    assert (None if ticks is None else len(ticks)) == (None if seen is None else 6 if seen else 0)
    faulty.clear()
    assert len(faulty.ticks()) == 60


def test_history_of_one_symbol_may_be_missing() -> None:
    faulty = Faulty()
    faulty.fault("history_missing", symbol="GBPUSD", answer="empty")
    assert len(faulty.ticks()) == 60
    assert len(faulty.mt5.copy_ticks_from("GBPUSD", 1, 9, -1)) == 0
