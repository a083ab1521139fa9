"""Recorded bars: MetaTrader 5's export, comma separated tables of `time,open,high,low,close,…`, and Parquet files of the same.

Times are server time as they are written; the timeframe is read from the file's name where it has one (`EURUSD_M1_…`), else it is
the smallest distance of two bars.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from bridge.mt5api.structs import RATE_DTYPE
from bridge.terminal.simulator.bars import DAY_S, MINUTE_S, TIMEFRAMES, Rows, digits_of
from bridge.terminal.simulator.delimited import DATE, INTEGER, MOMENT, NUMBER, TIME, Columns, RecordingError, Table
from bridge.terminal.simulator.draws import Ints
from bridge.terminal.simulator.export_times import check_order, export_times

EXPORT: Columns = {
    "<DATE>": (DATE, False), "<TIME>": (TIME, False), "<OPEN>": (NUMBER, False), "<HIGH>": (NUMBER, False),
    "<LOW>": (NUMBER, False), "<CLOSE>": (NUMBER, False), "<TICKVOL>": (INTEGER, True), "<VOL>": (INTEGER, True),
    "<SPREAD>": (INTEGER, True),
}  # fmt: skip
"""Columns of a bar export of MetaTrader 5."""
TABLE: Columns = {
    "time": (MOMENT, False), "open": (NUMBER, False), "high": (NUMBER, False), "low": (NUMBER, False), "close": (NUMBER, False),
    "tick_volume": (INTEGER, True), "volume": (INTEGER, True), "spread": (INTEGER, True), "real_volume": (INTEGER, True),
    "symbol": (r"[^,]*", True),
}  # fmt: skip
"""Columns of a table of bars: `time` in seconds or as 2024-01-31 23:00:00, `volume` counts where `tick_volume` is missing."""

_LONG_NAMES = {"Daily": "D1", "Weekly": "W1", "Monthly": "MN1"}
_LENGTHS_S = {timeframe.name: timeframe.length_s for timeframe in TIMEFRAMES.values()}
_TIMEFRAME_NAME = re.compile(f"_({'|'.join((*_LENGTHS_S, *_LONG_NAMES))})(?=[_.])")
_PRICES = ("open", "high", "low", "close")


class RecordedBars(NamedTuple):
    """Bars (RATE_DTYPE, server time), the length of their period, their decimals, and whether the file says how wide the spread
    was."""

    rows: Rows
    period_s: int
    digits: int
    has_spread: bool


def bars_of_export(table: Table) -> RecordedBars:
    """The bars of a MetaTrader 5 export.  Raises RecordingError."""
    names = {name: f"<{name.upper()}>" for name in _PRICES} | {
        "tick_volume": "<TICKVOL>", "spread": "<SPREAD>", "real_volume": "<VOL>",
    }  # fmt: skip
    return _bars(table, export_times(table) // 1000, "<DATE>", names)


def bars_of_table(table: Table) -> RecordedBars:
    """The bars of a comma separated table.  Raises RecordingError."""
    names = {name: name for name in (*_PRICES, "tick_volume", "spread", "real_volume")}
    if "tick_volume" not in table.columns:
        names["tick_volume"] = "volume"
    if "symbol" in table.columns:
        symbols = table.frame["symbol"].fillna("").to_numpy(str)
        table.reject(symbols != symbols[0], "symbol", f"{{value!r}} after {str(symbols[0])!r}: a file of bars has one symbol")
    return _bars(table, _moments(table), "time", names)


def read_parquet(path: Path) -> RecordedBars:
    """The bars of a Parquet file with the columns of a table.  Raises RecordingError."""
    try:
        frame = pd.read_parquet(path)
    except ImportError:
        raise RecordingError(str(path), None, None, "Parquet needs pyarrow: pip install 'mt5-zmq-bridge[backtest]'") from None
    except Exception as error:
        problem = str(error).splitlines()[0] if str(error) else repr(error)
        raise RecordingError(str(path), None, None, f"cannot be read as Parquet: {problem}") from error
    missing = [name for name in ("time", *_PRICES) if name not in frame.columns]
    if missing:
        raise RecordingError(str(path), None, "columns", f"no column {', '.join(missing)} (bars)")
    frame = frame[[name for name in TABLE if name in frame.columns]]
    if isinstance(frame["time"].dtype, np.dtype) and frame["time"].dtype.kind not in "iuM":
        raise RecordingError(str(path), None, "time", "is neither a time nor whole seconds")
    # As text it is judged like any other table; numbers keep every bit on that way.
    text = frame.to_csv(index=False, lineterminator="\n")
    return bars_of_table(Table(str(path), text, [*frame.columns], ",", TABLE))


def _moments(table: Table) -> Ints:
    """Seconds of the column `time`."""
    texts = table.frame["time"]
    try:
        if texts.str.fullmatch(INTEGER).all():
            times_s: Ints = texts.astype(np.int64).to_numpy()
        else:
            times_s = pd.to_datetime(texts, format="ISO8601", utc=True).astype("datetime64[s, UTC]").astype(np.int64).to_numpy()
    except (ValueError, OverflowError) as error:
        table.reject_cells()
        problem = str(error).splitlines()[0]
        raise RecordingError(table.file, None, "time", problem) from error
    table.reject((times_s < 0) | (times_s >= 2**31), "time", "{value} is not between 1970 and 2038")
    check_order(table, times_s * 1000, "time")
    return times_s


def _bars(table: Table, times_s: Ints, time_field: str, names: dict[str, str]) -> RecordedBars:
    """`names` has the column of each field of a bar."""
    table.reject(np.concatenate(([False], times_s[1:] == times_s[:-1])), time_field, "{value}: the bar before has the same time")
    rows = np.zeros(times_s.size, RATE_DTYPE)
    rows["time"] = times_s
    for name in _PRICES:
        rows[name] = table.numbers(names[name])
        table.reject(~(rows[name] > 0), names[name], "the price {value} is not positive")
    table.reject(rows["high"] < np.maximum(rows["open"], rows["close"]), names["high"], "{value} is below the open or the close")
    table.reject(rows["low"] > np.minimum(rows["open"], rows["close"]), names["low"], "{value} is above the open or the close")
    for name in ("tick_volume", "spread", "real_volume"):
        values = table.integers(names[name], 0)
        table.reject(values < 0, names[name], "{value} is negative")
        rows[name] = values
    digits = max(table.decimals(names["open"]), digits_of(np.concatenate([rows[name] for name in _PRICES])))
    named = _TIMEFRAME_NAME.search(Path(table.file).name)
    longest_s = DAY_S if named or times_s.size > 1 else MINUTE_S
    if named:
        longest_s = min(longest_s, _LENGTHS_S[_LONG_NAMES.get(named[1], named[1])])
    return RecordedBars(rows, int(np.diff(times_s).min(initial=longest_s)), digits, names["spread"] in table.columns)
