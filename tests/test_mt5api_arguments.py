from __future__ import annotations

import datetime
import decimal
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.mt5api import arguments
from bridge.mt5api.arguments import Refused

UTC = datetime.UTC
AWARE = st.datetimes(timezones=st.just(UTC))


@given(AWARE)
@settings(max_examples=200, deadline=None)
def test_aware_dates_are_whole_seconds_or_clipped(moment: datetime.datetime) -> None:
    seconds, pending = arguments.date(moment)
    exact = moment.timestamp()
    assert pending is None
    assert seconds == (math.trunc(exact) if -(2**31) <= exact < 2**31 else -(2**31))


@given(st.floats(allow_nan=True, allow_infinity=True))
@settings(max_examples=200, deadline=None)
def test_float_dates_truncate_toward_zero(value: float) -> None:
    seconds, pending = arguments.date(value)
    assert pending is None
    assert -(2**31) <= seconds < 2**31
    if abs(value) < 2**31:
        assert seconds == int(value)
    else:
        assert seconds == -(2**31)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1704067200, 1704067200),
        (True, 1),
        (-1, -1),
        (-1.9, -1),
        (1704067200.999, 1704067200),
        (np.float64(1704067200.5), 1704067200),
        (datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=3))), 1704099600),
        (datetime.datetime(2038, 1, 19, 3, 14, 7, 999999, tzinfo=UTC), 2**31 - 1),
        (datetime.datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC), -(2**31)),
        (pd.Timestamp("2024-01-01T00:00:00.9Z"), 1704067200),
    ],
)
def test_dates(value: Any, seconds: int) -> None:
    assert arguments.date(value) == (seconds, None)


def test_naive_dates_are_local() -> None:
    naive = datetime.datetime(2024, 7, 1, 12)
    assert arguments.date(naive) == (int(naive.timestamp()), None)


@pytest.mark.parametrize("year", [1, 1960, 1969, 3002, 9999])
def test_naive_dates_that_windows_cannot_convert(year: int) -> None:
    with pytest.raises(Refused) as refused:
        arguments.date(datetime.datetime(year, 6, 1))
    assert isinstance(refused.value.cause, OSError)
    assert str(refused.value.cause) == "[Errno 22] Invalid argument"


@pytest.mark.parametrize("value", [2**31, 2**64, -(2**31) - 1])
def test_integers_beyond_int32_leave_an_exception_behind(value: int) -> None:
    seconds, pending = arguments.date(value)
    assert seconds == -1
    assert isinstance(pending, OverflowError)
    with pytest.raises(Refused) as refused:  # which trips the next datetime
        arguments.date(datetime.datetime(2024, 1, 1, tzinfo=UTC), pending)
    assert isinstance(refused.value.cause, SystemError)
    assert refused.value.cause.__cause__ is pending


@pytest.mark.parametrize(
    "value", [None, "2024", b"x", 1j, datetime.date(2024, 1, 1), np.int64(1), np.float32(1), np.datetime64("2024")]
)
def test_not_dates(value: Any) -> None:
    with pytest.raises(Refused, match="Invalid arguments") as refused:
        arguments.date(value)
    assert refused.value.cause is None


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_lengths_are_utf16_units(text: str) -> None:
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    assert arguments.utf16_units(text) == units
    if units <= 29:
        assert arguments.symbol(text) == text
    else:
        with pytest.raises(Refused):
            arguments.symbol(text)


@given(st.integers(-(2**66), 2**66))
@settings(max_examples=300, deadline=None)
def test_integer_ranges(value: int) -> None:
    for convert, low, high in (
        (arguments.uint32, 0, 2**32 - 1),
        (arguments.uint64, 0, 2**64 - 1),
        (arguments.int64, -(2**63), 2**63 - 1),
    ):
        if low <= value <= high:
            assert convert(value, "x") == value
        else:
            with pytest.raises(Refused, match="Invalid x") as refused:
                convert(value, "x")
            assert isinstance(refused.value.cause, OverflowError)
    assert arguments.unsigned_long(value, 1) == value % 2**32


@pytest.mark.parametrize("value", [1.0, "1", None, np.int64(1), np.bool_(True), decimal.Decimal(1)])
def test_must_be_python_integers(value: Any) -> None:
    for convert in (arguments.uint32, arguments.uint64, arguments.int64):
        with pytest.raises(Refused, match="Invalid x") as refused:
            convert(value, "x")
        assert refused.value.cause is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "None"), ("0", "str"), (0.0, "float"), (np.int64(0), "numpy.int64")],
)
def test_action_must_be_a_python_int(value: Any, shown: str) -> None:
    with pytest.raises(Refused) as refused:
        arguments.unsigned_long(value, 1)
    assert str(refused.value.cause) == f"argument 1 must be int, not {shown}"


def test_request_defaults_and_order() -> None:
    assert arguments.trade_request({}) == [0, 0, 0, "", 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0, 0, "", 0, 0]
    request = arguments.trade_request(
        {"action": True, "volume": np.float64(0.1), "symbol": np.str_("EURUSD"), "foo": object(), 7: 1}
    )
    assert request[:5] == [1, 0, 0, "EURUSD", 0.1]
    assert [type(value) for value in request[:5]] == [int, int, int, str, float]


@pytest.mark.parametrize("field", ["volume", "price", "stoplimit", "sl", "tp"])
@pytest.mark.parametrize("value", [1, True, None, "1", np.float32(1), decimal.Decimal(1)])
def test_request_prices_are_floats(field: str, value: Any) -> None:
    with pytest.raises(Refused, match=f'Invalid "{field}" argument'):
        arguments.trade_request({field: value})


def test_first_bad_field_is_named() -> None:
    with pytest.raises(Refused, match='Invalid "magic" argument'):
        arguments.trade_request({"comment": 7, "magic": "m", "position_by": "z"})
