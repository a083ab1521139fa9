"""Times of recorded rows: those of MetaTrader 5's exports, and that they never go back."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from bridge.terminal.simulator.delimited import Table
from bridge.terminal.simulator.draws import Ints


def check_order(table: Table, time_msc: Ints, field: str) -> None:
    """Raise RecordingError for the first row that is earlier than the one before."""
    back = np.concatenate(([False], time_msc[1:] < time_msc[:-1]))
    table.reject(back, field, "{value} is earlier than the row before")


def export_times(table: Table) -> Ints:
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
    check_order(table, time_msc, "<TIME>" if "<TIME>" in table.columns else "<DATE>")
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
