"""Moments and numbers as callers give them: what is taken, and one clear refusal of everything else.

Every refusal is an `InvalidParameters` whose `details` have the `field`, the `value` as it was given, and the `rule` that it
breaks; nothing was asked then.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol, TypeVar, overload

from bridge.errors import InvalidParameters

Moment = datetime | int | float | Decimal
"""Server time: a datetime, or seconds since 1970-01-01 as if the server's clock were UTC; numpy's numbers and `datetime64` will do
as well. A datetime without a zone is taken as it is read on the server's clock (or, where `utc` is given, as UTC); one with a zone
as what it shows in UTC. Never milliseconds."""

LAST_S = 2**31 - 1
"""The last second that the terminal knows, in 2038."""
MOST_ROWS = 50_000_000
"""Bars or ticks that one call may ask for by number: 3 GB of records."""
AHEAD_MSC = 86_400_000
"""No server's clock is a day ahead of UTC."""
_YEAR_2100_S = 4_102_444_800
_MOMENT = "a datetime, or seconds since 1970"


def refused(field: str, value: Any, rule: str, next_step: str = "") -> InvalidParameters:
    """The error for a value that breaks a rule, as in `count must be a whole number, not 1.5`."""
    shown = f"{value.isoformat(' ')} ({type(value).__name__})" if isinstance(value, datetime) else repr(value)
    plain = value if value is None or isinstance(value, bool | int | float | str) else str(value)
    return InvalidParameters(f"{field} must be {rule}, not {shown[:100]}", next_step=next_step, field=field, value=plain, rule=rule)


def server_msc(moment: Any, field: str) -> int:
    """Milliseconds of server time at a `Moment`. Raises `InvalidParameters` for what is not a time between 1970 and 2038."""
    plain = _plain(moment)
    if isinstance(plain, datetime):
        seconds = (plain if plain.tzinfo is not None else plain.replace(tzinfo=UTC)).timestamp()
    elif isinstance(plain, int | float) and not isinstance(plain, bool):
        seconds = float(plain)
        if seconds >= _YEAR_2100_S:
            raise refused(
                field, moment, f"{_MOMENT}: seconds, not milliseconds", f"divide it by 1000, as in {field}=time_msc / 1000"
            )
    else:
        raise refused(field, moment, _MOMENT)
    if not 0 <= seconds <= LAST_S:  # also refuses NaN
        raise refused(field, moment, "between 1970 and 2038")
    return round(seconds * 1e3)


def _plain(moment: Any) -> Any:
    """A number of another kind as one of Python's own. Only a moment to the nanosecond would become a number of them."""
    if isinstance(moment, Decimal):
        return float(moment) if moment.is_finite() else None
    if isinstance(moment, datetime | int | float) or not hasattr(moment, "dtype") or getattr(moment, "shape", None) != ():
        return moment
    return (moment.astype("M8[us]") if moment.dtype.kind == "M" else moment).item()


def whole(value: Any, field: str, least: int, most: int) -> int:
    """A whole number of Python's or numpy's within bounds. Raises `InvalidParameters`."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise refused(field, value, "a whole number")
    if not least <= number <= most:
        rule = f"a whole number of at least {least:,}" if number < least else f"at most {most:,}"
        raise refused(field, value, rule, "ask for one part of it after the other" if number > most else "")
    return number


def text(value: Any, field: str, meaning: str) -> str:
    """Text that is not empty. Raises `InvalidParameters`."""
    if not isinstance(value, str) or not value:
        raise refused(field, value, meaning)
    return value


@overload
def moved(moment: Moment, field: str, to_server: Callable[[int], int]) -> Moment: ...


@overload
def moved(moment: None, field: str, to_server: Callable[[int], int]) -> None: ...


def moved(moment: Moment | None, field: str, to_server: Callable[[int], int]) -> Moment | None:
    """A moment of UTC as one of server time; None stays None. `to_server` works in milliseconds."""
    return None if moment is None else to_server(server_msc(moment, field)) / 1e3


class Telling(Protocol):
    """What tells server time from UTC (`clients.server_time`)."""

    def server_msc(self, utc_msc: int) -> int:
        """The server's clock at a time of UTC."""


F = TypeVar("F", Moment, Moment | None)


def server_span(date_from: F, date_to: Moment | None, bridge_msc: int, told: Telling | None = None) -> tuple[F, Moment | None]:
    """Where a range of the history begins and ends, in server time; `told` where it is given in UTC. `bridge_msc` is UTC now, 0
    while that is not known.

    Raises `InvalidParameters` for one that begins when no server's clock can have been yet. It may end in the future.
    """
    latest_msc = bridge_msc + AHEAD_MSC
    if bridge_msc and date_from is not None and server_msc(date_from, "date_from") > latest_msc:
        latest = datetime.fromtimestamp(latest_msc // 1000, UTC)
        raise refused(
            "date_from", date_from, f"a time that has come: no server's clock shows more than {latest:%Y-%m-%d %H:%M} yet"
        )
    if told is None:
        return date_from, date_to
    return moved(date_from, "date_from", told.server_msc), moved(date_to, "date_to", told.server_msc)


def ordered(from_msc: int | None, to_msc: int | None, fields: tuple[str, str]) -> None:
    """Raises `InvalidParameters` for a range that ends before it begins."""
    if from_msc is not None and to_msc is not None and from_msc > to_msc:
        first, last = (datetime.fromtimestamp(msc / 1e3, UTC).isoformat(" ", "milliseconds")[:-6] for msc in (from_msc, to_msc))
        rule = f"not after {fields[1]}"
        raise InvalidParameters(
            f"{fields[0]} is after {fields[1]}: {first} is after {last}",
            next_step="exchange them",
            field=fields[0],
            value=from_msc / 1e3,
            rule=rule,
        )


def seconds_range(start: Moment | None, end: Moment | None) -> tuple[int, int]:
    """Whole seconds from `start` to `end`, both included; all of time where they are None."""
    from_msc = 0 if start is None else server_msc(start, "start")
    to_msc = LAST_S * 1000 if end is None else server_msc(end, "end")
    ordered(from_msc, to_msc, ("start", "end"))
    return from_msc // 1000, min(-(-to_msc // 1000), LAST_S)
