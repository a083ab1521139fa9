"""What is quoted now, from made-up answers, and by a simulated terminal."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.errors import InvalidParameters, TryAgain
from bridge.messages import GetRates, GetSymbols, GetTick
from bridge.records import Symbol
from bridge.replies import LastTick, Records, Symbols
from clients import Client
from clients.quotes import DailyChange, daily_change, forex, stocks
from clients.tasks import Ask, Steps, run
from tests.processes import serving
from tests.records import filled
from tests.scripted_bridge import bar_record, tick_record


def symbol(name: str, path: str, mode: int, bid: float = 1.1, volume: float = 0.0) -> Symbol:
    return filled(
        Symbol, name=name, path=f"{path}\\{name}", trade_calc_mode=mode, bid=bid, ask=bid + 0.0002 if bid else 0.0, digits=5,
        point=1e-5, volumehigh_real=volume,
    )  # fmt: skip


MARKET = (
    symbol("EURUSD", "Forex\\Majors", 0), symbol("USDJPY", "Forex", 5), symbol("HIDDEN", "Forex", 0, bid=0.0),
    symbol("AAPL", "Stocks\\US", 2, volume=5.0), symbol("MSFT", "Exchange", 32, volume=9.0),
    symbol("SAP", "EU Shares", 4, volume=9.0),
    symbol("XAUUSD", "Metals", 2), symbol("QUIET", "Equities", 2, bid=0.0, volume=99.0),
)  # fmt: skip


def asked(steps: Steps[Any], *, bars: bytes = b"", bid: float = 1.1) -> Any:
    def answer(ask: Ask) -> Any:
        match ask.request:
            case GetSymbols(start=start):
                return Symbols(len(MARKET), MARKET[start : start + 5])
            case GetRates(timeframe="D1", count=1):
                return Records(len(bars) // 60, bars)
            case GetTick():
                return LastTick(tick_record(1_700_000_000_000, bid), 0, "terminal")
        raise AssertionError(ask)

    return run(steps, answer)


def test_currency_pairs_with_their_spreads() -> None:
    found = asked(forex())
    assert [(quote.symbol, quote.spread, quote.spread_points) for quote in found] == [
        ("EURUSD", 0.0002, 20),
        ("USDJPY", 0.0002, 20),
    ]
    assert (found[0].bid, found[0].ask, found[0].digits, found[0].path) == (1.1, 1.1002, 5, "Forex\\Majors\\EURUSD")


def test_the_stocks_with_the_largest_volume() -> None:
    assert [quote.symbol for quote in asked(stocks())] == ["MSFT", "SAP", "AAPL"]
    assert [quote.symbol for quote in asked(stocks(top=1))] == ["MSFT"]
    for wrong in (0, -1, True, 1.5, "20"):
        with pytest.raises(InvalidParameters, match="top"):
            asked(stocks(wrong))  # type: ignore[arg-type]


def test_the_change_since_the_day_began() -> None:
    found = asked(daily_change("EURUSD"), bars=bar_record(1_700_000_000, 1.0), bid=1.1)
    assert isinstance(found, DailyChange)
    assert (found.symbol, found.open, found.price) == ("EURUSD", 1.0, 1.1)
    assert (found.change, found.percent) == (pytest.approx(0.1), pytest.approx(10.0))
    for bars, bid in ((b"", 1.1), (bar_record(1_700_000_000, 1.0), 0.0)):
        with pytest.raises(TryAgain, match="EURUSD"):
            asked(daily_change("EURUSD"), bars=bars, bid=bid)


def test_of_a_simulated_terminal() -> None:
    with serving() as served, Client(served.requests) as client:
        while not client.is_connected:
            pass
        pairs = {quote.symbol: quote for quote in client.forex()}
        assert pairs["EURUSD"].spread >= 0.0
        assert "BTCUSD" not in pairs
        change = client.daily_change("BTCUSD")
        assert change.price == pytest.approx(change.open * (1.0 + change.percent / 100.0))
        assert all(quote.volume >= 0.0 for quote in client.stocks(5))
