"""Nothing lost, nothing twice: the tail of delivered ticks against a history that grows and changes."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.session.tail import BATCH, Tail, batches
from bridge.ticks import RECORD_BYTES, last_tick
from tests.fake_terminal import T0, rows, tick


def ask(tail: Tail, history: list[bytes], hint_s: int | None = None) -> tuple[list[bytes], list[bytes]]:
    """Questions until the answer is not full; the history is in the order of time, as a terminal keeps it."""
    late_rows: list[bytes] = []
    new_rows: list[bytes] = []
    while True:
        from_s, count = tail.question(tail.second if hint_s is None else hint_s)
        answer = b"".join([row for row in history if last_tick(row).time >= from_s][:count])
        late, new = tail.take(from_s, answer)
        late_rows += rows(late)
        new_rows += rows(new)
        if len(answer) < count * RECORD_BYTES:
            return late_rows, new_rows


def test_ticks_of_one_millisecond_are_told_apart_by_place() -> None:
    tail = Tail(T0, tick(0, 1.0))
    history = [tick(0, 1.0), tick(0, 1.0), tick(0, 1.0)]
    assert ask(tail, history) == ([], history[1:])
    assert ask(tail, history) == ([], [])
    history.append(tick(0, 1.0))
    assert ask(tail, history) == ([], [tick(0, 1.0)])


def test_more_ticks_in_one_second_than_a_question_takes() -> None:
    history = [tick(number % 1000 // 300, bid=number) for number in range(5 * BATCH)]
    tail = Tail(T0)
    assert ask(tail, history) == ([], history)
    assert tail.question(T0) == (T0, 10 * BATCH)
    history += [tick(2000, bid=7)]
    assert ask(tail, history) == ([], history[-1:])
    assert tail.question(T0 + 2) == (T0 + 2, BATCH)


def test_a_tick_inserted_behind_delivered_ones_is_late() -> None:
    tail = Tail(T0)
    history = [tick(100), tick(300)]
    assert ask(tail, history) == ([], history)
    history = [tick(100), tick(200), tick(300), tick(400)]
    assert ask(tail, history) == ([tick(200)], [tick(400)])
    assert ask(tail, history) == ([], [])


def test_a_history_that_is_read_in_again_is_waited_for() -> None:
    tail = Tail(T0)
    history = [tick(0), tick(1), tick(2)]
    ask(tail, history)
    assert ask(tail, []) == ([], [])
    assert ask(tail, history[:1]) == ([], [])
    assert ask(tail, [*history, tick(3)]) == ([], [tick(3)])


def test_a_tick_that_vanished_and_comes_back_is_not_delivered_twice() -> None:
    tail = Tail(T0)
    history = [tick(0), tick(1), tick(2)]
    ask(tail, history)
    assert ask(tail, [tick(0), tick(2), tick(3)]) == ([], [tick(3)])
    assert ask(tail, [*history, tick(3)]) == ([], [])
    assert ask(tail, [*history, tick(3), tick(4)]) == ([], [tick(4)])


def test_rows_up_to_the_first_state_are_not_delivered() -> None:
    tail = Tail(T0, before_msc=T0 * 1000 + 5)
    history = [tick(0), tick(5), tick(5, 2.0), tick(6)]
    assert ask(tail, history) == ([], [tick(6)])
    assert ask(tail, history) == ([], [])


def test_after_a_row_with_a_false_future_time_the_stream_goes_on() -> None:
    tail = Tail(T0)
    future = tick(10**9)
    history = [tick(0), future]
    assert ask(tail, history) == ([], history)
    history = [tick(0), tick(1), tick(1500), future]
    late, new = ask(tail, history, T0)
    assert (late, new) == ([tick(1), tick(1500)], [])
    history = [tick(0), tick(1), tick(1500), tick(2500), future]
    assert ask(tail, history, T0 + 2) == ([tick(2500)], [])
    assert ask(tail, history, T0 + 2) == ([], [])


def test_batches_have_at_most_1000_rows() -> None:
    packed = tick(0) * 2500
    assert [len(part) // RECORD_BYTES for part in batches(packed)] == [1000, 1000, 500]
    assert b"".join(batches(packed)) == packed


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from([0, 0, 1, 3, 400, 999, 1001, 2500]), st.sampled_from([1.0, 1.0, 2.0])), max_size=5),
            st.lists(st.tuples(st.floats(0, 1), st.sampled_from([1.0, 3.0])), max_size=2),
        ),
        max_size=12,
    )
)
def test_every_row_is_delivered_exactly_once(turns: list[tuple[list[tuple[int, float]], list[tuple[float, float]]]]) -> None:
    """The history grows at its end, and rows are inserted anywhere in its newest second."""
    tail = Tail(T0)
    history: list[bytes] = []
    delivered: list[bytes] = []
    now = 0
    for appended, inserted in turns:
        for share, bid in inserted:
            newest = [place for place, row in enumerate(history) if last_tick(row).time == T0 + now // 1000]
            if newest:
                at = newest[int(share * (len(newest) - 1))]
                history.insert(at, tick(last_tick(history[at]).time_msc - T0 * 1000, bid))
        for step, bid in appended:
            now += step
            history.append(tick(now, bid))
        late, new = ask(tail, history)
        delivered += late + new
        assert Counter(delivered) == Counter(history)
