"""Brownian bridges cut into children."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.terminal.simulator.bridging import RANGE_SD, bridge
from bridge.terminal.simulator.draws import key_of

KEY = key_of(7, "bridge")


@given(
    st.lists(st.sampled_from([0, 0, 1, 2, 3, 4, 50]), min_size=1, max_size=30).filter(lambda counts: sum(counts) > 1),
    st.integers(-500, 500),
    st.integers(0, 2**40),
)
@settings(deadline=None, max_examples=100)
def test_children_are_possible_bars(counts: list[int], change: int, index: int) -> None:
    ticks = np.array([counts], np.int64)
    made = bridge(KEY, index + np.arange(len(counts), dtype=np.int64)[None, :], ticks, np.ones((1, len(counts))))
    walk = made.walk(np.array([1000]), np.array([1000 + change]), np.array([3.0]))
    filled = np.flatnonzero(ticks[0])
    assert walk.open[0, filled[0]] == 1000
    assert walk.close[0, filled[-1]] == 1000 + change
    for child in filled:
        opened, high, low, closed = (float(column[0, child]) for column in walk)
        assert low <= min(opened, closed) <= max(opened, closed) <= high
        extremes = (opened != closed) + (high > max(opened, closed)) + (low < min(opened, closed))
        assert extremes <= min(ticks[0, child] - 1, 3)


def test_the_variance_is_that_of_a_bridge() -> None:
    parents, children, ticks = 4000, 20, 25
    index = np.arange(parents * children, dtype=np.int64).reshape(parents, children)
    made = bridge(KEY, index, np.full((parents, children), ticks), np.ones((parents, children)))
    walk = made.walk(np.zeros(parents, np.int64), np.zeros(parents, np.int64), np.ones(parents))
    done = made.done[0, :, 1]
    expected = done * (1 - done) * made.total[0]
    assert np.abs(walk.close.var(axis=0) - expected).max() < 0.08 * expected.max()
    size = (walk.high.max(axis=1) - walk.low.min(axis=1)) / np.sqrt(made.total)
    assert abs(size.mean() - np.sqrt(np.pi / 2)) < 0.05  # mean range of a Brownian bridge (Feller 1951)
    assert size.mean() < RANGE_SD
