"""Ticks made from bars, and their flags."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.mt5api.structs import RATE_DTYPE
from bridge.terminal.simulator import bar_ticks
from bridge.terminal.simulator.bars import bars_of_ticks


def bars(*rows: tuple[float, float, float, float, int]) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    made = np.zeros(len(rows), RATE_DTYPE)
    for place, (opened, high, low, closed, volume) in enumerate(rows):
        made[place] = (60 * place, opened, high, low, closed, volume, 2, 0)
    return made


def test_flags_say_what_changed() -> None:
    bid, ask = np.array([1.0, 1.0, 1.5, 1.5, 1.0]), np.array([2.0, 2.0, 2.0, 2.5, 2.0])
    assert bar_ticks.tick_flags(bid, ask).tolist() == [6, 6, 2, 4, 6]


def test_a_rising_bar_goes_low_first() -> None:
    ticks = bar_ticks.ticks_of_bars(bars((1.2, 1.5, 1.0, 1.4, 4), (1.4, 1.5, 1.0, 1.2, 4)), 60, 1)
    assert ticks["bid"].tolist() == [1.2, 1.0, 1.5, 1.4, 1.4, 1.5, 1.0, 1.2]
    assert ticks["ask"].tolist() == [1.4, 1.2, 1.7, 1.6, 1.6, 1.7, 1.2, 1.4]
    assert ticks["time_msc"].tolist() == [0, 15_000, 30_000, 45_000, 60_000, 75_000, 90_000, 105_000]


@pytest.mark.parametrize(
    ("volume", "row", "bids"),
    [
        (1, (1.1, 1.1, 1.1, 1.1), [1.1]),
        (2, (1.1, 1.2, 1.1, 1.2), [1.1, 1.2]),
        (3, (1.1, 1.3, 1.1, 1.2), [1.1, 1.3, 1.2]),
        (3, (1.1, 1.2, 1.0, 1.2), [1.1, 1.0, 1.2]),
        (2, (1.1, 1.2, 1.0, 1.2), [1.1, 1.0, 1.2, 1.2]),
        (2, (1.1, 1.2, 1.1, 1.1), [1.1, 1.1, 1.2, 1.1]),
        (0, (1.1, 1.1, 1.1, 1.1), [1.1] * 4),
    ],
)
def test_as_few_ticks_as_the_bar_has(volume: int, row: tuple[float, float, float, float], bids: list[float]) -> None:
    assert bar_ticks.ticks_of_bars(bars((*row, volume)), 60, 1)["bid"].tolist() == bids


def test_a_long_recording_is_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bar_ticks, "MAX_TICKS", 20)
    source = bars((1.2, 1.5, 1.0, 1.4, 500), (1.4, 1.5, 1.0, 1.2, 7))
    made = bars_of_ticks(bar_ticks.ticks_of_bars(source, 60, 1), 1, 0.1)
    assert made["tick_volume"].tolist() == [10, 7]
    assert made[["open", "high", "low", "close", "spread"]].tolist() == source[["open", "high", "low", "close", "spread"]].tolist()
