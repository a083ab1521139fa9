"""What a feed makes of a simulated terminal whose answers break its own rules: published as they are, marked, counted, said once;
and the feed goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from bridge.messages import BACKFILLED, LATE, SUSPECT
from bridge.session.review import REVIEW_S
from bridge.terminal.metatrader import MetaTrader
from bridge.ticks import Bar, Tick, iter_bars, iter_ticks, last_tick
from tests.faulty_terminal import MOVING, Faulty
from tests.feed_run import Run
from tests.scripted_market import START_MSC, START_S, Ticks

TOPIC = "tick:EURUSD"


class Scene:
    """A feed over a terminal with faults; `seen` are the ticks and their flags as they were published."""

    def __init__(self, quotes: Mapping[str, Ticks] | None = None) -> None:
        self.faulty = Faulty(quotes)
        self.run = Run(MetaTrader(self.faulty.mt5, lambda seconds: None), self.faulty.pass_s)
        self.seen: list[tuple[int, Tick]] = []
        self.bars: list[tuple[int, Bar]] = []
        self.told: list[str] = []
        self.sizes: Counter[int] = Counter()

    def start(self, topic: str = TOPIC) -> bytes | None:
        return self.run.start(topic)

    def pass_s(self, seconds: float) -> None:
        for topic, flags, body in self.run.pass_time(seconds):
            if topic == "log":
                self.told.append(body.message)
            elif topic.startswith("tick:"):
                self.seen += [(flags, tick) for tick in iter_ticks(body)]
                self.sizes[flags] += 1
            else:
                self.bars += [(flags, bar) for bar in iter_bars(body)]

    def flagged(self, flags: int) -> list[Tick]:
        return [tick for found, tick in self.seen if found & flags == flags]

    def suspect_records(self) -> int:
        return self.run.feed.take_suspect_records()

    def goes_on(self, seconds: int = 10) -> None:
        """Ticks of the last seconds have come, each once, without a mark."""
        before = len(self.seen)
        self.pass_s(seconds)
        new = self.seen[before:]
        assert len(new) in (seconds - 1, seconds, seconds + 1)
        assert {flags for flags, _ in new} == {0}

    def times(self) -> list[int]:
        return [tick.time_msc - START_MSC for _, tick in self.seen]


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.start()
    made.pass_s(5.5)
    assert made.times() == [0, 1000, 2000, 3000, 4000, 5000]
    assert made.suspect_records() == 0
    made.seen.clear()
    return made


def test_duplicates(scene: Scene) -> None:
    scene.faulty.fault("duplicate_quote", count=2)
    scene.pass_s(6)
    assert [tick.time_msc - START_MSC for tick in scene.flagged(SUSPECT)] == [5000, 5000, 6000], "found with the next tick"
    assert scene.sizes[SUSPECT] == 1
    assert scene.suspect_records() == 2
    assert scene.told == ["tick:EURUSD: the terminal sent the same record once more; published as it is, flagged SUSPECT"]
    scene.goes_on()


@pytest.mark.parametrize("name", ["crossed_quote", "zero_quote", "nan_quote"])
def test_prices_that_are_none(scene: Scene, name: str) -> None:
    scene.faulty.fault(name, seconds=3)
    scene.pass_s(6)
    assert scene.times() == [5499, 6000, 7000, 8000, 9000, 10_000, 11_000]
    assert [bool(flags & SUSPECT) for flags, _ in scene.seen] == [True] * 4 + [False] * 3
    wrong = scene.flagged(SUSPECT)
    for tick in wrong:
        assert {"crossed_quote": tick.bid > tick.ask, "zero_quote": tick.bid == 0, "nan_quote": tick.bid != tick.bid}[name]
    assert scene.suspect_records() == 4
    assert len(scene.told) == 1
    scene.goes_on()
    scene.pass_s(60)
    scene.faulty.fault(name)
    scene.pass_s(1)
    assert len(scene.told) == 2, "it was quiet for a minute"


@pytest.mark.parametrize("age_ms", [100, 450, 500, 2500])
def test_time_that_runs_backwards(scene: Scene, age_ms: int) -> None:
    scene.faulty.fault("out_of_order_quote", age_ms=age_ms)
    scene.pass_s(1.0)
    assert scene.times()[0] == 5000 - age_ms
    flags, _ = scene.seen[0]
    assert flags == SUSPECT
    assert scene.suspect_records() == 1
    assert "a time before that of the record before it" in scene.told[0]
    before = scene.seen.copy()
    scene.goes_on()
    scene.pass_s(2 * REVIEW_S)
    assert Counter(tick for _, tick in scene.seen).most_common(1)[0][1] == 1
    assert [found for found in scene.seen if found[0]] == before[:1]


@pytest.mark.parametrize("age_ms", [450, 500, 4_900])
def test_a_tick_that_appears_behind_delivered_ones_is_late_and_not_suspect(scene: Scene, age_ms: int) -> None:
    """Within the newest second it comes at once, and from the seconds before it when these are looked at again."""
    scene.pass_s(3)
    scene.faulty.fault("late_quote", age_ms=age_ms)
    scene.pass_s(REVIEW_S + 1)
    assert [(flags, tick.time_msc - START_MSC) for flags, tick in scene.seen if flags] == [(LATE, 8000 - age_ms)]
    assert (scene.suspect_records(), scene.told) == (0, [])
    scene.goes_on(70)


def test_a_clock_that_steps_back_beyond_memory() -> None:
    """What the last tick shows is published, marked; once the clock is where it was, the history is read on."""
    an_hour_before = [(1000 * second, 1.2, 1.3) for second in range(-3700, -3500)]
    scene = Scene({"EURUSD": [*an_hour_before, *MOVING]})
    scene.start()
    scene.pass_s(5.5)
    scene.seen.clear()
    scene.faulty.fault("dst_shift", hours=-1)
    scene.pass_s(10)
    back = [-3_600_000 + 1000 * second for second in range(5, 16)]
    assert [(flags, tick.time_msc - START_MSC) for flags, tick in scene.seen[-11:]] == [(SUSPECT, at) for at in back]
    assert len(back) <= scene.suspect_records() <= len(back) + 2, "what is a second older may be of the time before the step"
    assert len(scene.told) == 1
    scene.faulty.clear()
    scene.seen.clear()
    scene.pass_s(1)
    assert [at for at in scene.times() if at >= 0] == list(range(6000, 17_000, 1000))
    assert len(scene.flagged(SUSPECT)) <= 4, "seconds that the clock may have reached before it was put back"
    scene.goes_on()


def test_a_clock_that_steps_back_in_a_market_that_goes_on(scene: Scene) -> None:
    """Daylight saving ends for a market that never closes: the hour comes again with other prices."""
    shift_s = 3600
    shown = scene.faulty.mt5.symbol_info_tick
    history = scene.faulty.mt5.copy_ticks_from

    def shifted(tick: Any) -> Any:
        fields = list(tick)
        fields[0] -= shift_s
        fields[5] -= shift_s * 1000
        return type(tick)(fields)

    scene.faulty.mt5.symbol_info_tick = lambda symbol: shifted(shown(symbol))
    scene.faulty.mt5.copy_ticks_from = lambda symbol, from_s, count, flags: history(symbol, from_s, count, flags)[:0]
    scene.pass_s(10)
    assert [flags for flags, _ in scene.seen] == [SUSPECT] * len(scene.seen)
    assert len(scene.seen) in (10, 11)
    assert len(scene.told) == 1
    assert "a time before that of the record before it" in scene.told[0]
    scene.faulty.mt5.symbol_info_tick, scene.faulty.mt5.copy_ticks_from = shown, history
    scene.seen.clear()
    scene.pass_s(1)
    assert [flags for flags, _ in scene.seen] == [0] * len(scene.seen)
    scene.goes_on()


def test_a_clock_that_jumps_forward_and_is_put_back(scene: Scene) -> None:
    scene.faulty.fault("clock_jump", seconds=200)
    scene.pass_s(3)
    assert scene.times()[-1] // 1000 in (207, 208)
    scene.faulty.clear()
    scene.pass_s(3)
    scene.seen.clear()
    scene.faulty.desk.wait(300_000)
    scene.pass_s(3)
    scene.goes_on()


@pytest.mark.parametrize("answer", ["short", "empty", "failed"])
def test_answers_that_are_too_short_lose_nothing(scene: Scene, answer: str) -> None:
    scene.start("bar:EURUSD:M1")
    scene.faulty.fault("history_missing", answer=answer, count=3)
    scene.pass_s(200)
    assert sorted(scene.times()) == list(range(6000, 206_000, 1000))
    history = [tuple(row) for row in scene.faulty.mt5.copy_rates_from_pos("EURUSD", 1, 0, 4).tolist()]
    assert [tuple(bar) for _, bar in scene.bars] == history[:3]
    short = "tick:EURUSD: the terminal sent an answer without records that were there before; published as it is, flagged SUSPECT"
    assert scene.told[:1] == {"short": [short], "empty": [], "failed": scene.told[:1]}[answer]
    assert len(scene.flagged(SUSPECT)) == scene.suspect_records() == (answer == "short")


def test_a_session_that_begins_with_a_strange_quote_marks_its_state() -> None:
    scene = Scene()
    scene.faulty.fault("nan_quote")
    body = scene.start()
    assert body is not None
    assert last_tick(body).bid != last_tick(body).bid
    assert scene.run.feed.flags(TOPIC) == SUSPECT
    scene.pass_s(1)
    assert scene.run.feed.flags(TOPIC) == 0


def test_everything_at_once_stops_nothing(scene: Scene) -> None:
    for topic in ("bar:EURUSD:M1", "forming:EURUSD:M1", "book:EURUSD", "tick:GBPUSD"):
        scene.run.start(topic)
    for name in ("duplicate_quote", "late_quote", "out_of_order_quote", "crossed_quote", "zero_quote", "nan_quote"):
        scene.faulty.fault(name)
        scene.run.pass_time(0.3)
    scene.run.pass_time(5)
    scene.seen.clear()
    assert scene.run.feed.take_suspect_records() >= 5
    events = scene.run.pass_time(70)
    ticks = [
        tick for topic, flags, body in events if topic == TOPIC and not flags & (LATE | BACKFILLED) for tick in iter_ticks(body)
    ]
    assert len(ticks) in (69, 70, 71)
    assert [bar.time for topic, _, body in events if topic == "bar:EURUSD:M1" for bar in iter_bars(body)] == [START_S]
    assert sum(topic == "forming:EURUSD:M1" for topic, _, _ in events) > 50
