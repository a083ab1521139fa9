"""Looks at very many symbols in virtual time: not more than the cap, and none of them starves."""

from __future__ import annotations

import re
from itertools import cycle
from pathlib import Path

import pytest

from bridge.session.looks import LONGEST_S, LOOKS_PER_S, SHORTEST_S, Looks, bound_s, quiet_s
from bridge.session.quotes import TickStream
from bridge.ticks import Tick
from tests.fake_terminal import FakeTerminal

PAGE = (Path(__file__).parents[1] / "docs" / "operating.md").read_text(encoding="utf-8")


class Quoted(FakeTerminal):
    """Each symbol's last tick is known by its number; `looks` has the time and the symbol of each look."""

    def __init__(self, count: int) -> None:
        super().__init__(*(f"S{number}" for number in range(count)))
        self.now = 0.0
        self.looks: list[tuple[float, str]] = []
        self.quoted: dict[str, int] = {}

    def tick(self, name: str) -> Tick:
        self.looks.append((self.now, name))
        number = self.quoted.get(name, 0)
        return Tick(number, 1.0, 1.0, 0.0, 0, 1000 * number, 6, 0.0)


class Scene:
    """Looks at so many symbols. `always` are quoted at each look, `once` is, and was seen after so many seconds."""

    def __init__(self, count: int, always: int) -> None:
        self.terminal = Quoted(count)
        self.looks = Looks()
        self.now = 0.0
        self._always = set(self.terminal.names[:always])
        for name in self.terminal.names:
            self.looks.follow(name, TickStream(name), self.now)

    def look(self) -> str:
        self.now = self.terminal.now = max(self.now, self.looks.due)
        watch = self.looks.first()
        if watch.symbol in self._always:
            self.quote(watch.symbol)
        watch.poll(self.terminal, self.now)
        self.looks.took(watch, self.now)
        return watch.symbol

    def quote(self, symbol: str) -> None:
        self.terminal.quoted[symbol] = self.terminal.quoted.get(symbol, 0) + 1

    def run(self, seconds: float) -> None:
        until_s = self.now + seconds
        while self.looks.due <= until_s:
            self.look()
        self.now = until_s

    def seen_after_s(self, symbol: str) -> float:
        since_s = self.now
        self.quote(symbol)
        while self.look() != symbol:
            pass
        return self.now - since_s


@pytest.mark.parametrize("count", [10, 200, 1_000, 2_000])
@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_there_are_never_more_looks_than_the_cap_and_none_starves(count: int, share: float) -> None:
    scene = Scene(count, round(share * count))
    scene.run(2 * bound_s(count))
    scene.run(2.0)
    at = [time_s for time_s, _ in scene.terminal.looks]
    for first, later in zip(at, at[LOOKS_PER_S:], strict=False):
        assert later - first >= 1.0, "in any second, not only on average"
    last: dict[str, float] = dict.fromkeys(scene.terminal.names, 0.0)
    for time_s, name in scene.terminal.looks:
        assert time_s - last[name] <= bound_s(count)
        last[name] = time_s
    assert all(scene.now - time_s <= bound_s(count) for time_s in last.values())
    if count >= 200:
        assert len(at) > 0.9 * LOOKS_PER_S * scene.now, "the cap is used"


@pytest.mark.parametrize(("count", "bound"), [(10, 0.12), (200, 0.21), (1_000, 1.02), (2_000, 2.05)])
def test_a_tick_of_any_symbol_is_seen_within_a_bound(count: int, bound: float) -> None:
    assert bound_s(count) <= bound
    scene = Scene(count, count // 10)
    scene.run(bound_s(count))
    for name, _ in zip(cycle(scene.terminal.names), range(60), strict=False):
        scene.run(0.0137)
        assert scene.seen_after_s(name) <= bound_s(count)


def test_the_page_tells_the_bound() -> None:
    told = re.findall(r"^\| ([\d,]+) \| ([\d.]+) s \|", PAGE, re.MULTILINE)
    assert [int(count.replace(",", "")) for count, _ in told] == [10, 100, 200, 1_000, 2_000]
    for count, seconds in told:
        bound = bound_s(int(count.replace(",", "")))
        assert bound <= float(seconds) + 0.005 <= 1.05 * bound + 0.005
    assert f"more than {LOOKS_PER_S:,} times in a second" in PAGE


def test_those_that_are_quoted_are_looked_at_more_often() -> None:
    scene = Scene(1_000, 50)
    scene.run(2.0)
    scene.terminal.looks.clear()
    scene.run(3.0)
    counts = dict.fromkeys(scene.terminal.names, 0)
    for _, name in scene.terminal.looks:
        counts[name] += 1
    quoted, quiet = scene.terminal.names[:50], scene.terminal.names[50:]
    assert min(counts[name] for name in quoted) >= 2 * max(counts[name] for name in quiet)
    assert max(counts[name] for name in quoted) - min(counts[name] for name in quoted) <= 2
    assert max(counts[name] for name in quiet) - min(counts[name] for name in quiet) <= 2


def test_few_symbols_are_looked_at_as_often_as_ever() -> None:
    scene = Scene(5, 5)
    scene.run(1.0)
    assert len(scene.terminal.looks) >= 5 * 0.95 / SHORTEST_S
    assert quiet_s(5) == quiet_s(200) == LONGEST_S


def test_who_leaves_is_not_looked_at_any_more_and_the_others_more_often() -> None:
    scene = Scene(1_000, 0)
    scene.run(2.0)
    for name in scene.terminal.names[10:]:
        watch = scene.looks.watch(name)
        assert watch is not None
        assert scene.looks.leave(name, watch.streams[0]) is watch
    scene.run(bound_s(1_000))
    scene.terminal.looks.clear()
    scene.run(1.0)
    assert {name for _, name in scene.terminal.looks} == set(scene.terminal.names[:10])
    assert len(scene.terminal.looks) >= 90
