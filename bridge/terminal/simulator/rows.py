"""Records as they travel: lists of their fields, in the order of the package's structures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any

from bridge.trading import TradeRequest

_GETTERS: dict[type, Callable[[Any], tuple[Any, ...]]] = {}


def row(record: Any) -> list[Any]:
    """A record as the list of its fields, a nested trade request likewise."""
    if isinstance(record, tuple):
        return list(record)
    getter = _GETTERS.get(type(record))
    if getter is None:
        getter = _GETTERS[type(record)] = attrgetter(*(field.name for field in fields(record)))
    return [row(value) if isinstance(value, TradeRequest) else value for value in getter(record)]
