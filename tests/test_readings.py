"""Names with something before or behind them."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.session.instruments import meaning
from bridge.session.readings import Reading, reader
from tests.records import symbol


def read(asked: str, name: str, base: str, profit: str, **values: Any) -> Reading | None:
    return reader(asked, meaning(asked))(symbol(name, currency_base=base, currency_profit=profit, **values))


def rule(asked: str, name: str, base: str = "USD", profit: str = "USD", **values: Any) -> str | None:
    found = read(asked, name, base, profit, **values)
    return None if found is None else found.rule


AFFIXED = (  # noqa: SIM905 - a table
    "EURUSD.r EURUSDm EURUSD.pro EURUSD_i .EURUSD mEURUSD EURUSD.c EURUSDmicro EURUSDPRO EURUSD-ECN EURUSD+ EURUSD# #EURUSD "
    "EURUSD. EURUSD.. EUR/USD.a FX:EURUSD m.EURUSD EURUSDM EURUSD.raw EURUSD.sml EURUSD.Z [EURUSD] eurusd.R"
).split()
OTHERS = (  # noqa: SIM905 - a table
    "EURUSDT EURUSDC EURUSDt EURUSD.fut EURUSD_DEC EURUSDZ25 EURUSD_Z5 EURUSD1 1EURUSD EURUSD.JPY XEURUSD EURUSDX2 EURUSD_otc "
    "invEURUSD GBP/EURUSD EURUSDHEDGED"
).split()


@pytest.mark.parametrize("name", AFFIXED)
def test_what_brokers_put_around_a_pair(name: str) -> None:
    assert rule("EURUSD", name, "EUR") == "affix"
    assert rule("EURUSD", name, "XAU") is None


@pytest.mark.parametrize("name", OTHERS)
def test_what_makes_something_else_of_a_pair(name: str) -> None:
    assert rule("EURUSD", name, "EUR") is None


@pytest.mark.parametrize(
    ("asked", "name", "expected"),
    [
        ("XAUUSD", "GOLD", "alias"), ("XAUUSD", "XAU/USD", "variant"), ("XAU/USD", "XAUUSD", "variant"), ("gold", "GOLD", "case"),
        ("gold", "XAUUSDm", "affix"), ("gold", "GOLDmicro", "affix"), ("gold", "XAUUSD.c", "affix"), ("gold", "GOLDZ", "alias"),
        ("gold", "GOLDSPOT", "affix"), ("gold", "mXAUUSD", "affix"), ("gold", "XAUUSDg", None), ("gold", "GOLD.kg", None),
        ("gold", "GOLDF", None), ("gold", "GOLDEUR", None), ("gold", "GOLD-DEC25", None), ("gold", "GOLD.US", None),
        ("US500", "#US500", "affix"), ("US500", "US500.cash", "affix"), ("US500", "US500Cash", "affix"),
        ("US500", "SPX500", "alias"),
        ("US500", "SPX500_USD", "alias"), ("US500", "US_500", "variant"), ("US500", "[SP500]", "affix"), ("US500", "US5000", None),
        ("US500", "US500.f", None), ("US500", "US500Z5", None), ("US500", "mUS500", None), ("US500", "SPXL", None),
        ("BTCUSD", "BTC/USD", "variant"), ("BTCUSD", "BTCUSDm", "affix"), ("BTCUSD", "BTCUSDT", None), ("BTCUSD", "BTCUSDC", None),
        ("BTCUSD", "mBTCUSD", None), ("BTCUSD", "BITCOIN", "alias"), ("BTCUSD", "BitcoinCash", None), ("BTCUSD", "BTC", None),
        ("bitcoin", "Bitcoin Cash", None),
    ],
)  # fmt: skip
def test_other_instruments(asked: str, name: str, expected: str | None) -> None:
    assert rule(asked, name) == expected


@pytest.mark.parametrize("name", ["MDAX", "mDAX", "TecDAX", "FDAX", "DAX.US"])
def test_other_german_indices(name: str) -> None:
    assert rule("DAX", name, "EUR", "EUR") is None
    assert rule("DAX", "DAX.cash", "EUR", "EUR") == "affix"


@pytest.mark.parametrize(
    ("asked", "name", "expected"),
    [
        ("AAPL", "aapl", "case"), ("aapl", "AAPL", "case"), ("apple", "Apple", "case"), ("AAPL", "#AAPL", "affix"),
        ("AAPL", "AAPLm", "affix"), ("T", "Tm", "affix"), ("TM", "Tm", None), ("tm", "Tm", None), ("MT", "mT", None),
        ("aaplm", "AAPLm", None), ("eurusdm", "EURUSDm", "case"), ("us500cash", "US500Cash", "case"), ("AAPL", "AAPLM", None),
        ("BRK", "BRK.B", None), ("BRK", "BRK.b", None), ("BRK/B", "BRK.B", "variant"), ("BRKB", "BRK.B", None),
        ("BA", "BABA", None), ("aaplpro", "AAPLpro", None), ("eurusdpro", "EURUSDpro", "case"),
        ("CORN", "CORN.c", "affix"), ("AAPL", "AAPL.US", None), ("AAPL", "AAPLPRO", None), ("AAPL", "AAPLpro", "affix"),
        ("BAC", "BAC.p", None), ("VOD", "VOD.L", None), ("VIX", "VIX.f", None), ("Apple", "Applem", None),
    ],
)  # fmt: skip
def test_names_that_mean_nothing_here(asked: str, name: str, expected: str | None) -> None:
    values = {"currency_base": "EUR", "currency_profit": "USD"} if asked.startswith("eur") else {}
    assert rule(asked, name, *values.values()) == expected


def test_exchanges_are_of_shares_only() -> None:
    assert rule("AAPL", "AAPL.US", path="Stocks\\AAPL.US") == "affix"
    assert rule("CORN", "CORN.US", path="ETFs\\CORN.US") is None
    assert rule("SPYD", "SPYD.US", path="Stocks\\ETF\\SPYD.US") is None


@pytest.mark.parametrize("values", [{"custom": True}, {"expiration_time": 5}, {"trade_calc_mode": 34}, {"option_strike": 5.0}])
def test_derived_symbols_have_no_other_names(values: dict[str, Any]) -> None:
    for asked, name in (("EURUSD", "EURUSD.r"), ("AAPL", "#AAPL"), ("aapl", "AAPL"), ("BRK/B", "BRK.B")):
        base = "EUR" if asked == "EURUSD" else "USD"
        assert rule(asked, name, base) is not None
        assert rule(asked, name, base, **values) is None
