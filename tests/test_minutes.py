from __future__ import annotations

from bridge.minutes import Minute, Minutes


def test_what_is_a_minute_old_does_not_count() -> None:
    minute = Minute()
    for now in (0.0, 10.0, 10.0):
        minute.add(now)
    assert [minute.count(now) for now in (10.0, 59.999, 60.0, 69.999, 70.0)] == [3, 3, 2, 2, 0]


def test_how_long_to_wait() -> None:
    minute = Minute()
    assert minute.wait_s(1, 0.0) == 0.0
    for now in (0.0, 10.0, 20.0):
        minute.add(now)
    assert [minute.wait_s(limit, 25.0) for limit in (1, 2, 3, 4)] == [55.0, 45.0, 35.0, 0.0]
    assert minute.wait_s(3, 60.0) == 0.0


def test_a_reserve_counts_as_orders_too() -> None:
    minutes = Minutes()
    minutes.count("a", reserve=False, now=0.0)
    minutes.count("a", reserve=True, now=0.0)
    minutes.count("b", reserve=False, now=0.0)
    assert [window.count(1.0) for window in minutes.of("a")] == [2, 1]
    assert [window.count(1.0) for window in minutes.of("b")] == [1, 0]
    assert minutes.everybody.count(1.0) == 3
    assert [window.count(1.0) for window in minutes.of("nobody")] == [0, 0]


def test_names_beyond_the_most_push_out_the_silent_ones_first() -> None:
    minutes = Minutes(most_names=2)
    minutes.count("old", reserve=False, now=0.0)
    minutes.count("busy", reserve=False, now=50.0)
    minutes.count("new", reserve=False, now=70.0)
    assert [minutes.of(name)[0].count(70.0) for name in ("old", "busy", "new")] == [0, 1, 1]
    minutes.count("newer", reserve=False, now=70.0)
    assert [minutes.of(name)[0].count(70.0) for name in ("busy", "new", "newer")] == [0, 1, 1]
    assert minutes.everybody.count(70.0) == 3
