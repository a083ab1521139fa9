"""No bytes whatever do harm: the codec raises nothing but its own errors, and takes no memory that the sender did not send."""

from __future__ import annotations

import contextlib
import tracemalloc
from typing import Any

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge import codec
from bridge.codec import Event
from bridge.errors import BridgeError, InvalidParameters, MalformedMessage, UnknownMethod, WrongProtocol
from bridge.messages import REPLIES, ReplyMessage
from bridge.messages import REQUESTS as METHODS
from tests.message_strategies import BODIES, IDS, REQUESTS, RESULTS, plain_values

REPLY = {"version": 1, "id": "a1", "epoch": 7, "time_msc": 8, "result": None}
NESTED = b"\x91" * 60_000 + b"\xc0"
BOMBS = [kind + b"\xff\xff\xff\xff" for kind in (b"\xdd", b"\xdf", b"\xdb", b"\xc6", b"\xc9")]
"""The headers of the longest array, map, text, bin and extension."""


def read_everything(frame: bytes) -> None:
    """Every way in which bytes enter; only the codec's own errors may leave, and of those only the kinds that are promised."""
    for read in (codec.decode_request, codec.decode_reply, codec.decode_event):
        try:
            found = read(frame)
        except (MalformedMessage, WrongProtocol):
            continue
        if isinstance(found, Event):
            _read_body(found)
        elif isinstance(found, ReplyMessage):
            for method in REPLIES:
                _read_result(method, found)
        else:
            _read_params(found.method, found.params)
    for method in (*METHODS, "nothing"):
        _read_params(method, frame)
    for topic in ("connection", "heartbeat", "tick:A", "unknown"):
        _read_body(Event(topic, 1, 1, 1, 0, frame))


def _read_params(method: str, params: Any) -> None:
    with contextlib.suppress(InvalidParameters, UnknownMethod):
        codec.decode_params(method, params)


def _read_result(method: str, reply: ReplyMessage) -> None:
    try:
        codec.decode_result(method, reply)
    except MalformedMessage:
        pass
    except BridgeError:
        assert reply.error is not None


def _read_body(event: Event) -> None:
    with contextlib.suppress(MalformedMessage):
        codec.decode_body(event)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
@example(b"")
@example(b"\0")
@example(b"\0\0")
@example(b"\xff\xfe\0\x96\x01\x01\x01\x01\x01\xc0")
def test_arbitrary_bytes(frame: bytes) -> None:
    read_everything(frame)


@settings(max_examples=100, deadline=None)
@given(plain_values)
def test_arbitrary_values(value: Any) -> None:
    packed = msgpack.packb(value)
    read_everything(packed)
    for method in METHODS:
        _read_result(method, codec.decode_reply(codec.encode_reply("1", 1, 1, packed)))
    read_everything(b"log\0" + packed)
    read_everything(b"tick:A\0" + packed)


FRAMES = st.one_of(
    st.builds(codec.encode_request, REQUESTS, IDS, st.none() | st.integers(0, 2**53), st.none() | IDS),
    RESULTS.map(lambda case: codec.encode_reply("1", 1, 1, codec.pack(case[1]))),
    BODIES.map(
        lambda case: codec.encode_event(
            case[0].encode() + b"\0", 1, 1, 1, 0, case[1] if isinstance(case[1], bytes) else codec.plain_body(case[1])
        )
    ),
)


@settings(max_examples=150, deadline=None)
@given(FRAMES, st.data())
def test_good_frames_with_damage(frame: bytes, data: st.DataObject) -> None:
    spoiled = bytearray(frame)
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(0, len(spoiled) - 1)) if spoiled else 0
        kind = data.draw(st.sampled_from(["flip", "cut", "drop", "insert"]))
        if kind == "cut":
            del spoiled[where:]
        elif kind == "insert":
            spoiled[where:where] = data.draw(st.sampled_from([*BOMBS, b"\xc0", b"\x91" * 2_000, b"\xcb\x7f\xf8" + bytes(6)]))
        elif spoiled:
            if kind == "drop":
                del spoiled[where]
            else:
                spoiled[where] ^= data.draw(st.integers(1, 255))
    read_everything(bytes(spoiled))


def hostile() -> list[bytes]:
    """Small frames that ask for much: depth, length, and many empty containers."""
    head = b"\x84\xa7version\x01\xa2id\xa1a\xa6method\xa5order\xa6params"
    reply = b"\x86" + msgpack.packb(REPLY)[1:] + b"\xa5error\x84\xa4code\xa1x\xa6action\xa3fix\xa7message\xa1m\xa7details\x81\xa1x"
    event = b"\x96\x01\x01\x01\x01\x01"
    many = b"\xdc\xea\x60" + b"\x90" * 60_000
    order = b"\x82\xa7request\x80\xa1x"
    starts = [b"", head, head + order, order, reply, b"log\0" + event, b"zzz\0" + event, b"tick:\0"]
    return [start + what for start in starts for what in (*BOMBS, NESTED, b"\xdc\xff\xff" * 20_000, b"\x81\xa1x" * 20_000, many)]


@pytest.mark.parametrize("frame", hostile(), ids=range(len(hostile())))
def test_hostile_frames_take_no_memory(frame: bytes) -> None:
    tracemalloc.start()
    try:
        read_everything(frame)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20
