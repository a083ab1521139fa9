"""Replies and the bodies of events: they travel whole, and say nothing that the rest of the bridge does not mean."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import replies
from bridge.codec import pack, plain_body
from bridge.connection import State
from bridge.messages import EVENT_BODIES, REPLIES
from bridge.replies import (
    ConnectionState,
    Heartbeat,
    LastTick,
    OrderOutcome,
    TopicSnapshot,
    TopicStatus,
    TradeEvent,
    TradeSnapshot,
)
from bridge.session.chronicle import ENDS
from bridge.session.orders import ACCEPTED
from bridge.topics import Stream
from tests.message_strategies import instances, same

KINDS = [kind for kind in vars(replies).values() if dataclasses.is_dataclass(kind) and kind.__module__ == replies.__name__]


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(KINDS).flatmap(instances))
def test_there_and_back(message: Any) -> None:
    assert same(msgspec.msgpack.decode(pack(message), type=type(message)), message)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([kind for kind in EVENT_BODIES.values() if kind is not bytes]).flatmap(instances))
def test_a_body_as_plain_types(message: Any) -> None:
    body = plain_body(message)
    assert list(body) == [field.name for field in dataclasses.fields(message)]
    assert same(msgspec.convert(body, type(message)), message)


@pytest.mark.parametrize("kind", KINDS)
def test_every_reply_is_frozen_and_used(kind: type[Any]) -> None:
    assert kind.__dataclass_params__.frozen
    assert not hasattr(object.__new__(kind), "__dict__")
    told = [*REPLIES.values(), *EVENT_BODIES.values(), TradeSnapshot]  # the last is the body of a snapshot
    users = [*told, *(hint for user in KINDS for hint in get_type_hints(user).values())]
    assert any(kind is user or kind in get_args(user) for user in users)


def literals(kind: type[Any], field: str) -> tuple[Any, ...]:
    return get_args(get_type_hints(kind)[field])


def test_the_words_are_those_of_the_parts_that_use_them() -> None:
    assert literals(ConnectionState, "state") == tuple(State)
    assert literals(TopicStatus, "stream") == tuple(Stream)
    assert set(literals(TradeEvent, "kind")) > set(ENDS.values())
    assert set(literals(OrderOutcome, "outcome")) == {*ACCEPTED.values(), "dry_run"}


def test_an_unknown_word_is_refused() -> None:
    good = {"state": "connected", "cause": "c", "since_msc": 1}
    assert msgspec.convert(good, ConnectionState) == ConnectionState("connected", "c", 1)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**good, "state": "confused"}, ConnectionState)


def test_a_heartbeat_without_a_session() -> None:
    beat = Heartbeat(1_000, "starting", None, {})
    assert msgspec.msgpack.decode(pack(beat), type=Heartbeat) == beat
    with pytest.raises(msgspec.ValidationError, match="session_age_ms"):
        msgspec.msgpack.decode(pack({"period_ms": 1, "state": "s", "sequences": {}}), type=Heartbeat)


@pytest.mark.parametrize("body", [None, b"x" * 60, {"login": 1}])
def test_the_body_of_a_snapshot_is_packed_in_place(body: Any) -> None:
    packed = pack(TopicSnapshot("t", 1, False, 0, msgspec.Raw(pack(body))))
    assert msgspec.msgpack.decode(packed)["body"] == body
    assert bytes(msgspec.msgpack.decode(packed, type=TopicSnapshot).body) == pack(body)


def test_records_travel_as_bytes() -> None:
    packed = pack(LastTick(bytes(60), 0, "terminal"))
    assert b"\xc4\x3c" + bytes(60) in packed, "a msgpack bin"
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(pack({"record": "text", "age_ms": 0, "source": "terminal"}), type=LastTick)
