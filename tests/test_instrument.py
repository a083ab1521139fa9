"""One synthetic symbol, level by level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.terminal.simulator.bars import merge_bars
from bridge.terminal.simulator.instrument import END_HOUR, FIRST_HOUR, Instrument
from bridge.terminal.simulator.shapes import SHAPES

MADE = {symbol: Instrument(7, symbol, SHAPES[symbol]) for symbol in ("EURUSD", "XAUUSD", "AAPL", "USDRUB")}


@given(st.sampled_from(sorted(MADE)), st.integers(FIRST_HOUR, END_HOUR), st.integers(1, 200))
@settings(deadline=None, max_examples=30)
def test_hours_are_their_minutes(symbol: str, hour: int, span: int) -> None:
    made = MADE[symbol]
    hours = made.hour_bars(hour, hour + span)
    minutes = made.minute_bars(hour * 60, (hour + span) * 60)
    assert merge_bars(minutes, 0x4001).tobytes() == hours.tobytes()
    middle = hour * 60 + span * 30 + 7
    parts = made.minute_bars(hour * 60, middle), made.minute_bars(middle, (hour + span) * 60)
    assert np.concatenate(parts).tobytes() == minutes.tobytes()


@given(st.sampled_from(sorted(MADE)), st.integers(FIRST_HOUR, END_HOUR - 100))
@settings(deadline=None, max_examples=10)
def test_the_ticks_of_an_hour_are_the_same_whatever_comes_with_it(symbol: str, hour: int) -> None:
    made = MADE[symbol]
    hours = made.quoted_hours(hour, hour + 30)
    if hours.size:
        alone = [made.block(int(one)).ticks for one in hours]
        assert np.concatenate(alone).tobytes() == made.ticks(hours).tobytes()


def test_a_block_is_remembered_and_cannot_be_changed() -> None:
    made = MADE["EURUSD"]
    hour = 492_540
    assert made.block(hour) is made.block(hour)
    with pytest.raises(ValueError, match="read-only"):
        made.block(hour).ticks["bid"][0] = 1.0


def test_outside_history_there_is_nothing() -> None:
    made = MADE["EURUSD"]
    assert made.hour_bars(0, FIRST_HOUR).size == 0
    assert made.minute_bars(END_HOUR * 60, END_HOUR * 60 + 600).size == 0
    assert made.block(END_HOUR).ticks.size == 0
