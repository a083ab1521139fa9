"""The messages between the gateway and its session."""

from __future__ import annotations

from typing import Any, get_args

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from bridge.errors import ERRORS, MalformedMessage, OrderRejected, UnknownSymbol
from bridge.session import link
from tests.scripted_session import attached, health

TO_SESSION: list[link.ToSession] = [
    link.Connect(3), link.Call(1, "account", Raw(b"\x80"), 1.5), link.StartStream("tick:A"), link.StartStream("tick:A", b"x" * 60),
    link.StopStream("tick:A"), link.Connect(1, 5, "Demo"), link.Stop(),
]  # fmt: skip
FROM_SESSION: list[link.FromSession] = [
    link.Ready("token", 7), attached(), link.AttachFailed("initialize", -10_003, "not found"), link.Lost("f", -10_004, "gone"),
    link.Result(1, Raw(b"\xc0")), link.failed(1, OrderRejected("no", next_step="ask", retcode=10006)),
    link.Publish([("tick:A", 1, b"x" * 60), ("account", 0, {"login": 1})]), link.Started("tick:A", None),
    link.Started("tick:A", b"x"), link.not_started("tick:A", UnknownSymbol("no", symbol="A")), health(),
    link.Busy("order", 60.0), link.Idle(), link.Misconfigured("no", "mend it"), link.Gone(["A"]), link.Stopped("tick:A"),
    health(quote=("A", 5)), link.Publish([("trade", 0, {})], {"trade": b"x"}), link.Started("trade", None, b"x"),
]  # fmt: skip


def test_every_message_is_tried_here() -> None:
    assert {type(message) for message in TO_SESSION} == set(get_args(link.ToSession))
    assert {type(message) for message in FROM_SESSION} == set(get_args(link.FromSession))


@pytest.mark.parametrize("message", TO_SESSION)
def test_to_the_session_and_back(message: link.ToSession) -> None:
    assert link.to_session(link.pack(message)) == message
    with pytest.raises(MalformedMessage):
        link.from_session(link.pack(message))


@pytest.mark.parametrize("message", FROM_SESSION)
def test_from_the_session_and_back(message: link.FromSession) -> None:
    assert link.from_session(link.pack(message)) == message
    with pytest.raises(MalformedMessage):
        link.to_session(link.pack(message))


@pytest.mark.parametrize("count", [1, 2, 300])
def test_several_messages_travel_in_one_frame(count: int) -> None:
    to_session, from_session = (TO_SESSION * 60)[:count], (FROM_SESSION * 60)[:count]
    assert link.all_to_session(link.together([*map(link.pack, to_session)])) == to_session
    assert link.all_from_session(link.together([*map(link.pack, from_session)])) == from_session


def test_among_several_messages_one_that_makes_no_sense_is_malformed() -> None:
    idle, connect = link.pack(link.Idle()), link.pack(link.Connect(1))
    for frame in (link.together([idle, connect]), link.together([idle, idle])[:-1], link.together([idle, idle]) + idle):
        for decode in (link.all_from_session, link.all_to_session):
            with pytest.raises(MalformedMessage):
                decode(frame)


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_every_error_survives_the_way(code: str) -> None:
    error = ERRORS[code]("what happened", next_step="what to do", number=5, name="x")
    for message in (link.failed(1, error), link.not_started("tick:A", error)):
        back = link.as_error(link.from_session(link.pack(message)))  # type: ignore[arg-type]
        assert type(back) is ERRORS[code]
        assert (back.message, back.next_step, back.details) == ("what happened", "what to do", {"number": 5, "name": "x"})


def test_records_travel_as_they_are() -> None:
    records = bytes(range(60)) * 1_000
    message = link.from_session(link.pack(link.Publish([("tick:A", 0, records)])))
    assert isinstance(message, link.Publish)
    assert message.events[0][2] == records


values: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=9) | st.binary(max_size=9),
    lambda children: st.lists(children, max_size=5),
    max_leaves=9,
)
tags = st.sampled_from(["connect", "call", "start", "ready", "attached", "result", "failed", "publish", "started", "busy", "idle"])
tagged = st.builds(lambda tag, rest: [tag, *rest], tags, st.lists(values, max_size=7))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | (values | tagged).map(msgpack.packb) | st.binary(max_size=60).map(b"\xdd".__add__))
def test_any_bytes_are_a_message_or_malformed(frame: bytes) -> None:
    for decode in (link.to_session, link.from_session, link.all_to_session, link.all_from_session):
        try:
            decode(frame)
        except MalformedMessage as error:
            told = str(error)
        else:
            told = ""
        assert "\n" not in told


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(FROM_SESSION), st.data())
def test_a_message_with_a_flipped_byte_is_another_message_or_malformed(message: link.FromSession, data: st.DataObject) -> None:
    frame = bytearray(link.pack(message))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        link.from_session(bytes(frame))
    except MalformedMessage as error:
        assert error.action == "fix"  # noqa: PT017
