"""Accounts, symbols and positions with every field filled, and tasks of several requests without a client."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

from bridge.records import Account, Symbol
from bridge.trading import Order, Position
from clients.history import Steps

T = TypeVar("T")


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(kind)


def filled(kind: type[T], **values: Any) -> T:
    """A record whose fields are empty, but for those given."""
    hints = _hints(cast(Hashable, kind))
    return kind(**{field.name: values.get(field.name, hints[field.name]()) for field in fields(kind)})  # type: ignore[arg-type]


def symbol(name: str, **values: Any) -> Symbol:
    """A symbol."""
    return filled(Symbol, name=name, **values)


def position(ticket: int, **values: Any) -> Position:
    """A position."""
    return filled(Position, ticket=ticket, identifier=ticket, **values)


def order(ticket: int, **values: Any) -> Order:
    """A pending order."""
    return filled(Order, ticket=ticket, **values)


ACCOUNT = filled(Account, login=1, currency="USD", balance=100.0)


def drive(steps: Steps[T], answer: Callable[[Any], Any]) -> T:
    """Go through a task of several requests; its result."""
    try:
        request = next(steps)
        while True:
            request = steps.send(answer(request))
    except StopIteration as stop:
        result: T = stop.value
        return result
