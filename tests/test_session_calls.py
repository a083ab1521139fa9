"""Requests done with a terminal."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw, msgpack

from bridge.codec import pack as pack_message
from bridge.errors import BridgeError, InvalidParameters, NotConnected, TerminalRefused, UnknownSymbol, UnknownTimeframe
from bridge.messages import (
    REPLIES,
    REQUESTS,
    CalcMargin,
    CalcProfit,
    CheckOrder,
    FindSymbol,
    GetAccount,
    GetDeals,
    GetHistoryOrders,
    GetOrders,
    GetPositions,
    GetRates,
    GetSymbol,
    GetSymbols,
    GetTerminal,
    GetTick,
    GetTicks,
    Request,
    SendOrder,
)
from bridge.session.calls import CALLS, LIMITS_S, perform
from bridge.terminal import TerminalError
from bridge.trading import Position, TradeRequest
from tests.fake_terminal import T0, FakeTerminal, bar, record, rows, tick


@pytest.fixture
def terminal() -> FakeTerminal:
    made = FakeTerminal("EURUSD", "GBPUSD")
    made.ticks["EURUSD"] = tick(0) + tick(1500)
    made.bars["EURUSD", "M1"] = b"".join(bar(60 * number) for number in range(10))
    made.open_positions = [record(Position, ticket=7, symbol="EURUSD"), record(Position, ticket=8, symbol="GBPUSD")]
    return made


def do(terminal: FakeTerminal, request: Request[Any]) -> Any:
    packed = perform(terminal, request.method, Raw(pack_message(request)))
    return msgpack.decode(packed, type=REPLIES[request.method])


REQUEST = TradeRequest(action=1, symbol="EURUSD", volume=0.1)


@pytest.mark.parametrize(
    "request_",
    [
        GetAccount(), GetTerminal(), GetSymbols(), GetSymbol("EURUSD"), FindSymbol("EURUSD"), GetTick("EURUSD"),
        GetRates("EURUSD", "M1"), GetTicks("EURUSD", T0),
        GetPositions(), GetOrders(), GetHistoryOrders(), GetDeals(), CheckOrder(REQUEST),
        SendOrder(REQUEST),
        CalcMargin(0, "EURUSD", 1.0, 2.0), CalcProfit(0, "EURUSD", 1.0, 2.0, 3.0),
    ],
    ids=lambda request_: request_.method,
)  # fmt: skip
def test_every_method_answers_in_its_type(terminal: FakeTerminal, request_: Request[Any]) -> None:
    assert isinstance(do(terminal, request_), REPLIES[request_.method])


def test_the_table_covers_all_that_needs_a_terminal() -> None:
    assert CALLS.keys() - {"trace"} == REQUESTS.keys() - {
        "hello", "goodbye", "ping", "status", "connection_history", "reconnect", "halt", "resume", "limits", "journal", "snapshot",
        "replay",
    }  # fmt: skip
    assert LIMITS_S.keys() <= CALLS.keys()


def bars(terminal: FakeTerminal, **arguments: Any) -> list[int]:
    found = do(terminal, GetRates("EURUSD", "M1", **arguments))
    assert found.rows == len(found.records) // 60
    return [int.from_bytes(row[:8], "little") - T0 for row in rows(found.records)]


def test_bars(terminal: FakeTerminal) -> None:
    assert bars(terminal, count=2) == [480, 540]
    assert bars(terminal, count=2, start=3) == [300, 360]
    assert bars(terminal, count=2, to_s=T0 + 130) == [60, 120]
    assert bars(terminal, from_s=T0 + 60, to_s=T0 + 180) == [60, 120, 180]
    assert bars(terminal, from_s=T0 + 60, to_s=T0 + 180, count=2) == [60, 120]
    assert bars(terminal, from_s=T0 + 1, to_s=T0 + 2) == []


@pytest.mark.parametrize("arguments", [{"from_s": 5}, {"from_s": 5, "to_s": 4}, {"to_s": 4, "start": 1}, {"behind": "1"}])
def test_bars_of_no_range(terminal: FakeTerminal, arguments: dict[str, int]) -> None:
    with pytest.raises(InvalidParameters):
        bars(terminal, **arguments)
    assert terminal.calls == []


def test_ticks_positions_and_pages(terminal: FakeTerminal) -> None:
    assert do(terminal, GetTicks("EURUSD", T0 + 1)).records == tick(1500)
    assert do(terminal, GetTick("EURUSD")).record == tick(1500)
    assert [item.ticket for item in do(terminal, GetPositions(symbol="GBPUSD")).positions] == [8]
    page = do(terminal, GetSymbols(start=1, count=1))
    assert (page.total, [symbol.name for symbol in page.symbols]) == (2, ["GBPUSD"])


@pytest.mark.parametrize(
    "request_",
    [
        GetSymbol("NOPE"), GetTick("NOPE"), GetRates("NOPE", "M1"), GetTicks("NOPE", T0), CalcMargin(0, "NOPE", 1.0, 1.0),
        CalcProfit(0, "NOPE", 1.0, 1.0, 1.0),
    ],
    ids=lambda request_: request_.method,
)  # fmt: skip
def test_unknown_symbols(terminal: FakeTerminal, request_: Request[Any]) -> None:
    with pytest.raises(UnknownSymbol) as caught:
        do(terminal, request_)
    assert caught.value.details == {"symbol": "NOPE"}


@pytest.mark.parametrize("code", [-1, -2])
def test_a_history_that_does_not_say_not_found(terminal: FakeTerminal, code: int) -> None:
    terminal.before = lambda function: _refuse(function, code)
    with pytest.raises(UnknownSymbol):
        do(terminal, GetRates("NOPE", "M1"))
    with pytest.raises(TerminalRefused) as caught:
        do(terminal, GetRates("EURUSD", "M1"))
    assert caught.value.details == {"function": "rates_from_pos", "terminal_code": code, "terminal_text": "no"}
    assert caught.value.next_step


def _refuse(function: str, code: int) -> None:
    if function == "rates_from_pos":
        raise TerminalError(function, code, "no")


def test_a_symbol_is_found_among_those_of_this_moment(terminal: FakeTerminal) -> None:
    assert do(terminal, FindSymbol(" EURUSD")).symbol == "EURUSD"
    assert terminal.calls == ["symbols", "account"]
    terminal.names[0] = "EUR/USD"
    with pytest.raises(UnknownSymbol) as caught:  # a symbol without currencies is certain by its exact name only
        do(terminal, FindSymbol("EURUSD"))
    assert caught.value.details == {"symbol": "EURUSD", "candidates": ["EUR/USD"]}
    assert do(terminal, FindSymbol("EUR/USD")).rule == "exact"
    terminal.fail("symbols", -1)
    with pytest.raises(TerminalRefused):
        do(terminal, FindSymbol("EURUSD"))


def test_unknown_timeframe(terminal: FakeTerminal) -> None:
    with pytest.raises(UnknownTimeframe):
        do(terminal, GetRates("EURUSD", "M7"))
    assert terminal.calls == []


def test_a_lost_link_is_the_cause(terminal: FakeTerminal) -> None:
    terminal.fail("account", -10_004, "No IPC connection")
    with pytest.raises(NotConnected) as caught:
        do(terminal, GetAccount())
    assert isinstance(caught.value.__cause__, TerminalError)
    assert caught.value.__cause__.link_lost


def test_bad_parameters(terminal: FakeTerminal) -> None:
    rates = {"symbol": "EURUSD", "timeframe": "M1", "count": 0}
    for method, params in (("symbol", {}), ("rates", rates), ("order", {"request": 1})):
        with pytest.raises(InvalidParameters):
            perform(terminal, method, Raw(msgpack.encode(params)))
    with pytest.raises(BridgeError):
        perform(terminal, "hello", Raw(msgpack.encode({})))
    assert terminal.calls == []
