"""When silence is too long: with the densities of real feeds, over whole weeks, in virtual time."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.freshness import LEAST, SHORTEST_S, SLOT_S, WEEK_S, Rhythm, Week, is_stale

HOUR_S, DAY_S = 3_600, 86_400
TICKS_PER_S = (
    0.26, 0.21, 0.20, 0.15, 0.16, 0.21, 0.55, 0.85, 0.76, 0.74, 0.69, 0.85,
    1.99, 1.26, 1.51, 0.88, 0.47, 0.44, 0.31, 0.24, 0.26, 0.17, 0.11, 0.08,
)  # fmt: skip
"""Of EURUSD by hour of the day."""
MONDAY_S = 4 * DAY_S
"""1970-01-05 was one."""


def is_traded(at_s: float) -> bool:
    """Monday 00:02 to Friday 23:56, with a break from 21:58 to 23:01 each day."""
    day, time_s = divmod(at_s - MONDAY_S, DAY_S)
    if day % 7 > 4 or (day % 7 == 0 and time_s < 120) or (day % 7 == 4 and time_s >= DAY_S - 240):
        return False
    return not 22 * HOUR_S - 120 <= time_s < 23 * HOUR_S + 60


def market(seed: int, from_s: float, days: int) -> list[float]:
    """When ticks came: clusters, with a mean rate that goes with the hour and wanders."""
    random, at_s, level, times = Random(seed), from_s, 0.0, []
    while at_s < from_s + days * DAY_S:
        rate = TICKS_PER_S[int(at_s % DAY_S // HOUR_S)] / 2.5
        wait_s = random.expovariate(rate * 2.718**level)
        level += -level * min(1.0, wait_s / 60) + random.gauss(0.0, 0.6) * min(1.0, (2 * wait_s / 60) ** 0.5)
        at_s += wait_s
        if is_traded(at_s):
            times += [at_s + number * 0.09 for number in range(1 + int(random.expovariate(1 / 1.5)))]
    return times


def alarms(times: list[float], week: Week, until_s: int, rhythm: Rhythm) -> list[tuple[int, int]]:
    """When silence was found too long, and when it was over; looked at once a second."""
    found: list[tuple[int, int]] = []
    for newest_s, next_s in pairwise([*times, until_s]):
        look_s, end_s = int(newest_s) + 1, int(next_s) + (next_s != until_s)
        if end_s <= look_s - (next_s == until_s):
            continue  # the next one comes within the same second
        rhythm.heard(round(newest_s * 1e6))
        step_s = 1 if end_s - look_s < HOUR_S else 60
        for now_s in range(look_s, end_s, step_s):
            if is_stale(now_s - newest_s, rhythm.expected_s, newest_s, week):
                found.append((now_s, end_s))
                break
    return found


def test_some_days_of_an_ordinary_market_have_few_alarms_and_none_while_it_is_closed() -> None:
    wednesday_s, monday_s = MONDAY_S + WEEK_S + 2 * DAY_S, MONDAY_S + 2 * WEEK_S
    week = Week(at_s for at_s in range(MONDAY_S, MONDAY_S + WEEK_S, SLOT_S) if any(map(is_traded, range(at_s, at_s + SLOT_S, 60))))
    times = [at_s for at_s in market(2, wednesday_s, 6) if at_s < monday_s + HOUR_S]
    found = alarms(times, week, monday_s + 5 * HOUR_S, Rhythm())
    assert all(is_traded(since) for since, _ in found)
    assert len([since for since, _ in found if since < monday_s]) <= 5, "of three days"
    assert monday_s + HOUR_S < found[-1][0] < monday_s + HOUR_S + 600, "on Monday nothing comes any more"


@pytest.mark.parametrize(("at_h", "within_s"), [(3, 360), (12, 60), (16, 150), (20, 360)])
def test_a_feed_that_stops_is_found_soon(at_h: int, within_s: float) -> None:
    stop_s = MONDAY_S + at_h * HOUR_S + 1_800
    times = [time_s for time_s in market(at_h, MONDAY_S, 1) if time_s < stop_s]
    every = Week(range(0, WEEK_S, SLOT_S))
    since, _ = alarms(times, every, stop_s + 600, Rhythm())[-1]
    assert stop_s < since < stop_s + within_s


def test_before_the_rhythm_is_known_nothing_is_expected() -> None:
    rhythm = Rhythm()
    for number in range(LEAST):
        assert rhythm.expected_s is None
        rhythm.heard(number * 1_000_000)
    rhythm.heard(LEAST * 1_000_000)
    assert rhythm.expected_s == SHORTEST_S
    assert is_stale(1e6, None, 0.0, None) is None
    assert is_stale(6.0, 5.0, 0.0, None) is None, "nobody knows whether the market is open"
    assert is_stale(4.0, 5.0, 0.0, None) is False


def test_one_weekend_changes_the_expected_silence_no_more_than_any_long_one() -> None:
    rhythm = Rhythm()
    for second in range(200):
        rhythm.heard(second * 1_000_000)
    before_s = rhythm.expected_s or 0.0
    rhythm.heard(200 * 1_000_000 + 48 * HOUR_S * 1_000_000)
    assert (rhythm.expected_s or 0.0) <= 1.25 * max(before_s, SHORTEST_S)


@given(st.sets(st.integers(0, 2_015), max_size=300), st.floats(0, 3 * WEEK_S), st.floats(0, WEEK_S))
def test_the_open_time_is_that_of_the_slots_inside_sessions(slots: set[int], from_s: float, length_s: float) -> None:
    week = Week(WEEK_S + slot * SLOT_S for slot in slots)
    inside = {slot for slot in slots if (slot + 1) % 2_016 in slots and (slot - 1) % 2_016 in slots}
    first, last = int(from_s // SLOT_S), int((from_s + length_s) // SLOT_S)
    expected = sum(
        min(from_s + length_s, (slot + 1) * SLOT_S) - max(from_s, slot * SLOT_S)
        for slot in range(first, last + 1)
        if slot % 2_016 in inside
    )
    assert week.open_s(from_s, from_s + length_s) == pytest.approx(expected, abs=1e-3)
