"""Closed and forming bars: all timeframes against the terminal's own history, and answers that are not as they should be."""

from __future__ import annotations

from itertools import pairwise
from math import nan
from pathlib import Path
from random import Random

import pytest

from bridge.messages import BACKFILLED, SUSPECT
from bridge.session.bars import REREAD_S, THROTTLE_S
from bridge.session.suspect import KINDS
from bridge.terminal import TerminalError
from bridge.terminal.metatrader import MetaTrader
from bridge.terminal.simulator.direct import DirectTerminal
from bridge.terminal.simulator.market import SyntheticMarket
from bridge.terminal.simulator.world import World
from bridge.ticks import TIMEFRAME_S, TIMEFRAMES, iter_bars, last_tick
from tests.fake_terminal import FakeTerminal, bar, rows, tick
from tests.feed_run import Run
from tests.scripted_market import START_MSC

TOPIC = "bar:EURUSD:M1"
CHRISTMAS_S, SPRING_S = 1_703_275_200, 1_708_718_400
"""Friday 2023-12-22 20:00 of server time; Friday 2024-02-23 20:00, before both changes of daylight saving."""
PAGE = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")


@pytest.fixture
def terminal() -> FakeTerminal:
    made = FakeTerminal("EURUSD")
    made.ticks["EURUSD"] = tick(0)
    made.bars["EURUSD", "M1"] = bar(-120) + bar(-60) + bar(0)
    return made


@pytest.fixture
def run(terminal: FakeTerminal) -> Run:
    made = Run(terminal)
    assert made.start(TOPIC) == bar(-60)
    made.pass_time(1)
    return made


