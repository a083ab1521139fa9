"""The requests and their tables: each has a method, a reply, and bounds that hold."""

from __future__ import annotations

import dataclasses
import re
import typing
from typing import Any

import msgspec
import pytest

from bridge import messages
from bridge.codec import MAX_REQUEST_BYTES, MAX_TOPIC_BYTES, encode_request, pack
from bridge.messages import (
    EVENT_BODIES,
    MAX_ROWS,
    REPLIES,
    REQUESTS,
    GetAccount,
    GetPositions,
    GetRates,
    GetSnapshot,
    GetSymbol,
    Goodbye,
    Hello,
    Request,
    SendOrder,
)
from bridge.replies import OrderOutcome, Positions
from bridge.ticks import RECORD_BYTES


def test_every_request_is_in_the_table() -> None:
    found = {kind for kind in vars(messages).values() if isinstance(kind, type) and issubclass(kind, Request)} - {Request}
    assert set(REQUESTS.values()) == found
    assert all(method == kind.method and re.fullmatch(r"[a-z_]+", method) for method, kind in REQUESTS.items())


def test_replies_are_those_of_the_generic_parameter() -> None:
    assert REPLIES.keys() == REQUESTS.keys()
    assert (REPLIES["order"], REPLIES["positions"], REPLIES["goodbye"]) == (OrderOutcome, Positions, type(None))


def test_a_type_checker_knows_the_reply() -> None:
    def reply_of(request: Request[messages.R]) -> messages.R | None:
        return None

    typing.assert_type(reply_of(GetPositions()), Positions | None)
    typing.assert_type(reply_of(Goodbye()), None)


@pytest.mark.parametrize("kind", REQUESTS.values())
def test_requests_are_frozen_slotted_values(kind: type[Any]) -> None:
    assert kind.__dataclass_params__.frozen
    request = object.__new__(kind)
    with pytest.raises((AttributeError, TypeError)):
        object.__setattr__(request, "surplus", 1)


def test_requests_are_compared_by_value() -> None:
    assert GetSymbol("EURUSD") == GetSymbol("EURUSD") != GetSymbol("GBPUSD")
    assert GetAccount() == GetAccount()
    assert len({GetSymbol("EURUSD"), GetSymbol("EURUSD")}) == 1


def _read(kind: type[Any], params: dict[str, Any]) -> Any:
    return msgspec.msgpack.decode(pack(params), type=kind)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Hello, {"name": "a", "client_id": "x"}, {"client_id": "x y"}),
        (Hello, {"name": "a", "client_id": "x", "pid": 2**63 - 1}, {"pid": -1}),
        (Hello, {"name": "a", "client_id": "x", "host": "h" * 64}, {"host": "h" * 65}),
        (GetSnapshot, {"topics": ["tick:A"] * 2_000}, {"topics": []}),
        (GetSnapshot, {"topics": ["t" * 200]}, {"topics": ["t" * 201]}),
        (GetRates, {"symbol": "A", "timeframe": "M1", "count": MAX_ROWS}, {"count": MAX_ROWS + 1}),
        (GetRates, {"symbol": "A", "timeframe": "M1", "from_s": 0, "to_s": 2**31 - 1}, {"to_s": 2**31}),
        (GetSymbol, {"symbol": "s" * 64}, {"symbol": "s" * 65}),
        (messages.GetTicks, {"symbol": "A", "from_s": 0, "kind": "trade"}, {"kind": "bid"}),
        (messages.CalcMargin, {"action": 1, "symbol": "A", "volume": 1e15, "price": 0.0}, {"volume": 1.1e15}),
        (SendOrder, {"request": {"comment": "c" * 64}}, {"request": {"comment": "c" * 65}}),
    ],
)
def test_bounds(kind: type[Any], good: dict[str, Any], bad: dict[str, Any]) -> None:
    _read(kind, good)
    with pytest.raises(msgspec.ValidationError):
        _read(kind, {**good, **bad})


def test_the_largest_honest_requests_fit_a_frame() -> None:
    topics = tuple(f"forming:{symbol:0>12}:MN1" for symbol in range(2_000))
    assert len(encode_request(GetSnapshot(topics), "i" * 64, 2**53, "c" * 64)) <= MAX_REQUEST_BYTES


def test_the_largest_topic_fits_an_event() -> None:
    [limit] = [meta.max_length for meta in typing.get_args(messages.Topic)[1:]]
    assert limit is not None
    assert limit < MAX_TOPIC_BYTES
    assert len(f"forming:{'Ä' * 64}:MN1".encode()) < MAX_TOPIC_BYTES


def test_a_reply_of_records_is_bounded() -> None:
    assert MAX_ROWS * RECORD_BYTES < 2 * 2**20


def test_flags_are_single_bits() -> None:
    assert messages.BACKFILLED.bit_count() == messages.LATE.bit_count() == 1
    assert messages.BACKFILLED != messages.LATE


def test_bodies_are_records_or_messages() -> None:
    assert all(kind is bytes or dataclasses.is_dataclass(kind) for kind in EVENT_BODIES.values())
