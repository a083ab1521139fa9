"""The terminal's packed records as numpy arrays and pandas DataFrames.

The index of a DataFrame is the trade server's time, labelled UTC as the terminal itself does: it compares and prints like the
terminal's charts, and is not UTC unless the server's clock is. `in_utc` makes it so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np
from numpy.typing import NDArray

from bridge.ticks import RECORD_BYTES

if TYPE_CHECKING:
    import pandas as pd

    from clients.server_time import ServerTime

TICK_DTYPE = np.dtype(
    [
        ("time", "<i8"), ("bid", "<f8"), ("ask", "<f8"), ("last", "<f8"), ("volume", "<u8"), ("time_msc", "<i8"), ("flags", "<u4"),
        ("volume_real", "<f8"),
    ]
)  # fmt: skip
"""One tick, as `copy_ticks_from` of the MetaTrader5 package returns it."""

BAR_DTYPE = np.dtype(
    [
        ("time", "<i8"), ("open", "<f8"), ("high", "<f8"), ("low", "<f8"), ("close", "<f8"), ("tick_volume", "<u8"),
        ("spread", "<i4"), ("real_volume", "<u8"),
    ]
)  # fmt: skip
"""One bar, as `copy_rates_from` of the MetaTrader5 package returns it."""

Chunk = bytes | memoryview


def records_array(records: Chunk, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """The records as a read-only array of shape (n,) that shares their memory."""
    array: NDArray[np.void] = np.frombuffer(records, dtype)
    if array.flags.writeable:
        array.flags.writeable = False
    return array


def joined(chunks: Sequence[Chunk], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """Consecutive chunks of records as one read-only array of shape (n,)."""
    return records_array(b"".join(chunks), dtype)


def rates_frame(chunks: Sequence[Chunk]) -> pd.DataFrame:
    """Bars, given as consecutive chunks of records, oldest first.

    The index `time` is the opening time (`datetime64[s, UTC]`); columns are `open high low close tick_volume spread real_volume`
    with the terminal's dtypes, also when there are no rows.
    """
    return _frame(chunks, BAR_DTYPE, "time", "s", ("time",))


def ticks_frame(chunks: Sequence[Chunk]) -> pd.DataFrame:
    """Ticks, given as consecutive chunks of records, oldest first.

    The index `time` has milliseconds (`datetime64[ms, UTC]`) and may repeat; columns are `bid ask last volume flags volume_real`
    with the terminal's dtypes, also when there are no rows.
    """
    return _frame(chunks, TICK_DTYPE, "time_msc", "ms", ("time", "time_msc"))


def records_frame(kind: type[Any], records: Sequence[Any]) -> pd.DataFrame:
    """Positions, orders or deals, a row each; the index is `ticket`. Whole numbers are int64, others float64, texts of pandas' own
    dtype; an empty frame has the same columns and dtypes. Times are numbers, as the terminal gives them."""
    import pandas as pd  # noqa: PLC0415 - as above

    dtypes = {int: "int64", float: "float64"}
    columns = {
        name: pd.Series([getattr(record, name) for record in records], dtype=dtypes.get(hint, "str"))
        for name, hint in get_type_hints(kind).items()
    }
    return pd.DataFrame(columns).set_index("ticket")


def in_utc(frame: pd.DataFrame, server_time: ServerTime) -> pd.DataFrame:
    """The same rows with an index of true UTC, called `utc`. Raises `InvalidParameters` when a row's UTC cannot be told."""
    import pandas as pd  # noqa: PLC0415 - as above

    assert isinstance(frame.index, pd.DatetimeIndex)
    frame.index = server_time.utc_index(frame.index).rename("utc")
    return frame


def _frame(
    chunks: Sequence[Chunk], dtype: np.dtype[np.void], time_field: str, unit: str, left_out: tuple[str, ...]
) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - an array does not need it

    rows = sum(len(chunk) for chunk in chunks) // RECORD_BYTES
    names = [name for name in dtype.names or () if name not in left_out]
    columns = {name: np.empty(rows, dtype[name]) for name in (time_field, *names)}
    start = 0
    for chunk in chunks:  # column by column out of each chunk: the records themselves are never copied
        array = np.frombuffer(chunk, dtype)
        end = start + len(array)
        for name, column in columns.items():
            column[start:end] = array[name]
        start = end
    index = pd.DatetimeIndex(columns.pop(time_field).view(f"M8[{unit}]"), name="time").tz_localize("UTC")
    return pd.DataFrame(columns, index=index, copy=False)
