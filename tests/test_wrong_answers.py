"""Answers that are none: of other types, with holes, too short. They are told once, tried again, and stop nothing."""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bridge.messages import SUSPECT
from bridge.mt5api.structs import RATE_DTYPE, TICK_DTYPE
from bridge.terminal.metatrader import MetaTrader
from bridge.ticks import iter_bars, iter_ticks
from tests.faulty_terminal import Faulty
from tests.feed_run import Run
from tests.scripted_market import START_MSC, START_S

TOPICS = ("tick:EURUSD", "bar:EURUSD:M1", "forming:EURUSD:M1")
HISTORIES: dict[str, Callable[[Any], Any]] = {
    "a list": lambda rows: rows.tolist(),
    "an empty list": lambda rows: [],
    "no columns": lambda rows: np.zeros(3),
    "columns of another kind": lambda rows: rows[["time"]],
    "None": lambda rows: None,
    "a number": lambda rows: 7,
}
"""Wrong for both, ticks and bars."""


class Scene:
    """Streams over a package of which one function answers otherwise."""

    def __init__(self) -> None:
        self.faulty = Faulty()
        self.run = Run(MetaTrader(self.faulty.mt5, lambda seconds: None), self.faulty.pass_s)
        for topic in TOPICS:
            self.run.start(topic)
        self.told: list[str] = []
        self.ticks: list[int] = []
        self.bars: list[int] = []
        self.flags = 0
        self.pass_s(5.5)
        self.ticks.clear()
        self.bars.clear()

    def pass_s(self, seconds: float) -> None:
        for topic, flags, body in self.run.pass_time(seconds):
            self.flags |= flags
            if topic == "log":
                self.told.append(body.message)
            elif topic == TOPICS[0]:
                self.ticks += [tick.time_msc - START_MSC for tick in iter_ticks(body)]
            elif topic == TOPICS[1]:
                self.bars += [bar.time - START_S for bar in iter_bars(body)]

    def answers(self, function: str, answer: Callable[[Any], Any]) -> Callable[[], None]:
        """Returns what puts it right again."""
        original = getattr(self.faulty.mt5, function)
        setattr(self.faulty.mt5, function, lambda *asked: answer(original(*asked)))
        return lambda: setattr(self.faulty.mt5, function, original)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.parametrize("kind", HISTORIES)
@pytest.mark.parametrize("function", ["copy_ticks_from", "copy_rates_from_pos"])
def test_a_history_of_the_wrong_type(scene: Scene, function: str, kind: str) -> None:
    right = scene.answers(function, HISTORIES[kind])
    scene.pass_s(70)
    assert 1 <= len(scene.told) <= 2, "once for each stream that failed"
    right()
    scene.pass_s(5)
    assert scene.ticks == list(range(6000, 81_000, 1000))
    assert scene.bars == [0]
    assert scene.flags == 0


def last_tick_with(**changes: Any) -> Callable[[Any], Any]:
    names = TICK_DTYPE.names or ()
    return lambda tick: SimpleNamespace(**{name: changes.get(name, getattr(tick, name)) for name in names})


@pytest.mark.parametrize(
    "answer",
    [
        last_tick_with(bid=None), last_tick_with(time_msc=None), last_tick_with(time=1.5), last_tick_with(flags="x"),
        last_tick_with(time=2**70), last_tick_with(volume=-1), lambda tick: None, lambda tick: (1, 2), lambda tick: 0,
    ],
)  # fmt: skip
def test_a_last_tick_that_is_none(scene: Scene, answer: Callable[[Any], Any]) -> None:
    right = scene.answers("symbol_info_tick", answer)
    scene.pass_s(5)
    assert 1 <= len(scene.told) <= 2
    right()
    scene.pass_s(5)
    assert scene.ticks == list(range(6000, 16_000, 1000))


def test_a_last_tick_of_nan_and_with_a_negative_time_is_passed_on(scene: Scene) -> None:
    scene.answers("symbol_info_tick", last_tick_with(bid=nan, time=-5, time_msc=-5000))
    scene.pass_s(5)
    assert scene.ticks[-1] >= 10_000 or -START_MSC - 5000 in scene.ticks
    assert scene.flags in (0, SUSPECT)


def test_a_history_with_columns_in_another_order_and_more_of_them_is_understood(scene: Scene) -> None:
    def wider(rows: Any) -> Any:
        names = [*reversed(RATE_DTYPE.names or ()), "new"]
        made = np.zeros(len(rows), [(name, "f8" if name == "new" else RATE_DTYPE[name]) for name in names])
        for name in RATE_DTYPE.names or ():
            made[name] = rows[name]
        return made

    scene.answers("copy_rates_from_pos", wider)
    scene.pass_s(70)
    assert scene.bars == [0]
    assert scene.told == []
