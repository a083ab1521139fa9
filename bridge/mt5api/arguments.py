"""How MetaTrader5 5.0.6231 reads its arguments: types, ranges, lengths, dates, and the texts of its refusals.

The extension is compiled for Windows, where a C long has 32 bits; its ranges and messages are kept on every platform.  Where it
forgets a Python exception that a conversion left behind, the interpreter turns the call into a SystemError with that exception
as its cause; `Refused.cause` and the second value of `date` carry such exceptions.
"""

from __future__ import annotations

import datetime
import errno
import math
import operator
from collections.abc import Callable
from typing import Any

from bridge.mt5api.structs import FIELDS

SYMBOL_UNITS = 29  # lengths in UTF-16 code units, as in the extension's buffers
COMMENT_UNITS = 29
PATH_UNITS = 257
PASSWORD_UNITS = 253
SERVER_UNITS = 253
GROUP_UNITS = 1997

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
_HEAP_TYPE = 1 << 9
_FIRST_LOCAL_S = 86_400  # Windows converts no local time before this …
_LAST_LOCAL_S = 32_535_215_999  # … nor after 3000-12-31 23:59:59


class Refused(Exception):
    """The extension rejects the arguments: last_error becomes (-2, text); `cause` is an exception it left behind."""

    def __init__(self, text: str = "Invalid arguments", cause: BaseException | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.cause = cause


def utf16_units(value: str) -> int:
    """Length in UTF-16 code units: characters outside the basic plane count twice."""
    return len(value) + sum(character > "\uffff" for character in value)


def symbol(value: Any) -> str:
    """A symbol name given by position: a string of at most 29 units."""
    if not isinstance(value, str) or utf16_units(value) > SYMBOL_UNITS:
        raise Refused
    return str(value)


def text(value: Any, units: int, label: str) -> str:
    """A string that is refused by name: `Invalid "comment" argument`."""
    if not isinstance(value, str) or utf16_units(value) > units:
        raise Refused(f"Invalid {label}")
    return str(value)


def real(value: Any, label: str) -> float:
    """A number of a trade request: a float or a subclass; an int is refused."""
    if not isinstance(value, float):
        raise Refused(f"Invalid {label}")
    return float(value)


def uint32(value: Any, label: str) -> int:
    """An int (bool, not numpy) of 0 … 2**32 - 1."""
    number = _python_int(value, label)
    if number < 0:
        raise Refused(f"Invalid {label}", OverflowError("can't convert negative value to unsigned int"))
    if number >= 2**32:
        cause = OverflowError("Python int too large to convert to C unsigned long")
        raise Refused(f"Invalid {label}", cause)
    return number


def uint64(value: Any, label: str) -> int:
    """An int (bool, not numpy) of 0 … 2**64 - 1."""
    number = _python_int(value, label)
    if number < 0:
        raise Refused(f"Invalid {label}", OverflowError("can't convert negative int to unsigned"))
    if number >= 2**64:
        raise Refused(f"Invalid {label}", OverflowError("int too big to convert"))
    return number


def int64(value: Any, label: str) -> int:
    """An int (bool, not numpy) of -2**63 … 2**63 - 1."""
    number = _python_int(value, label)
    if not -(2**63) <= number < 2**63:
        raise Refused(f"Invalid {label}", OverflowError("int too big to convert"))
    return number


def _python_int(value: Any, label: str) -> int:
    if not isinstance(value, int):
        raise Refused(f"Invalid {label}")
    return int(value)


def date(value: Any, pending: BaseException | None = None) -> tuple[int, BaseException | None]:
    """A date as whole seconds since 1970 (int32, truncated toward zero), and the exception left behind, if any.

    Accepts datetime (naive: local time of this machine; before 1970-01-02 Windows has no answer), float, int and bool.  A float
    beyond int32, NaN and infinity become -2147483648.  An int beyond int32 becomes -1 and leaves an OverflowError behind, with
    which the call goes on; `pending` is one left behind by an earlier argument.
    """
    if isinstance(value, int):
        if INT32_MIN <= value <= INT32_MAX:
            return int(value), pending
        return -1, OverflowError("Python int too large to convert to C long")
    if isinstance(value, datetime.datetime):
        if pending is not None:
            error = SystemError(f"{value.timestamp!r} returned a result with an exception set")
            error.__cause__ = pending
            raise Refused(cause=error)
        value = _timestamp(value)
    if not isinstance(value, float):
        raise Refused(cause=pending)
    if not INT32_MIN <= value < INT32_MAX + 1:  # also NaN
        return INT32_MIN, pending
    return math.trunc(value), pending


def _timestamp(value: datetime.datetime) -> float:
    try:
        seconds = value.timestamp()
    except Exception as error:
        raise Refused(cause=error if value.tzinfo else _no_local_time()) from None
    if value.tzinfo is None and not _FIRST_LOCAL_S <= seconds <= _LAST_LOCAL_S:
        raise Refused(cause=_no_local_time())
    return seconds


def _no_local_time() -> OSError:
    return OSError(errno.EINVAL, "Invalid argument")


def int32(value: Any, _: int) -> int:
    """The argument format "i": anything with `__index__` within int32."""
    try:
        number = operator.index(value)
    except TypeError as error:
        raise Refused(cause=error) from None
    if not INT32_MIN <= number <= INT32_MAX:
        raise Refused(cause=OverflowError("Python int too large to convert to C long"))
    return number


def unsigned_long(value: Any, place: int) -> int:
    """The argument format "k": a Python int, reduced modulo 2**32 without a check."""
    if not isinstance(value, int):
        raise Refused(cause=TypeError(f"argument {place} must be int, not {_type_name(value)}"))
    return int(value) & 0xFFFF_FFFF


def double(value: Any, _: int) -> float:
    """The argument format "d": anything with `__float__` or `__index__`."""
    try:
        return math.ldexp(value, 0)  # converts as PyFloat_AsDouble does; float() would accept strings
    except (TypeError, OverflowError) as error:
        raise Refused(cause=error) from None


def _type_name(value: Any) -> str:
    """The C name of a value's type: with its module when the type is compiled."""
    kind = type(value)
    if value is None or kind.__flags__ & _HEAP_TYPE or kind.__module__ == "builtins":
        return "None" if value is None else kind.__name__
    return f"{kind.__module__}.{kind.__name__}"


_FORMATS: dict[str, Callable[[Any, int], Any]] = {
    "int32": int32,
    "unsigned_long": unsigned_long,
    "double": double,
}

POSITIONAL: dict[str, tuple[str, ...]] = {
    "symbol_info": ("symbol",),
    "symbol_info_tick": ("symbol",),
    "symbol_select": ("symbol", "flag"),
    "market_book_add": ("symbol",),
    "market_book_get": ("symbol",),
    "market_book_release": ("symbol",),
    "copy_rates_from": ("symbol", "int32", "date", "int32"),
    "copy_rates_from_pos": ("symbol", "int32", "int32", "int32"),
    "copy_rates_range": ("symbol", "int32", "date", "date"),
    "copy_ticks_from": ("symbol", "date", "int32", "int32"),
    "copy_ticks_range": ("symbol", "date", "date", "int32"),
    "history_orders_total": ("date", "date"),
    "history_deals_total": ("date", "date"),
    "order_calc_margin": ("unsigned_long", "symbol", "double", "double"),
    "order_calc_profit": ("unsigned_long", "symbol", "double", "double", "double"),
}
"""Kinds of the arguments of the positional functions, in order."""


def positional(function: str, args: tuple[Any, ...]) -> tuple[list[Any], BaseException | None]:
    """The arguments of a positional function as sent to the terminal, and an exception left behind.

    The number formats are read first, left to right, then the symbol and the dates.
    """
    kinds = POSITIONAL[function]
    if len(args) != len(kinds):
        raise Refused
    values = list(args)
    for index, kind in enumerate(kinds):
        if kind in _FORMATS:
            values[index] = _FORMATS[kind](values[index], index + 1)
    pending: BaseException | None = None
    for index, kind in enumerate(kinds):
        if kind == "symbol":
            values[index] = symbol(values[index])
        elif kind == "date":
            values[index], pending = date(values[index], pending)
        elif kind == "flag":
            values[index] = bool(values[index])
    return values, pending


_MISSING = object()
_REQUEST_KINDS: dict[str, tuple[Callable[[Any, str], Any], Any]] = {
    "u32": (uint32, 0),
    "u64": (uint64, 0),
    "i64": (int64, 0),
    "f64": (real, 0.0),
    "str": (lambda value, label: text(value, COMMENT_UNITS, label), ""),
}


def trade_request(fields: dict[Any, Any]) -> list[Any]:
    """The 17 fields of a trade request, in order; the first bad one is refused by name.

    Unknown keys are ignored, missing ones become 0, 0.0 or "" (so a missing type_filling means FOK); an explicit None is refused.
    """
    values = []
    for name, kind in FIELDS["TradeRequest"]:
        convert, absent = _REQUEST_KINDS[kind]
        # dict.get, not the object's own: a defaultdict must not invent values.
        value = dict.get(fields, name, _MISSING)
        values.append(absent if value is _MISSING else convert(value, f'"{name}" argument'))
    return values
