"""The server's clock at both changes of daylight saving, in a market that never closes: no tick is lost, whatever order the
terminal's history is in."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter

import pytest

from bridge.messages import BACKFILLED, SUSPECT
from bridge.session.review import REVIEW_S
from bridge.session.suspect import KINDS
from bridge.terminal import TerminalError
from bridge.ticks import RECORD_BYTES, Tick, last_tick
from tests.fake_terminal import T0, FakeTerminal, rows, tick
from tests.feed_run import Run

HOUR_S = 3600
PER_S = 10
ORDERS = ("by time", "as they came", "as they came, older ones left out")


class Terminal(FakeTerminal):
    """Ticks of a server whose clock steps; `came` are all of them."""

    def __init__(self, order: str) -> None:
        super().__init__()
        self.order = order
        self.came: list[bytes] = []
        self._rows: list[bytes] = []
        self._times: list[int] = []
        self.hidden = 0
        self.read = 0

    def quote(self, msc: int) -> None:
        row = tick(msc, 1.0 + len(self.came) % 7 / 100)
        at = bisect_right(self._times, T0 * 1000 + msc) if self.order == "by time" else len(self._rows)
        self._rows.insert(at, row)
        self._times.insert(at, T0 * 1000 + msc)
        self.came.append(row)

    def tick(self, name: str) -> Tick:
        self._symbol("tick", name)
        return last_tick(self.came[-1])

    def ticks_from(self, name: str, from_s: int, count: int, kind: str = "all") -> bytes:
        self._symbol("ticks_from", name)
        if self.hidden:
            return b""
        if self.order == "by time":
            found = self._rows[bisect_left(self._times, from_s * 1000) :][:count]
        elif self.order == "as they came":
            first = next((at for at, msc in enumerate(self._times) if msc >= from_s * 1000), len(self._rows))
            found = self._rows[first : first + count]
        else:
            found = [row for row, msc in zip(self._rows, self._times, strict=True) if msc >= from_s * 1000][:count]
        self.read += len(found)
        return b"".join(found)


class Scene:
    """A stream that began 100 s before the clock steps; an hour of history was there before."""

    def __init__(self, order: str) -> None:
        self.terminal = Terminal(order)
        self.run = Run(self.terminal)
        self.msc = -HOUR_S * 1000
        self.seen: list[tuple[int, bytes]] = []
        self.told: list[str] = []
        for second in range(HOUR_S - 100):
            self.msc += 1000
            if second < 120 or second % 20 == 0:
                self.terminal.quote(self.msc - 863)
        self.run.start("tick:EURUSD")
        self.begun = len(self.terminal.came)
        self.go_on(100)
        self.check()

    def go_on(self, seconds: float, per_s: int = PER_S) -> None:
        for _ in range(round(seconds)):
            for number in range(per_s):
                self.terminal.quote(self.msc + number * 1000 // per_s)
            self.pass_s(1.0)
            self.msc += 1000

    def pass_s(self, seconds: float) -> None:
        for topic, flags, body in self.run.pass_time(seconds):
            if topic == "log":
                self.told.append(body.message)
            else:
                self.seen += [(flags, row) for row in rows(body)]

    def check(self) -> None:
        """What came was published in its order, once and without a mark."""
        assert self.seen == [(0, row) for row in self.terminal.came[self.begun :]]
        self.seen, self.begun = [], len(self.terminal.came)

    def new(self) -> list[bytes]:
        return self.terminal.came[self.begun :]

    def pause(self, seconds: int) -> None:
        """Nothing is traded."""
        self.msc += seconds * 1000
        self.run.now += seconds

    def step(self, seconds: int) -> None:
        self.msc += seconds * 1000


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("remembered", [300, 8_192])
def test_in_autumn_the_repeated_hour_is_published_and_marked(monkeypatch: pytest.MonkeyPatch, order: str, remembered: int) -> None:
    monkeypatch.setattr("bridge.session.tail.REMEMBERED", remembered)
    scene = Scene(order)
    scene.step(-HOUR_S)
    scene.go_on(40)
    scene.pause(HOUR_S - 60)
    scene.go_on(19)
    missing = Counter(scene.new()) - Counter(row for _, row in scene.seen)
    assert not missing
    assert {flags for flags, _ in scene.seen} == {SUSPECT}
    assert scene.run.feed.take_suspect_records() == len(scene.seen)
    told = f"tick:EURUSD: the terminal sent {KINDS['backwards']}; published as it is, flagged SUSPECT"
    assert scene.told == [told, told], "again after the pause"
    twice = len(scene.seen) - len(scene.new())
    assert twice <= 4, "rows of the seconds around the step, of which nobody knows to which pass they belong"
    scene.seen, scene.begun = [], len(scene.terminal.came)
    scene.go_on(1)
    scene.seen, scene.begun = [], len(scene.terminal.came)
    scene.go_on(40)
    scene.check()
    scene.pass_s(3 * REVIEW_S)
    assert scene.seen == [], "older seconds are read again"


@pytest.mark.parametrize("order", ORDERS)
def test_half_an_hour_and_twice(order: str) -> None:
    scene = Scene(order)
    for _ in range(2):
        scene.step(-HOUR_S // 2)
        scene.go_on(10)
    assert not Counter(scene.new()) - Counter(row for _, row in scene.seen)
    assert {flags for flags, _ in scene.seen} == {SUSPECT}


@pytest.mark.parametrize("order", ORDERS)
def test_in_spring_an_hour_is_left_out_and_nothing_else(order: str) -> None:
    scene = Scene(order)
    scene.step(HOUR_S)
    scene.go_on(40)
    scene.check()
    assert scene.told == []


@pytest.mark.parametrize("order", ORDERS)
def test_a_blocked_call_at_the_step_loses_nothing(monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    """Nobody looked for 20 s, and the step was within them."""
    monkeypatch.setattr("bridge.session.tail.REMEMBERED", 300)
    scene = Scene(order)
    scene.terminal.quote(scene.msc + 300)
    scene.step(-HOUR_S)
    for _ in range(20):
        for number in range(PER_S):
            scene.terminal.quote(scene.msc + 100 * number)
        scene.msc += 1000
    scene.run.now += 20
    scene.go_on(5)
    assert not Counter(scene.new()[1:]) - Counter(row for _, row in scene.seen)


def test_a_session_that_is_lost_in_the_repeated_hour_loses_nothing() -> None:
    scene = Scene("by time")
    scene.step(-HOUR_S)
    scene.go_on(5)
    scene.terminal.fail("tick", -10_004)
    with pytest.raises(TerminalError):
        scene.run.pass_time(1)
    for number in range(50):
        scene.terminal.quote(scene.msc + 100 * number)
    scene.pause(5)
    scene.run.feed.restore(scene.run.now)
    scene.go_on(5)
    assert not Counter(scene.new()) - Counter(row for _, row in scene.seen)
    assert BACKFILLED | SUSPECT in {flags for flags, _ in scene.seen}
    assert len(scene.seen) <= len(scene.new()) + 4


def test_what_the_history_lacks_is_published_as_the_last_tick_shows_it_and_once() -> None:
    scene = Scene("by time")
    scene.step(-HOUR_S)
    scene.terminal.hidden = 1
    scene.go_on(5, per_s=1)
    assert scene.seen == [(SUSPECT, row) for row in scene.new()]
    scene.terminal.hidden = 0
    scene.go_on(5, per_s=1)
    seen = Counter(row for _, row in scene.seen)
    assert seen >= Counter(scene.new())
    assert all(seen[row] == 1 for row in scene.new())
    assert len(scene.seen) <= len(scene.new()) + 20, "those of the first pass in the seconds around it"


def test_a_row_with_a_false_future_time_does_not_stop_the_stream() -> None:
    scene = Scene("as they came")
    scene.terminal.quote(scene.msc + 10**9)
    scene.pass_s(1)
    scene.go_on(20)
    assert [row for _, row in scene.seen] == scene.new()


def test_reading_again_is_slow_enough() -> None:
    """The rest of the first pass is in every answer; of it are read at most so many rows in a second."""
    scene = Scene("by time")
    scene.step(-HOUR_S)
    scene.go_on(2)
    scene.terminal.read = 0
    scene.go_on(20)
    assert scene.terminal.read < 20 * 20_000
    assert len(scene.seen) <= len(scene.new()) + 4
    assert len(scene.terminal._rows) * RECORD_BYTES < 1 << 20
