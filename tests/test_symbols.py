from __future__ import annotations

import pytest

from bridge.terminal.simulator.enums import CalcMode
from bridge.terminal.simulator.money import Bank, route
from bridge.terminal.simulator.profile import PROFILES, Profile
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
        "hedging-cfd": 2, "nolev-darwin": 2, "netting": 0, "netting-exchange": 1, "instant": 2, "suffixed": 2,
    }  # fmt: skip
    assert PROFILES["nolev-darwin"].contracts["EURUSD"].calc_mode == CalcMode.FOREX_NO_LEVERAGE
    assert PROFILES["nolev-darwin"].contracts["XAUUSD"].calc_mode == CalcMode.CFD_LEVERAGE
    assert {c.exemode for c in PROFILES["instant"].contracts.values()} == {1}


def test_the_same_symbols_under_other_names() -> None:
    renamed = PROFILES["suffixed"].contracts
    assert {"EURUSD.r", "USDMXN.r", "US500.cash", "GER40.cash", "GOLD", "SILVER", "WTI", "BTCUSD", "AAPL.US"} <= set(renamed)
    assert [contract.shape for contract in renamed.values()] == list(CONTRACTS)
    for name, contract in renamed.items():
        plain = CONTRACTS[contract.shape]
        assert contract.name == name
        assert contract.path == plain.path.replace(plain.name, name)
        assert (contract.currency_base, contract.digits, contract.selected) == (plain.currency_base, plain.digits, plain.selected)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_some_symbols_are_hidden_and_two_have_a_book(profile: Profile) -> None:
    assert 5 < sum(contract.selected for contract in profile.contracts.values()) < len(profile.contracts) - 10
    assert {contract.shape for contract in profile.contracts.values() if contract.bookdepth} == {"EURUSD", "BTCUSD"}


def test_the_symbols_that_every_broker_has() -> None:
    majors = ("EURUSD", "GBPUSD", "USDJPY", "USDCHF", "AUDUSD", "USDCAD", "NZDUSD")
    currencies = ("EUR", "GBP", "AUD", "NZD", "USD", "CAD", "CHF", "JPY")  # the first of two is the base
    crosses = [base + profit for place, base in enumerate(currencies) for profit in currencies[place + 1 :]]
    assert set(majors) <= set(crosses) <= set(CONTRACTS)
    others = {"USDRUB", "USDMXN", "XAUUSD", "XAGUSD", "BTCUSD", "ETHUSD", "US500", "GER40", "AAPL", "MSFT"}
    assert others <= set(CONTRACTS)
    assert {name for name, contract in CONTRACTS.items() if contract.schedule == "always"} == {"BTCUSD", "ETHUSD"}
