"""Server time and UTC on the client's side."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import InvalidParameters, TryAgain
from bridge.replies import ClockOffset
from bridge.terminal.simulator.clock import server_time_msc
from clients.history import moved
from clients.server_time import MARGIN_MSC, MeasuredTime, ServerTime, ZoneTime, as_datetime, last_change_s, server_time
from clients.tables import in_utc, rates_frame, ticks_frame
from tests.scripted_bridge import bar_record, tick_record

NEW_YORK_7 = "America/New_York+7"
HOUR_MSC = 3_600_000


def msc(*moment: int) -> int:
    return round(datetime(*moment, tzinfo=UTC).timestamp() * 1e3)  # type: ignore[arg-type, misc]


def measured(offset_s: int, *moment: int, confidence: str = "high") -> ClockOffset:
    return ClockOffset(offset_s, msc(*moment), confidence, 3)  # type: ignore[arg-type]


NOVEMBER = measured(7_200, 2026, 11, 23, 12)


# ---- one measured offset ---------------------------------------------------------------------------------------------------------


def test_a_measured_offset_is_taken_away() -> None:
    told = server_time(NOVEMBER, True)
    assert told.utc_msc(msc(2026, 11, 23, 14) + 123) == msc(2026, 11, 23, 12) + 123
    assert told.server_msc(msc(2026, 11, 23, 12) + 123) == msc(2026, 11, 23, 14) + 123
    assert as_datetime(told.utc_msc(msc(2026, 12, 24, 2) + 7)) == datetime(2026, 12, 24, 0, 0, 0, 7_000, tzinfo=UTC)


def test_without_an_offset_the_error_says_what_to_do() -> None:
    with pytest.raises(TryAgain, match=r"not known.*America/New_York\+7") as caught:
        server_time(ClockOffset(), True)
    assert caught.value.action == "retry"


@pytest.mark.parametrize(
    ("at", "change"),
    [
        ((2026, 3, 8, 6, 59, 59), (2025, 11, 2, 6)),
        ((2026, 3, 8, 7), (2026, 3, 8, 7)),
        ((2026, 3, 29, 0, 59, 59), (2026, 3, 8, 7)),
        ((2026, 7, 1), (2026, 3, 29, 1)),
        ((2026, 10, 25, 1), (2026, 10, 25, 1)),
        ((2026, 11, 23), (2026, 11, 1, 6)),
    ],
)
def test_the_last_change_of_either_rule(at: tuple[int, ...], change: tuple[int, ...]) -> None:
    assert last_change_s(msc(*at) // 1000) * 1000 == msc(*change)


def test_an_offset_is_not_applied_to_what_lies_before_the_last_change() -> None:
    told = MeasuredTime(NOVEMBER)
    first = msc(2026, 11, 1, 18)
    assert told.since_msc == first
    assert told.utc_msc(first + 2 * HOUR_MSC) == first
    with pytest.raises(InvalidParameters, match="before the last change of daylight saving"):
        told.utc_msc(first + 2 * HOUR_MSC - 1)
    with pytest.raises(InvalidParameters, match="2026-11-01 17:59"):
        told.server_msc(first - 1)


@given(
    st.integers(msc(2020, 1, 1), msc(2030, 1, 1)),
    st.integers(0, 200 * 24),
    st.sampled_from(["America/New_York+7", "Europe/Athens", "UTC+3"]),
)
@settings(max_examples=200, deadline=None)
def test_what_it_tells_is_right_for_every_server_that_follows_a_rule(at_msc: int, hours: int, zone: str) -> None:
    """An offset that was measured once, applied to an earlier moment: the true UTC, or an error."""
    offset_s = (server_time_msc(at_msc, zone) - at_msc) // 1000
    told = MeasuredTime(ClockOffset(offset_s, at_msc, "high", 2))
    earlier_msc = at_msc - hours * HOUR_MSC
    try:
        found = told.utc_msc(server_time_msc(earlier_msc, zone))
    except InvalidParameters:
        assert earlier_msc < last_change_s(at_msc // 1000) * 1000 + MARGIN_MSC
    else:
        assert found == earlier_msc


# ---- a zone ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["America/New_York+7", "Europe/Athens", "UTC", "UTC+3", "Asia/Kathmandu", "America/New_York-1"])
@given(utc_msc=st.integers(msc(2010, 1, 1), msc(2037, 1, 1)))
@settings(max_examples=60, deadline=None)
def test_a_zone_goes_there_and_back_through_every_change(zone: str, utc_msc: int) -> None:
    told = ZoneTime(zone)
    server_msc = told.server_msc(utc_msc)
    assert server_msc == server_time_msc(utc_msc, zone)
    back = told.utc_msc(server_msc)
    assert back in (utc_msc, utc_msc - HOUR_MSC)
    assert told.server_msc(back) == server_msc
    assert list(told.utc_index(index(server_msc)).asi8) == [back]


def index(*server_msc: int) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([pd.Timestamp(each, unit="ms", tz="UTC") for each in server_msc]).as_unit("ms")


def test_the_hour_that_comes_twice_is_taken_for_the_first() -> None:
    told = ZoneTime(NEW_YORK_7)
    first, second = msc(2026, 11, 1, 5, 30), msc(2026, 11, 1, 6, 30)
    assert told.server_msc(first) == told.server_msc(second) == msc(2026, 11, 1, 8, 30)
    assert told.utc_msc(msc(2026, 11, 1, 8, 30)) == first
    assert list(told.utc_index(index(msc(2026, 11, 1, 8, 30))).asi8) == [first]


def test_a_time_that_the_zone_leaves_out_is_refused() -> None:
    told = ZoneTime(NEW_YORK_7)
    with pytest.raises(InvalidParameters, match=r"a clock of America/New_York\+7 never shows 2026-03-08 09:30"):
        told.utc_msc(msc(2026, 3, 8, 9, 30))
    with pytest.raises(InvalidParameters, match="never shows 2026-03-08 09:30"):
        told.utc_index(index(msc(2026, 3, 8, 8, 30), msc(2026, 3, 8, 9, 30)))


@pytest.mark.parametrize("text", ["", "New York", "America/New_York+7h", "Nowhere/At_All", "+3", "../etc", "America"])
def test_what_is_no_zone_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameters, match="is no time zone"):
        ZoneTime(text)


def test_a_zone_that_was_measured_otherwise_is_refused() -> None:
    assert server_time(NOVEMBER, NEW_YORK_7).utc_msc(msc(2026, 7, 1, 15)) == msc(2026, 7, 1, 12)
    with pytest.raises(
        InvalidParameters, match=r"not that of UTC\+3: it was measured \+2:00 from UTC at 2026-11-23 12:00, not \+3:00"
    ):
        server_time(NOVEMBER, "UTC+3")


@pytest.mark.parametrize("clock", [ClockOffset(), measured(7_200, 2026, 11, 23, 12, confidence="low")])
def test_a_zone_needs_no_measurement(clock: ClockOffset) -> None:
    assert server_time(clock, "UTC+3").utc_msc(msc(2026, 11, 23, 15)) == msc(2026, 11, 23, 12)


# ---- frames ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [MeasuredTime(NOVEMBER), ZoneTime(NEW_YORK_7)])
def test_frames_keep_their_columns_and_resolution(told: ServerTime) -> None:
    times = [msc(2026, 11, 23, hour) for hour in (14, 15)]
    bars = rates_frame([bar_record(time // 1000) for time in times])
    ticks = ticks_frame([tick_record(time + 123) for time in times])
    for frame, more in ((bars, 0), (ticks, 123)):
        before = frame.index
        found = in_utc(frame.copy(), told)
        assert isinstance(found.index, pd.DatetimeIndex)
        assert isinstance(before, pd.DatetimeIndex)
        assert (found.index.name, str(found.index.tz), found.index.unit) == ("utc", "UTC", before.unit)
        assert [stamp.to_pydatetime() for stamp in found.index] == [as_datetime(time - 2 * HOUR_MSC + more) for time in times]
        pd.testing.assert_frame_equal(found.reset_index(drop=True), frame.reset_index(drop=True))
        assert in_utc(frame.iloc[:0], told).empty


def test_a_zone_follows_the_year_and_one_offset_does_not() -> None:
    times = [msc(2026, month, 23, 14) // 1000 for month in (1, 7, 11)]
    frame = rates_frame([bar_record(time) for time in times])
    assert list(in_utc(frame.copy(), ZoneTime(NEW_YORK_7)).index.hour) == [12, 11, 12]  # type: ignore[attr-defined]
    with pytest.raises(InvalidParameters, match="2026-01-23 12:00 UTC is before the last change"):
        in_utc(frame.copy(), MeasuredTime(NOVEMBER))


def test_ticks_that_came_late_are_looked_at_too() -> None:
    times = [msc(2026, 11, 23, 14), msc(2026, 7, 1, 14)]  # the broker inserted the second behind the first
    with pytest.raises(InvalidParameters, match="2026-07-01 12:00 UTC"):
        in_utc(ticks_frame([tick_record(time) for time in times]), MeasuredTime(NOVEMBER))


def test_dates_are_moved_as_well() -> None:
    told = server_time(NOVEMBER, True)
    berlin = datetime(2026, 11, 23, 13, tzinfo=ZoneInfo("Europe/Berlin"))
    for moment in (datetime(2026, 11, 23, 12), berlin, berlin.timestamp(), berlin + timedelta()):
        assert moved(moment, "date_from", told.server_msc) == msc(2026, 11, 23, 14) / 1e3
    assert moved(None, "date_from", told.server_msc) is None
