from __future__ import annotations

import pytest

from bridge.terminal.simulator.sessions import SCHEDULES, day_start, is_open, weekday
from tests.scripted_market import START_MSC, START_S

MIDNIGHT_MSC = (START_S - START_S % 86_400) * 1000  # Wednesday
HOUR_MSC, DAY_MSC = 3_600_000, 86_400_000


def test_days_count_from_sunday() -> None:
    assert weekday(START_S) == 3
    assert weekday(0) == 4  # 1970-01-01 was a Thursday
    assert [weekday(START_S + day * 86_400) for day in range(1, 5)] == [4, 5, 6, 0]
    assert day_start(START_S) == MIDNIGHT_MSC // 1000


@pytest.mark.parametrize(
    ("schedule", "after_msc", "opened"),
    [
        ("forex", 0, True),
        ("forex", 2 * DAY_MSC + 24 * HOUR_MSC - 1, True),  # Friday's last millisecond
        ("forex", 3 * DAY_MSC, False),
        ("forex", 5 * DAY_MSC - 1, False),
        ("forex", 5 * DAY_MSC, True),  # Monday 00:00
        ("metals", HOUR_MSC - 1, False),
        ("metals", HOUR_MSC, True),
        ("stocks", 16 * HOUR_MSC, False),
        ("stocks", 17 * HOUR_MSC, True),
        ("stocks", 23 * HOUR_MSC, False),
        ("always", 3 * DAY_MSC, True),
    ],
)
def test_openings(schedule: str, after_msc: int, opened: bool) -> None:
    assert is_open(schedule, MIDNIGHT_MSC + after_msc) is opened


def test_schedules_have_seven_days_of_ordered_spans() -> None:
    for days in SCHEDULES.values():
        assert len(days) == 7
        for spans in days:
            edges = [edge for span in spans for edge in span]
            assert edges == sorted(set(edges))
            assert all(0 <= edge <= 1440 for edge in edges)


def test_crypto_trades_on_saturday_and_forex_does_not() -> None:
    saturday_msc = START_MSC + 3 * DAY_MSC
    assert is_open("always", saturday_msc)
    assert not is_open("forex", saturday_msc)


def test_holidays_are_closed_for_all_but_crypto() -> None:
    christmas_msc = 1_703_505_600_000  # Monday 2023-12-25 12:00
    assert not is_open("forex", christmas_msc)
    assert not is_open("forex", christmas_msc + 7 * DAY_MSC)
    assert is_open("forex", christmas_msc + DAY_MSC)
    assert is_open("always", christmas_msc)
