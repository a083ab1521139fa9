from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.watch import Watch, WatchSettings


def watch(**changes: Any) -> Watch:
    return Watch(WatchSettings(**changes), Random(1))


def test_before_the_first_start_nothing_falls_due() -> None:
    idle = watch()
    assert idle.next_deadline() is None
    assert not idle.overdue(1e9)
    assert idle.age_ms(5.0) is None


def test_a_session_that_does_not_become_ready_is_overdue() -> None:
    started = watch(start_s=30.0)
    assert started.started(100.0) == 1
    assert started.next_deadline() == 130.0
    assert not started.overdue(129.9)
    assert started.overdue(130.0)


def test_progress_moves_the_limit_and_gives_the_age() -> None:
    alive = watch(silence_s=5.0)
    alive.started(0.0)
    alive.progressed(10.0)
    assert not alive.overdue(14.9)
    assert alive.overdue(15.0)
    assert alive.age_ms(12.5) == 2_500
    assert alive.age_ms(9.0) == 0


def test_an_announced_call_may_be_silent_for_as_long_as_it_said() -> None:
    busy = watch(silence_s=5.0)
    busy.started(0.0)
    busy.progressed(10.0, 130.0)
    assert not busy.overdue(139.9)
    assert busy.overdue(140.0)
    busy.progressed(20.0)
    assert busy.overdue(25.0)


def test_told_to_end_it_gets_its_moment_and_no_more_whatever_it_says() -> None:
    ending = watch(stop_s=2.0)
    ending.started(0.0)
    ending.stopping(10.0)
    ending.progressed(11.0, 130.0)
    ending.progressed(11.9)
    assert ending.next_deadline() == 12.0
    assert ending.overdue(12.0)


def test_the_next_generation_may_speak_again_after_one_was_ended() -> None:
    ended = watch()
    ended.started(0.0)
    ended.ended()
    assert not ended.running
    assert ended.next_deadline() is None
    assert ended.started(1.0) == 2


def test_a_loss_while_the_session_runs_is_tried_again_with_it() -> None:
    lost = watch(first_retry_s=0.1)
    lost.started(0.0)
    again_s = lost.lost(10.0)
    assert lost.attempt_at_s == again_s
    assert lost.start_at_s is None
    assert 10.08 <= again_s <= 10.12


def test_a_loss_of_the_session_itself_starts_another() -> None:
    lost = watch()
    lost.started(0.0)
    lost.ended()
    again_s = lost.lost(10.0)
    assert lost.start_at_s == again_s == lost.next_deadline()
    assert lost.attempt_at_s is None


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_waits_grow_to_a_bound_with_jitter(seed: int, losses: int) -> None:
    lost = Watch(WatchSettings(first_retry_s=0.1, last_start_s=30.0), Random(seed))
    for number in range(losses):
        wait_s = lost.lost(0.0)
        due_s = min(0.1 * 2**number, 30.0)
        assert 0.8 * due_s <= wait_s <= 1.2 * due_s
    assert lost.attempt == losses


def test_two_bridges_do_not_wait_alike() -> None:
    waits = {Watch(WatchSettings(), Random(seed)).lost(0.0) for seed in range(10)}
    assert len(waits) == 10


def test_a_terminal_that_is_away_for_days_is_still_tried() -> None:
    lost = watch(last_start_s=30.0)
    for _ in range(5_000):
        wait_s = lost.lost(0.0)
    assert 24.0 <= wait_s <= 36.0


@pytest.mark.parametrize(("held_s", "attempt"), [(4.9, 4), (5.0, 1)])
def test_only_what_held_for_a_while_counts_as_mended(held_s: float, attempt: int) -> None:
    lost = watch(settled_s=5.0)
    lost.started(0.0)
    for _ in range(3):
        lost.lost(0.0)
    lost.attached(10.0)
    lost.lost(10.0 + held_s)
    assert lost.attempt == attempt


def test_the_terminal_was_asked_at_the_latest_at_the_check_before_the_newest() -> None:
    checked = watch()
    checked.started(0.0)
    assert checked.asked_s is None
    checked.checked(1.0)
    assert checked.asked_s is None
    checked.checked(1.5)
    assert checked.asked_s == 1.0
    checked.attached(9.0)
    assert checked.asked_s is None


def test_a_terminal_that_was_away_for_long_is_no_reason_to_wait_long_for_a_new_session() -> None:
    lost = watch(first_retry_s=0.1, last_attempt_s=3.0, last_start_s=30.0)
    lost.started(0.0)
    for _ in range(50):
        wait_s = lost.lost(0.0)
    assert 2.4 <= wait_s <= 3.6
    lost.ended()
    assert lost.lost(0.0) <= 0.12
    assert lost.attempt == 51
    assert lost.lost(0.0) >= 0.16, "the second in a row"


def test_where_it_is_only_a_matter_of_waiting_the_pauses_stay() -> None:
    lost = watch()
    lost.started(0.0)
    assert all(0.8 <= lost.lost(0.0, 1.0) <= 1.2 for _ in range(20))
    assert lost.attempt == 20


def test_so_many_sessions_may_be_replaced_within_an_hour() -> None:
    capped = watch(restarts_per_hour=3)
    assert [capped.suspended_until(now) for now in (0.0, 10.0, 3_599.0)] == [None] * 3
    assert capped.suspended_until(3_599.5) == 3_600.0
    assert capped.suspended_until(3_599.9) == 3_600.0, "what was not replaced does not count"
    assert capped.suspended_until(3_600.0) is None
    assert capped.suspended_until(3_600.1) == 3_610.0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.0, 2_000.0), max_size=60), st.integers(1, 10))
def test_there_is_no_hour_with_more_of_them(pauses: list[float], limit: int) -> None:
    capped = watch(restarts_per_hour=limit)
    now, replaced = 0.0, list[float]()
    for pause in pauses:
        now += pause
        until_s = capped.suspended_until(now)
        if until_s is None:
            replaced.append(now)
        else:
            assert now < until_s <= now + 3_600.0
    assert all(sum(at <= other < at + 3_600.0 for other in replaced) <= limit for at in replaced)


def test_after_a_suspension_it_begins_as_if_it_were_the_first_time() -> None:
    capped = watch()
    for _ in range(10):
        capped.lost(0.0)
    capped.resume_at(50.0)
    assert capped.next_deadline() == 50.0
    assert capped.attempt == 0
    capped.started(50.0)
    assert capped.start_at_s is None
    capped.ended()
    assert capped.lost(51.0) <= 51.12


def test_who_was_told_to_end_is_on_its_way_out_until_it_is_gone() -> None:
    ending = watch()
    ending.started(0.0)
    assert not ending.ending
    ending.lost(0.0)
    ending.stopping(1.0)
    assert ending.ending
    assert ending.attempt_at_s is None
    ending.ended()
    assert not ending.ending
    ending.started(2.0)
    assert not ending.ending
    assert ending.next_deadline() == 32.0
