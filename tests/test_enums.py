from __future__ import annotations

from enum import IntEnum

import pytest

from bridge.mt5api.constants import CONSTANTS
from bridge.terminal.simulator import enums
from bridge.terminal.simulator.retcodes import TEXTS, Retcode

PREFIXES: dict[str, type[IntEnum]] = {
    "TRADE_ACTION_": enums.Action,
    "ORDER_TYPE_": enums.OrderType,
    "ORDER_STATE_": enums.OrderState,
    "ORDER_FILLING_": enums.Filling,
    "ORDER_TIME_": enums.Lifetime,
    "DEAL_REASON_": enums.Reason,
    "DEAL_TYPE_": enums.DealType,
    "DEAL_ENTRY_": enums.Entry,
    "SYMBOL_TRADE_EXECUTION_": enums.Execution,
    "ACCOUNT_STOPOUT_MODE_": enums.StopOutMode,
    "SYMBOL_SWAP_MODE_": enums.SwapMode,
    "TRADE_RETCODE_": Retcode,
}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_numbers_are_those_of_the_package(prefix: str) -> None:
    own = {member.name: member.value for member in PREFIXES[prefix]}
    package = {name.removeprefix(prefix): value for name, value in CONSTANTS.items() if name.startswith(prefix)}
    known = {name: value for name, value in own.items() if name in package}
    assert known == {name: package[name] for name in known}
    assert set(own) - set(package) <= {"OK", "HEDGE_PROHIBITED"}


def test_calculation_modes_are_those_of_the_package() -> None:
    package = {value for name, value in CONSTANTS.items() if name.startswith("SYMBOL_CALC_MODE_")}
    assert {int(mode) for mode in enums.CalcMode} == package


def test_margin_modes_are_those_of_the_package() -> None:
    assert CONSTANTS["ACCOUNT_MARGIN_MODE_RETAIL_HEDGING"] == enums.MarginMode.HEDGING
    assert CONSTANTS["ACCOUNT_MARGIN_MODE_RETAIL_NETTING"] == enums.MarginMode.NETTING


def test_every_return_code_of_the_package_exists_and_has_a_text() -> None:
    package = {value for name, value in CONSTANTS.items() if name.startswith("TRADE_RETCODE_")}
    assert package <= {int(code) for code in Retcode}
    assert set(TEXTS) == set(Retcode)
    assert all(0 < len(text) < 64 for text in TEXTS.values())


def test_even_order_types_buy() -> None:
    assert enums.side_of(enums.OrderType.BUY_STOP_LIMIT) == enums.BUY
    assert enums.side_of(enums.OrderType.SELL_LIMIT) == enums.SELL
