"""Token buckets, in virtual time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.rates import NAMES, Rates


def test_a_burst_passes_and_then_so_many_a_second() -> None:
    rates = Rates(per_s=10, burst=20)
    assert [rates.take("alice", 0.0) for _ in range(20)] == [0.0] * 20
    assert rates.take("alice", 0.0) == pytest.approx(0.1)
    assert rates.take("alice", 0.05) == pytest.approx(0.05), "what was refused took nothing"
    assert rates.take("alice", 0.11) == 0.0
    assert rates.take("alice", 0.12) > 0
    assert rates.take("bob", 0.12) == 0.0, "each has its own"


def test_a_bucket_holds_no_more_than_a_burst() -> None:
    rates = Rates(per_s=10, burst=2)
    rates.take("alice", 0.0)
    assert [rates.take("alice", 1_000.0) == 0.0 for _ in range(3)] == [True, True, False]


def test_zero_is_no_limit_and_costs_no_memory() -> None:
    rates = Rates(per_s=0, burst=0)
    assert all(rates.take(f"{place}", 0.0) == 0.0 for place in range(100))
    assert len(rates) == 0


def test_those_longest_unused_are_forgotten() -> None:
    rates = Rates(per_s=1, burst=1)
    rates.take("first", 0.0)
    for place in range(NAMES - 1):
        rates.take(f"{place}", 0.0)
    assert rates.take("first", 0.0) > 0, "still known, and used now"
    rates.take("one more", 0.0)
    assert len(rates) == NAMES
    assert rates.take("first", 0.0) > 0
    assert rates.take("0", 0.0) == 0.0, "forgotten"


def test_who_is_over_the_limit_is_told_once_a_second() -> None:
    rates = Rates(per_s=1, burst=1)
    rates.take("alice", 5.0)
    assert [rates.worth_a_word("alice", at_s) for at_s in (5.0, 5.5, 5.99, 6.0, 6.5, 7.1)] == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=200), st.integers(1, 50), st.integers(1, 20))
def test_never_more_than_a_burst_and_what_flows_in(pauses_s: list[float], per_s: int, burst: int) -> None:
    rates, now, passed = Rates(per_s, burst), 0.0, 0
    for pause_s in pauses_s:
        now += pause_s
        wait_s = rates.take("alice", now)
        passed += wait_s == 0.0
        if wait_s:
            assert rates.take("alice", now + wait_s * 0.99) > 0, "not before it said"
    assert passed <= burst + now * per_s + 1e-6


def test_looking_takes_nothing() -> None:
    rates = Rates(per_s=1, burst=1)
    assert not rates.used_up("alice", 0.0)
    rates.take("alice", 0.0)
    assert rates.used_up("alice", 0.5)
    assert not rates.used_up("alice", 1.0)
    assert rates.take("alice", 1.0) == 0.0
