"""What callers give for the history: what is taken, and the one clear refusal of each other thing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bridge.errors import CallError, InvalidParameters, UnknownTimeframe
from clients import history
from clients.moments import AHEAD_MSC, MOST_ROWS, server_msc, server_span, whole

NOON = 1_704_110_400


@pytest.mark.parametrize(
    ("moment", "msc"),
    [
        (0, 0),
        (1.5, 1_500),
        (NOON, NOON * 1_000),
        (np.int64(NOON), NOON * 1_000),
        (np.float32(2.5), 2_500),
        (np.float64(2.5), 2_500),
        (np.array(NOON), NOON * 1_000),
        (Decimal("1.25"), 1_250),
        (datetime(2024, 1, 1, 12, 0, 0, 250_000), NOON * 1_000 + 250),
        (datetime(2024, 1, 1, 12, tzinfo=UTC), NOON * 1_000),
        (datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))), (NOON - 7_200) * 1_000),
        (pd.Timestamp("2024-01-01 12:00"), NOON * 1_000),
        (np.datetime64("2024-01-01T12:00:00.250", "ns"), NOON * 1_000 + 250),
        (np.datetime64("2024-01-01", "D"), (NOON - 43_200) * 1_000),
    ],
)
def test_moments(moment: Any, msc: int) -> None:
    assert server_msc(moment, "date_from") == msc


KIND = "a datetime, or seconds since 1970"
RANGE = "between 1970 and 2038"


@pytest.mark.parametrize(
    ("moment", "rule"),
    [
        (-1, RANGE),
        (-0.001, RANGE),
        (2**31, RANGE),
        (float("nan"), RANGE),
        (float("-inf"), RANGE),
        (datetime(1969, 12, 31), RANGE),
        (datetime(2040, 1, 1), RANGE),
        (NOON * 1_000, f"{KIND}: seconds, not milliseconds"),
        (np.int64(NOON * 1_000), f"{KIND}: seconds, not milliseconds"),
        (Decimal(NOON * 1_000), f"{KIND}: seconds, not milliseconds"),
        (float("inf"), f"{KIND}: seconds, not milliseconds"),
        (Decimal("NaN"), KIND),
        (Decimal("sNaN"), KIND),
        (np.datetime64("NaT"), KIND),
        (np.array([1, 2]), KIND),
        (True, KIND),
        (np.True_, KIND),
        (date(2024, 1, 1), KIND),
        (timedelta(1), KIND),
        ("2024-01-01", KIND),
        (None, KIND),
        (1j, KIND),
    ],
)
def test_what_is_no_moment(moment: Any, rule: str) -> None:
    with pytest.raises(InvalidParameters) as caught:
        server_msc(moment, "date_from")
    error = caught.value
    assert (error.details["field"], error.details["rule"]) == ("date_from", rule)
    assert "value" in error.details
    assert error.message.startswith(f"date_from must be {rule}, not ")
    assert "\n" not in str(error)


@pytest.mark.parametrize(("value", "number"), [(1, 1), (np.int64(7), 7), (np.uint8(9), 9), (MOST_ROWS, MOST_ROWS)])
def test_whole_numbers(value: Any, number: int) -> None:
    found = whole(value, "count", 1, MOST_ROWS)
    assert (found, type(found)) == (number, int)


TIMEFRAME = "one of M1 M2 M3"

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"symbol": ""}, "symbol", "the name of a symbol"),
    ({"symbol": None}, "symbol", "the name of a symbol"),
    ({"symbol": 7}, "symbol", "the name of a symbol"),
    ({"count": 0}, "count", "a whole number of at least 1"),
    ({"count": -5}, "count", "a whole number of at least 1"),
    ({"count": np.int64(0)}, "count", "a whole number of at least 1"),
    ({"count": MOST_ROWS + 1}, "count", "at most 50,000,000"),
    ({"count": 1.5}, "count", "a whole number"),
    ({"count": 5.0}, "count", "a whole number"),
    ({"count": Decimal(5)}, "count", "a whole number"),
    ({"count": True}, "count", "a whole number"),
    ({"count": "5"}, "count", "a whole number"),
    ({"date_from": 6, "date_to": 5}, "date_from", "not after date_to"),
    ({"date_from": datetime(2024, 1, 2), "date_to": datetime(2024, 1, 1)}, "date_from", "not after date_to"),
    ({"date_from": NOON * 1_000}, "date_from", f"{KIND}: seconds, not milliseconds"),
    ({"date_from": 1, "date_to": NOON * 1_000}, "date_to", f"{KIND}: seconds, not milliseconds"),
    ({"date_from": "now"}, "date_from", KIND),
]
OF_BARS: list[tuple[dict[str, Any], str, str]] = [
    ({"start": -1}, "start", "a whole number of at least 0"),
    ({"start": 2**31}, "start", "at most 2,147,483,647"),
    ({"start": 0.0}, "start", "a whole number"),
    ({"start": 1, "date_to": 5}, "start", "0 with date_to"),
    ({"timeframe": "M7"}, "timeframe", TIMEFRAME),
    ({"timeframe": ""}, "timeframe", TIMEFRAME),
    ({"timeframe": None}, "timeframe", TIMEFRAME),
    ({"timeframe": 5}, "timeframe", TIMEFRAME),
]
OF_TICKS: list[tuple[dict[str, Any], str, str]] = [
    ({"kind": "some"}, "kind", "all, info or trade"),
    ({"kind": None}, "kind", "all, info or trade"),
    ({"kind": []}, "kind", "all, info or trade"),
    ({"date_from": None}, "date_from", KIND),
]


@pytest.mark.parametrize(
    ("download", "given", "field", "rule"),
    [("rates", *case) for case in REFUSED + OF_BARS] + [("ticks", *case) for case in REFUSED + OF_TICKS],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(
    download: str, given: dict[str, Any], field: str, rule: str
) -> None:
    usual: dict[str, Any] = {"symbol": "EURUSD"} | ({"timeframe": "M1"} if download == "rates" else {"date_from": 1})
    steps: Any = getattr(history, download)(**usual | given)
    with pytest.raises(CallError) as caught:
        next(steps)
    error = caught.value
    assert error.details["field"] == field
    assert error.details["rule"].startswith(rule)
    assert "timeframe" in error.details or "value" in error.details
    assert isinstance(error, UnknownTimeframe if field == "timeframe" else InvalidParameters)


@pytest.mark.parametrize(
    ("timeframe", "hint"), [("m5", "write 'M5'"), (" H1", "write 'H1'"), (16408, "write 'D1'"), ("1h", "use one of M1"), (7, "use")]
)
def test_a_timeframe_in_other_words_is_told(timeframe: Any, hint: str) -> None:
    with pytest.raises(UnknownTimeframe) as caught:
        next(history.rates("EURUSD", timeframe))
    assert caught.value.next_step.startswith(hint)


def test_the_range_ends_with_what_has_come() -> None:
    now_msc = NOON * 1_000
    latest = (now_msc + AHEAD_MSC) / 1e3
    assert server_span(latest, None, now_msc) == (latest, None)
    assert server_span(None, latest + 1, now_msc) == (None, latest + 1)
    assert server_span(latest + 1, None, 0) == (latest + 1, None), "the bridge's clock is not known yet"
    with pytest.raises(InvalidParameters, match="no server's clock shows more than 2024-01-02 12:00 yet") as caught:
        server_span(latest + 1, None, now_msc)
    assert caught.value.details["field"] == "date_from"


class Ahead:
    """A server whose clock is an hour ahead."""

    def server_msc(self, utc_msc: int) -> int:
        return utc_msc + 3_600_000


def test_a_range_in_utc() -> None:
    assert server_span(NOON, datetime(2024, 1, 1, 13, tzinfo=UTC), NOON * 1_000, Ahead()) == (NOON + 3_600.0, NOON + 7_200.0)
