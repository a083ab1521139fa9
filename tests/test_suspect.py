"""Records that break rules: each kind alone, few rows and many alike, and how often it is said."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codec import pack
from bridge.messages import BACKFILLED, SUSPECT
from bridge.replies import Book, LogRecord
from bridge.session import suspect
from bridge.session.suspect import KINDS, NOTHING, QUIET_S, Found, Suspects, of_bars, of_book, of_state, of_ticks
from bridge.ticks import BAR_STRUCT, TICK_STRUCT
from bridge.trading import BookLevel
from tests.fake_terminal import rows, tick

GOOD = tick(1000)


def row(msc: int = 2000, bid: float = 1.1, ask: float = 1.2, last: float = 0.0, second: int | None = None) -> bytes:
    made = list(TICK_STRUCT.unpack(tick(msc, bid, ask)))
    made[3] = last
    made[0] = made[0] if second is None else second
    return TICK_STRUCT.pack(*made)


def bar(at: int = 60, low: float = 1.0, high: float = 2.0, opened: float = 1.5, close: float = 1.5) -> bytes:
    return BAR_STRUCT.pack(at, opened, high, low, close, 7, 3, 0)


def among_many(packed: bytes) -> tuple[bytes, int]:
    """The same rows behind enough good ones that arrays are used."""
    return b"".join(tick(1 + number) for number in range(50)) + GOOD + packed, 51


ONE_TICK: list[tuple[bytes, tuple[str, ...]]] = [
    (row(), ()),
    (row(bid=1.2, ask=1.2), ()),  # no spread is no fault: every second quote of some brokers
    (row(bid=-37.6, ask=-37.5), ()),  # crude oil on 2020-04-20
    (row(last=1.15), ()),
    (tick(1000, 1.15), ()),  # another tick of the same millisecond
    (row(bid=nan), ("not_finite",)),
    (row(ask=nan), ("not_finite",)),
    (row(last=nan), ("not_finite",)),
    (row(ask=inf), ("not_finite",)),
    (row(bid=-inf), ("not_finite",)),
    (row(last=inf), ("not_finite",)),
    (row(bid=0.0, ask=0.0), ("zero",)),
    (row(bid=0.0), ("zero",)),
    (row(ask=0.0), ("zero",)),
    (row(bid=1.3), ("crossed",)),
    (row(second=1_700_000_003), ("contradiction",)),
    (row(msc=999), ("backwards",)),
    (GOOD, ("duplicate",)),
    (row(msc=900, bid=nan), ("not_finite", "backwards")),
]


@pytest.mark.parametrize(("packed", "kinds"), ONE_TICK)
def test_a_tick(packed: bytes, kinds: tuple[str, ...]) -> None:
    expected = Found(1, kinds) if kinds else NOTHING
    assert of_ticks(packed, GOOD) == expected
    many, _ = among_many(packed)
    assert of_ticks(many, None) == expected
    assert of_ticks(packed + tick(5000) * 1, GOOD).kinds == kinds


def test_the_first_tick_of_all_follows_nothing() -> None:
    assert of_ticks(GOOD, None) == NOTHING
    assert of_ticks(b"", None) == NOTHING
    many, _ = among_many(b"")
    assert of_ticks(many, tick(5000)) == Found(1, ("backwards",))
    assert of_ticks(many, tick(1)) == Found(1, ("duplicate",))


def test_a_row_that_is_not_a_number_can_be_a_duplicate() -> None:
    assert of_ticks(row(bid=nan) * 2, GOOD) == Found(2, ("not_finite", "duplicate"))


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.sampled_from([1.0, 1.1, 0.0, nan, inf, -1.0]), st.sampled_from([1.1, 1.2, 0.0, nan]),
            st.sampled_from([0.0, 1.1, nan]), st.sampled_from([None, 5]),
        ),
        max_size=60,
    ),
    st.booleans(),
)  # fmt: skip
def test_many_rows_are_judged_as_few_are(values: list[tuple[int, float, float, float, int | None]], first: bool) -> None:
    packed = [row(*value) for value in values]
    before = GOOD if first else None
    found = [of_ticks(one, previous) for one, previous in zip(packed, [before, *packed], strict=False)]
    whole = of_ticks(b"".join(packed), before)
    assert whole.records == sum(one.records for one in found)
    assert set(whole.kinds) == {kind for one in found for kind in one.kinds}


@pytest.mark.parametrize(
    ("packed", "before_s", "kinds"),
    [
        (bar(), 0, ()),
        (bar(), None, ()),
        (bar(low=-40.0, high=-30.0, opened=-35.0, close=-30.0), None, ()),
        (bar(close=nan), None, ("not_finite",)),
        (bar(high=inf), None, ("not_finite",)),
        (bar(low=0.0), None, ("zero",)),
        (bar(close=2.5), None, ("range",)),
        (bar(opened=0.5), None, ("range",)),
        (bar(low=3.0), None, ("range",)),
        (bar(), 60, ("duplicate",)),
        (bar(), 120, ("backwards",)),
        (bar(60) + bar(60), None, ("duplicate",)),
        (bar(120) + bar(60), None, ("backwards",)),
    ],
)
def test_bars(packed: bytes, before_s: int | None, kinds: tuple[str, ...]) -> None:
    assert of_bars(packed, before_s) == (Found(1, kinds) if kinds else NOTHING)


def level(kind: int, price: float, volume: float = 1.0) -> BookLevel:
    return BookLevel(kind, price, 1, volume)


@pytest.mark.parametrize(
    ("levels", "kinds"),
    [
        ([], ()),
        ([level(1, 1.2), level(2, 1.1)], ()),
        ([level(1, 1.2)], ()),
        ([level(3, 0.0), level(1, 1.2), level(2, 1.2), level(4, 0.0)], ()),
        ([level(1, 1.1), level(2, 1.2)], ("crossed",)),
        ([level(1, 1.2), level(2, 0.0)], ("zero",)),
        ([level(1, nan), level(2, 1.1)], ("not_finite",)),
        ([level(1, 1.2, inf)], ("not_finite",)),
    ],
)
def test_books(levels: list[BookLevel], kinds: tuple[str, ...]) -> None:
    found = Found(1, kinds) if kinds else NOTHING
    assert of_book(levels) == found
    assert of_state("book", pack(Book("A", tuple(levels)))) == found


def test_states() -> None:
    assert of_state("tick", GOOD + row(bid=nan)) == Found(1, ("not_finite",))
    assert of_state("tick", row(bid=nan) + GOOD) == NOTHING, "only the newest record is the state"
    assert of_state("forming", bar(close=9.0)).kinds == of_state("bar", bar(close=9.0)).kinds == ("range",)
    assert of_state("tick", None) == of_state("account", b"\x80") == NOTHING


# ---- telling ---------------------------------------------------------------------------------------------------------------------


def told(events: list[tuple[str, int, Any]]) -> list[str]:
    return [body.message for topic, _, body in events if topic == "log"]


def test_a_clean_event_is_left_alone() -> None:
    suspects = Suspects()
    assert suspects.event("tick:A", BACKFILLED, GOOD, NOTHING, 1.0) == [("tick:A", BACKFILLED, GOOD)]
    assert suspects.take() == 0


def test_a_kind_is_told_once_for_each_symbol_until_it_was_quiet() -> None:
    suspects = Suspects()
    crossed = Found(3, ("crossed",))
    first = suspects.event("tick:A", BACKFILLED, GOOD, crossed, 0.0)
    assert first == [
        ("tick:A", BACKFILLED | SUSPECT, GOOD),
        (
            "log",
            0,
            LogRecord("warning", "tick:A: the terminal sent a bid above the ask; published as it is, flagged SUSPECT", "tick:A"),
        ),
    ]
    for number in range(1, 200):
        assert told(suspects.event("book:A", 0, GOOD, crossed, number * QUIET_S)) == [], "it goes on: it is not quiet"
    assert len(told(suspects.event("tick:B", 0, GOOD, crossed, 1.0))) == 1
    assert len(told(suspects.event("tick:A", 0, GOOD, Found(1, ("zero", "crossed")), 200 * QUIET_S))) == 1
    assert len(told(suspects.event("tick:A", 0, GOOD, crossed, 201 * QUIET_S + 1))) == 1
    assert suspects.take() == 3 + 199 * 3 + 3 + 1 + 3
    assert suspects.take() == 0


def test_every_kind_has_words() -> None:
    kinds = {kind for _, kinds in ONE_TICK for kind in kinds} | {"range", "short"}
    assert kinds == set(KINDS)


# ---- cost ------------------------------------------------------------------------------------------------------------------------


def per_row_us(call: Callable[[], object], count: int, repeat: int = 200) -> float:
    best = inf
    for _ in range(5):
        begun = perf_counter()
        for _ in range(repeat):
            call()
        best = min(best, perf_counter() - begun)
    return best / repeat / count * 1e6


def test_it_costs_next_to_nothing() -> None:
    """Generous for slow machines: one row alone has to stay below some microseconds, a row of a batch far below one."""
    one, before = tick(2000), GOOD
    batch = b"".join(tick(number) for number in range(1000))
    assert per_row_us(lambda: of_ticks(one, before), 1, 2_000) < 5
    assert per_row_us(lambda: of_ticks(batch, before), 1000, 20) < 0.5
    assert len(rows(batch)) == 1000 > suspect._FEW
