"""Documented sample calculations.  "Python reference" is https://www.mql5.com/en/docs/python_metatrader5."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.terminal.simulator.enums import BUY, SELL, CalcMode, SwapMode
from bridge.terminal.simulator.money import Bank, NoRate, margin, margin_raw, profit, rate, round_money, swap, tick_value
from bridge.terminal.simulator.quotes import Quote
from bridge.terminal.simulator.symbols import CONTRACTS

USD = Bank.of(CONTRACTS, "USD", 2, 100)
EUR = Bank.of(CONTRACTS, "EUR", 2, 100)


def quoting(**prices: tuple[float, float]):  # type: ignore[no-untyped-def]
    return lambda symbol: Quote(0, *prices[symbol]) if symbol in prices else None


def test_tick_value_of_eurusd_in_a_euro_account() -> None:
    # symbol_info("EURUSD") published from a RoboForex demo: bid 1.09137, ask 1.09152.
    quote = quoting(EURUSD=(1.09137, 1.09152))
    assert tick_value(CONTRACTS["EURUSD"], EUR, quote, gained=True) == pytest.approx(0.9161536206391089, rel=1e-12)
    assert tick_value(CONTRACTS["EURUSD"], EUR, quote, gained=False) == pytest.approx(0.9162795384, rel=1e-9)


def test_tick_value_of_eurjpy_in_a_dollar_account() -> None:
    # Python reference, symbol_info: 0.8977708350166538 for a profit, 0.8978272580355541 for a loss: 100 JPY at the ask, at the bid.
    quote = quoting(USDJPY=(100 / 0.8978272580355541, 100 / 0.8977708350166538))
    assert tick_value(CONTRACTS["EURJPY"], USD, quote, gained=True) == pytest.approx(0.8977708350166538, rel=1e-12)
    assert tick_value(CONTRACTS["EURJPY"], USD, quote, gained=False) == pytest.approx(0.8978272580355541, rel=1e-12)


def test_tick_value_when_the_profit_is_in_the_accounts_currency() -> None:
    assert tick_value(CONTRACTS["EURUSD"], USD, quoting(), gained=True) == pytest.approx(1.0)


def test_tick_value_through_a_pair_that_multiplies() -> None:
    # EURGBP at an FTMO account in USD: 1.3312 for a profit, 1.3313 for a loss, which are bid and ask of GBPUSD.
    quote = quoting(GBPUSD=(1.3312, 1.3313))
    assert tick_value(CONTRACTS["EURGBP"], USD, quote, gained=True) == pytest.approx(1.3312)
    assert tick_value(CONTRACTS["EURGBP"], USD, quote, gained=False) == pytest.approx(1.3313)


def test_order_calc_margin_samples() -> None:
    # Python reference, order_calc_margin, account in USD at 1:100: EURUSD 0.1 lot = 109.91, USDJPY 0.1 lot = 100.0.
    assert round_money(margin(CONTRACTS["EURUSD"], BUY, 0.1, 1.0991, USD, quoting()), 2) == 109.91
    assert round_money(margin(CONTRACTS["USDJPY"], BUY, 0.1, 108.0, USD, quoting()), 2) == 100.0


def test_order_calc_profit_samples() -> None:
    # Python reference, order_calc_profit: 1 lot USDJPY, 300 points: buy 276.54, sell 278.09; both convert at the closing price.
    usdjpy = CONTRACTS["USDJPY"]
    assert profit(usdjpy, BUY, 1.0, 108.183, 108.483, USD, quoting()) == 276.54
    assert profit(usdjpy, SELL, 1.0, 108.179, 107.879, USD, quoting()) == 278.09


def test_profit_of_a_published_gbpjpy_position() -> None:
    # A short position of 0.01 lot from 142.469 at 142.471 showed -0.02.
    assert profit(CONTRACTS["GBPJPY"], SELL, 0.01, 142.469, 142.471, USD, quoting(USDJPY=(103.6, 103.61))) == -0.02


def test_a_gain_is_converted_at_the_worse_side() -> None:
    quote = quoting(USDJPY=(150.0, 151.0))
    assert rate("JPY", USD, quote, gained=True) == pytest.approx(1 / 151)
    assert rate("JPY", USD, quote, gained=False) == pytest.approx(1 / 150)
    quote = quoting(GBPUSD=(1.25, 1.26))
    assert rate("GBP", USD, quote, gained=True) == 1.25
    assert rate("GBP", USD, quote, gained=False) == 1.26


def test_conversion_through_dollars() -> None:
    quote = quoting(USDSEK=(10.0, 10.1), EURUSD=(1.10, 1.11))
    assert rate("SEK", EUR, quote, gained=True) == pytest.approx(1 / 10.1 / 1.11)


def test_no_rate() -> None:
    with pytest.raises(NoRate, match="USDJPY has no quote"):
        rate("JPY", USD, quoting(), gained=True)
    with pytest.raises(NoRate, match="no symbols convert XAU"):
        rate("XAU", USD, quoting(), gained=True)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (CalcMode.FOREX, 2 * 100 / 50),
        (CalcMode.FOREX_NO_LEVERAGE, 2 * 100),
        (CalcMode.FUTURES, 2 * 300),
        (CalcMode.CFD, 2 * 100 * 12.0),
        (CalcMode.CFD_INDEX, 2 * 100 * 12.0 * 5.0 / 0.5),
        (CalcMode.CFD_LEVERAGE, 2 * 100 * 12.0 / 50),
        (CalcMode.EXCH_STOCKS, 2 * 100 * 12.0),
        (CalcMode.EXCH_FUTURES, 2 * 300),
        (CalcMode.EXCH_BONDS, 2 * 100 * 1000.0 * 12.0 / 100),
        (CalcMode.SERV_COLLATERAL, 0.0),
    ],
)
def test_margin_formulas(mode: CalcMode, expected: float) -> None:
    # MQL5, ENUM_SYMBOL_CALC_MODE.
    contract = replace(
        CONTRACTS["US500"], calc_mode=mode, contract_size=100.0, tick_size=0.5, tick_value=5.0, face_value=1000.0,
        margin_initial=300.0 if mode in (CalcMode.FUTURES, CalcMode.EXCH_FUTURES) else 0.0,
    )  # fmt: skip
    assert margin_raw(contract, 2.0, 12.0, 50) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (CalcMode.FOREX, 3 * 2 * 100),
        (CalcMode.FUTURES, 3 * 2 * 5.0 / 0.5),
        (CalcMode.EXCH_FUTURES, 3 * 2 * 5.0 / 0.5),
        (CalcMode.CFD_INDEX, 3 * 2 * 100),
        (CalcMode.EXCH_BONDS, 3 * 2 * 100 * 1000.0),
        (CalcMode.SERV_COLLATERAL, 0.0),
    ],
)
def test_profit_formulas(mode: CalcMode, expected: float) -> None:
    # MQL5, ENUM_SYMBOL_CALC_MODE; a rise from 10 to 13 with 2 lots.
    contract = replace(CONTRACTS["US500"], calc_mode=mode, contract_size=100.0, tick_size=0.5, tick_value=5.0, face_value=1000.0)
    assert profit(contract, BUY, 2.0, 10.0, 13.0, USD, quoting()) == pytest.approx(expected)
    assert profit(contract, SELL, 2.0, 10.0, 13.0, USD, quoting()) == pytest.approx(-expected)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (SwapMode.DISABLED, 0.0),
        (SwapMode.POINTS, 2 * 100_000 * 1e-5 * -7.0),
        (SwapMode.CURRENCY_MARGIN, 2 * -7.0 * 1.11),
        (SwapMode.CURRENCY_DEPOSIT, 2 * -7.0),
        (SwapMode.INTEREST_CURRENT, 2 * 100_000 * 1.2 * -7.0 / 100 / 360),
        (SwapMode.INTEREST_OPEN, 2 * 100_000 * 1.1 * -7.0 / 100 / 360),
    ],
)
def test_swap_formulas(mode: SwapMode, expected: float) -> None:
    # MQL5, ENUM_SYMBOL_SWAP_MODE; a loss in EUR is converted at the ask.
    contract = replace(CONTRACTS["EURUSD"], swap_mode=mode, swap_long=-7.0)
    found = swap(contract, BUY, 2.0, 1.1, 1.2, USD, quoting(EURUSD=(1.10, 1.11)))
    assert found == pytest.approx(expected, abs=0.005)


def test_rounding_is_half_away_from_zero() -> None:
    assert round_money(0.125, 2) == 0.13
    assert round_money(-0.125, 2) == -0.13
    assert round_money(1.005, 2) == 1.01  # binary noise is forgiven
    assert str(round_money(-0.001, 2)) == "0.0"
