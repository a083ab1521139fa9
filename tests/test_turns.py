"""Whose turn it is: always the one that is due first, whatever happened to the times."""

from __future__ import annotations

from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.session.turns import Turns


class Thing:
    def __init__(self, due: float = inf) -> None:
        self.due = due


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0.0, 1.0, 1.0, 2.0, 7.0, inf]), st.sampled_from("aadccccc"))))
def test_the_first_is_the_one_that_is_due_first(steps: list[tuple[int, float, str]]) -> None:
    turns: Turns[Thing] = Turns()
    things = [Thing() for _ in range(10)]
    there: set[Thing] = set()
    for place, due, what in steps:
        thing = things[place]
        thing.due = due
        if what == "a" and thing not in there:
            turns.add(thing)
            there.add(thing)
        elif what == "d":
            turns.discard(thing)
            there.discard(thing)
        turns.changed((thing,))
        assert turns.due == min((one.due for one in there), default=inf)
        if turns.due < inf:
            assert turns.first() in there
            assert turns.first().due == turns.due


def test_among_equals_the_one_that_was_told_first_comes_first() -> None:
    turns: Turns[Thing] = Turns()
    things = [Thing(1.0) for _ in range(5)]
    for thing in things:
        turns.add(thing)
    for thing in things:
        assert turns.first() is thing
        thing.due = 2.0
        turns.changed((thing,))
    assert turns.first() is things[0]


def test_what_is_outdated_does_not_pile_up() -> None:
    turns: Turns[Thing] = Turns()
    first, others = Thing(0.0), [Thing(number) for number in range(10)]
    for thing in (first, *others):
        turns.add(thing)
    for number in range(5_000):
        others[number % 10].due = 10.0 + number
        turns.changed(others)
        assert turns.first() is first
    assert len(turns._heap) < 100
