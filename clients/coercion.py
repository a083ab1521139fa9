"""Values of a program as values of the wire: numpy's numbers, decimals and whole volumes are taken, what is no number is refused.

A refusal has `field`, `value`, `rule` and `nearest` in its details, as one of the bridge has (`docs/protocol.md`, section order).
"""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, Literal

from bridge.errors import InvalidParameters
from bridge.trading import TradeRequest

COMMENT_CHARACTERS = 27
"""What every build of the package and every broker takes as a comment."""
_FIELDS: dict[str, type] = {field.name: int if field.default is None else type(field.default) for field in fields(TradeRequest)}
_MAX_TEXT = 64
_MAX_AMOUNT = 1e15
_MAX_WHOLE = 2**63 - 1

_ALIASES = {"stoploss": "sl", "takeprofit": "tp", "lots": "volume", "lot": "volume", "slippage": "deviation", "ticket": "position"}
"""What other programs call these fields."""

Rule = Literal[
    "unknown_field",
    "number",
    "whole_number",
    "text",
    "comment",
    "choice",
    "contradiction",
    "range",
    "stops",
    "volume_min",
    "margin",
]


def refused(rule: Rule, field: str, value: Any, nearest: Any, why: str) -> InvalidParameters:
    """The refusal of a value, in one line."""
    near = "" if nearest is None else f"; nearest is {nearest!a}"
    shown = ascii(value)
    shown = shown if len(shown) <= _MAX_TEXT else f"{shown[: _MAX_TEXT - 3]}..."
    return InvalidParameters(
        f"{field}={shown}: {why}{near}",
        next_step="nothing was sent: correct it",
        field=field,
        value=value if isinstance(value, int | float | str | None) else repr(value),
        rule=rule,
        nearest=nearest,
    )


def known(given: Iterable[Any], names: Iterable[str], of: str) -> None:
    """Raises `InvalidParameters` for the first name that is none, with the one that may have been meant."""
    names = list(names)
    for name in given:
        if name not in names:
            alias = _ALIASES.get(str(name).lower().replace("_", ""))
            near = [alias] if alias in names else difflib.get_close_matches(str(name), names, 1, 0.5)
            why = f"{of} has no field {name!r}" + (f", did you mean {near[0]!r}?" if near else "")
            raise refused("unknown_field", str(name), name, near[0] if near else None, why)


def amount(value: Any, field: str) -> float:
    """A price or a volume: finite and not negative. Floats of less precision count as the decimal number that they show."""
    number = value
    if not isinstance(value, float | int) or isinstance(value, bool):
        if isinstance(value, Decimal):
            number = value
        elif _is_number(value):
            number = str(value)
        else:
            raise refused("number", field, value, None, f"a number is needed, not {type(value).__name__}")
    try:
        made = float(number)
    except (ValueError, OverflowError, TypeError):
        raise refused("number", field, value, None, "it is no number that can be sent") from None
    if not math.isfinite(made):
        raise refused("number", field, value, None, "a finite number is needed")
    if not 0.0 <= made <= _MAX_AMOUNT:
        raise refused("number", field, value, None, f"a number from 0 to {_MAX_AMOUNT:g} is needed")
    return made


def _is_number(value: Any) -> bool:
    """Whether this is a scalar of numpy, or something else that says it is one number."""
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return kind in ("i", "u", "f") and getattr(value, "ndim", 1) == 0


def whole(value: Any, field: str) -> int:
    """A ticket, a magic number or an enumeration."""
    if isinstance(value, bool) or getattr(getattr(value, "dtype", None), "kind", "") == "b":
        raise refused("whole_number", field, value, None, "a whole number is needed, not a truth value")
    try:
        made = int(operator.index(value))
    except TypeError:
        near = int(value) if isinstance(value, float) and math.isfinite(value) and value >= 0 else None
        raise refused("whole_number", field, value, near, f"a whole number is needed, not {type(value).__name__}") from None
    if not 0 <= made <= _MAX_WHOLE:
        raise refused("whole_number", field, value, None, "it must lie between 0 and 2**63 - 1")
    return made


def text(value: Any, field: str) -> str:
    """A symbol or a comment; a comment has at most 27 plain characters."""
    if not isinstance(value, str):
        raise refused("text", field, value, None, f"text is needed, not {type(value).__name__}")
    made = str(value)
    if field == "comment":
        plain = "".join(letter for letter in made if " " <= letter <= "~")[:COMMENT_CHARACTERS]
        if plain != made:
            raise refused("comment", field, made, plain, f"at most {COMMENT_CHARACTERS} plain characters are allowed")
    elif len(made) > _MAX_TEXT or not made.isprintable():
        raise refused("text", field, made, None, f"at most {_MAX_TEXT} printable characters are allowed")
    return made


_KINDS = {int: whole, float: amount, str: text}


_amounts = operator.attrgetter(*(name for name, kind in _FIELDS.items() if kind is float))
_wholes = operator.attrgetter(*(name for name, kind in _FIELDS.items() if kind is int and name != "type_filling"))


def _is_sound(request: TradeRequest) -> bool:
    """Whether every value is what it should be: that is nearly always so, and costs a tenth of looking at each by itself."""
    amounts, wholes = _amounts(request), _wholes(request)
    return (
        {*map(type, amounts)} == {float}
        and {*map(type, wholes)} == {int}
        and type(request.type_filling) in (int, type(None))
        and type(request.symbol) is type(request.comment) is str
        and min(amounts) >= 0.0
        and sum(amounts) <= _MAX_AMOUNT  # also false for what is no number
        and min(wholes) >= 0
        and max(wholes) <= _MAX_WHOLE
        and 0 <= (request.type_filling or 0) <= _MAX_WHOLE
        and len(request.comment) <= COMMENT_CHARACTERS
        and request.comment.isascii()
        and request.comment.isprintable()
        and len(request.symbol) <= _MAX_TEXT
        and request.symbol.isprintable()
    )


def trade_request(request: TradeRequest | Mapping[str, Any]) -> TradeRequest:
    """A trade request from a mapping of its fields, or from one that was made with numpy's numbers. Raises `InvalidParameters`."""
    if type(request) is TradeRequest and _is_sound(request):
        return request
    if isinstance(request, TradeRequest):
        given: dict[str, Any] = {name: getattr(request, name) for name in _FIELDS}
    elif isinstance(request, Mapping):
        given = dict(request)
    else:
        raise refused("text", "request", request, None, "a TradeRequest or a mapping of its fields is needed")
    known(given, _FIELDS, "a trade request")
    if given.get("type_filling", 0) is None:
        del given["type_filling"]
    values: dict[str, Any] = {name: _KINDS[_FIELDS[name]](value, name) for name, value in given.items()}
    return TradeRequest(**values)
