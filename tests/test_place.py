"""Where a subscriber stands in the terminal's history, and what lies between two places."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.messages import FOREIGN, LATE
from bridge.ticks import RECORD_BYTES
from clients.events import Bars, Ticks
from clients.place import (
    FEW,
    RECENT_TICKS,
    Filling,
    Known,
    Recent,
    between_bars,
    between_ticks,
    last_bar_s,
    prune,
    reached,
    rows_of,
    second_of,
    told,
)
from tests.fake_terminal import T0, bar, tick


def event(*rows: bytes, flags: int = 0, snapshot: bool = False) -> Ticks:
    return Ticks(1, 1, 0, flags, snapshot, "EURUSD", memoryview(b"".join(rows)))


def known(rows: list[bytes]) -> Known:
    """The place behind these rows."""
    second = second_of(rows[-1])
    return Known(second, [row for row in rows if second_of(row) == second], "seen")


# A few prices and milliseconds: many of the ticks are equal, and several share a second.
HISTORIES = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([0, 400]), st.sampled_from([1.0, 2.0])), min_size=1, max_size=40
).map(lambda drawn: [tick(second * 1_000 + msc, bid) for second, msc, bid in sorted(drawn, key=lambda item: item[:2])])


@given(HISTORIES, st.data())
@settings(max_examples=200, deadline=None)
def test_what_lies_between_is_found_whichever_ticks_are_equal(history: list[bytes], data: st.DataObject) -> None:
    own = data.draw(st.integers(1, len(history)), "own place")
    end = data.draw(st.integers(1, len(history)), "the snapshot's place")
    if len(known(history[:end]).rows) == 1:
        while end < len(history) and history[end] == history[end - 1]:
            end += 1  # a tick alone may be the last of several that are equal
    begin_s = min(second_of(history[own - 1]), second_of(history[end - 1]))
    asked = [row for row in history if second_of(row) >= begin_s]
    found = between_ticks(b"".join(asked), known(history[:own]), known(history[:end]))
    assert found is not None
    assert found.late == b""
    assert rows_of(found.new) == history[own:end]
    assert rows_of(found.ahead) == history[end:own]


def test_what_the_broker_inserted_meanwhile_is_late() -> None:
    rows = [tick(100), tick(200), tick(900), tick(1_500)]
    history = b"".join([rows[0], tick(150), rows[1], tick(200), rows[2], tick(900), rows[3]])
    found = between_ticks(history, known(rows[:3]), known(rows))
    assert found == Filling(tick(150) + tick(200), tick(900) + rows[3], b"")
    found = between_ticks(tick(50) + history, known(rows[:3]), known(rows))
    assert found is not None
    assert found.late == tick(50) + tick(150) + tick(200)
    found = between_ticks(tick(50) + history, known(rows[:3])._replace(begins="told"), known(rows))
    assert found is not None
    assert found.late == tick(150) + tick(200), "there may have been more before the first that was told"


def test_a_place_in_the_middle_of_a_second_is_told_by_what_came_before_it() -> None:
    rows = [tick(100), tick(200), tick(300), tick(200), tick(300), tick(400)]
    part = Known(T0, rows[1:3], "unknown")
    assert between_ticks(b"".join(rows), part, known(rows)) == Filling(b"", b"".join(rows[5:]), b""), "the last one"
    other = Known(T0, [rows[0], *rows[1:3]], "unknown")
    assert between_ticks(b"".join(rows), other, known(rows)) == Filling(b"", b"".join(rows[3:]), b"")


def test_a_last_tick_may_have_other_flags_than_in_the_history() -> None:
    history = tick(100, flags=2) + tick(200, flags=2) + tick(200, 1.3, flags=4) + tick(1_000)
    found = between_ticks(history, known([tick(100, flags=2)]), told(tick(200, flags=6)))
    assert found is not None
    assert found.new == tick(200, flags=2) + tick(200, 1.3, flags=4), "all of its millisecond"


def test_a_snapshot_of_one_tick_may_mean_the_last_of_several_that_are_equal() -> None:
    history = tick(100) + tick(1_000) * 3 + tick(1_200)
    assert between_ticks(history, known([tick(100)]), told(tick(1_000))) == Filling(b"", tick(1_000) * 3, b"")
    assert between_ticks(history, known([tick(100)]), told(tick(1_000) * 2)) == Filling(b"", tick(1_000) * 2, b"")


def test_a_time_that_steps_back_is_found_all_the_same() -> None:
    odd = tick(-50_000, 1.7)
    history = tick(100) + tick(1_100) + odd + tick(2_100)
    found = between_ticks(history, known([tick(100), tick(1_100), odd]), known([tick(2_100)]))
    assert found is not None
    assert found.new == tick(2_100)


@pytest.mark.parametrize(
    "history",
    [
        b"",
        tick(0),
        tick(0) + tick(500) + tick(1_000),
        tick(500) + tick(1_000) + tick(2_000),
        tick(0)[:40] + tick(2_000) + tick(0)[40:] + tick(5_000)[:20] + tick(0) + tick(5_000)[20:],
    ],
)
def test_a_history_without_both_places_is_not_taken(history: bytes) -> None:
    assert between_ticks(history, known([tick(0)]), known([tick(2_000)])) is None


def test_a_second_is_whole_when_something_came_before_it() -> None:
    def place(*items: Ticks) -> Any:
        return reached(deque(items))

    assert place(event(tick(0), tick(500))) == Known(T0, [tick(0), tick(500)], "unknown")
    assert place(event(tick(0), tick(1_500))) == Known(T0 + 1, [tick(1_500)], "seen")
    assert place(event(tick(0)), event(tick(1_500)), event(tick(1_600))) == Known(T0 + 1, [tick(1_500), tick(1_600)], "seen")
    assert place(event(tick(500), snapshot=True), event(tick(600))) == Known(T0, [tick(500), tick(600)], "told")
    assert place(event(tick(500), snapshot=True), event(tick(1_600))) == Known(T0 + 1, [tick(1_600)], "seen")
    assert place(event(tick(1_500)), event(tick(0), flags=LATE)) == Known(T0 + 1, [tick(1_500)], "unknown")
    assert place(event(tick(500)), event(tick(1_500)), event(tick(1_400), flags=LATE)) == Known(
        T0 + 1, [tick(1_500), tick(1_400)], "seen"
    )
    assert place(event(tick(500)), event(tick(9_500), flags=FOREIGN)) == Known(T0, [tick(500)], "unknown")
    assert place(event(tick(500), flags=LATE)) is None
    assert place() is None


@given(st.lists(st.tuples(st.integers(0, 2_500), st.sampled_from([0, 0, 0, LATE, FOREIGN])), max_size=60))
@settings(max_examples=100, deadline=None)
def test_what_is_forgotten_does_not_change_the_place(drawn: list[tuple[int, int]]) -> None:
    recent: Recent = deque(maxlen=RECENT_TICKS)
    time_msc = 0
    for step, flags in drawn:
        time_msc += 0 if flags else step
        recent.append(event(tick(time_msc - (step if flags else 0)), flags=flags))
    before = reached(recent)
    prune(recent)
    after = reached(recent)
    if before is None:
        assert after is None
    else:
        assert after is not None
        assert (after.second, after.rows) == (before.second, before.rows)
        assert after.begins == before.begins


def test_of_a_quiet_stream_little_is_kept() -> None:
    recent: Recent = deque(maxlen=RECENT_TICKS)
    for number in range(200):
        recent.append(event(tick(number * 700)))
        prune(recent)
        assert len(recent) <= FEW + 1


def test_bars() -> None:
    bars = [bar(60 * number, float(number)) for number in range(5)]
    history = b"".join(bars)
    assert between_bars(history, T0, T0 + 180) == Filling(b"", b"".join(bars[1:4]), b"")
    assert between_bars(history, T0 + 180, T0 + 60) == Filling(b"", b"", b"".join(bars[2:4]))
    assert between_bars(history, T0 + 60, T0 + 60) == Filling(b"", b"", b"")
    assert between_bars(history, T0, T0 + 300) is None
    assert between_bars(history[RECORD_BYTES:], T0, T0 + 180) is None
    recent: Recent = deque()
    assert last_bar_s(recent) is None
    recent.append(Bars(1, 1, 0, 0, False, "EURUSD", "M1", False, memoryview(b"".join(bars[:2]))))
    recent.append(Bars(1, 2, 0, FOREIGN, False, "EURUSD", "M1", False, memoryview(bars[4])))
    assert last_bar_s(recent) == T0 + 60
