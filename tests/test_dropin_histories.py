"""Long histories of ticks, in parts: as one answer would be."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from random import Random
from typing import Any

import pytest

from bridge.ticks import TICK_STRUCT
from clients.mt5 import histories

START_S = 1_700_000_000


class Ticks:
    """A terminal with `number` ticks; many share a second."""

    def __init__(self, number: int, seed: int = 1) -> None:
        random, time_msc = Random(seed), START_S * 1000
        self.times: list[int] = []
        for _ in range(number):
            self.times.append(time_msc)
            time_msc += random.choice((0, 1, 90, 700, 700, 30_000))
        self.rows = [TICK_STRUCT.pack(time // 1000, 1.0, place, 0.0, 0, time, 6, 0.0) for place, time in enumerate(self.times)]
        self.asked: Counter[str] = Counter()

    def __call__(self, function: str, args: list[Any]) -> histories.Answer:
        self.asked[function] += 1
        if function == "copy_ticks_range":
            _, date_from, date_to, _ = args
            return 1, "Success", self.between(date_from, date_to)
        _, date_from, count, _ = args
        first = bisect_left(self.times, date_from * 1000)
        return 1, "Success", b"".join(self.rows[first : first + count])

    def between(self, date_from: int, date_to: int) -> bytes:
        return b"".join(row for row, time in zip(self.rows, self.times, strict=True) if date_from * 1000 <= time <= date_to * 1000)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "MAX_ROWS", 20)


@pytest.mark.parametrize("seed", range(5))
def test_ranges_and_counts(seed: int) -> None:
    terminal, random = Ticks(500, seed), Random(seed)
    last_s = terminal.times[-1] // 1000
    for _ in range(30):
        date_from = random.randint(START_S - 50, last_s + 5)
        date_to = random.randint(date_from, last_s + 5)
        asked = ["X", date_from, date_to, -1]
        assert histories.ticks("copy_ticks_range", asked, terminal)[2] == terminal.between(date_from, date_to)
        count = random.randint(1, 300)
        answer = histories.ticks("copy_ticks_from", ["X", date_from, count, -1], terminal)
        assert answer[2] == terminal("", ["X", date_from, count, -1])[2]


def test_short_ranges_and_counts_are_one_call() -> None:
    terminal = Ticks(50)
    histories.ticks("copy_ticks_range", ["X", START_S, START_S + histories.SHORT_S, -1], terminal)
    histories.ticks("copy_ticks_range", ["X", START_S, START_S + 10**6, 77], terminal)  # what the flags mean is the terminal's
    histories.ticks("copy_ticks_from", ["X", START_S, 20, -1], terminal)
    histories.ticks("copy_ticks_from", ["X", 0, 50, -1], terminal)  # the newest ones
    assert terminal.asked == {"copy_ticks_range": 2, "copy_ticks_from": 2}


def test_a_short_range_with_too_many_ticks_is_read_in_parts() -> None:
    terminal = Ticks(100)

    def ask(function: str, args: list[Any]) -> histories.Answer:
        return terminal(function, args) if function == "copy_ticks_from" else (*histories.TOO_MANY, None)

    answer = histories.ticks("copy_ticks_range", ["X", START_S, START_S + 500, -1], ask)
    assert answer[2] == terminal.between(START_S, START_S + 500)


def test_a_failure_in_the_middle_is_the_failure_of_the_call() -> None:
    terminal = Ticks(100)

    def ask(function: str, args: list[Any]) -> histories.Answer:
        return terminal(function, args) if not terminal.asked else (-1, "Terminal: Call failed", None)

    assert histories.ticks("copy_ticks_from", ["X", START_S, 100, -1], ask) == (-1, "Terminal: Call failed", None)


def test_more_ticks_in_a_second_than_an_answer_holds() -> None:
    terminal = Ticks(0)
    terminal.times = [START_S * 1000] * 30
    terminal.rows = [TICK_STRUCT.pack(START_S, 1.0, 1.0, 0.0, 0, START_S * 1000, 6, 0.0)] * 30
    assert histories.ticks("copy_ticks_from", ["X", START_S, 25, -1], terminal)[:2] == histories.TOO_MANY


@pytest.mark.parametrize(("most", "fits"), [(500, True), (499, False)])
def test_what_is_too_much_is_refused_instead_of_filling_the_memory(monkeypatch: pytest.MonkeyPatch, most: int, fits: bool) -> None:
    monkeypatch.setattr(histories, "MOST_ROWS", most)
    terminal = Ticks(500)
    for function, args in (
        ("copy_ticks_from", ["X", START_S, 2**31 - 1, -1]),
        ("copy_ticks_range", ["X", START_S, terminal.times[-1] // 1000 + 1, -1]),
    ):
        code, _, rows = histories.ticks(function, args, terminal)
        assert (code, rows is not None) == ((1, True) if fits else (-3, False))
