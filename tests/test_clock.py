from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.terminal.simulator.clock import SimulatedClock, server_time_msc


def _server(year: int, month: int, day: int, hour: int) -> datetime:
    msc = server_time_msc(int(datetime(year, month, day, hour, tzinfo=UTC).timestamp() * 1000))
    return datetime.fromtimestamp(msc / 1000, UTC).replace(tzinfo=None)


def test_server_time_is_two_hours_ahead_of_utc_in_winter_and_three_in_summer() -> None:
    assert _server(2024, 1, 10, 12) == datetime(2024, 1, 10, 14)
    assert _server(2024, 7, 10, 12) == datetime(2024, 7, 10, 15)


def test_daylight_saving_follows_new_york_not_europe() -> None:
    # New York switched on 2024-03-10, Europe on 2024-03-31.
    assert _server(2024, 3, 8, 12) == datetime(2024, 3, 8, 14)
    assert _server(2024, 3, 11, 12) == datetime(2024, 3, 11, 15)


def test_the_week_opens_on_monday_midnight() -> None:
    assert _server(2024, 1, 7, 22) == datetime(2024, 1, 8)  # Sunday 17:00 in New York


def test_milliseconds_are_kept() -> None:
    assert server_time_msc(1_704_888_000_123) % 1000 == 123


def test_the_clock_runs_at_its_speed() -> None:
    clock = SimulatedClock.starting(1_000_000, monotonic_s=50.0, speed=10.0)
    assert clock.now_msc(50.0) == 1_000_000
    assert clock.now_msc(51.5) == 1_015_000


def test_a_held_clock_stands_and_loses_no_time() -> None:
    clock = SimulatedClock.starting(0, monotonic_s=0.0, held=True)
    assert clock.now_msc(100.0) == 0
    clock = clock.release(100.0)
    assert clock.now_msc(101.0) == 1000
    clock = clock.hold(102.0).hold(103.0)
    assert clock.now_msc(500.0) == 2000
    assert clock.release(500.0).now_msc(500.5) == 2500


@pytest.mark.parametrize("speed", [0.0, -1.0, float("inf"), float("nan")])
def test_a_speed_must_be_positive(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        SimulatedClock.starting(0, monotonic_s=0.0, speed=speed)


@given(st.lists(st.tuples(st.sampled_from(["hold", "release", "read"]), st.floats(0, 1000)), max_size=20))
def test_the_clock_never_runs_backwards(steps: list[tuple[str, float]]) -> None:
    clock, monotonic_s, last = SimulatedClock.starting(0, monotonic_s=0.0), 0.0, 0
    for what, passed_s in steps:
        monotonic_s += passed_s
        if what != "read":
            clock = clock.hold(monotonic_s) if what == "hold" else clock.release(monotonic_s)
        assert clock.now_msc(monotonic_s) >= last
        last = clock.now_msc(monotonic_s)
