from __future__ import annotations

import pytest

from bridge.terminal.simulator.enums import CalcMode
from bridge.terminal.simulator.money import Bank, route
from bridge.terminal.simulator.profile import PROFILES
from bridge.terminal.simulator.sessions import SCHEDULES
from bridge.terminal.simulator.symbols import CONTRACTS, Contract


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_contract_makes_sense(contract: Contract) -> None:
    assert contract.path.endswith("\\" + contract.name)
    assert contract.schedule in SCHEDULES
    assert contract.volume_min <= contract.volume_max
    assert (contract.volume_min / contract.volume_step).is_integer()
    assert contract.tick_size == contract.point == round(10**-contract.digits, contract.digits)
    assert contract.description


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_all_money_of_a_profile_can_be_converted(profile) -> None:  # type: ignore[no-untyped-def]
    bank = Bank.of(profile.contracts, profile.currency, profile.currency_digits, profile.leverage)
    for contract in profile.contracts.values():
        for currency in (contract.currency_profit, contract.currency_margin):
            assert all(symbol in profile.contracts for symbol, _ in route(currency, bank))


def test_forex_symbols_are_named_by_their_currencies() -> None:
    forex = [c for c in CONTRACTS.values() if c.calc_mode == CalcMode.FOREX]
    assert len(forex) > 28
    assert all(c.name == c.currency_base + c.currency_profit and c.currency_margin == c.currency_base for c in forex)


def test_profiles_differ_in_what_they_are_named_for() -> None:
    assert [profile.name for profile in PROFILES.values()] == list(PROFILES)
    assert {name: int(profile.margin_mode) for name, profile in PROFILES.items()} == {
        "hedging-cfd": 2, "nolev-darwin": 2, "netting": 0, "netting-exchange": 1, "instant": 2,
    }  # fmt: skip
    assert PROFILES["nolev-darwin"].contracts["EURUSD"].calc_mode == CalcMode.FOREX_NO_LEVERAGE
    assert PROFILES["nolev-darwin"].contracts["XAUUSD"].calc_mode == CalcMode.CFD_LEVERAGE
    assert {c.exemode for c in PROFILES["instant"].contracts.values()} == {1}
