"""Ticks that a broker inserts into older seconds: found by reading these again, each once, without disturbing anything."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codec import encode_event
from bridge.delivered import MOST_ROWS, PAST_S, rows_before
from bridge.messages import BACKFILLED, FOREIGN, LATE, SUSPECT
from bridge.session.quotes import REVIEW_MARKS
from bridge.session.review import REVIEW_S, SETTLE_S
from bridge.terminal import TerminalError
from bridge.ticks import last_tick
from bridge.topics import TopicState, TopicTable
from tests.fake_terminal import FakeTerminal, rows, tick
from tests.feed_run import Run


@pytest.fixture
def terminal() -> FakeTerminal:
    return FakeTerminal("EURUSD", "GBPUSD", "XAUUSD")


@pytest.fixture
def run(terminal: FakeTerminal) -> Run:
    return Run(terminal)


def insert(terminal: FakeTerminal, *late: bytes, symbol: str = "EURUSD") -> None:
    """Into the history, which is in the order of time."""
    history: list[bytes] = [*rows(terminal.ticks[symbol]), *late]
    history.sort(key=lambda row: last_tick(row).time_msc)
    terminal.ticks[symbol] = b"".join(history)


def stream(run: Run, terminal: FakeTerminal, seconds: int, symbol: str = "EURUSD", begin_s: int = 0) -> list[Any]:
    """A tick a second; what was published besides the ticks themselves."""
    others = []
    for second in range(begin_s, begin_s + seconds):
        new = tick(1000 * second + 500)
        terminal.ticks[symbol] += new
        others += [event for event in run.pass_time(1.0) if event != (f"tick:{symbol}", 0, new)]
    return others


# ---- while connected -------------------------------------------------------------------------------------------------------------


def test_a_tick_inserted_into_an_older_second_is_published_late_and_once(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    run.start("tick:EURUSD")
    assert stream(run, terminal, 100) == []
    inserted = [tick(60_200, 1.05), tick(60_500), tick(75_000, 1.07)]  # the second of them is there already: it is one more
    insert(terminal, *inserted)
    assert stream(run, terminal, 35, begin_s=100) == [("tick:EURUSD", LATE, b"".join(inserted))]
    assert stream(run, terminal, 100, begin_s=135) == []
    assert run.feed.take_suspect_records() == 0


def test_it_is_looked_for_once_in_a_while_with_one_call(run: Run, terminal: FakeTerminal) -> None:
    for name in terminal.names:
        terminal.ticks[name] = b"".join(tick(1000 * second) for second in range(200))
        run.start(f"tick:{name}")
        terminal.ticks[name] += tick(205_000)
    run.pass_time(300)
    asked: list[tuple[str, int, int]] = []
    original = terminal.ticks_from

    def counted(name: str, from_s: int, count: int, kind: str = "all") -> bytes:
        if from_s != last_tick(terminal.ticks[name]).time:
            asked.append((name, from_s, count))
        return original(name, from_s, count, kind)

    terminal.ticks_from = counted  # type: ignore[method-assign]
    for second in range(206, 506):
        for name in terminal.names:
            terminal.ticks[name] += tick(1000 * second)
        run.pass_time(1.0)
    reviews = Counter(name for name, _, count in asked if count != 1000)
    assert set(reviews) == set(terminal.names)
    assert all(abs(number - 300 / REVIEW_S) <= 1 for number in reviews.values())


def test_what_was_never_known_is_not_taken_for_new(run: Run, terminal: FakeTerminal) -> None:
    """The stream began at a second: nothing before it counts, now or later."""
    terminal.ticks["EURUSD"] = b"".join(tick(1000 * second) for second in range(-200, 1))
    run.start("tick:EURUSD")
    insert(terminal, tick(-5_500), tick(-100_000, 1.05))
    assert stream(run, terminal, 90) == []


def test_a_burst_reaches_as_far_back_as_memory_does(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    run.start("tick:EURUSD")
    for second in range(1, 60):
        terminal.ticks["EURUSD"] += b"".join(tick(1000 * second + number, 1.01 + number * 1e-5) for number in range(300))
        run.pass_time(1.0)
    insert(terminal, tick(5_400, 1.07), tick(50_400, 1.08))
    events = [event for event in stream(run, terminal, 31, begin_s=60) if event[0] != "log"]
    assert events == [("tick:EURUSD", LATE, tick(50_400, 1.08))], "of second 5 nothing is known any more"


def test_a_review_that_fails_is_told_and_harms_nothing(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    run.start("tick:EURUSD")
    stream(run, terminal, 100)
    others = []
    for second in range(100, 200):
        if second == 140:
            terminal.recover()
            insert(terminal, tick(100_100, 1.05))
        if 110 <= second < 140:
            terminal.fail("ticks_from", -1, times=2)
        terminal.ticks["EURUSD"] += tick(1000 * second + 500)
        others += [event for event in run.pass_time(1.0) if event[1]]
    assert others == [("tick:EURUSD", LATE, tick(100_100, 1.05))]


# ---- after an outage -------------------------------------------------------------------------------------------------------------


def test_after_a_reconnect_the_time_before_it_is_read_again(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    run.start("tick:EURUSD")
    stream(run, terminal, 200)
    terminal.fail("tick", -10_004)
    with pytest.raises(TerminalError):
        run.pass_time()
    run.now += 600.0
    run.feed.restore(run.now)
    terminal.ticks["EURUSD"] += tick(800_000)
    before = [tick(100_100, 1.05), tick(198_100, 1.06)]
    within = [tick(500_000, 1.07), tick(790_000, 1.08)]
    assert run.records(1.0, BACKFILLED) == [tick(800_000)], "the first live tick came before the missed ones"
    insert(terminal, *before, *within)
    assert run.feed._review.slow, "the terminal may have to download that time"
    found = run.pass_time(REVIEW_S + SETTLE_S)
    assert found == [("tick:EURUSD", LATE, b"".join(before + within))]
    insert(terminal, tick(600_000))
    assert stream(run, terminal, 60, begin_s=801) == [("tick:EURUSD", LATE, tick(600_000))]
    assert stream(run, terminal, 200, begin_s=861) == []
    assert not run.feed._review.slow


def test_a_broker_that_was_away_is_read_again_although_the_session_held(run: Run, terminal: FakeTerminal) -> None:
    """The terminal lost the trade server, not the bridge the terminal: nothing was restored, but time has passed."""
    terminal.ticks["EURUSD"] = tick(0)
    run.start("tick:EURUSD")
    stream(run, terminal, 100)
    run.pass_time(900.0)
    terminal.ticks["EURUSD"] += tick(1_000_000)
    assert run.records(60.0) == [tick(1_000_000)]
    insert(terminal, tick(500_000))
    assert stream(run, terminal, int(REVIEW_S) + 1, begin_s=1_060) == [("tick:EURUSD", LATE, tick(500_000))]


def test_a_new_session_is_told_what_was_published_and_finds_what_was_not(run: Run, terminal: FakeTerminal) -> None:
    topic = TopicTable(5.0).topic("tick:EURUSD")
    history = [tick(1000 * second + 500) for second in range(150)]
    published(topic, *history)
    topic.remember(history[-1])
    resume = topic.resume()
    assert resume == b"".join(history[150 - 1 - PAST_S - 1 :])
    terminal.ticks["EURUSD"] = b"".join([*history, tick(149_700), tick(151_000)])
    insert(terminal, tick(5_100, 1.05), tick(100_100, 1.06))
    assert run.start("tick:EURUSD", resume) == history[-1]
    events = run.pass_time(REVIEW_S + 1)
    assert events == [
        ("tick:EURUSD", BACKFILLED, tick(149_700) + tick(151_000)),
        ("tick:EURUSD", LATE, tick(100_100, 1.06)),
    ]


# ---- what a new session is told --------------------------------------------------------------------------------------------------


def published(topic: TopicState, *bodies: bytes, flags: int = 0) -> None:
    for body in bodies:
        topic.frames.append(encode_event(topic.prefix, 1, 1, 1, flags, body))


def past(*frames: tuple[int, bytes], second: int) -> list[bytes]:
    topic = TopicTable(5.0).topic("tick:EURUSD")
    for flags, body in frames:
        published(topic, body, flags=flags)
    return rows(rows_before(topic.frames, second + last_tick(tick(0)).time))


def test_the_first_second_may_be_incomplete_and_is_left_out() -> None:
    assert past((0, tick(500) + tick(1_500)), (0, tick(2_500)), (0, tick(3_000)), second=3) == [tick(1_500), tick(2_500)]
    assert past(second=3) == []
    assert past((0, tick(2_500)), second=3) == []


def test_of_another_server_nothing_is_told() -> None:
    found = past((0, tick(500)), (FOREIGN, tick(1_500)), (FOREIGN | SUSPECT, tick(1_600)), (0, tick(2_500)), second=3)
    assert found == [tick(2_500)]


def test_late_and_suspect_times_prove_nothing_of_the_seconds_after_them() -> None:
    assert past((LATE, tick(-90_000)), (0, tick(1_500)), (LATE, tick(1_400)), (0, tick(2_500)), second=3) == [tick(2_500)]
    assert past((SUSPECT, tick(-90_000)), (0, tick(1_500)), (LATE, tick(2_100)), (0, tick(2_500)), second=3) == [
        tick(2_100),
        tick(2_500),
    ]
    assert past((SUSPECT, tick(1_500)), (LATE, tick(1_500)), second=3) == []


def test_not_more_is_told_than_a_session_remembers() -> None:
    many = [tick(10 * number) for number in range(3 * MOST_ROWS)]
    found = past(*((0, row) for row in many), second=3 * MOST_ROWS // 100)
    assert MOST_ROWS - 200 <= len(found) <= MOST_ROWS
    assert found == many[-len(found) :]


# ---- nothing is doubled ----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from([0, 1, 300, 999, 1001, 30_000]), st.sampled_from([1.0, 1.1])), max_size=4),
            st.lists(st.tuples(st.floats(0, 1), st.sampled_from([1.0, 1.15])), max_size=2),
            st.sampled_from([0.5, 3.0, 31.0]),
            st.sampled_from(["", "", "fail", "lost"]),
        ),
        max_size=10,
    )
)
def test_every_row_is_published_once_whatever_is_inserted(
    turns: list[tuple[list[tuple[int, float]], list[tuple[float, float]], float, str]],
) -> None:
    """Rows are inserted anywhere behind the newest one; in the end all that memory reaches were published, none twice."""
    terminal = FakeTerminal()
    terminal.ticks["EURUSD"] = tick(0, 1.19)
    run = Run(terminal)
    run.start("tick:EURUSD")
    seen: list[bytes] = []
    now = 0

    def take(seconds: float) -> None:
        for topic, _, body in run.pass_time(seconds):
            if topic != "log":
                seen.extend(rows(body))

    for appended, inserted, seconds, trouble in turns:
        for share, bid in inserted:
            insert(terminal, tick(int(share * now), bid))
        for step, bid in appended:
            now += step
            terminal.ticks["EURUSD"] += tick(now, bid)
        if trouble == "fail":
            terminal.fail("ticks_from", -1, times=2)
        if trouble == "lost":
            terminal.fail("tick", -10_001)
            with pytest.raises(TerminalError):
                take(5.0)
            run.feed.restore(run.now)
        take(seconds)
        assert not Counter(seen) - Counter(rows(terminal.ticks["EURUSD"]))
    terminal.recover()
    take(10.0)
    terminal.ticks["EURUSD"] += tick(now + 2_000)
    take(2 * REVIEW_S)
    missing = Counter(rows(terminal.ticks["EURUSD"])) - Counter(seen)
    newest_s = last_tick(terminal.ticks["EURUSD"]).time
    within_s = 60
    assert [row for row in missing if last_tick(row).time >= newest_s - within_s and row != tick(0, 1.19)] == []


def test_the_number_of_marks_covers_the_last_minutes() -> None:
    assert 120 <= REVIEW_MARKS * REVIEW_S <= 300
