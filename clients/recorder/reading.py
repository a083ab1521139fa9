"""A recording as DataFrames, with the columns, dtypes and index of `Client.ticks` and `Client.rates`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bridge.errors import InvalidParameters
from clients.moments import Moment, server_msc
from clients.recorder.columns import Rows, joined, read_part
from clients.recorder.layout import Series, parts_in, periods_of, series_in
from clients.tables import rates_frame, ticks_frame

if TYPE_CHECKING:
    import pandas as pd

_FIRST_MSC, _LAST_MSC = 0, 2**31 * 1_000


class Recording:
    """The recording in a folder; a recorder may write to it meanwhile."""

    def __init__(self, folder: str | Path) -> None:
        """Raises `InvalidParameters` for a folder that has none."""
        self.folder = Path(folder)
        if not series_in(self.folder):
            raise InvalidParameters(
                f"{self.folder} has no recording", next_step="record one with: mt5bridge record --out DIR", field="folder"
            )

    def __repr__(self) -> str:
        return f"<Recording {self.folder}: {len(self.series)} series>"

    @property
    def series(self) -> list[Series]:
        """What it has: the ticks of a symbol, or with a timeframe its bars."""
        return series_in(self.folder)

    def ticks(self, symbol: str, date_from: Moment | None = None, date_to: Moment | None = None) -> pd.DataFrame:
        """Ticks whose server time is from `date_from` on and before `date_to`, oldest first: columns and index as of
        `Client.ticks`. Those that the broker inserted later are where their time has them.

        Raises `InvalidParameters` for a symbol that is not recorded, `DamagedRecording` for a file that cannot be read.
        """
        rows = self._rows(Series(symbol), date_from, date_to)
        return ticks_frame([rows.tobytes()])

    def rates(self, symbol: str, timeframe: str, date_from: Moment | None = None, date_to: Moment | None = None) -> pd.DataFrame:
        """Closed bars that opened from `date_from` on and before `date_to`, oldest first: columns and index as of `Client.rates`.
        Raises what `ticks` does."""
        rows = self._rows(Series(symbol, timeframe), date_from, date_to)
        return rates_frame([rows.tobytes()])

    def rows(self, series: Series) -> Rows:
        """Every row of a series in the order in which it was recorded, and how it came (`clients.recorder.columns`)."""
        return joined([rows for _, rows in self.days(series)], series)

    def days(self, series: Series, first: str = "", last: str = "~") -> Iterator[tuple[str, Rows]]:
        """The rows of a series by day (ticks) or month (bars), oldest first; a day's are in the order of their recording."""
        for folder in periods_of(self.folder, series):
            if first <= folder.name.partition("=")[2] <= last:
                yield folder.name, joined([self._read(part, series) for part in parts_in(folder)], series)

    def _read(self, part: Any, series: Series) -> Rows:
        try:
            return read_part(part, series)
        except FileNotFoundError:  # merged into another one in this moment
            parts = parts_in(part.path.parent)
            whole = joined(
                [read_part(other, series) for other in parts if other.first <= part.last and other.last >= part.first], series
            )
            numbers = whole.origin["number"]
            return whole.picked((numbers >= part.first) & (numbers <= part.last))

    def _rows(self, series: Series, date_from: Moment | None, date_to: Moment | None) -> NDArray[np.void]:
        if not periods_of(self.folder, series):
            known = sorted({one.symbol if series.timeframe is None else f"{one.symbol} {one.timeframe}" for one in self.series})
            raise InvalidParameters(
                f"{series.topic} is not recorded here", next_step=f"there are {', '.join(known[:20])}", field="symbol",
                value=series.symbol,
            )  # fmt: skip
        begin = _FIRST_MSC if date_from is None else server_msc(date_from, "date_from")
        end = _LAST_MSC if date_to is None else server_msc(date_to, "date_to")
        names = [series.period(moment // 1_000).partition("=")[2] for moment in (begin, max(begin, end - 1))]
        parts = [rows.records for _, rows in self.days(series, *names)]
        records = np.concatenate(parts) if parts else joined((), series).records
        times = records["time_msc"] if series.timeframe is None else records["time"] * 1_000
        chosen: NDArray[np.void] = records[(times >= begin) & (times < end)]
        return chosen[np.argsort(chosen["time_msc" if series.timeframe is None else "time"], kind="stable")]


def read_ticks(folder: str | Path, symbol: str, date_from: Moment | None = None, date_to: Moment | None = None) -> pd.DataFrame:
    """`Recording(folder).ticks(…)`."""
    return Recording(folder).ticks(symbol, date_from, date_to)


def read_bars(
    folder: str | Path, symbol: str, timeframe: str, date_from: Moment | None = None, date_to: Moment | None = None
) -> pd.DataFrame:
    """`Recording(folder).rates(…)`."""
    return Recording(folder).rates(symbol, timeframe, date_from, date_to)
