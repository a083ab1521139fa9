"""Positions, orders, deals and trade requests: the package's fields, and the bounds of what may be sent."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codec import pack
from bridge.mt5api.structs import FIELDS
from bridge.trading import BookLevel, Deal, Order, OrderCheck, OrderResult, Position, TradeRequest
from tests.message_strategies import instances, same

PACKAGE = {
    Position: "TradePosition", Order: "TradeOrder", Deal: "TradeDeal", TradeRequest: "TradeRequest",
    OrderCheck: "OrderCheckResult", OrderResult: "OrderSendResult", BookLevel: "BookInfo",
}  # fmt: skip
PYTHON = {"u64": int, "i64": int, "u32": int, "i32": int, "f64": float, "str": str, "bool": bool}


@pytest.mark.parametrize("kind", PACKAGE)
def test_fields_are_the_packages(kind: type[Any]) -> None:
    hints = {name: next(iter(get_args(hint)), hint) for name, hint in get_type_hints(kind).items()}
    assert list(hints.items()) == [(name, PYTHON.get(code, TradeRequest)) for name, code in FIELDS[PACKAGE[kind]]]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(PACKAGE)).flatmap(instances))
def test_there_and_back(record: Any) -> None:
    assert same(msgspec.msgpack.decode(pack(record), type=type(record)), record)


def test_a_trade_request_is_complete_without_any_field() -> None:
    assert msgspec.msgpack.decode(b"\x80", type=TradeRequest) == TradeRequest()
    assert TradeRequest().type_filling is None, "the bridge chooses"
    values = [value for name, value in dataclasses.asdict(TradeRequest()).items() if name != "type_filling"]
    assert all(value in (0, 0.0, "") for value in values)
    assert {type(value) for value in values} == {int, float, str}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(TradeRequest)])
def test_bounds_of_a_trade_request(name: str) -> None:
    hint = get_type_hints(TradeRequest)[name]
    kind = next(iter(get_args(hint)), hint)
    wrong: dict[type, list[Any]] = {
        int: [-1, 2**63, 1.0, True, "1", None],
        float: [-0.01, 1.1e15, float("nan"), float("inf"), float("-inf"), True, "1", None],
        str: ["x" * 65, b"x", 1, None],
    }
    right: dict[type, list[Any]] = {int: [0, 2**63 - 1], float: [0.0, 1e15, 1], str: ["", "ä" * 64]}
    for value in right[kind]:
        found = msgspec.msgpack.decode(pack({name: value}), type=TradeRequest)
        assert getattr(found, name) == value
        assert type(getattr(found, name)) is kind
    left_out = [None] if name == "type_filling" else []
    for value in left_out:
        assert msgspec.msgpack.decode(pack({name: value}), type=TradeRequest) == TradeRequest()
    for value in (value for value in wrong[kind] if value not in left_out):
        with pytest.raises(msgspec.ValidationError):
            msgspec.msgpack.decode(pack({name: value}), type=TradeRequest)


def test_the_same_content_is_equal_however_it_was_written() -> None:
    short = msgspec.msgpack.decode(pack({"symbol": "EURUSD", "volume": 1}), type=TradeRequest)
    long = msgspec.msgpack.decode(pack(TradeRequest(symbol="EURUSD", volume=1.0)), type=TradeRequest)
    assert short == long
    assert hash(short) == hash(long)
    assert short != dataclasses.replace(long, sl=0.5)


def test_what_the_terminal_reports_is_not_bounded() -> None:
    blank: dict[type, Any] = {int: 2**64 - 1, float: -1e300, str: "x" * 500}
    values = {name: blank[kind] for name, kind in get_type_hints(Position).items()}
    assert msgspec.msgpack.decode(pack(values), type=Position) == Position(**values)
