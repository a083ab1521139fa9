"""The package's functions as they travel: arguments, answers, failures, and what a shared terminal does not do for each program."""

from __future__ import annotations

import types
from typing import Any

import pytest
from msgspec import Raw

from bridge.codec import pack
from bridge.errors import InvalidParameters, NotConnected
from bridge.messages import MAX_ROWS
from bridge.mt5api import structs
from bridge.session.calls import MAX_NATIVE_BARS, perform
from bridge.session.sight import Sight
from bridge.terminal import TerminalError
from bridge.terminal.metatrader import MetaTrader
from bridge.terminal.native import wire_arguments, wire_value
from bridge.ticks import RECORD_BYTES
from tests.fake_terminal import FakeTerminal

TICK = structs.build("Tick", [1, 1.1, 1.2, 0.0, 0, 1000, 6, 0.0])


def test_arguments() -> None:
    assert wire_arguments("positions_get", [None, None, 5]) == ((), {"ticket": 5})
    assert wire_arguments("orders_get", ["EURUSD", None, None]) == ((), {"symbol": "EURUSD"})
    assert wire_arguments("history_deals_get", [1, 2, None, None, None]) == ((1, 2), {})
    assert wire_arguments("history_orders_get", [None, None, None, None, 0]) == ((), {"position": 0})
    assert wire_arguments("copy_rates_from", ["X", 1, 2, 3]) == (("X", 1, 2, 3), {})
    (request,), names = wire_arguments("order_check", [1, *[0] * 16])
    assert (request["action"], names, len(request)) == (1, {}, 17)


@pytest.mark.parametrize(("function", "values"), [("symbol_info", []), ("version", [1]), ("order_check", [1])])
def test_a_number_of_arguments_that_does_not_fit(function: str, values: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"argument"):
        wire_arguments(function, values)
    assert MetaTrader(module(None, (0, ""))).native(function, values)[::2] == (-2, None)


def test_values() -> None:
    def unused(*_: Any) -> bytes:
        raise AssertionError

    assert wire_value("symbol_info_tick", TICK, unused) == list(TICK)
    assert wire_value("market_book_get", None, unused) == []
    assert wire_value("version", (500, 1, "x"), unused) == [500, 1, "x"]
    assert wire_value("symbols_total", 5, unused) == 5
    newer = types.SimpleNamespace(**TICK._asdict(), of_tomorrow=1)
    assert wire_value("symbol_info_tick", newer, unused) == list(TICK)


def module(found: Any, error: tuple[int, str]) -> Any:
    return types.SimpleNamespace(symbol_info_tick=lambda name: found, last_error=lambda: error)


def test_codes_and_texts_arrive_as_they_are() -> None:
    assert MetaTrader(module(TICK, (1, "Success"))).native("symbol_info_tick", ["X"]) == (1, "Success", list(TICK))
    told = (-4, "Terminal: Not found")
    assert MetaTrader(module(None, told)).native("symbol_info_tick", ["X"]) == (*told, None)
    assert MetaTrader(module(object(), (1, "Success"))).native("symbol_info_tick", ["X"])[0] == -5
    refused = types.SimpleNamespace(symbol_select=lambda *_: False, last_error=lambda: (1, "Success"))
    assert MetaTrader(refused).native("symbol_select", ["X", True])[0] == -1


def test_a_lost_link_is_an_error() -> None:
    with pytest.raises(TerminalError):
        MetaTrader(module(None, (-10001, "IPC send failed"))).native("symbol_info_tick", ["X"])


class Native(FakeTerminal):
    def __init__(self, answer: tuple[int, str, Any]) -> None:
        super().__init__("EURUSD", "GBPUSD")
        self.answer = answer
        self.asked: list[tuple[str, tuple[Any, ...]]] = []

    def native(self, function: str, arguments: Any) -> tuple[int, str, Any]:
        self.asked.append((function, tuple(arguments)))
        if self.answer[0] < -10_000:
            raise TerminalError(function, *self.answer[:2])
        return self.answer


def call(terminal: Native, method: str, params: dict[str, Any], sight: Sight | None = None) -> Raw:
    return perform(terminal, method, Raw(pack(params)), sight)


def test_a_request_is_the_function() -> None:
    terminal = Native((-4, "Terminal: Not found", None))
    told = call(terminal, "account_call", {"function": "positions_get", "arguments": [None, None, 7]})
    assert bytes(told) == pack({"code": -4, "text": "Terminal: Not found", "value": None})
    assert terminal.asked == [("positions_get", (None, None, 7))]


@pytest.mark.parametrize("function", ["order_send", "initialize", "shutdown", "symbol_select", "__class__"])
@pytest.mark.parametrize("method", ["terminal_call", "history_call", "account_call"])
def test_no_other_function_can_be_asked_for(method: str, function: str) -> None:
    with pytest.raises(InvalidParameters):
        call(Native((1, "Success", None)), method, {"function": function, "arguments": []})


@pytest.mark.parametrize(("function", "most"), [("copy_ticks_from", MAX_ROWS), ("copy_rates_range", MAX_NATIVE_BARS)])
def test_what_does_not_fit_into_a_reply(function: str, most: int) -> None:
    params = {"function": function, "arguments": ["X", 1, 2, 3]}
    assert call(Native((1, "Success", bytes(most * RECORD_BYTES))), "history_call", params)
    with pytest.raises(InvalidParameters) as refused:
        call(Native((1, "Success", bytes((most + 1) * RECORD_BYTES))), "history_call", params)
    assert refused.value.details["rule"] == "rows"


def test_a_lost_link_is_told_to_the_client() -> None:
    with pytest.raises(NotConnected) as lost:
        call(Native((-10002, "IPC recv failed", None)), "terminal_call", {"function": "version", "arguments": []})
    assert isinstance(lost.value.__cause__, TerminalError)


def test_what_is_streamed_is_not_hidden() -> None:
    terminal = Native((1, "Success", True))
    sight = Sight(terminal)
    sight.streamed = lambda: ["EURUSD"]
    assert b"Call failed" in bytes(call(terminal, "symbol_select", {"symbol": "EURUSD", "enable": False}, sight))
    call(terminal, "symbol_select", {"symbol": "EURUSD"}, sight)
    call(terminal, "symbol_select", {"symbol": "GBPUSD", "enable": False}, sight)
    assert terminal.asked == [("symbol_select", ("EURUSD", True)), ("symbol_select", ("GBPUSD", False))]
