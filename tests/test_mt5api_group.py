from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.mt5api.group import group_match


@pytest.mark.parametrize(
    ("group", "symbol", "passes"),
    [
        ("*", "EURUSD", True),
        ("*USD*", "EURUSD", True),
        ("*USD*", "EURGBP", False),
        ("USD*", "EURUSD", False),
        ("*USD", "EURUSD", True),
        ("EURUSD", "EURUSD", True),
        ("EUR", "EURUSD", False),
        ("*USD*,*JPY*", "EURJPY", True),
        ("*,!*JPY*", "EURJPY", False),
        ("!*JPY*,*", "EURJPY", False),  # an exclusion wins wherever it stands
        ("!*JPY*", "EURUSD", False),  # exclusions alone match nothing
        ("*, !EUR", "EURUSD", True),  # the documentation says otherwise
        ("*,! EURUSD", "EURUSD", True),
        ("*,!", "EURUSD", False),
        ("", "EURUSD", False),
        (" *USD* , EURGBP", "EURGBP", True),
        ("eurusd", "EURUSD", False),
        ("E*D", "EURUSD", True),
        ("*AA", "AAA", False),  # no going back in the name
        ("*AB", "AAB", True),
        ("*AAA", "AAA", True),
        ("A*", "A", True),
        ("**", "", True),
        ("!!EURUSD,*", "EURUSD", False),
    ],
)
def test_observed(group: str, symbol: str, passes: bool) -> None:
    assert group_match(group, symbol) is passes


def test_long_conditions_are_cut() -> None:
    assert group_match("A" * 256, "A" * 255)
    assert not group_match("A" * 256, "A" * 256)


names = st.text("ABC", max_size=8)


@given(names, names)
@settings(max_examples=200, deadline=None)
def test_without_a_star_only_the_name_itself(pattern: str, symbol: str) -> None:
    assert group_match(pattern, symbol) is (pattern != "" and pattern == symbol)


@given(st.text("AB*", min_size=1, max_size=8), names)
@settings(max_examples=300, deadline=None)
def test_never_matches_more_than_a_full_search(pattern: str, symbol: str) -> None:
    if group_match(pattern, symbol):
        assert fnmatch.fnmatchcase(symbol, pattern)


@given(st.lists(st.text("AB*!", max_size=4), max_size=4), names)
@settings(max_examples=200, deadline=None)
def test_order_of_conditions_does_not_matter(conditions: list[str], symbol: str) -> None:
    assert group_match(",".join(conditions), symbol) is group_match(",".join(reversed(conditions)), symbol)
