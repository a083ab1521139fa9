"""The package's functions as they are: arguments and answers in the form of `bridge.mt5api.wire`, for programs that were written
for the package and are served through the bridge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bridge.mt5api.structs import FIELDS, RATE_DTYPE, TICK_DTYPE
from bridge.mt5api.wire import ANSWERS, ARGUMENTS
from bridge.terminal import TerminalError

_BY_NAME = frozenset({"orders_get", "positions_get"})
_HISTORY = frozenset({"history_orders_get", "history_deals_get"})
_REQUEST_FIELDS = tuple(name for name, _ in FIELDS["TradeRequest"])
_RECORDS: dict[str, np.dtype[np.void]] = {"rates": RATE_DTYPE, "ticks": TICK_DTYPE}
_SUCCESS, _FAILED, _INVALID, _INCOMPATIBLE = 1, -1, -2, -5
Packed = Callable[[str, Any, np.dtype[np.void]], bytes]


def native(
    call: Callable[..., Any], last_error: Callable[[], tuple[int, str]], packed: Packed, function: str, arguments: Sequence[Any]
) -> tuple[int, str, Any]:
    """Call a function as it is, once: code, text, and the value of a success. `packed` makes records of an array. Raises
    `TerminalError` when the link is lost."""
    try:
        positions, names = wire_arguments(function, arguments)
        found = call(function, *positions, **names)
        code, text = last_error()
        if code == _SUCCESS and found is not False:
            return _SUCCESS, str(text), wire_value(function, found, packed)
    except TerminalError as error:
        return error.code, error.text, None
    except (AttributeError, TypeError) as error:
        return _INCOMPATIBLE, f"{function}: its answer cannot be read ({error}): update MetaTrader5", None
    except ValueError as error:
        return _INVALID, str(error), None
    failure = TerminalError(function, int(code), str(text))
    if failure.link_lost:
        raise failure
    return (_FAILED, "Terminal: Call failed", None) if code == _SUCCESS else (failure.code, failure.text, None)


def wire_arguments(function: str, values: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments from the wire as the package's function takes them, by position and by name. Raises ValueError for a number of them
    that does not fit."""
    if function == "order_check":
        return (dict(zip(_REQUEST_FIELDS, values, strict=True)),), {}
    names = ARGUMENTS[function]
    if len(values) != len(names):
        raise ValueError(f"{function} has {len(names)} arguments, not {len(values)}")
    if function in _BY_NAME:
        return (), {name: value for name, value in zip(names, values, strict=True) if value is not None}
    if function in _HISTORY:
        dates = tuple(value for value in values[:2] if value is not None)
        return dates, {name: value for name, value in zip(names[2:], values[2:], strict=True) if value is not None}
    return tuple(value for value in values if value is not None), {}


def wire_value(function: str, found: Any, packed: Packed) -> Any:
    """What the package returned, as it travels; nothing found is an empty list."""
    kind, struct = ANSWERS[function]
    if kind in _RECORDS:
        return packed(function, found, _RECORDS[kind])
    if kind == "struct":
        return _fields(struct or "", found)
    if kind == "structs":
        return [_fields(struct or "", record) for record in found or ()]
    return list(found) if kind == "version" else found


def _fields(struct: str, found: Any) -> list[Any]:
    """The fields by name: those that a newer build added are passed over. Raises AttributeError."""
    return [
        _fields(kind, getattr(found, name)) if kind == "TradeRequest" else getattr(found, name) for name, kind in FIELDS[struct]
    ]
