"""Hypothesis strategies for every message of the protocol, made from the types of its fields."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from msgspec import Meta, Raw

from bridge import codec, messages
from bridge.ticks import RECORD_BYTES

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)
RECORDS = st.integers(0, 3).flatmap(lambda rows: st.binary(min_size=rows * RECORD_BYTES, max_size=rows * RECORD_BYTES))
INTEGERS = st.integers(-(2**63), 2**64 - 1)
plain_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False) | TEXT | st.binary(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
"""What msgpack can carry, without NaN, which equals nothing."""


def _numbers(kind: type, meta: Meta | None) -> st.SearchStrategy[Any]:
    least: Any = meta.ge if meta and meta.ge is not None else None
    most: Any = meta.le if meta and meta.le is not None else None
    if kind is int:
        return st.integers(-(2**63) if least is None else least, 2**63 - 1 if most is None else most)
    return st.floats(least, most, allow_nan=meta is None)


_SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    bool: st.booleans(),
    bytes: RECORDS,
    Raw: plain_values.map(lambda value: Raw(codec.pack(value))),
    type(None): st.none(),
    Any: plain_values,
}


def values(hint: Any, meta: Meta | None = None) -> st.SearchStrategy[Any]:
    """Values of a field's type."""
    arguments = get_args(hint)
    if hasattr(hint, "__metadata__"):
        return values(arguments[0], hint.__metadata__[0])
    if dataclasses.is_dataclass(hint) or hasattr(hint, "_fields"):
        return instances(hint)
    if get_origin(hint) is tuple:
        least, most = (meta.min_length or 0, min(meta.max_length or 3, 3)) if meta else (0, 3)
        return st.lists(values(arguments[0]), min_size=least, max_size=most).map(tuple)
    if get_origin(hint) is dict:
        return st.dictionaries(TEXT, plain_values if arguments[1] is Any else values(arguments[1]), max_size=3)
    if type(None) in arguments:
        return st.none() | values(next(argument for argument in arguments if argument is not type(None)))
    if hint in (int, float):
        return _numbers(hint, meta)
    if hint is str and meta and meta.pattern:
        return IDS
    if hint is str and meta:
        return st.text(st.characters(codec="utf-8"), min_size=meta.min_length or 0, max_size=min(meta.max_length or 12, 64))
    return _SIMPLE[hint] if hint in _SIMPLE else st.sampled_from(arguments)


def instances(kind: Any) -> st.SearchStrategy[Any]:
    """Messages of a class, or named tuples."""
    hints = get_type_hints(kind, include_extras=True)
    names = kind._fields if hasattr(kind, "_fields") else [field.name for field in dataclasses.fields(kind)]
    return st.builds(kind, **{name: values(hints[name]) for name in names})


REQUESTS: st.SearchStrategy[Any] = st.sampled_from(list(messages.REQUESTS.values())).flatmap(instances)
RESULTS: st.SearchStrategy[tuple[str, Any]] = st.sampled_from(sorted(messages.REPLIES)).flatmap(
    lambda method: st.tuples(st.just(method), values(messages.REPLIES[method]))
)
BODIES: st.SearchStrategy[tuple[str, Any]] = st.sampled_from(sorted(messages.EVENT_BODIES)).flatmap(
    lambda family: st.tuples(st.sampled_from([family, f"{family}:A", f"{family}:Ä.r:M1"]), values(messages.EVENT_BODIES[family]))
)
EVENT_NUMBERS = st.tuples(*[st.integers(0, 2**63)] * 4)


def same(left: Any, right: Any) -> bool:
    """Equal, where NaN equals itself and packed bytes equal their content."""
    if isinstance(left, Raw):
        return isinstance(right, Raw) and bytes(left) == bytes(right)
    if dataclasses.is_dataclass(left):
        return type(left) is type(right) and all(
            same(getattr(left, field.name), getattr(right, field.name)) for field in dataclasses.fields(left)
        )
    if isinstance(left, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right) or (left != left and right != right)
