"""Packed records: the terminal's layout, read one by one and with numpy alike."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.mt5api.constants import CONSTANTS
from bridge.mt5api.structs import RATE_DTYPE, TICK_DTYPE
from bridge.ticks import BAR_STRUCT, RECORD_BYTES, TICK_STRUCT, TIMEFRAME_S, TIMEFRAMES, Bar, Tick, iter_bars, iter_ticks, last_tick

LAYOUTS = [(TICK_STRUCT, Tick, TICK_DTYPE, iter_ticks), (BAR_STRUCT, Bar, RATE_DTYPE, iter_bars)]
TICKS = [Tick(100 + n, 1.1, 1.3, 0.0, n, (100 + n) * 1000 + n, 6, 0.5 * n) for n in range(3)]


@pytest.mark.parametrize(("layout", "kind", "dtype", "read"), LAYOUTS)
def test_the_layout_is_the_terminals(layout: struct.Struct, kind: Any, dtype: np.dtype[np.void], read: Any) -> None:
    assert layout.size == dtype.itemsize == RECORD_BYTES
    assert kind._fields == dtype.names
    values = tuple(range(1, 9))
    packed = layout.pack(*values)
    assert np.frombuffer(packed, dtype)[0].item() == values
    assert list(read(packed)) == [kind(*values)]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=5 * RECORD_BYTES))
def test_any_whole_number_of_records_is_read(data: bytes) -> None:
    for layout, kind, dtype, read in LAYOUTS:
        if len(data) % RECORD_BYTES:
            with pytest.raises(struct.error):
                list(read(data))
            continue
        found = list(read(memoryview(data)))
        assert len(found) == len(data) // RECORD_BYTES
        assert all(type(item) is kind for item in found)
        assert b"".join(layout.pack(*item) for item in found) == np.frombuffer(data, dtype).tobytes()


def test_the_last_tick() -> None:
    packed = b"".join(TICK_STRUCT.pack(*tick) for tick in TICKS)
    assert last_tick(packed) == last_tick(memoryview(packed)) == TICKS[-1] == list(iter_ticks(packed))[-1]


def test_no_records() -> None:
    assert not [*iter_ticks(b""), *iter_bars(b"")]
    with pytest.raises(struct.error):
        last_tick(b"")


def test_the_timeframes_are_the_packages() -> None:
    assert {f"TIMEFRAME_{name}": number for name, number in TIMEFRAMES.items()} == {
        name: number for name, number in CONSTANTS.items() if name.startswith("TIMEFRAME_")
    }
    assert len(TIMEFRAMES) == 21


def test_the_lengths_of_the_timeframes() -> None:
    assert TIMEFRAME_S.keys() == TIMEFRAMES.keys()
    unit_s = {"M": 60, "H": 3_600, "D": 86_400, "W": 7 * 86_400}
    for name, length_s in TIMEFRAME_S.items():
        assert length_s == (31 * 86_400 if name == "MN1" else int(name[1:]) * unit_s[name[0]])
    assert list(TIMEFRAME_S.values()) == sorted(TIMEFRAME_S.values())
