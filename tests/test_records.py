"""Account, terminal and symbol: the same fields, in the same order and of the same types, as the terminal's package has."""

from __future__ import annotations

import dataclasses
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codec import pack
from bridge.mt5api.structs import FIELDS
from bridge.records import Account, Symbol, TerminalInfo
from tests.message_strategies import instances, same

PACKAGE = {Account: "AccountInfo", TerminalInfo: "TerminalInfo", Symbol: "SymbolInfo"}
PYTHON = {"u64": int, "i64": int, "u32": int, "i32": int, "f64": float, "str": str, "bool": bool}


@pytest.mark.parametrize("kind", PACKAGE)
def test_fields_are_the_packages(kind: type[Any]) -> None:
    hints = get_type_hints(kind)
    ours = [(field.name, hints[field.name]) for field in dataclasses.fields(kind)]
    assert ours == [(name, PYTHON[code]) for name, code in FIELDS[PACKAGE[kind]]]


def test_a_symbol_has_96_fields() -> None:
    assert len(dataclasses.fields(Symbol)) == 96


@pytest.mark.parametrize("kind", PACKAGE)
def test_every_field_is_needed(kind: type[Any]) -> None:
    with pytest.raises(TypeError, match=f"missing {len(dataclasses.fields(kind))} required"):
        kind()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(list(PACKAGE)).flatmap(instances))
def test_there_and_back(record: Any) -> None:
    assert same(msgspec.msgpack.decode(pack(record), type=type(record)), record)
    assert list(msgspec.msgpack.decode(pack(record))) == [field.name for field in dataclasses.fields(record)]


@pytest.mark.parametrize("kind", PACKAGE)
def test_a_newer_field_is_passed_over_and_a_missing_one_is_not(kind: type[Any]) -> None:
    blank: dict[type, Any] = {int: 0, float: 0.0, str: "", bool: False}
    full = {name: blank[hint] for name, hint in get_type_hints(kind).items()}
    assert msgspec.convert({**full, "of_a_newer_build": 1}, kind) == kind(**full)
    del full["name"]
    with pytest.raises(msgspec.ValidationError, match="name"):
        msgspec.convert(full, kind)
