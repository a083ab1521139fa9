"""Bars, ticks and symbols in parts, against histories that only answer what the bridge answers."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import InvalidParameters, TerminalRefused
from bridge.messages import GetRates, GetSymbols, GetTicks, Request
from bridge.replies import Records, Symbols
from bridge.ticks import iter_bars, iter_ticks
from clients import history
from tests.records import drive, symbol
from tests.scripted_bridge import bar_record, tick_record


class Bars:
    """The bars of the minutes given, the last of which is forming."""

    def __init__(self, minutes: list[int]) -> None:
        self.times = [minute * 60 for minute in minutes]
        self.asked: list[GetRates] = []

    def __call__(self, request: Request[Any]) -> Records:
        assert isinstance(request, GetRates)
        self.asked.append(request)
        end = len(self.times) - request.start
        if request.to_s is not None:
            end = sum(time <= request.to_s for time in self.times)
        chosen = self.times[max(0, end - request.count) : max(0, end)]
        return Records(len(chosen), b"".join(bar_record(time) for time in chosen))


def bar_times(chunks: list[bytes]) -> list[int]:
    return [bar.time for chunk in chunks for bar in iter_bars(chunk)]


@given(st.sets(st.integers(1, 60)), st.integers(1, 70), st.integers(0, 5), st.integers(1, 9))
@settings(max_examples=80, deadline=None)
def test_rates_by_count(minutes: set[int], count: int, start: int, part: int) -> None:
    bars = Bars(sorted(minutes))
    with patch.object(history, "MAX_ROWS", part):
        found = bar_times(drive(history.rates("X", "M1", count, start), bars))
    end = len(bars.times) - start
    assert found == bars.times[max(0, end - count) : max(0, end)]
    assert all(request.count <= part for request in bars.asked)


@given(st.sets(st.integers(1, 60)), st.integers(0, 3_700), st.integers(0, 3_700), st.none() | st.integers(1, 20), st.integers(1, 9))
@settings(max_examples=80, deadline=None)
def test_rates_by_dates(minutes: set[int], one: int, other: int, count: int | None, part: int) -> None:
    bars = Bars(sorted(minutes))
    first, last = sorted((one, other))
    with patch.object(history, "MAX_ROWS", part):
        found = bar_times(drive(history.rates("X", "M1", count, date_from=first, date_to=last), bars))
        since = bar_times(drive(history.rates("X", "M1", date_from=first), bars))
        until = bar_times(drive(history.rates("X", "M1", 3, date_to=last), bars))
    between = [time for time in bars.times if first <= time <= last]
    assert found == (between if count is None else between[-count:])
    assert since == [time for time in bars.times if first <= time]
    assert until == [time for time in bars.times if time <= last][-3:]


def test_a_bar_that_opens_between_two_parts_shifts_nothing() -> None:
    bars = Bars(list(range(1, 31)))

    def answer(request: Request[Any]) -> Records:
        records = bars(request)
        bars.times.append(bars.times[-1] + 60)
        return records

    with patch.object(history, "MAX_ROWS", 10):
        assert bar_times(drive(history.rates("X", "M1", 25), answer)) == [60 * minute for minute in range(6, 31)]


class Ticks:
    """Ticks at the milliseconds given."""

    def __init__(self, times_msc: list[int]) -> None:
        self.times_msc = sorted(times_msc)

    def __call__(self, request: Request[Any]) -> Records:
        assert isinstance(request, GetTicks)
        chosen = [(at, time) for at, time in enumerate(self.times_msc) if time >= request.from_s * 1000][: request.count]
        return Records(len(chosen), b"".join(tick_record(time, bid=float(at + 1)) for at, time in chosen))


def tick_numbers(chunks: list[bytes]) -> list[int]:
    return [int(tick.bid) - 1 for chunk in chunks for tick in iter_ticks(chunk)]


@given(
    st.lists(st.integers(1_000, 9_000), max_size=40),
    st.integers(0, 9_500),
    st.none() | st.integers(0, 9_500),
    st.none() | st.integers(1, 45),
    st.integers(12, 20),
)
@settings(max_examples=150, deadline=None)
def test_no_tick_is_lost_or_doubled_at_a_seam(
    times_msc: list[int], from_msc: int, to_msc: int | None, count: int | None, part: int
) -> None:
    ticks = Ticks(times_msc)
    per_second = max((sum(time // 1000 == second for time in times_msc) for second in range(1, 10)), default=0)
    if per_second >= part or (to_msc is not None and to_msc < from_msc):
        return
    with patch.object(history, "MAX_ROWS", part):
        chunks = drive(history.ticks("X", from_msc / 1e3, None if to_msc is None else to_msc / 1e3, count), ticks)
    wanted = [at for at, time in enumerate(ticks.times_msc) if from_msc <= time and (to_msc is None or time <= to_msc)]
    assert tick_numbers(chunks) == wanted[:count]


def test_a_second_that_exceeds_a_part_is_refused_and_not_cut() -> None:
    ticks = Ticks([1_500] * 25 + [2_000])
    with patch.object(history, "MAX_ROWS", 20), pytest.raises(TerminalRefused, match="more than 20 ticks in the second 1"):
        drive(history.ticks("X", 1), ticks)


def test_ticks_that_a_broker_inserts_at_the_seam_are_in_place() -> None:
    ticks = Ticks([1_000, 1_500, 2_000, 2_500])
    later = [1_000, 1_500, 2_000, 2_100, 2_500]

    def answer(request: Request[Any]) -> Records:
        records = ticks(request)
        ticks.times_msc = later
        return records

    with patch.object(history, "MAX_ROWS", 4):
        chunks = drive(history.ticks("X", 1), answer)
    assert [tick.time_msc for chunk in chunks for tick in iter_ticks(chunk)] == later


def test_symbols_are_asked_for_until_all_are_there() -> None:
    names = [f"S{number}" for number in range(7)]

    def answer(request: GetSymbols) -> Symbols:
        return Symbols(7, tuple(symbol(name) for name in names[request.start : request.start + 3]))

    assert [found.name for found in drive(history.symbols("*"), answer)] == names
    assert drive(history.symbols("*"), lambda request: Symbols(9, ())) == ()


def test_ranges_of_the_account_history() -> None:
    assert history.seconds_range(None, None) == (0, 2**31 - 1)
    assert history.seconds_range(1.5, 2.5) == (1, 3)
    with pytest.raises(InvalidParameters):
        history.seconds_range(5, 4)
