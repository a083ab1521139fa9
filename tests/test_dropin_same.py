"""The same calls to a simulated terminal, directly and through a bridge: every result, its type and `last_error()` are equal.

The calls are in `dropin_calls.txt`, one a line; the terminal's clock stands still meanwhile.
"""

from __future__ import annotations

import datetime
import decimal
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.mt5api.functions import FUNCTIONS
from bridge.mt5api.namespace import namespace
from bridge.terminal.simulator.link import SocketBackend
from clients.mt5.backend import BridgeBackend
from clients.mt5.names import names_over
from tests.faults.scene import simulated
from tests.processes import serving

CALLS = Path(__file__).with_name("dropin_calls.txt").read_text(encoding="utf-8").splitlines()
BEGIN = ("--seed", "1", "--start", "2026-03-04 12:00:00", "--held")
TICKETS = ("deal", "order", "request_id")


@dataclass(slots=True)
class Both:
    """The module of the terminal itself, the one that goes through a bridge, and names for the calls."""

    direct: Any
    ours: Any
    names: dict[str, Any]

    def outcome(self, mt5: Any, call: str) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                told = shown(eval(call, self.names | {"mt5": mt5}))
        except (TypeError, SystemError) as error:
            told = type(error), str(error), repr(error.__cause__)
        return told, mt5.last_error()


def shown(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype.descr, value.shape, value.tobytes(), value.flags.writeable, value.flags.owndata
    return type(value), repr(value)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("terminal")
    with simulated(folder, *BEGIN) as terminal, serving(MT5_PATH=terminal.address) as bridge:
        direct = types.SimpleNamespace(**namespace(SocketBackend()))
        ours = types.SimpleNamespace(**names_over(BridgeBackend()))
        assert direct.initialize(terminal.address), direct.last_error()
        assert ours.initialize(bridge.requests), ours.last_error()
        tick = direct.symbol_info_tick("EURUSD")
        ask = round(tick.ask, 5)
        opened = direct.order_send({"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "price": ask})
        names = {
            "np": np, "DT": datetime.datetime, "TZ": datetime.UTC, "D": decimal.Decimal, "now": tick.time, "ask": ask,
            "pos": opened.order, "order": direct.orders_get()[0].ticket,
            "BUY": {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "price": ask},
        }  # fmt: skip
        yield Both(direct, ours, names)
        ours.shutdown()
        direct.shutdown()


@pytest.mark.parametrize("function", sorted(set(FUNCTIONS) - {"initialize", "shutdown"}))
def test_the_same_answers(both: Both, function: str) -> None:
    calls = [call for call in CALLS if call.startswith(f"mt5.{function}(")]
    assert calls
    for call in calls:
        assert both.outcome(both.ours, call) == both.outcome(both.direct, call), call


def test_every_line_is_a_call() -> None:
    assert {call.partition("(")[0].removeprefix("mt5.") for call in CALLS} == set(FUNCTIONS) - {"initialize", "shutdown"}
    assert len(CALLS) > 180


ORDERS: list[dict[str, Any]] = [
    {"action": 1, "symbol": "EURUSD", "volume": 0.2, "type": 0, "deviation": 20, "magic": 9, "comment": "in"},
    {"action": 6, "symbol": "EURUSD", "position": "last", "sl": 0.5, "tp": 3.0},
    {"action": 1, "symbol": "EURUSD", "volume": 0.05, "type": 1, "position": "last", "comment": "part"},
    {"action": 1, "symbol": "EURUSD", "volume": 0.15, "type": 1, "position": "last"},
    {"action": 1, "symbol": "EURUSD", "volume": 0.15, "type": 1, "position": "last"},
    {"action": 5, "symbol": "EURUSD", "volume": 0.1, "type": 2, "price": 0.9, "type_filling": 2, "comment": "waits"},
    {"action": 7, "order": "last", "price": 0.8},
    {"action": 7, "order": "last", "price": 0.8},
    {"action": 8, "order": "last"},
    {"action": 8, "order": "last"},
    {"action": 1, "symbol": "USDJPY", "volume": 0.1, "type": 0, "type_filling": 1},
]


def traded(mt5: Any) -> list[Any]:
    """What the terminal answers to a series of orders, without its numbers."""
    told: list[Any] = []
    last = 0
    for order in ORDERS:
        result = mt5.order_send({name: last if value == "last" else value for name, value in order.items()})
        if result.order and result.retcode == mt5.TRADE_RETCODE_DONE and order["action"] in (1, 5) and "position" not in order:
            last = result.order
        fields = result._asdict()
        numbers = [bool(fields.pop(name)) for name in TICKETS]
        request = fields.pop("request")._asdict()
        told.append(
            (numbers, fields, {name: bool(value) if name in ("position", "order") else value for name, value in request.items()})
        )
        told.append(mt5.last_error())
    found = mt5.history_deals_get(0, mt5.symbol_info_tick("EURUSD").time + 1)
    told.append([(deal.symbol, deal.volume, deal.entry, deal.comment, deal.magic) for deal in found[-4:]])
    return told


def test_the_same_results_of_orders(both: Both) -> None:
    assert traded(both.ours) == traded(both.direct)


def test_a_streamed_symbol_is_not_hidden(both: Both) -> None:
    assert both.ours.symbol_select("NZDUSD", True)
    assert both.ours.symbol_select("NZDUSD", False)
    assert not both.direct.symbol_info("NZDUSD").select
    assert both.ours.market_book_add("EURUSD")
    assert not both.ours.symbol_select("EURUSD", False)
    assert both.ours.last_error() == (-1, "Terminal: Call failed")


def test_credentials_have_to_be_the_bridges(both: Both) -> None:
    mt5 = both.ours
    endpoint = mt5._core.backend._endpoint
    for wrong in ({"login": 5}, {"login": 5_000_001, "server": "Elsewhere"}, {"server": "Elsewhere"}):
        assert mt5.initialize(endpoint, **wrong) is False
        assert mt5.last_error() == (-6, "Terminal: Authorization failed")
        assert mt5.account_info() is None
        assert mt5.last_error() == (-10004, "No IPC connection")
    right = {"login": 5_000_001, "password": "any", "server": "MetaQuotes-Demo", "timeout": 9_000, "portable": True}
    assert mt5.initialize(endpoint, **right) is True
    assert mt5.last_error() == (1, "Success")
