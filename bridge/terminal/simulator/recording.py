"""Reading recorded market data from files into ticks (TICK_DTYPE, server time).

Three formats, told apart by their header; each may be gzipped:

* `time_msc,bid,ask` (comma separated, other columns ignored): times are milliseconds, UTC unless said otherwise.
* MetaTrader 5's tick export (tab separated `<DATE> <TIME> <BID> <ASK> <LAST> <VOLUME> <FLAGS>`): server time; an empty
  cell repeats the value before it.
* MetaTrader 5's bar export (tab separated `<DATE> <TIME> <OPEN> <HIGH> <LOW> <CLOSE> <TICKVOL> <VOL> <SPREAD>`, no
  `<TIME>` for daily bars): server time; ticks are made from the bars, whose timeframe is read from the file's name as
  the terminal writes it (`EURUSD_M1_…`), else is the smallest distance of two bars.

Prices are the floats that `float(text)` gives, to the bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from bridge.mt5api.structs import RATE_DTYPE, TICK_DTYPE
from bridge.terminal.simulator.bar_ticks import tick_flags, ticks_of_bars
from bridge.terminal.simulator.bars import DAY_S, MINUTE_S, TIMEFRAMES, Rows, digits_of
from bridge.terminal.simulator.clock import DEFAULT_ZONE, zone_offset_s
from bridge.terminal.simulator.delimited import DATE, INTEGER, NUMBER, TIME, Columns, RecordingError, Table, read_text
from bridge.terminal.simulator.draws import Floats, Ints

__all__ = ["RecordingError", "read_recordings", "read_ticks", "server_time", "symbol_and_file"]

_EARLIEST_MSC = 100_000_000_000  # 1973: smaller times must be seconds
_LATEST_MSC = 2**31 * 1000
_SYMBOL = re.compile(r"[A-Za-z0-9]+")
_ASSIGNED = re.compile(r"([A-Za-z0-9._#+&!-]+)=(.+)", re.DOTALL)
_LONG_NAMES = {"Daily": "D1", "Weekly": "W1", "Monthly": "MN1"}
_LENGTHS_S = {timeframe.name: timeframe.length_s for timeframe in TIMEFRAMES.values()}
_TIMEFRAME_NAME = re.compile(f"_({'|'.join((*_LENGTHS_S, *_LONG_NAMES))})(?=[_.])")
_PRICES = ("open", "high", "low", "close")
_QUARTER_S = 900

_CSV: Columns = {"time_msc": (INTEGER, False), "bid": (NUMBER, False), "ask": (NUMBER, False)}
_MT5_TICKS: Columns = {
    "<DATE>": (DATE, False), "<TIME>": (TIME, False), "<BID>": (NUMBER, True), "<ASK>": (NUMBER, True),
    "<LAST>": (NUMBER, True), "<VOLUME>": (NUMBER, True), "<FLAGS>": (INTEGER, True),
}  # fmt: skip
_MT5_BARS: Columns = {
    "<DATE>": (DATE, False), "<TIME>": (TIME, False), "<OPEN>": (NUMBER, False), "<HIGH>": (NUMBER, False),
    "<LOW>": (NUMBER, False), "<CLOSE>": (NUMBER, False), "<TICKVOL>": (INTEGER, True), "<VOL>": (INTEGER, True),
    "<SPREAD>": (INTEGER, True),
}  # fmt: skip
_NEEDED = {
    "time_msc,bid,ask": ("time_msc", "bid", "ask"),
    "MetaTrader 5 tick export": ("<DATE>", "<TIME>", "<BID>", "<ASK>"),
    "MetaTrader 5 bar export": ("<DATE>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>"),
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
    """The ticks (TICK_DTYPE) of a recorded file, in server time.

    `utc` says that the times of a `time_msc,bid,ask` file are UTC and have to be moved to server time, which is that of
    `zone`; exports of MetaTrader 5 already have server time.

    Raises:
        RecordingError: the file cannot be read, is damaged, or a row of it makes no sense.
    """
    file = str(path)
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
    return _exported_bars(Table(file, text, header, separator, _MT5_BARS))


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


def _check_order(table: Table, time_msc: Ints, field: str) -> None:
    back = np.concatenate(([False], time_msc[1:] < time_msc[:-1]))
    table.reject(back, field, "{value} is earlier than the row before")


def _csv_ticks(table: Table, zone: str | None) -> Rows:
    time_msc = table.integers("time_msc", 0)
    table.reject(time_msc < _EARLIEST_MSC, "time_msc", "{value} is too small for milliseconds since 1970")
    table.reject(time_msc >= _LATEST_MSC, "time_msc", "{value} is after 2038-01-19")
    bid, ask = table.numbers("bid"), table.numbers("ask")
    table.reject(~(bid > 0), "bid", "the price {value} is not positive")
    table.reject(~(ask > 0), "ask", "the price {value} is not positive")
    _check_order(table, time_msc, "time_msc")
    return _rows_of(time_msc if zone is None else server_time(time_msc, zone), bid, ask, tick_flags(bid, ask))


def _export_times(table: Table) -> Ints:
    """Server times in ms of the <DATE> and <TIME> columns."""
    codes, dates = pd.factorize(table.frame["<DATE>"])
    try:
        days = [datetime.strptime(str(date), "%Y.%m.%d").replace(tzinfo=UTC).timestamp() for date in dates]
    except ValueError as error:
        table.reject_cells()
        bad = ~table.frame["<DATE>"].map(_is_date).to_numpy(np.bool_)
        table.reject(bad, "<DATE>", "{value} is not a date")
        raise AssertionError("a date failed that is one") from error
    time_msc = np.array(days, np.int64)[codes] * 1000
    if "<TIME>" in table.columns:
        clock = table.frame["<TIME>"].to_numpy(str).astype("U13")
        ok, of_day_msc = _clock(clock)
        if not ok.all():
            table.reject_cells()
        time_msc = time_msc + of_day_msc
    _check_order(table, time_msc, "<TIME>" if "<TIME>" in table.columns else "<DATE>")
    return time_msc


def _is_date(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y.%m.%d")
    except ValueError:
        return False
    return True


# Weight in ms of the digit at each place of HH:MM:SS.mmm; 0 where a separator stands.
_CLOCK = ((36_000_000, 3_600_000, 0, 600_000, 60_000, 0, 10_000, 1_000, 0, 100, 10, 1), "00:00:00.000")


def _clock(texts: npt.NDArray[np.str_]) -> tuple[npt.NDArray[np.bool_], Ints]:
    """Milliseconds of the day of HH:MM, HH:MM:SS or HH:MM:SS.mmm texts (dtype U13), and which of them are well formed."""
    letters = texts.view(np.uint32).reshape(texts.size, -1).astype(np.int64)
    length = np.char.str_len(texts)
    ok = np.isin(length, (5, 8, 12))
    msc = np.zeros(texts.size, np.int64)
    for place, (weight, model) in enumerate(zip(*_CLOCK, strict=True)):
        column = letters[:, place]
        absent = place >= length
        digit = column - ord("0")
        ok &= absent | ((digit >= 0) & (digit <= 9) if weight else column == ord(model))
        msc += np.where(absent, 0, digit * weight)
    tens = letters - ord("0")
    ok &= (tens[:, 0] * 10 + tens[:, 1] < 24) & (tens[:, 3] < 6) & ((length < 8) | (tens[:, 6] < 6))
    return ok, msc


def _carried(values: Floats) -> Floats:
    """Each empty (nan) cell filled with the value before it; nan where there is none."""
    newest = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(values.size)))
    return values[newest]


def _exported_ticks(table: Table) -> Rows:
    """Rows before both sides are known are left out.  A quote of 0/0 with both flags is an empty book; no other price is 0."""
    time_msc = _export_times(table)
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


def _exported_bars(table: Table) -> Rows:
    times_s = _export_times(table) // 1000
    table.reject(np.concatenate(([False], times_s[1:] == times_s[:-1])), "<DATE>", "{value}: the bar before has the same time")
    bars = np.zeros(times_s.size, RATE_DTYPE)
    bars["time"] = times_s
    for name in _PRICES:
        bars[name] = table.numbers(f"<{name.upper()}>")
        table.reject(~(bars[name] > 0), f"<{name.upper()}>", "the price {value} is not positive")
    table.reject(bars["high"] < np.maximum(bars["open"], bars["close"]), "<HIGH>", "{value} is below the open or the close")
    table.reject(bars["low"] > np.minimum(bars["open"], bars["close"]), "<LOW>", "{value} is above the open or the close")
    for name, field in (("tick_volume", "<TICKVOL>"), ("spread", "<SPREAD>"), ("real_volume", "<VOL>")):
        values = table.integers(field, 0)
        table.reject(values < 0, field, "{value} is negative")
        bars[name] = values
    digits = max(table.decimals("<OPEN>"), digits_of(np.concatenate([bars[name] for name in _PRICES])))
    named = _TIMEFRAME_NAME.search(Path(table.file).name)
    longest_s = DAY_S if named or times_s.size > 1 else MINUTE_S
    if named:
        longest_s = min(longest_s, _LENGTHS_S[_LONG_NAMES.get(named[1], named[1])])
    return ticks_of_bars(bars, int(np.diff(times_s).min(initial=longest_s)), digits)
