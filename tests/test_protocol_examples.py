"""The examples of `docs/protocol.md`: every one is read by the codec as what the page says that it is."""

from __future__ import annotations

import dataclasses
import json
import re
import types
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgpack
import pytest

from bridge import codec, messages, replies
from bridge.errors import ERRORS, BridgeError
from bridge.ticks import TICK_STRUCT

PAGE = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")


def zero(hint: Any) -> Any:
    """Some value of a type, for the fields that an example does not show."""
    if dataclasses.is_dataclass(hint):
        return complete({"…": "…"}, hint)
    return {int: 0, float: 0.0, str: "", bool: False}[hint]


def complete(value: Any, hint: Any) -> Any:
    """An example's value as it would travel: every name known, `…` filled in, `<60 bytes>` as bytes."""
    if isinstance(value, str) and (match := re.fullmatch(r"<(\d+) bytes>", value)):
        return bytes(int(match[1]))
    kind = get_args(hint)[0] if get_origin(hint) in (Union, types.UnionType, Annotated) else hint
    if isinstance(value, list) and get_origin(kind) is tuple:
        return [complete(item, get_args(kind)[0]) for item in value]
    if isinstance(value, dict) and dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        unknown = value.keys() - hints.keys() - {"…"}
        assert not unknown, f"{kind} has no {unknown}"
        shown = {name: complete(item, hints[name]) for name, item in value.items() if name != "…"}
        if "…" in value:
            for field in dataclasses.fields(kind):
                if field.name not in shown and field.default is dataclasses.MISSING:
                    shown[field.name] = zero(hints[field.name])
        return shown
    return value


def examples(key: str) -> list[Any]:
    """The examples in JSON that have a key."""
    found = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", PAGE, re.M | re.S)]
    return [example for example in found if key in example]


def test_there_is_an_example_of_each() -> None:
    assert [example["method"] for example in examples("params")] == list(messages.REQUESTS)
    plain_events = {family for family, kind in messages.EVENT_BODIES.items() if kind is not bytes}
    assert {example["topic"].partition(":")[0] for example in examples("topic")} == plain_events - {"account"}


@pytest.mark.parametrize("example", examples("params"), ids=lambda example: example["method"])
def test_examples_of_requests(example: Any) -> None:
    method = example["method"]
    codec.decode_params(method, msgpack.packb(complete(example["params"], messages.REQUESTS[method])))
    result = msgpack.packb(complete(example["result"], messages.REPLIES[method]))
    codec.decode_result(method, codec.decode_reply(codec.encode_reply("1", 1, 1, result)))


@pytest.mark.parametrize("example", examples("topic"), ids=lambda example: example["topic"])
def test_examples_of_events(example: Any) -> None:
    topic = example["topic"]
    body = complete(example["body"], messages.EVENT_BODIES[topic.partition(":")[0]])
    codec.decode_body(codec.decode_event(codec.encode_event(topic.encode() + b"\0", 1, 1, 1, 0, body)))


def test_examples_of_errors() -> None:
    for example in examples("error"):
        reply = {"version": 1, "id": "1", "epoch": 1, "time_msc": 1, "result": None, "error": example["error"]}
        with pytest.raises(ERRORS[example["error"]["code"]]) as caught:
            codec.decode_result(example["method"], codec.decode_reply(msgpack.packb(reply)))
        told: BridgeError = caught.value
        assert told.action == example["error"]["action"]


def frame(name: str) -> bytes:
    """The bytes of a `hex` example; what follows a `#` is a comment."""
    [block] = re.findall(rf"^```hex {name}\n(.*?)^```$", PAGE, re.M | re.S)
    return bytes.fromhex(" ".join(line.partition("#")[0] for line in block.splitlines()))


def test_bytes_of_a_request_and_its_reply() -> None:
    request = codec.decode_request(frame("request"))
    assert (request.id, codec.decode_params(request.method, request.params)) == ("1", messages.Ping())
    packed = codec.pack(replies.Pong("connected", 42))
    assert frame("reply") == codec.encode_reply("1", 1_700_000_000_000, 1_700_000_001_000, packed)


def test_bytes_of_an_event() -> None:
    tick = TICK_STRUCT.pack(1_700_011_328, 1.1, 1.3, 0.0, 0, 1_700_011_328_123, 6, 0.0)
    expected = codec.encode_event(b"tick:EURUSD\0", 1_700_000_000_000, 3, 1_700_000_001_000_000, 0, tick)
    assert frame("event").hex(" ") == expected.hex(" ")
