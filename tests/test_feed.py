"""All streams in virtual time over a terminal in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import InvalidParameters, NotConnected, TerminalRefused, UnknownSymbol, UnknownTimeframe
from bridge.messages import BACKFILLED, LATE, SUSPECT
from bridge.replies import LogRecord, TradeEvent, TradeSnapshot
from bridge.session.feed import Feed
from bridge.session.looks import IN_SLOT, SLOT_S
from bridge.terminal import TerminalError
from bridge.ticks import TICK_STRUCT, Tick, last_tick
from bridge.trading import Order, Position
from tests.fake_terminal import FakeTerminal, bar, record, rows, tick
from tests.feed_run import Run


@pytest.fixture
def terminal() -> FakeTerminal:
    return FakeTerminal("EURUSD", "GBPUSD", "XAUUSD")


@pytest.fixture
def run(terminal: FakeTerminal) -> Run:
    return Run(terminal)


# ---- ticks -----------------------------------------------------------------------------------------------------------------------


def test_ticks_follow_the_snapshot(run: Run, terminal: FakeTerminal) -> None:
    terminal.visible.clear()
    terminal.ticks["EURUSD"] = tick(0) + tick(10)
    assert run.start("tick:EURUSD") == tick(0) + tick(10), "all of the newest second"
    assert terminal.visible == {"EURUSD"}
    assert run.records() == []
    terminal.ticks["EURUSD"] += tick(10, 1.5) + tick(700) + tick(1200)
    assert run.records() == [tick(10, 1.5), tick(700), tick(1200)]
    assert run.records(20) == []
    assert run.start("tick:EURUSD") == tick(1200)


def test_a_symbol_without_a_tick_starts_with_its_first(run: Run, terminal: FakeTerminal) -> None:
    assert run.start("tick:EURUSD") is None
    assert run.records(5) == []
    terminal.ticks["EURUSD"] = tick(-59_000) + tick(-1_000) + tick(0)
    assert run.records() == [tick(-59_000), tick(-1_000), tick(0)]


def test_the_history_lags_behind_the_last_tick(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    run.start("tick:EURUSD")
    terminal.shown["EURUSD"] = last_tick(tick(500))
    assert run.records(0.5) == []
    asked = terminal.calls.count("ticks_from")
    terminal.ticks["EURUSD"] += tick(400) + tick(500)
    assert run.records(0.5) == [tick(400), tick(500)]
    assert asked < 20


def test_without_history_the_last_tick_is_the_snapshot(run: Run, terminal: FakeTerminal) -> None:
    terminal.shown["EURUSD"] = last_tick(tick(500))
    assert run.start("tick:EURUSD") == tick(500)
    terminal.ticks["EURUSD"] = tick(400) + tick(500) + tick(501)
    terminal.shown["EURUSD"] = last_tick(tick(501))
    assert run.records() == [tick(501)]


def test_a_history_that_fails_at_first_does_not_fail_the_start(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    terminal.fail("ticks_from", -1, "Terminal: Call failed")
    assert run.start("tick:EURUSD") == tick(0)
    events = run.pass_time(2)
    assert [(topic, body.message) for topic, _, body in events] == [
        ("log", "tick:EURUSD: ticks_from: Terminal: Call failed (-1); trying again each second")
    ]
    terminal.ticks["EURUSD"] += tick(1)
    assert run.records(2) == [tick(1)]


def test_a_burst_arrives_in_batches(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    run.start("tick:EURUSD")
    burst = [tick(1 + number // 2000, bid=1 + number) for number in range(5500)]
    terminal.ticks["EURUSD"] += b"".join(burst)
    events = run.pass_time()
    assert all(len(body) <= 60_000 for _, _, body in events)
    assert rows(b"".join(body for _, _, body in events)) == burst


def test_many_ticks_in_the_second_of_the_snapshot(run: Run, terminal: FakeTerminal) -> None:
    history = [tick(number // 10, bid=number) for number in range(3000)]
    terminal.ticks["EURUSD"] = b"".join(history)
    assert run.start("tick:EURUSD") == b"".join(history)
    terminal.ticks["EURUSD"] += tick(301)
    assert run.records() == [tick(301)]


def test_late_ticks_are_marked(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0) + tick(500)
    run.start("tick:EURUSD")
    terminal.ticks["EURUSD"] = tick(0) + tick(200) + tick(500) + tick(600)
    assert run.pass_time() == [("tick:EURUSD", LATE, tick(200)), ("tick:EURUSD", 0, tick(600))]


def test_rows_that_break_rules_are_published_as_they_are(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    run.start("tick:EURUSD")
    strange = [tick(1, float("nan"), 0.0), tick(2, 0.0, 0.0), tick(3, 1.3, 1.2), tick(3, float("inf")), tick(4, -1.0)]
    terminal.ticks["EURUSD"] += b"".join(strange)
    events = run.pass_time()
    assert [(flags, rows(body)) for topic, flags, body in events if topic != "log"] == [(SUSPECT, strange)]
    looks = terminal.calls.count("ticks_from")
    terminal.shown["EURUSD"] = Tick(*TICK_STRUCT.unpack(tick(4, float("nan"))))
    run.records(3)
    terminal.shown["EURUSD"] = Tick(*TICK_STRUCT.unpack(tick(4, float("nan"))))
    run.records(3)
    assert terminal.calls.count("ticks_from") - looks < 10


def test_quiet_symbols_are_looked_at_less_often(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    run.start("tick:EURUSD")
    run.pass_time(1)
    terminal.calls.clear()
    run.pass_time(10)
    assert 95 <= terminal.calls.count("tick") <= 105
    terminal.ticks["EURUSD"] += tick(1)
    run.pass_time(0.1)
    terminal.calls.clear()
    terminal.ticks["EURUSD"] += tick(2)
    run.pass_time(0.1)
    assert terminal.calls.count("tick") >= 3


def test_a_lost_session_is_caught_up(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    run.start("tick:EURUSD")
    terminal.fail("tick", -10_004)
    with pytest.raises(TerminalError):
        run.pass_time()
    missed = [tick(number) for number in range(1, 5000, 3)]
    terminal.ticks["EURUSD"] += b"".join(missed)
    terminal.visible.clear()
    run.feed.restore(run.now)
    assert run.records(0.5, BACKFILLED) == missed
    terminal.ticks["EURUSD"] += tick(5500)
    assert run.records(0.4, BACKFILLED) == [tick(5500)]
    run.pass_time(0.2)
    assert terminal.visible == {"EURUSD"}
    terminal.ticks["EURUSD"] += tick(6000)
    assert run.records() == [tick(6000)]


def test_a_new_session_resumes_where_the_last_one_ended(run: Run, terminal: FakeTerminal) -> None:
    history = [tick(number * 10) for number in range(2500)]
    terminal.ticks["EURUSD"] = b"".join(history)
    assert run.start("tick:EURUSD", resume=history[700]) == history[700]
    assert run.records(1.1, BACKFILLED) == history[701:]
    terminal.ticks["EURUSD"] += tick(26_000)
    assert run.records() == [tick(26_000)]


def test_resuming_after_a_record_that_the_history_lacks(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0) + tick(10) + tick(20)
    run.start("tick:EURUSD", resume=tick(10, 9.9))
    assert run.records(0.5, BACKFILLED) == [tick(20)]


def test_market_watch_is_streamed_by_prefix(run: Run, terminal: FakeTerminal) -> None:
    for name in terminal.names:
        terminal.ticks[name] = tick(0)
    terminal.visible = {"EURUSD", "XAUUSD"}
    assert run.start("tick:*") is None
    run.pass_time(0.5)
    for name in terminal.names:
        terminal.ticks[name] += tick(1)
    assert sorted(run.pass_time(1)) == [("tick:EURUSD", 0, tick(1)), ("tick:XAUUSD", 0, tick(1))]
    terminal.visible = {"EURUSD", "GBPUSD"}
    assert run.pass_time(11) == []
    for name in terminal.names:
        terminal.ticks[name] += tick(2)
    assert sorted(run.pass_time(1)) == [("tick:EURUSD", 0, tick(2)), ("tick:GBPUSD", 0, tick(2))]
    assert run.start("tick:EURUSD") == tick(0) + tick(1) + tick(2)
    run.feed.stop("tick:*")
    for name in terminal.names:
        terminal.ticks[name] += tick(3)
    assert run.pass_time(1) == [("tick:EURUSD", 0, tick(3))]
    run.feed.stop("tick:EURUSD")
    assert run.feed.next_deadline() == float("inf")


def test_a_narrow_prefix(run: Run, terminal: FakeTerminal) -> None:
    for name in terminal.names:
        terminal.ticks[name] = tick(0)
    run.start("tick:EUR*")
    run.pass_time(0.5)
    for name in terminal.names:
        terminal.ticks[name] += tick(1)
    assert run.pass_time(1) == [("tick:EURUSD", 0, tick(1))]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1, 7, 250, 1000, 5000]), st.integers(0, 4), st.sampled_from(["", "lag", "fail", "lost"])),
        max_size=25,
    )
)
def test_every_tick_once_in_order_whatever_happens(turns: list[tuple[int, int, str]]) -> None:
    terminal = FakeTerminal()
    terminal.ticks["EURUSD"] = tick(0)
    run = Run(terminal)
    assert run.start("tick:EURUSD") == tick(0)
    seen: list[bytes] = []
    expected: list[bytes] = []
    msc = 0
    for step, count, trouble in turns:
        new = []
        for _ in range(count):
            msc += step
            new.append(tick(msc, bid=float(len(expected) % 3)))
            expected.append(new[-1])
        if trouble == "lag" and new:
            terminal.shown["EURUSD"] = last_tick(new[-1])
            seen += rows(b"".join(body for topic, _, body in run.pass_time(0.05) if topic != "log"))
            terminal.shown.clear()
        terminal.ticks["EURUSD"] += b"".join(new)
        if trouble == "fail":
            terminal.fail("ticks_from", -1, times=2)
            terminal.fail("tick", -1)
        if trouble == "lost":
            terminal.fail("tick", -10_001)
            with pytest.raises(TerminalError):
                run.pass_time(5)
            run.feed.restore(run.now)
        seen += rows(b"".join(body for topic, _, body in run.pass_time(0.3) if topic != "log"))
    terminal.recover()
    seen += rows(b"".join(body for topic, _, body in run.pass_time(10) if topic != "log"))
    assert seen == expected


# ---- bars ------------------------------------------------------------------------------------------------------------------------


def test_a_bar_is_closed_by_a_newer_one(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    terminal.bars["EURUSD", "M1"] = bar(-120) + bar(-60) + bar(0, 1.1)
    assert run.start("bar:EURUSD:M1") == bar(-60)
    assert run.pass_time(10) == []
    terminal.ticks["EURUSD"] += tick(59_999)
    assert run.pass_time(1) == []
    terminal.ticks["EURUSD"] += tick(60_000)
    assert run.pass_time(0.2) == []
    terminal.bars["EURUSD", "M1"] = bar(-120) + bar(-60) + bar(0, 1.7) + bar(60)
    assert run.pass_time(1.1) == [("bar:EURUSD:M1", 0, bar(0, 1.7))]
    assert run.pass_time(10) == []


def test_a_bar_is_published_at_once_when_a_tick_crosses_its_end(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    terminal.bars["EURUSD", "M1"] = bar(-60) + bar(0)
    run.start("bar:EURUSD:M1")
    run.pass_time(7)
    asked = terminal.calls.count("rates_from_pos")
    assert asked <= 4
    terminal.bars["EURUSD", "M1"] += bar(60)
    terminal.ticks["EURUSD"] += tick(61_000)
    assert run.pass_time(0.11) == [("bar:EURUSD:M1", 0, bar(0))]


@pytest.mark.parametrize("missed", [1, 2, 3, 4, 50, 2500])
def test_missed_bars_come_in_order_once(run: Run, terminal: FakeTerminal, missed: int) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    terminal.bars["EURUSD", "M1"] = bar(-60) + bar(0)
    run.start("bar:EURUSD:M1")
    terminal.bars["EURUSD", "M1"] += b"".join(bar(60 * number) for number in range(1, missed + 1))
    run.feed.restore(run.now)
    events = run.pass_time(5)
    assert all(flags == BACKFILLED for _, flags, _ in events)
    assert rows(b"".join(body for _, _, body in events)) == [bar(60 * number) for number in range(missed)]
    run.pass_time(3)
    terminal.bars["EURUSD", "M1"] += bar(60 * missed + 60)
    assert run.pass_time(5) == [("bar:EURUSD:M1", 0, bar(60 * missed))]


def test_bars_resume_where_the_last_session_ended(run: Run, terminal: FakeTerminal) -> None:
    terminal.bars["EURUSD", "M1"] = b"".join(bar(60 * number) for number in range(10))
    assert run.start("bar:EURUSD:M1", resume=bar(120)) == bar(120)
    events = run.pass_time(1)
    assert [(flags, rows(body)) for _, flags, body in events] == [(BACKFILLED, [bar(60 * n) for n in range(3, 9)])]


def test_bars_that_do_not_exist_yet(run: Run, terminal: FakeTerminal) -> None:
    assert run.start("bar:EURUSD:M5") is None
    terminal.bars["EURUSD", "M5"] = bar(0)
    assert run.pass_time(5) == []
    terminal.bars["EURUSD", "M5"] += bar(300)
    assert run.pass_time(5) == [("bar:EURUSD:M5", 0, bar(0))]


def test_the_forming_bar_at_most_four_times_a_second(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    terminal.bars["EURUSD", "H1"] = bar(0)
    assert run.start("forming:EURUSD:H1") == bar(0)
    events = []
    for number in range(200):
        terminal.ticks["EURUSD"] += tick(10 * number + 1)
        terminal.bars["EURUSD", "H1"] = bar(0, close=1 + number / 200)
        events += run.pass_time(0.01)
    assert 6 <= len(events) <= 9
    events += run.pass_time(1)
    assert events[-1] == ("forming:EURUSD:H1", 0, bar(0, close=1.995))


# ---- account and trades ----------------------------------------------------------------------------------------------------------


def test_the_account_is_published_when_it_changes(run: Run, terminal: FakeTerminal) -> None:
    assert run.start("account") is None
    assert run.pass_time(1) == [("account", 0, terminal.figures)]
    assert run.pass_time(1) == []
    terminal.figures = replace(terminal.figures, balance=90.0)
    assert run.pass_time(1) == [("account", 0, terminal.figures)]


def test_trades_are_seen_by_comparing(run: Run, terminal: FakeTerminal) -> None:
    terminal.open_positions = [record(Position, ticket=1, identifier=1, volume=0.1)]
    body = run.start("trade")
    assert msgspec.msgpack.decode(body or b"", type=TradeSnapshot) == TradeSnapshot(tuple(terminal.open_positions), ())
    assert run.pass_time(1) == []
    terminal.pending = [record(Order, ticket=2)]
    assert run.pass_time(1) == [("trade", 0, TradeEvent("order_placed", order=terminal.pending[0], reason="client"))]
    changed = terminal.open_positions[0] = replace(terminal.open_positions[0], sl=1.0)
    run.feed.ordered(run.now)
    assert run.pass_time(0.001) == [("trade", 0, TradeEvent("position_changed", position=changed))]
    terminal.pending = []
    run.feed.restore(run.now)
    assert [(flags, event.kind) for _, flags, event in run.pass_time(3)] == [(BACKFILLED, "order_gone")]


# ---- refusals --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "error"),
    [
        ("tick:NOPE", UnknownSymbol),
        ("bar:NOPE:M1", UnknownSymbol),
        ("bar:EURUSD:M7", UnknownTimeframe),
        ("forming:EURUSD:", UnknownTimeframe),
        ("bar:EURUSD", InvalidParameters),
        ("bar:", InvalidParameters),
        ("weather", InvalidParameters),
    ],
)
def test_topics_that_cannot_be_streamed(run: Run, topic: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        run.start(topic)
    assert run.feed.next_deadline() == float("inf")


@pytest.mark.parametrize(("code", "error"), [(-1, TerminalRefused), (-10_002, NotConnected)])
def test_a_failed_selection_fails_the_start(run: Run, terminal: FakeTerminal, code: int, error: type[Exception]) -> None:
    terminal.fail("select", code)
    with pytest.raises(error):
        run.start("tick:EURUSD")
    assert run.feed.next_deadline() == float("inf")


def test_a_start_that_is_given_up_leaves_nothing(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    steps = run.feed.begin("tick:EURUSD", run.now)
    for _ in range(3):
        next(steps)
    steps.close()
    assert run.feed.next_deadline() == float("inf")


def test_the_first_history_may_take_long(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    steps = run.feed.begin("tick:EURUSD", run.now)
    assert list(steps) == [0.0, 0.0, 0.0, 90.0]
    assert terminal.calls == ["symbol", "select", "tick", "ticks_from"]


def test_a_failure_is_told_once_until_it_is_over(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    run.start("tick:EURUSD")
    terminal.fail("tick", -1, times=3)
    logged = [body for topic, _, body in run.pass_time(2.5) if topic == "log"]
    assert logged == [LogRecord("warning", "tick:EURUSD: tick: on demand (-1); trying again each second", "tick:EURUSD")]
    run.pass_time(2)
    terminal.fail("tick", -1)
    assert len([topic for topic, _, _ in run.pass_time(2) if topic == "log"]) == 1


def test_a_symbol_that_vanishes_is_told_once_and_goes_on_when_it_is_back(run: Run, terminal: FakeTerminal) -> None:
    terminal.ticks["EURUSD"] = tick(0)
    terminal.ticks["GBPUSD"] = tick(0)
    terminal.bars["EURUSD", "M1"] = bar(0) + bar(60)
    for topic in ("tick:EURUSD", "bar:EURUSD:M1", "forming:EURUSD:M1", "tick:GBPUSD"):
        run.start(topic)
    run.pass_time(1)
    terminal.names.remove("EURUSD")
    terminal.visible.clear()
    [(_, _, told)] = [event for event in run.pass_time(60) if event[0] == "log"]
    assert told.topic == "tick:EURUSD"
    assert "the symbol EURUSD is not there any more" in told.message
    assert run.feed.gone() == ["EURUSD"]
    terminal.ticks["GBPUSD"] += tick(500)
    assert run.records() == [tick(500)]
    terminal.names.append("EURUSD")
    terminal.ticks["EURUSD"] += tick(700)
    events = run.pass_time(10)
    assert [body.message for topic, _, body in events if topic == "log"] == ["the symbol EURUSD is there again"]
    assert [body for topic, _, body in events if topic == "tick:EURUSD"] == [tick(700)]
    assert (run.feed.gone(), terminal.visible) == ([], {"EURUSD"})
    terminal.names.remove("EURUSD")
    run.pass_time(2)
    for topic in ("tick:EURUSD", "bar:EURUSD:M1", "forming:EURUSD:M1"):
        run.feed.stop(topic)
    assert run.feed.gone() == []


def test_many_symbols_are_looked_at_in_turn() -> None:
    terminal = FakeTerminal(*(f"S{number}" for number in range(100)))
    asked: dict[str, int] = dict.fromkeys(terminal.names, 0)
    original: Callable[[str], Tick] = terminal.tick

    def counted(name: str) -> Tick:
        asked[name] += 1
        return original(name)

    terminal.tick = counted  # type: ignore[method-assign]
    for name in terminal.names:
        terminal.ticks[name] = tick(0)
    run = Run(terminal)
    run.start("tick:")
    run.pass_time(0.3)
    for number in range(120):
        if number == 20:
            start = dict(asked)
        for name in terminal.names:
            terminal.ticks[name] += tick(number * 10 + 1)
        run.pass_time(0.01)
    counts = [asked[name] - start[name] for name in terminal.names]
    assert max(counts) - min(counts) <= 2
    assert 15 <= min(counts) <= 20, "2,000 looks a second among 100"


def test_the_next_to_be_polled_is_always_the_one_that_is_due_first() -> None:
    terminal = FakeTerminal(*(f"S{number}" for number in range(30)))
    feed = Feed(terminal)
    now = 0.0
    late_s = 0.0
    for turn in range(3_000):
        if turn < 90 and turn % 3 == 0:
            feed.start(f"tick:S{turn // 3}", now)
        if turn % 7 == 0:
            terminal.ticks[f"S{turn % 30}"] += tick(turn * 10)
        if turn in (500, 1_500):
            feed.restore(now)
        if turn == 1_000:
            feed.stop("tick:S3")
        now = max(now, feed.next_deadline())
        feed.poll(now)
        streams = min((stream.due for stream in feed._streams.values()), default=feed._review.due)
        streams = min(streams, feed._review.due)
        watches = min(watch.due for symbol in feed.symbols() if (watch := feed._looks.watch(symbol)) is not None)
        assert min(streams, watches) <= feed.next_deadline() <= min(streams, max(watches, now + SLOT_S))
        late_s = max(late_s, now - min(streams, watches))
    assert late_s < 30 * SLOT_S / IN_SLOT + SLOT_S
