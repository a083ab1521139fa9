"""What a replay goes over: the bars of a recording, and between which prices each of them ran."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bridge.errors import ConfigError
from bridge.terminal.simulator.bar_files import RecordedBars
from bridge.terminal.simulator.bar_market import BarMarket
from bridge.terminal.simulator.bars import Rows, bars_of_ticks, digits_of, merge_bars, period_starts
from bridge.terminal.simulator.quotes import Market
from bridge.terminal.simulator.recording import RecordingError, read_recorded, symbol_and_file
from bridge.terminal.simulator.replay import Replay
from bridge.ticks import TIMEFRAME_S, TIMEFRAMES

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HOLE_PERIODS = 4
"""More missing periods in a row than this, within a week, are a hole in the data."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The rows of one symbol: ticks (TICK_DTYPE), or bars."""

    symbol: str
    rows: Rows | RecordedBars

    @property
    def market(self) -> Market:
        """As a market of the simulated broker."""
        return BarMarket(self.symbol, self.rows) if isinstance(self.rows, RecordedBars) else Replay({self.symbol: self.rows})

    @property
    def timeframe(self) -> str | None:
        """That of recorded bars."""
        if not isinstance(self.rows, RecordedBars):
            return None
        period_s = self.rows.period_s
        return next((name for name, length_s in TIMEFRAME_S.items() if length_s == period_s), None)


@dataclass(frozen=True, slots=True)
class Track:
    """Bars (RATE_DTYPE) of one timeframe, oldest first, the last of them not closed. For each: `opened_msc`, the time of its first
    tick, and the lowest and highest bid and ask in it."""

    symbol: str
    timeframe: str
    bars: Rows
    opened_msc: Ints
    low_bid: Floats
    high_bid: Floats
    low_ask: Floats
    high_ask: Floats
    end_msc: int

    @property
    def holes(self) -> int:
        """Places where more than `HOLE_PERIODS` bars are missing, weekends apart."""
        times_s = self.bars["time"].astype(np.int64)
        apart = np.diff(times_s) > (HOLE_PERIODS + 1) * TIMEFRAME_S[self.timeframe]
        friday = (times_s[:-1] // 86_400 + 3) % 7 >= 4  # 1970-01-01 was a Thursday
        return int((apart & ~(friday & (np.diff(times_s) < 4 * 86_400))).sum())


def read_files(files: Iterable[str], *, spread: int | None = None) -> list[Recorded]:
    """The recordings in these files, `SYMBOL=FILE` where a name does not begin with its symbol; those of a symbol are joined.
    `spread` in points replaces that of recorded bars. Raises `ConfigError` with file, line and field."""
    found: dict[str, list[tuple[str, Rows | RecordedBars]]] = {}
    try:
        for argument in files:
            symbol, path = symbol_and_file(argument)
            found.setdefault(symbol, []).append((str(path), _with_spread(read_recorded(Path(path)), spread)))
        return [Recorded(symbol, _joined(parts)) for symbol, parts in found.items()]
    except RecordingError as error:
        raise ConfigError(str(error), next_step="mend the file, or name another") from error


def _with_spread(rows: Rows | RecordedBars, spread: int | None) -> Rows | RecordedBars:
    if spread is None or not isinstance(rows, RecordedBars):
        return rows
    rows.rows["spread"] = spread
    return rows._replace(has_spread=True)


def _joined(parts: list[tuple[str, Rows | RecordedBars]]) -> Rows | RecordedBars:
    if len(parts) == 1:
        return parts[0][1]
    if all(isinstance(rows, RecordedBars) for _, rows in parts):
        bars = [(file, rows) for file, rows in parts if isinstance(rows, RecordedBars)]
        if len({rows.period_s for _, rows in bars}) > 1:
            raise RecordingError(parts[1][0], None, None, f"its timeframe is not that of {parts[0][0]}")
        whole = _in_order([(file, rows.rows) for file, rows in bars], "time")
        return RecordedBars(
            whole, bars[0][1].period_s, max(rows.digits for _, rows in bars), all(rows.has_spread for _, rows in bars)
        )
    if any(isinstance(rows, RecordedBars) for _, rows in parts):
        raise RecordingError(parts[1][0], None, None, "ticks and bars of one symbol cannot be joined")
    return _in_order([(file, rows) for file, rows in parts if not isinstance(rows, RecordedBars)], "time_msc")


def _in_order(parts: list[tuple[str, Rows]], field: str) -> Rows:
    parts = sorted(parts, key=lambda part: int(part[1][field][0]))
    for (before, rows), (file, after) in pairwise(parts):
        if int(after[field][0]) <= int(rows[field][-1]):
            raise RecordingError(file, None, None, f"overlaps in time with {before}")
    return np.concatenate([rows for _, rows in parts])


def track_of(recorded: Recorded, timeframe: str, point: float) -> Track:
    """The bars of a recording in this timeframe; `point` is the symbol's. Raises `ConfigError`."""
    rows = recorded.rows
    code = TIMEFRAMES[timeframe]
    if isinstance(rows, RecordedBars):
        fine = rows.rows
        if rows.period_s > TIMEFRAME_S[timeframe]:
            raise ConfigError(
                f"the recording has bars of {recorded.timeframe or f'{rows.period_s} s'}, which cannot make {timeframe}",
                next_step=f"use --timeframe {recorded.timeframe}" if recorded.timeframe else "record finer bars",
            )
        bars = merge_bars(fine, code)
        opened_msc = np.ascontiguousarray(fine["time"]).astype(np.int64) * 1000
        spread = fine["spread"] * 10.0**-rows.digits
        low, high, ask_low, ask_high = fine["low"], fine["high"], fine["low"] + spread, fine["high"] + spread
        end_msc = int(opened_msc[-1]) + rows.period_s * 1000
    else:
        fine = rows[(rows["bid"] > 0) & (rows["ask"] > 0)]
        if not fine.size:
            raise ConfigError(f"the recording of {recorded.symbol} has no quote", next_step="name another file")
        bars = bars_of_ticks(fine, code, float(f"1e-{digits_of(np.concatenate((fine['bid'], fine['ask'])))}"))
        opened_msc = np.ascontiguousarray(fine["time_msc"])
        low, high, ask_low, ask_high = fine["bid"], fine["bid"], fine["ask"], fine["ask"]
        end_msc = int(opened_msc[-1]) + 1
    periods = period_starts(code, opened_msc // 1000)
    first = np.flatnonzero(np.concatenate(([True], periods[1:] != periods[:-1])))
    return Track(
        recorded.symbol, timeframe, bars, opened_msc[first],
        np.minimum.reduceat(low, first), np.maximum.reduceat(high, first),
        np.minimum.reduceat(ask_low, first) - point / 2, np.maximum.reduceat(ask_high, first) + point / 2, end_msc,
    )  # fmt: skip
