"""`MT5Broker` on a simulated account: the methods that QuantumBotX's pages call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from bridge.errors import CallError, InvalidParameters, UnknownSymbol
from clients import MT5Broker
from tests.processes import PATIENCE_S, serving

SYMBOL = "BTCUSD"  # quoted on every day of the week


@pytest.fixture(scope="module")
def broker() -> Iterator[MT5Broker]:
    with serving() as served, MT5Broker(served.requests, magic=77) as made:
        until_s = time.monotonic() + PATIENCE_S
        with made.client.subscribe("connection", f"tick:{SYMBOL}") as events:
            while made.client.clock.offset_s is None:
                assert time.monotonic() < until_s
                events.get(0.2)
        yield made


def test_the_market(broker: MT5Broker) -> None:
    assert broker.is_connected
    assert SYMBOL in broker.get_symbols()
    assert broker.get_symbols("*JPY*")
    assert broker.get_symbol_info(SYMBOL)["volume_step"] > 0
    assert broker.normalize_symbol("EURUSD") == "EURUSD"
    assert (broker.validate_symbol("EURUSD"), broker.validate_symbol("NOSUCH")) == (True, False)
    frame = broker.get_market_data(SYMBOL, "M5", 20)
    assert list(frame.columns[:4]) == ["open", "high", "low", "close"]
    assert len(broker.get_rates(SYMBOL, "H1", 5)) == 5
    price = broker.get_current_price(SYMBOL)
    assert 0 < price["bid"] <= price["ask"]
    assert broker.is_market_open(SYMBOL) is True
    with pytest.raises(UnknownSymbol):
        broker.get_current_price("NOSUCH")


def test_an_order_a_day_and_its_history(broker: MT5Broker) -> None:
    today = broker.get_todays_profit()
    closed = len(broker.get_trade_history(1))
    placed = broker.place_order(SYMBOL, "buy", 0.1, comment="broker")
    assert placed["outcome"] == "done"
    (held,) = broker.get_positions(SYMBOL)
    assert (held["magic"], held["volume"]) == (77, 0.1)
    assert broker.close_position(held["ticket"])["outcome"] == "done"
    assert broker.get_open_positions(SYMBOL) == []
    history = broker.get_trade_history(1)
    assert len(history) == closed + 1
    assert broker.get_todays_profit() - today == pytest.approx(history[-1]["net"], abs=0.5), "and what opening it cost"
    assert broker.get_account_info()["currency"] == "USD"


def test_pending_orders(broker: MT5Broker) -> None:
    price = broker.get_current_price(SYMBOL)
    placed = broker.place_order(SYMBOL, "buy", 0.1, "limit", round(price["bid"] * 0.9, 1))
    assert placed["outcome"] == "done", "what a terminal says of a pending order that it has taken"
    (order,) = broker.get_orders(SYMBOL)
    assert order["ticket"] == placed["order"]
    assert broker.cancel_order(order["ticket"]) is True
    assert broker.get_orders(SYMBOL) == []


def test_a_size_never_risks_more(broker: MT5Broker) -> None:
    price = broker.get_current_price(SYMBOL)["ask"]
    volume = broker.calculate_position_size(SYMBOL, "buy", round(price * 0.98, 1), 1.0)
    lost = -broker.client.profit("buy", SYMBOL, volume, price, price * 0.98)
    assert 0 < lost <= broker.get_account_info()["equity"] * 0.0101


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("sideways", 0.1), "side"), (("buy", 0.1, "market", 5.0), "price"), (("buy", 0.1, "limit"), "price"),
        (("buy", 0.1, "iceberg", 5.0), "order_type"),
    ],
)  # fmt: skip
def test_bad_orders(broker: MT5Broker, arguments: tuple[Any, ...], field: str) -> None:
    with pytest.raises(InvalidParameters) as caught:
        broker.place_order(SYMBOL, *arguments)
    assert caught.value.details["field"] == field


def test_before_and_after_the_connection() -> None:
    broker = MT5Broker("tcp://127.0.0.1:9", timeout_s=0.3)
    with pytest.raises(CallError, match=r"connect\(\)"):
        broker.get_positions()
    assert broker.is_connected is False
    broker.disconnect()
    with pytest.raises(InvalidParameters):
        MT5Broker.get_trade_history(broker, 0)
