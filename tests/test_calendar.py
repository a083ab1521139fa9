"""Open hours, holidays and news of the synthetic market."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.terminal.simulator.calendar import FIRST_DAY, LAST_DAY, Hours, News, weekdays
from bridge.terminal.simulator.sessions import SCHEDULES, weekday


def hour(text: str) -> int:
    return int(np.datetime64(text, "h").astype(np.int64))


def test_weekdays_are_those_of_the_sessions() -> None:
    days = np.arange(FIRST_DAY, FIRST_DAY + 30)
    assert weekdays(days).tolist() == [weekday(int(day) * 86_400) for day in days]


@pytest.mark.parametrize(
    ("schedule", "time", "span"),
    [
        ("forex", "2026-03-02T00", (0, 60)),
        ("forex", "2026-03-06T23", (0, 57)),
        ("forex", "2026-03-07T12", (0, 0)),
        ("forex", "2026-12-25T12", (0, 0)),
        ("metals", "2026-03-03T00", (0, 0)),
        ("metals", "2026-03-03T01", (0, 60)),
        ("stocks", "2026-03-03T16", (30, 60)),
        ("stocks", "2026-03-03T23", (0, 0)),
        ("always", "2026-12-25T12", (0, 60)),
        ("always", "2026-03-07T12", (0, 60)),
        ("always", "2009-12-31T23", (0, 0)),
        ("always", "2038-01-01T00", (0, 0)),
    ],
)
def test_quoted_minutes(schedule: str, time: str, span: tuple[int, int]) -> None:
    first, last = Hours(schedule).of(np.array([hour(time)]))
    assert (int(first[0]), int(last[0])) == span
    assert bool(Hours(schedule).is_open(np.array([hour(time)]))[0]) == (span != (0, 0))


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_a_quoted_hour_is_long_enough_for_a_bar(schedule: str) -> None:
    minutes = Hours(schedule).open_minutes
    assert minutes[minutes > 0].min() >= 4


def test_payrolls_fall_on_first_fridays() -> None:
    news = News(7)
    hours = np.arange(FIRST_DAY * 24, (LAST_DAY + 1) * 24)
    magnitude = news.magnitude(hours)
    big = hours[magnitude >= 0.7]
    fridays = big[(weekdays(big // 24) == 5) & (big % 24 == 15)]
    assert len(fridays) == 28 * 12
    assert magnitude[weekdays(hours // 24) % 6 == 0].max() == 0
    minutes = news.minutes(fridays[:1])[0]
    assert minutes.argmax() == 30
    assert (minutes[:30] == 0).all()
    assert minutes[30] == magnitude[hours == fridays[0]][0]
