"""Bytes to messages and back: everything that is sent comes back the same, and no bytes whatever do harm."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import codec
from bridge.errors import (
    ERRORS,
    BridgeError,
    CallError,
    InvalidParameters,
    MalformedMessage,
    MustStop,
    OutcomeUnknown,
    TryAgain,
    UnknownMethod,
    WrongProtocol,
)
from bridge.messages import PROTOCOL_VERSION, GetSymbol, Ping, SendOrder
from bridge.replies import Pong, Snapshots, TopicSnapshot
from bridge.trading import TradeRequest
from tests.message_strategies import BODIES, EVENT_NUMBERS, IDS, REQUESTS, RESULTS, TEXT, plain_values, same

MODEST = settings(max_examples=60, deadline=None)
PING = {"version": 1, "id": "a1", "method": "ping", "params": {}}
REPLY = {"version": 1, "id": "a1", "epoch": 7, "time_msc": 8, "result": None}
LEAST = {method: msgspec.to_builtins(kind) for method, kind in (("symbol", GetSymbol("A")), ("order", SendOrder(TradeRequest())))}


# ---- there and back --------------------------------------------------------------------------------------------------------------


@MODEST
@given(REQUESTS, IDS, st.none() | st.integers(0, 2**53), st.none() | IDS)
def test_requests(request: Any, request_id: str, deadline_msc: int | None, client: str | None) -> None:
    message = codec.decode_request(codec.encode_request(request, request_id, deadline_msc, client))
    assert (message.version, message.id, message.method) == (PROTOCOL_VERSION, request_id, request.method)
    assert (message.deadline_msc, message.client) == (deadline_msc, client)
    assert same(codec.decode_params(message.method, message.params), request)


@MODEST
@given(RESULTS, IDS, st.integers(0, 2**63), st.integers(0, 2**63))
def test_replies(case: tuple[str, Any], request_id: str, epoch: int, time_msc: int) -> None:
    method, result = case
    frame = codec.encode_reply(request_id, epoch, time_msc, codec.pack(result))
    reply = codec.decode_reply(frame)
    assert (reply.id, reply.epoch, reply.time_msc, reply.error) == (request_id, epoch, time_msc, None)
    assert same(codec.decode_result(method, reply), result)
    whole = {"version": PROTOCOL_VERSION, "id": request_id, "epoch": epoch, "time_msc": time_msc, "result": result}
    assert frame == codec.pack(whole), "a packed result is put in place as it is"


@MODEST
@given(BODIES, EVENT_NUMBERS)
def test_events(case: tuple[str, Any], numbers: tuple[int, int, int, int]) -> None:
    topic, body = case
    sent = body if isinstance(body, bytes) else codec.plain_body(body)
    event = codec.decode_event(codec.encode_event(topic.encode() + b"\0", *numbers, sent))
    assert event[:-1] == (topic, *numbers)
    if isinstance(body, bytes):
        assert isinstance(event.body, memoryview)
        assert event.body == body
    else:
        assert same(codec.decode_body(event), body)


@MODEST
@given(st.sampled_from(sorted(ERRORS)), TEXT, TEXT, st.dictionaries(TEXT, plain_values), IDS)
def test_errors(code: str, message: str, next_step: str, details: dict[str, Any], request_id: str) -> None:
    error = ERRORS[code](message, next_step=next_step)
    error.details = details
    told = failure(codec.encode_failure(request_id, 1, 2, error))
    assert type(told) is ERRORS[code]
    assert (told.message, told.next_step, told.details, told.request_id) == (message, next_step, details, request_id)
    assert told.action == error.action


@pytest.mark.parametrize(
    ("action", "branch"), [("fix", CallError), ("retry", TryAgain), ("look", OutcomeUnknown), ("stop", MustStop)]
)
def test_an_unknown_error_is_of_its_branch(action: str, branch: type[BridgeError]) -> None:
    error = {"code": "of_a_later_release", "action": action, "message": "m", "more": 1}
    told = failure(msgpack.packb({**REPLY, "error": error}))
    assert type(told) is branch
    assert told.message == "m"


def failure(frame: bytes) -> BridgeError:
    with pytest.raises(BridgeError) as caught:
        codec.decode_result("ping", codec.decode_reply(frame))
    return caught.value


@given(st.binary(max_size=200))
@settings(max_examples=20, deadline=None)
def test_a_snapshot_carries_what_was_packed(records: bytes) -> None:
    topics = (
        TopicSnapshot("tick:A", 3, False, 0, msgspec.Raw(codec.pack(records))),
        TopicSnapshot("log", 0, False, 0, msgspec.Raw(b"\xc0")),
    )
    frame = codec.encode_reply("1", 1, 1, codec.pack(Snapshots(topics)))
    found = codec.decode_result("snapshot", codec.decode_reply(frame))
    assert [(item.topic, msgpack.unpackb(bytes(item.body))) for item in found.topics] == [("tick:A", records), ("log", None)]


def test_what_cannot_be_sent() -> None:
    with pytest.raises(TypeError, match="a object cannot be sent"):
        codec.pack({"details": object()})
    with pytest.raises(OverflowError):
        codec.pack(2**64)


# ---- the rules of requests -------------------------------------------------------------------------------------------------------


def request_error(**changes: Any) -> BridgeError:
    with pytest.raises(CallError) as caught:
        codec.decode_request(msgpack.packb({**PING, **changes}))
    return caught.value


@pytest.mark.parametrize(
    "request_id",
    [
        "", "a b", "a\0b", "\x1b[2J", "é", "a" * 65, 7, None, b"a", True,
        "a\n",
    ],
)  # fmt: skip
def test_request_ids_are_printable(request_id: Any) -> None:
    assert type(request_error(id=request_id)) is MalformedMessage


@pytest.mark.parametrize("version", [0, 2, -1, 2**64 - 1])
def test_another_version_is_said_to_the_sender(version: int) -> None:
    error = request_error(version=version)
    assert type(error) is WrongProtocol
    assert (error.request_id, error.details) == ("a1", {"version": version, "spoken": PROTOCOL_VERSION})


def test_another_version_is_seen_whatever_else_has_changed() -> None:
    frame = msgpack.packb({"version": 2, "id": "a1", "call": ["ping"]})
    for read in (codec.decode_request, codec.decode_reply):
        with pytest.raises(WrongProtocol) as caught:
            read(frame)
        assert caught.value.request_id == "a1"
    with pytest.raises(WrongProtocol):
        codec.decode_event(b"log\0" + msgpack.packb([2, "else"]))


@pytest.mark.parametrize("version", [1.0, "1", True, None, [1]])
def test_a_version_is_a_whole_number(version: Any) -> None:
    error = request_error(version=version)
    assert type(error) is MalformedMessage
    assert error.request_id == "a1"


def test_a_request_that_is_too_large() -> None:
    with pytest.raises(MalformedMessage, match="65536"):
        codec.decode_request(bytes(codec.MAX_REQUEST_BYTES + 1))


@pytest.mark.parametrize(
    ("method", "params", "field"),
    [
        ("symbol", {}, "symbol"),
        ("symbol", {"symbol": ""}, "symbol"),
        ("symbol", {"symbol": b"A"}, "symbol"),
        ("symbols", {"count": 0}, "count"),
        ("symbols", {"count": 2**70 % 2**64}, "count"),
        ("margin", {"action": 2, "symbol": "A", "volume": 1.0, "price": 1.0}, "action"),
        ("order", {"request": {"volume": float("nan")}}, "request.volume"),
        ("order", {"request": {"price": float("inf")}}, "request.price"),
        ("order", {"request": {"price": -0.1}}, "request.price"),
        ("order", {"request": {"magic": 2**63}}, "request.magic"),
        ("order", {"request": {"magic": 1.0}}, "request.magic"),
        ("order", {"request": {"comment": "x" * 65}}, "request.comment"),
    ],
)
def test_wrong_parameters_are_named(method: str, params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParameters) as caught:
        codec.decode_params(method, msgpack.packb(params))
    assert caught.value.details.items() >= {"method": method, "field": field}.items()
    assert caught.value.details["rule"]
    assert caught.value.message.startswith(f"{method}: ")


@pytest.mark.parametrize(
    ("method", "params", "field", "value"),
    [
        ("rates", {"symbol": "E", "timeframe": "M1", "count": 0}, "count", 0),
        ("rates", {"symbol": "E", "timeframe": 5}, "timeframe", 5),
        ("ticks", {"symbol": "E", "from_s": 1.7e12}, "from_s", 1.7e12),
        ("ticks", {"symbol": "E", "from_s": 1_700_000_000_000}, "from_s", 1_700_000_000_000),
        ("ticks", {"symbol": "", "from_s": 1}, "symbol", ""),
    ],
)
def test_the_value_that_is_wrong_is_told(method: str, params: dict[str, Any], field: str, value: Any) -> None:
    with pytest.raises(InvalidParameters) as caught:
        codec.decode_params(method, msgpack.packb(params))
    rule = caught.value.details["rule"]
    assert caught.value.details == {"method": method, "field": field, "value": value, "rule": rule}
    assert caught.value.message == f"{method}: {rule} - at `$.{field}`"


@pytest.mark.parametrize("params", [None, [], 1, "", b""])
def test_parameters_are_a_map(params: Any) -> None:
    with pytest.raises(InvalidParameters):
        codec.decode_params("ping", msgpack.packb(params))


def test_unknown_method() -> None:
    with pytest.raises(UnknownMethod) as caught:
        codec.decode_params("close_all", b"\x80")
    assert caught.value.details == {"method": "close_all"}


# ---- what a later release may send -----------------------------------------------------------------------------------------------


def test_unknown_fields_are_passed_over() -> None:
    message = codec.decode_request(msgpack.packb({**PING, "priority": 3, "params": {"deep": [1]}}))
    assert codec.decode_params(message.method, message.params) == Ping()
    assert codec.decode_params("symbol", msgpack.packb({"symbol": "A", "more": {}})) == GetSymbol("A")
    reply = codec.decode_reply(msgpack.packb({**REPLY, "result": {"state": "connected", "session_age_ms": 1, "x": 2}, "y": 3}))
    assert codec.decode_result("ping", reply) == Pong("connected", 1)


@pytest.mark.parametrize("method", ["order", "order_check"])
@pytest.mark.parametrize(
    ("params", "field"), [({"request": {"stop_loss": 1.0}}, "stop_loss"), ({"request": {}, "dry_run": True}, "dry_run")]
)
def test_unknown_fields_of_an_order_are_refused(method: str, params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParameters) as caught:
        codec.decode_params(method, msgpack.packb(params))
    assert caught.value.details == {"method": method, "field": field}


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    first, last = (msgpack.packb("request") + msgpack.packb({"volume": volume}) for volume in (1.0, 2.0))
    frame = b"\x82" + first + last
    assert codec.decode_params("order", frame) == SendOrder(TradeRequest(volume=2.0))


def test_whole_numbers_are_floats_too() -> None:
    assert codec.decode_params("order", msgpack.packb({"request": {"volume": 1}})) == SendOrder(TradeRequest(volume=1.0))


@pytest.mark.parametrize(("topic", "body"), [("tick:A", bytes(60)), ("log", {"level": "error", "message": "m"})])
def test_longer_events(topic: str, body: Any) -> None:
    prefix = topic.encode() + b"\0"
    known = codec.decode_event(prefix + msgpack.packb([1, 2, 3, 4, 5, body]))
    longer = codec.decode_event(prefix + msgpack.packb([1, 2, 3, 4, 5, body, {"more": 1}, None]))
    assert known[:-1] == longer[:-1] == (topic, 2, 3, 4, 5)
    if isinstance(body, bytes):
        assert longer.body == body
    else:
        assert codec.decode_body(longer) == codec.decode_body(known)


@pytest.mark.parametrize(
    "frame",
    [
        b"log", b"\0" + msgpack.packb([1, 2, 3, 4, 5, None]), b"log\0", b"log\0" + msgpack.packb([1, 2, 3, 4, 5]),
        b"log\0" + msgpack.packb([1, 2, 3, 4, 5, None]) + b"\xc0", b"log\0" + msgpack.packb([1, 2, 3.5, 4, 5, None]),
        b"l\xffg\0" + msgpack.packb([1, 2, 3, 4, 5, None]), b"x" * 256 + b"\0" + msgpack.packb([1, 2, 3, 4, 5, None]),
        b"tick:A\0" + msgpack.packb([1, 2, 3, 4, 5, "text"]), b"tick:A\0" + msgpack.packb([1, 2, 3, 4, 5, "text", 6]),
        b"log\0" + msgpack.packb({"version": 1}), b"log\0" + msgpack.packb([]),
    ],
    ids=range(12),
)  # fmt: skip
def test_malformed_events(frame: bytes) -> None:
    with pytest.raises(MalformedMessage):
        codec.decode_event(frame)


def test_bodies_of_unknown_topics_are_plain() -> None:
    event = codec.decode_event(b"weather\0" + msgpack.packb([1, 2, 3, 4, 5, {"rain": [1]}]))
    assert codec.decode_body(event) == {"rain": [1]}


def test_every_order_field_may_be_sent() -> None:
    names = {field.name for field in dataclasses.fields(TradeRequest)}
    assert LEAST["order"]["request"].keys() == names
    assert codec.decode_params("order", msgpack.packb(LEAST["order"])) == SendOrder(TradeRequest())
