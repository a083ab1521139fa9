"""Money adds up, whatever is requested and however the market moves."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.terminal.simulator.account import Valuation
from tests.account_walks import ACTIONS, PROFILES, act, check_books, desk_of, walked
from tests.scripted_market import START_S


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(PROFILES), st.integers(0, 2**32), st.lists(st.sampled_from(ACTIONS), min_size=5, max_size=40),
    st.sampled_from([100_000.0, 5_000.0]),
)  # fmt: skip
def test_the_books_are_explained_by_the_deals(name: str, seed: int, actions: list[str], balance: float) -> None:
    dice, desk = random.Random(seed), desk_of(name, seed, balance)
    for what in actions:
        act(desk, what, dice)
        check_books(desk)
    assert desk.deals[0].time == START_S


@pytest.mark.parametrize("name", ["hedging-cfd", "netting", "netting-exchange"])
def test_a_longer_life(name: str) -> None:
    figures = walked(name, 3, 150, every=10)
    assert figures.deals > 40
    assert figures.done > 40


def test_a_published_account() -> None:
    # Python reference, account_info: balance 99511.4, profit 41.82, margin 98.18.
    value = Valuation(99511.4, 0.0, 41.82, 98.18)
    assert (value.equity, value.margin_free, value.margin_level) == (99553.22, 99455.04, 101398.67590140559)


def test_the_level_is_zero_without_margin() -> None:
    assert Valuation(264.23, 0.0, 0.0, 0.0).margin_level == 0.0
