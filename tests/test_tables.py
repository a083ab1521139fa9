"""Records as arrays and DataFrames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.tables import BAR_DTYPE, TICK_DTYPE, rates_frame, records_array, ticks_frame
from tests.scripted_bridge import bar_record, tick_record


def test_the_dtypes_are_the_terminals() -> None:
    assert (TICK_DTYPE.itemsize, BAR_DTYPE.itemsize) == (60, 60)
    tick = np.frombuffer(tick_record(1_700_000_000_123, bid=1.5), TICK_DTYPE)[0]
    assert (tick["time"], tick["time_msc"], tick["bid"], tick["flags"]) == (1_700_000_000, 1_700_000_000_123, 1.5, 6)
    bar = np.frombuffer(bar_record(1_700_000_000, close=1.5), BAR_DTYPE)[0]
    assert (bar["time"], bar["close"], bar["tick_volume"]) == (1_700_000_000, 1.5, 1)


def test_an_array_shares_the_memory_and_cannot_be_written() -> None:
    memory = bytearray(bar_record(60) + bar_record(120))
    array = records_array(memoryview(memory), BAR_DTYPE)
    assert list(array["time"]) == [60, 120]
    memory[0:8] = (600).to_bytes(8, "little")
    assert array["time"][0] == 600
    with pytest.raises(ValueError, match="read-only"):
        array["time"][0] = 1


@pytest.mark.parametrize("chunks", [[], [b""], [bar_record(60), b"", bar_record(120) + bar_record(180)]])
def test_rates_keep_columns_and_dtypes(chunks: list[bytes]) -> None:
    frame = rates_frame(chunks)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "open": "float64", "high": "float64", "low": "float64", "close": "float64", "tick_volume": "uint64", "spread": "int32",
        "real_volume": "uint64",
    }  # fmt: skip
    assert isinstance(frame.index, pd.DatetimeIndex)
    assert (frame.index.name, str(frame.index.tz), len(frame)) == ("time", "UTC", sum(map(len, chunks)) // 60)
    assert list(frame.index.asi8) == [60, 120, 180][: len(frame)]


def test_ticks_have_milliseconds_and_may_share_one() -> None:
    frame = ticks_frame([tick_record(1_700_000_000_123) * 2, tick_record(1_700_000_000_124)])
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "bid": "float64", "ask": "float64", "last": "float64", "volume": "uint64", "flags": "uint32", "volume_real": "float64",
    }  # fmt: skip
    assert [stamp.isoformat(timespec="milliseconds") for stamp in frame.index] == [
        "2023-11-14T22:13:20.123+00:00", "2023-11-14T22:13:20.123+00:00", "2023-11-14T22:13:20.124+00:00",
    ]  # fmt: skip
    assert ticks_frame([]).dtypes.equals(frame.dtypes)


def test_a_frame_is_the_callers_own() -> None:
    frame = rates_frame([bar_record(60, close=1.0)])
    frame["close"] *= 2
    frame.loc[frame.index[0], "open"] = 5.0
    assert list(frame["close"]) == [2.0]


@given(st.lists(st.integers(0, 3), max_size=5))
@settings(max_examples=30, deadline=None)
def test_chunks_make_the_same_frame_as_one_piece(sizes: list[int]) -> None:
    bars = iter(range(60, 60 * 100, 60))
    chunks = [b"".join(bar_record(next(bars)) for _ in range(size)) for size in sizes]
    pd.testing.assert_frame_equal(rates_frame(chunks), rates_frame([b"".join(chunks)]))
