"""Randomness by position."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.terminal.simulator import draws

INDEX = np.arange(200_000, dtype=np.int64)
KEY = draws.key_of(7, "EURUSD", "test")


@given(st.lists(st.integers(0, 2**60), min_size=1, max_size=20), st.integers(0, 19))
@settings(deadline=None, max_examples=50)
def test_a_draw_depends_on_key_and_index_alone(index: list[int], place: int) -> None:
    together = draws.bits_at(KEY, np.array(index, np.int64))
    place %= len(index)
    assert together[place] == draws.bits_at(KEY, np.array([index[place]], np.int64))[0]


def test_the_generator_is_splitmix64() -> None:
    # The first outputs for seed 0 of the public reference implementation; its state is advanced before each output.
    made = draws.bits_at(np.uint64(0), np.array([1, 2, 3], np.int64))
    assert made.tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_keys_separate_their_parts() -> None:
    keys = {int(draws.key_of(*parts)) for parts in ((1, "ab"), (1, "a", "b"), (11, "b"), ("1a", "b"))}
    assert len(keys) == 4


def test_distributions() -> None:
    bits = draws.bits_at(KEY, INDEX)
    for slot in range(5):
        normal = draws.NORMAL[draws.quantile(bits, slot)]
        assert abs(normal.mean()) < 0.01
        assert abs(normal.std() - 1) < 0.01
    uniform = draws.uniform(bits)
    assert 0 <= uniform.min() < uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.005
    assert abs(np.corrcoef(uniform, draws.NORMAL[draws.quantile(bits, 2)])[0, 1]) < 0.01
    assert abs(draws.RAYLEIGH2.mean() - 2) < 0.01
    assert np.unique(draws.stepped_table((0.25, 3), (0.75, 9)), return_counts=True)[1].tolist() == [1024, 3072]


def test_noise_has_its_variance_reach_and_share() -> None:
    common = draws.key_of(7, "noise")
    one, other = (
        np.log(draws.LogNoise(common, draws.key_of(7, name, "noise"), sd=0.5, reach=2.0, share=0.6).at(INDEX))
        for name in ("EURUSD", "XAUUSD")
    )
    assert abs(one.std() - 0.5) < 0.01
    assert abs(np.corrcoef(one, other)[0, 1] - 0.6) < 0.02
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1] - math.exp(-0.5)) < 0.05
    assert (draws.LogNoise(common, common, sd=0.0, reach=1.0, share=0.5).at(INDEX[:5]) == 1.0).all()
