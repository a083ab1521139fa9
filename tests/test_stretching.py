"""The monotone map of a path into a bar."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.terminal.simulator.stretching import cells_of, stretch_to, thresholds, too_short

points = st.integers(0, 2_000)


@given(points, points, points, points, st.lists(st.floats(-3_000, 6_000), max_size=30))
@settings(deadline=None, max_examples=200)
def test_extremes_meet_high_and_low(opened: int, closed: int, up: int, down: int, path: list[float]) -> None:
    upper, lower = max(opened, closed), min(opened, closed)
    bar = cells_of([np.array([value]) for value in (opened, upper + up, lower - down, closed, 9, 1)])
    reach_up, reach_down = thresholds(bar)
    whole = np.array([opened, *path, reach_up[0], reach_down[0], closed], np.float64)
    top, bottom = whole.max(keepdims=True), whole.min(keepdims=True)
    assert not too_short(bar, top, bottom).any()
    mapped = stretch_to(bar, top, bottom).apply(whole)
    assert np.rint(mapped.max()) == upper + up
    assert np.rint(mapped.min()) == lower - down
    assert (mapped[0], mapped[-1]) == (opened, closed)
    order = np.argsort(whole)
    assert (np.diff(mapped[order]) >= -1e-6).all()


def test_a_path_that_stays_inside_is_too_short() -> None:
    bar = cells_of([np.array([value]) for value in (100, 200, 100, 150, 9, 1)])
    assert too_short(bar, np.array([150.0]), np.array([100.0])).all()
    assert not too_short(bar, np.array([162.5]), np.array([100.0])).any()
