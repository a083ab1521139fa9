"""Reading recorded market data from files into ticks (TICK_DTYPE, server time).

Four formats, told apart by their header; each may be gzipped:

* `time_msc,bid,ask` (comma separated, other columns ignored): times are milliseconds, UTC unless said otherwise.
* MetaTrader 5's tick export (tab separated `<DATE> <TIME> <BID> <ASK> <LAST> <VOLUME> <FLAGS>`): server time; an empty
  cell repeats the value before it.
* MetaTrader 5's bar export (tab separated `<DATE> <TIME> <OPEN> <HIGH> <LOW> <CLOSE> <TICKVOL> <VOL> <SPREAD>`, no
  `<TIME>` for daily bars): server time; ticks are made from the bars, whose timeframe is read from the file's name as
  the terminal writes it (`EURUSD_M1_…`), else is the smallest distance of two bars.
* `time,open,high,low,close` and, where known, `tick_volume` or `volume`, `spread`, `real_volume` (comma separated, or
  Parquet): what `copy_rates_*` answers as a table; server time.

Prices are the floats that `float(text)` gives, to the bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bridge.mt5api.structs import TICK_DTYPE
from bridge.terminal.simulator.bar_files import EXPORT, TABLE, RecordedBars, bars_of_export, bars_of_table, read_parquet
from bridge.terminal.simulator.bar_ticks import tick_flags, ticks_of_bars
from bridge.terminal.simulator.bars import Rows
from bridge.terminal.simulator.clock import DEFAULT_ZONE, zone_offset_s
from bridge.terminal.simulator.delimited import DATE, INTEGER, NUMBER, TIME, Columns, RecordingError, Table, read_text
from bridge.terminal.simulator.draws import Floats, Ints
from bridge.terminal.simulator.export_times import check_order, export_times

__all__ = ["RecordedBars", "RecordingError", "read_recorded", "read_recordings", "read_ticks", "server_time", "symbol_and_file"]

_EARLIEST_MSC = 100_000_000_000  # 1973: smaller times must be seconds
_LATEST_MSC = 2**31 * 1000
_SYMBOL = re.compile(r"[A-Za-z0-9]+")
_ASSIGNED = re.compile(r"([A-Za-z0-9._#+&!-]+)=(.+)", re.DOTALL)
_QUARTER_S = 900

_CSV: Columns = {"time_msc": (INTEGER, False), "bid": (NUMBER, False), "ask": (NUMBER, False)}
_MT5_TICKS: Columns = {
    "<DATE>": (DATE, False), "<TIME>": (TIME, False), "<BID>": (NUMBER, True), "<ASK>": (NUMBER, True),
    "<LAST>": (NUMBER, True), "<VOLUME>": (NUMBER, True), "<FLAGS>": (INTEGER, True),
}  # fmt: skip
_NEEDED = {
    "time_msc,bid,ask": ("time_msc", "bid", "ask"),
    "MetaTrader 5 tick export": ("<DATE>", "<TIME>", "<BID>", "<ASK>"),
    "MetaTrader 5 bar export": ("<DATE>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>"),
    "bars time,open,high,low,close": ("time", "open", "high", "low", "close"),
}


def symbol_and_file(argument: str) -> tuple[str, Path]:
    """Symbol and file of `SYMBOL=FILE`, or of a file whose name begins with the symbol (`EURUSD_2024.csv.gz`).

    Raises:
        RecordingError: the name does not begin with a letter or digit.
    """
    assigned = _ASSIGNED.fullmatch(argument)
    if assigned:
        return assigned[1], Path(assigned[2])
    path = Path(argument)
    symbol = _SYMBOL.match(path.name)
    if symbol is None:
        raise RecordingError(argument, None, None, "the name does not begin with a symbol; write SYMBOL=FILE")
    return symbol[0], path


def read_recordings(arguments: Iterable[str], *, utc: bool = True, zone: str = DEFAULT_ZONE) -> dict[str, Rows]:
    """Ticks by symbol of several files, as `symbol_and_file` understands them; files of one symbol are joined in time.

    Raises:
        RecordingError: a file cannot be used, or two files of a symbol overlap.
    """
    parts: dict[str, list[tuple[int, str, Rows]]] = {}
    for argument in arguments:
        symbol, path = symbol_and_file(argument)
        ticks = read_ticks(path, utc=utc, zone=zone)
        parts.setdefault(symbol, []).append((int(ticks["time_msc"][0]), str(path), ticks))
    for files in parts.values():
        files.sort(key=lambda part: part[0])
        for (_, before, ticks), (start, after, _) in pairwise(files):
            if start < int(ticks["time_msc"][-1]):
                raise RecordingError(after, None, None, f"overlaps in time with {before}")
    return {symbol: np.concatenate([ticks for *_, ticks in files]) for symbol, files in parts.items()}


def read_ticks(path: Path | str, *, utc: bool = True, zone: str = DEFAULT_ZONE) -> Rows:
    """The ticks (TICK_DTYPE) of a recorded file, in server time; of a file of bars, ticks that are made from them.

    `utc` says that the times of a `time_msc,bid,ask` file are UTC and have to be moved to server time, which is that of
    `zone`; exports of MetaTrader 5 and tables of bars already have server time.

    Raises:
        RecordingError: the file cannot be read, is damaged, or a row of it makes no sense.
    """
    found = read_recorded(path, utc=utc, zone=zone)
    return ticks_of_bars(found.rows, found.period_s, found.digits) if isinstance(found, RecordedBars) else found


def read_recorded(path: Path | str, *, utc: bool = True, zone: str = DEFAULT_ZONE) -> Rows | RecordedBars:
    """What is in a recorded file: ticks, or bars.  Arguments and errors as `read_ticks`."""
    file = str(path)
    if file.endswith(".parquet"):
        return read_parquet(Path(path))
    text = read_text(path)
    first = text.split("\n", 1)[0]
    separator = "\t" if "\t" in first else ","
    header = [name.strip() for name in first.split(separator)]
    missing = {kind: [name for name in needed if name not in header] for kind, needed in _NEEDED.items()}
    nearest = min(missing, key=lambda kind: len(missing[kind]) / len(_NEEDED[kind]))
    if missing[nearest]:
        raise RecordingError(file, 1, "header", f"no column {', '.join(missing[nearest])} (format {nearest})")
    if len(set(header)) < len(header):
        raise RecordingError(file, 1, "header", "a column occurs twice")
    if nearest == "time_msc,bid,ask":
        return _csv_ticks(Table(file, text, header, separator, _CSV), zone if utc else None)
    if nearest == "MetaTrader 5 tick export":
        return _exported_ticks(Table(file, text, header, separator, _MT5_TICKS))
    if nearest == "MetaTrader 5 bar export":
        return bars_of_export(Table(file, text, header, separator, EXPORT))
    return bars_of_table(Table(file, text, header, separator, TABLE))


def server_time(utc_msc: Ints, zone: str = DEFAULT_ZONE) -> Ints:
    """Server time of UTC times, both in ms; `zone` as in `clock.zone_offset_s`.

    In New York + 7 h days begin at the New York close and weeks run from Monday 00:00 to Friday 24:00, as at most
    brokers.
    """
    quarters, position = np.unique(utc_msc // (_QUARTER_S * 1000), return_inverse=True)  # no zone changes in between
    offsets_s = [zone_offset_s(quarter * _QUARTER_S, zone) for quarter in quarters.tolist()]
    return utc_msc + np.array(offsets_s, np.int64)[position] * 1000


def _rows_of(time_msc: Ints, bid: Floats, ask: Floats, flags: npt.NDArray[np.int64]) -> Rows:
    rows = np.zeros(time_msc.size, TICK_DTYPE)
    rows["time_msc"] = time_msc
    rows["time"] = time_msc // 1000
    rows["bid"] = bid
    rows["ask"] = ask
    rows["flags"] = flags
    return rows


def _csv_ticks(table: Table, zone: str | None) -> Rows:
    time_msc = table.integers("time_msc", 0)
    table.reject(time_msc < _EARLIEST_MSC, "time_msc", "{value} is too small for milliseconds since 1970")
    table.reject(time_msc >= _LATEST_MSC, "time_msc", "{value} is after 2038-01-19")
    bid, ask = table.numbers("bid"), table.numbers("ask")
    table.reject(~(bid > 0), "bid", "the price {value} is not positive")
    table.reject(~(ask > 0), "ask", "the price {value} is not positive")
    check_order(table, time_msc, "time_msc")
    return _rows_of(time_msc if zone is None else server_time(time_msc, zone), bid, ask, tick_flags(bid, ask))


def _carried(values: Floats) -> Floats:
    """Each empty (nan) cell filled with the value before it; nan where there is none."""
    newest = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(values.size)))
    return values[newest]


def _exported_ticks(table: Table) -> Rows:
    """Rows before both sides are known are left out.  A quote of 0/0 with both flags is an empty book; no other price is 0."""
    time_msc = export_times(table)
    bid_cells, ask_cells = table.numbers("<BID>"), table.numbers("<ASK>")
    updated = 2 * ~np.isnan(bid_cells) + 4 * ~np.isnan(ask_cells)
    flags = table.integers("<FLAGS>", 0)
    flags = np.where(flags != 0, flags, updated)
    table.reject(flags < 0, "<FLAGS>", "{value} is negative")
    empty_book = (bid_cells == 0) & (ask_cells == 0) & (flags & 6 == 6)
    for field, cells in (("<BID>", bid_cells), ("<ASK>", ask_cells)):
        table.reject((cells <= 0) & ~empty_book, field, "the price {value} is not positive")
    bid, ask = _carried(bid_cells), _carried(ask_cells)
    rows = _rows_of(time_msc, bid, ask, flags)
    if "<LAST>" in table.columns:
        rows["last"] = np.nan_to_num(_carried(table.numbers("<LAST>")))
    if "<VOLUME>" in table.columns:
        volume = np.nan_to_num(_carried(table.numbers("<VOLUME>")))
        table.reject(volume < 0, "<VOLUME>", "{value} is negative")
        rows["volume"] = volume.astype(np.uint64)
        rows["volume_real"] = volume
    known = ~(np.isnan(bid) | np.isnan(ask))
    if not known.any():
        raise RecordingError(table.file, None, None, "no row has a bid and an ask")
    return rows[known]