# ---- every timeframe -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_bars_are_those_of_the_terminals_history(timeframe: str) -> None:
    """The server's clock goes on by parts of a bar, by more than one, and by many; BTCUSD is quoted all the time."""
    world = World(SyntheticMarket(3), START_MSC)
    now_msc = START_MSC
    module = DirectTerminal(world, lambda: now_msc, lambda seconds: None).module()
    assert module.initialize()
    run = Run(MetaTrader(module, lambda seconds: None))
    topic = f"bar:BTCUSD:{timeframe}"
    state = run.start(topic)
    assert state is not None
    published: list[bytes] = []
    for share in (0.3, 0.4, 0.5, 0.9, 1.0, 2.2, 0.01, 7.3, 0.7):
        now_msc += round(share * TIMEFRAME_S[timeframe] * 1000)
        world.turn(now_msc)
        for found, flags, body in run.pass_time(REREAD_S + 0.2):
            assert (found, flags) == (topic, 0)
            published += rows(body)
    first, last = (next(iter_bars(row)).time for row in (state, published[-1]))
    history = module.copy_rates_range("BTCUSD", TIMEFRAMES[timeframe], first, now_msc // 1000)
    assert rows(history.tobytes())[:-1] == [state, *published]
    assert len(published) >= 11
    assert last < int(history["time"][-1]), "the forming bar is not among them"


def test_how_often_a_forming_bar_is_published_is_told(run: Run, terminal: FakeTerminal) -> None:
    assert THROTTLE_S == 0.25
    assert "| The bar that is forming, when it has changed, at most four times a second; one bar record |" in PAGE
    terminal.bars["EURUSD", "M1"] = bar(0)
    run.feed.stop(TOPIC)
    run.start("forming:EURUSD:M1")
    at: list[float] = []
    for number in range(1000):
        terminal.ticks["EURUSD"] += tick(10 * number + 1)
        terminal.bars["EURUSD", "M1"] = bar(0, close=1 + number / 1000)
        at += [run.now for _ in run.pass_time(0.01)]
    assert 38 <= len(at) <= 40
    assert min(after - before for before, after in pairwise(at)) > 0.23


# ---- answers that are too short --------------------------------------------------------------------------------------------------


def test_an_answer_of_two_bars_leaves_none_out(run: Run, terminal: FakeTerminal) -> None:
    """The newest two of the three that were asked for: between them and what was delivered are others."""
    original = terminal.rates_from_pos
    terminal.rates_from_pos = lambda *asked: original(*asked)[-120:]  # type: ignore[method-assign]
    terminal.bars["EURUSD", "M1"] += b"".join(bar(60 * number) for number in range(1, 6))
    [(_, flags, body)] = run.pass_time(5)
    assert (flags, rows(body)) == (0, [bar(60 * number) for number in range(5)])


def test_a_range_that_lacks_its_first_bar_is_asked_for_again(run: Run, terminal: FakeTerminal) -> None:
    complete = terminal.bars["EURUSD", "M1"] + b"".join(bar(60 * number) for number in range(1, 10))
    original = terminal.rates_range
    answers = [complete[-60:], b"", complete[-180:]]

    def short(name: str, timeframe: str, from_s: int, to_s: int) -> bytes:
        return answers.pop(0) if answers else original(name, timeframe, from_s, to_s)

    terminal.rates_range = short  # type: ignore[method-assign]
    terminal.bars["EURUSD", "M1"] = complete
    [(_, flags, body)] = run.pass_time(15)
    assert (flags, rows(body)) == (0, [bar(60 * number) for number in range(9)])


def test_a_history_that_stays_short_is_taken_and_marked(run: Run, terminal: FakeTerminal) -> None:
    terminal.bars["EURUSD", "M1"] = bar(300) + bar(360) + bar(420) + bar(480)
    events = run.pass_time(15)
    assert events[0] == (TOPIC, SUSPECT, bar(300) + bar(360) + bar(420))
    assert [body.message for topic, _, body in events if topic == "log"] == [
        f"{TOPIC}: the terminal sent {KINDS['short']}; published as it is, flagged SUSPECT"
    ]
    assert run.feed.take_suspect_records() == 1
    terminal.bars["EURUSD", "M1"] += bar(540)
    assert run.pass_time(5) == [(TOPIC, 0, bar(480))]


# ---- strange bars ----------------------------------------------------------------------------------------------------------------


def test_a_forming_bar_that_comes_twice_is_not_closed(run: Run, terminal: FakeTerminal) -> None:
    terminal.bars["EURUSD", "M1"] += bar(60, 1.1) + bar(60, 1.2)
    assert run.pass_time(5) == [(TOPIC, 0, bar(0))]
    assert run.pass_time(10) == []
    terminal.bars["EURUSD", "M1"] = bar(0) + bar(60, 1.3) + bar(120)
    assert run.pass_time(5) == [(TOPIC, 0, bar(60, 1.3))]


def test_strange_bars_are_published_as_they_are(run: Run, terminal: FakeTerminal) -> None:
    terminal.bars["EURUSD", "M1"] += bar(60, nan) + bar(60, 9.0) + bar(120)
    events = run.pass_time(5)
    assert events[0] == (TOPIC, SUSPECT, bar(0) + bar(60, nan) + bar(60, 9.0))
    assert len([topic for topic, _, _ in events if topic == "log"]) == 3
    assert run.feed.take_suspect_records() == 2
    terminal.bars["EURUSD", "M1"] += bar(180)
    assert run.pass_time(5) == [(TOPIC, 0, bar(120))]


def test_a_forming_bar_is_marked_too(run: Run, terminal: FakeTerminal) -> None:
    run.start("forming:EURUSD:M1")
    terminal.bars["EURUSD", "M1"] = bar(-60) + bar(0, 9.0)
    assert [(topic, flags) for topic, flags, _ in run.pass_time(4)] == [("forming:EURUSD:M1", SUSPECT), ("log", 0)]
    terminal.bars["EURUSD", "M1"] = bar(-180) + bar(-120)
    events = [event for event in run.pass_time(4) if event[0] == "forming:EURUSD:M1"]
    assert events == [("forming:EURUSD:M1", SUSPECT, bar(-120))], "its time ran backwards"
    terminal.bars["EURUSD", "M1"] = bar(-180) + bar(-120, 1.5)
    events = [event for event in run.pass_time(4) if event[0] == "forming:EURUSD:M1"]
    assert events == [("forming:EURUSD:M1", 0, bar(-120, 1.5))]


# ---- a server's clock that steps back --------------------------------------------------------------------------------------------


def test_bars_go_on_when_the_servers_clock_has_stepped_back(run: Run, terminal: FakeTerminal) -> None:
    terminal.bars["EURUSD", "M1"] = b"".join(bar(60 * number) for number in range(-70, 1))
    run.pass_time(5)
    terminal.bars["EURUSD", "M1"] = b"".join(bar(60 * number) for number in range(-70, -59))
    terminal.ticks["EURUSD"] = tick(-3_590_000)
    assert run.pass_time(5) == []
    terminal.bars["EURUSD", "M1"] += bar(-3540)
    terminal.ticks["EURUSD"] += tick(-3_530_000)
    events = run.pass_time(5)
    assert events[0] == (TOPIC, SUSPECT, bar(-3600)), "the first of them says that time ran backwards"
    assert [body.message for topic, _, body in events if topic == "log"] == [
        f"{TOPIC}: the terminal sent {KINDS['backwards']}; published as it is, flagged SUSPECT"
    ]
    terminal.bars["EURUSD", "M1"] += bar(-3480)
    assert run.pass_time(5) == [(TOPIC, 0, bar(-3540))]


def test_a_history_that_is_read_in_again_is_no_step_back(run: Run, terminal: FakeTerminal) -> None:
    """After a reconnect the terminal may show an old tick and an old end of the history until it has the new ones."""
    history = b"".join(bar(60 * number) for number in range(-5, 2))
    terminal.bars["EURUSD", "M1"] = history
    assert run.pass_time(5) == [(TOPIC, 0, bar(0))]
    terminal.fail("tick", -10_004)
    with pytest.raises(TerminalError):
        run.pass_time(1)
    terminal.bars["EURUSD", "M1"] = history[:-180]
    terminal.shown["EURUSD"] = last_tick(tick(-110_000))
    run.feed.restore(run.now)
    assert run.pass_time(10) == []
    terminal.bars["EURUSD", "M1"] = history + bar(120)
    terminal.shown.clear()
    terminal.ticks["EURUSD"] += tick(121_000)
    assert run.pass_time(5) == [(TOPIC, 0, bar(60))], "and nothing that was delivered before"


# ---- months ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shortest_s", "longest_s", "begin_s", "days"), [(60, 150_000, CHRISTMAS_S, 4), (3_600, 900_000, SPRING_S, 40)]
)
def test_all_timeframes_with_weekends_and_outages(shortest_s: int, longest_s: int, begin_s: int, days: int) -> None:
    """All timeframes over Christmas, and from H1 on over both changes of daylight saving in March, by a bar of the shortest one up
    to many; at some of the steps the session was lost. What was published is what the terminal has, each bar once, in order."""
    dice = Random(days)
    now_msc = begin_s * 1000
    world = World(SyntheticMarket(days), now_msc)
    module = DirectTerminal(world, lambda: now_msc, lambda seconds: None).module()
    assert module.initialize()
    run = Run(MetaTrader(module, lambda seconds: None))
    topics = {f"bar:EURUSD:{name}": name for name in TIMEFRAMES if TIMEFRAME_S[name] >= shortest_s}
    states = {topic: run.start(topic) for topic in topics}
    published: dict[str, list[bytes]] = {topic: [] for topic in topics}
    marks: set[int] = set()
    while now_msc < (begin_s + days * 86_400) * 1000:
        now_msc += round(1000 * shortest_s * (longest_s / shortest_s) ** dice.random())
        world.turn(now_msc)
        lost = dice.random() < 0.3
        if lost:
            run.feed.restore(run.now)
        for topic, flags, body in run.pass_time(1.5):
            assert flags in ((BACKFILLED, 0) if lost else (0,)), topic
            marks.add(flags)
            published[topic] += rows(body)
    assert marks == {0, BACKFILLED}
    for topic, timeframe in topics.items():
        state = states[topic]
        assert state is not None
        first_s = next(iter_bars(state)).time
        history = module.copy_rates_range("EURUSD", TIMEFRAMES[timeframe], first_s, now_msc // 1000)
        assert rows(history.tobytes())[:-1] == [state, *published[topic]], topic
    hours = [bar.time for row in published["bar:EURUSD:H1"] for bar in iter_bars(row)]
    assert 48 * 3600 < max(later - before for before, later in pairwise(hours)) < 5 * 86_400, "weekends and holidays have no bars"


def test_bars_of_a_weekend_come_where_something_is_traded(run: Run, terminal: FakeTerminal) -> None:
    """Nothing for two days, then a bar out of the usual grid: what the terminal has is published, not what a calendar says."""
    terminal.bars["EURUSD", "M1"] += bar(60)
    assert run.pass_time(5) == [(TOPIC, 0, bar(0))]
    terminal.bars["EURUSD", "M1"] += bar(172_800) + bar(172_870) + bar(172_920)
    [(_, flags, body)] = run.pass_time(5)
    assert (flags, rows(body)) == (0, [bar(60), bar(172_800), bar(172_870)])
