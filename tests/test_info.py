from __future__ import annotations

from typing import Any

import pytest

from bridge.records import Symbol
from bridge.terminal.simulator.info import depth
from bridge.terminal.simulator.quotes import Quote
from bridge.terminal.simulator.symbols import CONTRACTS
from tests.scripted_market import START_S, Desk

DAYS = {"EURUSD": [(-86_400_000, 1.08, 1.0801), (-7_200_000, 1.11, 1.1103), (-3_600_000, 1.09, 1.0902), (-1000, 1.1, 1.1002)]}


def info(desk: Desk, symbol: str) -> Any:
    return Symbol(*desk.ask("symbol_info", symbol))


def test_prices_of_the_day() -> None:
    symbol = info(Desk(DAYS), "EURUSD")
    assert (symbol.bid, symbol.ask, symbol.spread, symbol.time) == (1.1, 1.1002, 20, START_S - 1)
    assert (symbol.bidhigh, symbol.bidlow, symbol.session_open, symbol.session_close) == (1.11, 1.09, 1.11, 1.08)
    assert symbol.askhigh >= symbol.ask >= symbol.asklow > 0
    assert symbol.price_change == 1.8519
    assert (symbol.point, symbol.digits, symbol.trade_contract_size) == (1e-5, 5, 100_000.0)


def test_tick_values_follow_the_conversion() -> None:
    symbol = info(Desk(), "USDJPY")
    assert symbol.trade_tick_value == symbol.trade_tick_value_profit == pytest.approx(100 / 150.02)
    assert symbol.trade_tick_value_loss == pytest.approx(100 / 150.0)


def test_a_symbol_outside_of_market_watch_has_no_prices() -> None:
    desk = Desk()
    del desk.world.server.watch["EURUSD"]
    symbol = info(desk, "EURUSD")
    assert (symbol.select, symbol.visible, symbol.time, symbol.bid, symbol.ask, symbol.spread) == (False, False, 0, 0.0, 0.0, 0)
    assert symbol.digits == 5


def test_a_symbol_selected_for_a_conversion_is_not_visible() -> None:
    desk = Desk()
    desk.world.server.watch["EURUSD"] = False
    symbol = info(desk, "EURUSD")
    assert (symbol.select, symbol.visible, symbol.bid) == (True, False, 1.1)


def test_field_types_are_those_of_the_package() -> None:
    for values in Desk().ask("symbols_get", None):
        symbol = Symbol(*values)
        for name, kind in Symbol.__annotations__.items():
            assert type(getattr(symbol, name)).__name__ == kind, (symbol.name, name)


def test_the_book_is_the_same_for_the_same_tick() -> None:
    contract, quote = CONTRACTS["BTCUSD"], Quote(1_704_888_000_123, 45_000.0, 45_010.0)
    levels = depth(contract, quote)
    assert levels == depth(contract, quote)
    assert levels != depth(contract, quote._replace(time_msc=quote.time_msc + 1))
    assert len(levels) == 20
    assert len({level.volume for level in levels}) > 5
