"""What plain names mean, and which symbols are something else in spite of their names."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from bridge.records import Symbol
from bridge.session.instruments import ALIASES, COINS, CURRENCIES, METALS, Kind, meaning, plain
from tests.records import symbol


@pytest.mark.parametrize(
    ("name", "kind", "base", "profit"),
    [
        ("EURUSD", Kind.CURRENCY, "EUR", "USD"), ("eur/usd", Kind.CURRENCY, "EUR", "USD"), ("USDTRY", Kind.CURRENCY, "USD", "TRY"),
        ("USDCHF", Kind.CURRENCY, "USD", "CHF"), ("USDCNH", Kind.CURRENCY, "USD", "CNH"), ("gold", Kind.METAL, "XAU", "USD"),
        ("XAU", Kind.METAL, "XAU", "USD"), ("XAU_EUR", Kind.METAL, "XAU", "EUR"), ("GOLDEUR", Kind.METAL, "XAU", "EUR"),
        ("Silver", Kind.METAL, "XAG", "USD"), ("btc", Kind.COIN, "BTC", "USD"), ("Bitcoin", Kind.COIN, "BTC", "USD"),
        ("XBTUSD", Kind.COIN, "BTC", "USD"), ("BTC/USDT", Kind.COIN, "BTC", "USDT"), ("DOGEUSD", Kind.COIN, "DOGE", "USD"),
        ("ETHBTC", Kind.COIN, "ETH", "BTC"),
    ],
)  # fmt: skip
def test_pairs_of_codes(name: str, kind: Kind, base: str, profit: str) -> None:
    found = meaning(name)
    assert found is not None
    assert (found.kind, found.bases[0], found.profits[0]) == (kind, base, profit)


@pytest.mark.parametrize(
    ("names", "profit"),
    [
        ("US500 us_500 SPX500 SPX500_USD S&P500 spx", "USD"), ("NAS100 USTEC nasdaq ndx US-Tech-100", "USD"),
        ("GER40 DE40 DAX dax40 GER30 DE40EUR", "EUR"), ("wti USOIL XTIUSD", "USD"), ("JP225 Nikkei", "JPY"),
    ],
)  # fmt: skip
def test_aliases_are_one_instrument(names: str, profit: str) -> None:
    found = {meaning(name) for name in names.split()}
    assert len(found) == 1
    [instrument] = found
    assert instrument is not None
    assert instrument.profits == (profit,)


def test_every_spelling_is_found_whole() -> None:
    for _, profit, row in ALIASES:
        for word in row.split():
            instrument = meaning(word)
            assert instrument is not None
            for name in (plain(word), word.replace("/", "_"), f"{plain(word)}_{profit}"):
                found = instrument.pattern().fullmatch(name)
                assert found is not None, name
                searched = instrument.pattern().search(name)
                assert searched is not None
                assert searched[0] == name


def test_names_with_spaces_are_aliases_too() -> None:
    assert meaning("Wall Street 30") == meaning("US30") is not None


@pytest.mark.parametrize(
    "name",
    ["AAPL", "EUR", "USD", "EURUS", "EURUSDX", "BITCOINCASH", "GOLDMAN", "US5000", "DOW", "OIL", "LINK", "EUREUR", "DE40USD", ""],
)
def test_what_means_nothing_certain(name: str) -> None:
    assert meaning(name) is None


def test_the_tables_do_not_contradict_each_other() -> None:
    names = [plain(word) for _, _, row in ALIASES for word in row.split()]
    assert len(names) == len(set(names))
    words = [*METALS, *COINS, *chain.from_iterable((METALS | COINS).values())]
    assert len(words) == len(set(words))
    assert not set(words) & CURRENCIES
    assert not set(words) & set(names)
    assert all(profit in CURRENCIES and len(profit) == 3 for _, profit, _ in ALIASES)


def of(name: str, base: str, profit: str = "USD", **values: Any) -> Symbol:
    return symbol(name, currency_base=base, currency_profit=profit, **values)


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("EURUSD", of("EURUSD.r", "EUR")),
        ("gold", of("GOLD", "XAU", path="Metals\\GOLD", description="Gold vs US Dollar")),
        ("gold", of("GOLD", "USD", path="Metals CFD\\GOLD")),
        ("gold", of("GOLD", "GLD", path="Forex\\GOLD")),
        ("US500", of("US500", "USD", path="Stock Indices\\US500")),
        ("BTCUSD", of("BTCUSD", "USD", path="Crypto I CFD\\BTCUSD")),
        ("BTCUSDT", of("BTCUSDT", "BTC", path="Crypto\\BTCUSDT")),
    ],
)
def test_symbols_that_are_it(name: str, same: Symbol) -> None:
    instrument = meaning(name)
    assert instrument is not None
    assert not instrument.excludes(same)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("EURUSD", of("EURUSD", "XAU")), ("EURUSD", of("EURUSD", "EUR", "USDT")), ("EURUSD", of("EURUSD", "", "")),
        ("EURUSD", of("EURUSD", "USD")), ("EURUSD", of("EURUSD", "EUR", custom=True)),
        ("EURUSD", of("EURUSD", "EUR", expiration_time=1)), ("EURUSD", of("EURUSD", "EUR", option_strike=1.1)),
        ("EURUSD", of("EURUSD", "EUR", trade_calc_mode=33)),
        ("gold", of("GOLD", "USD", path="US Stocks\\GOLD")), ("gold", of("GOLD", "USD", description="Barrick Gold Corp")),
        ("gold", of("GOLD", "USD", path="ETFs\\GOLD")), ("gold", of("GOLD", "XAG")), ("gold", of("GOLD", "XAU", "EUR")),
        ("gold", of("GOLD", "EUR")), ("gold", of("GOLD", "USD", path="Crypto\\GOLD")),
        ("gold", of("GOLD", "USD", trade_calc_mode=32)),
        ("US500", of("US500", "USD", path="ETFs\\Index\\US500")), ("DAX", of("DAX", "USD", description="Global X DAX Germany ETF")),
        ("BTCUSD", of("BTC", "USD", description="Grayscale Bitcoin Mini Trust")), ("US500", of("US500", "USD", trade_calc_mode=37)),
    ],
)  # fmt: skip
def test_symbols_that_are_something_else(name: str, other: Symbol) -> None:
    instrument = meaning(name)
    assert instrument is not None
    assert instrument.excludes(other)
