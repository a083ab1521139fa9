"""Numbers on their grid."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.session import grid


def test_noise_of_sums_is_rounded_away() -> None:
    assert grid.rounded(0.1 + 0.2, 0.01) == 0.3
    assert grid.rounded(1.1 - 0.1 + 1e-16, 1e-05) == 1.0
    assert grid.rounded(0.3, 0.0) == 0.3
    assert abs(0.1 + 0.2 - 0.3) < grid.tolerance(0.3, 0.01)
    assert grid.tolerance(0.3, 0.01) < 1e-10


@given(st.integers(0, 10**9), st.sampled_from([0.01, 0.1, 1.0, 1e-05, 0.25, 0.001]))
def test_a_multiple_is_its_own_nearest(number: int, step: float) -> None:
    value = number * step
    found = grid.rounded(value, step)
    assert abs(found - value) <= grid.tolerance(value, step)
    assert grid.rounded(found, step) == found


@pytest.mark.parametrize(("value", "up", "expected"), [(1.00001, 1, 1.00001), (1.000011, 1, 1.00002), (1.000019, -1, 1.00001)])
def test_the_next_multiple(value: float, up: float, expected: float) -> None:
    assert grid.beyond(value, 1e-05, up) == expected
