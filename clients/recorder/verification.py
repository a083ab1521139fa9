"""Whether a recording is what it says: every number there once, every file whole, and the same as the terminal's history."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bridge.errors import BridgeError
from bridge.messages import LATE
from clients.recorder.columns import DamagedRecording, Rows, joined, read_part
from clients.recorder.layout import Series, parts_in, periods_of
from clients.recorder.reading import Recording
from clients.recorder.recorder import GAPS

if TYPE_CHECKING:
    from clients import Client

SHOWN = 5


@dataclass(slots=True)
class Checked:
    """One series: its rows and bytes, what is noted as missing, and what is wrong, a line each."""

    topic: str
    rows: int = 0
    late: int = 0
    files: int = 0
    bytes: int = 0
    gaps: int = 0
    compared: bool = False
    wrong: list[str] = field(default_factory=list)

    def as_object(self) -> dict[str, Any]:
        """As plain types."""
        return asdict(self)


def verify(folder: Path, client: Client | None = None) -> list[Checked]:
    """Each series by itself, and against the terminal's history where there is a `client`: a day (of bars a month) at a time.

    Raises `InvalidParameters` for a folder without a recording.
    """
    recording = Recording(folder)
    gaps = _gaps(folder)
    found = []
    for series in recording.series:
        checked = Checked(series.topic, gaps=gaps[series.topic])
        look = Look(client, series, checked)
        for period in periods_of(folder, series):
            look.at(period)
        look.end()
        found.append(checked)
    return found


def _gaps(folder: Path) -> Counter[str]:
    path = folder / GAPS
    if not path.exists():
        return Counter()
    whole = path.read_bytes().rpartition(b"\n")[0]
    return Counter(json.loads(line)["topic"] for line in whole.splitlines())


class Look:
    """At one series, from the oldest period to the newest."""

    def __init__(self, client: Client | None, series: Series, checked: Checked) -> None:
        self._client, self._series, self._checked = client, series, checked
        self._numbers: list[NDArray[np.int64]] = []
        self._times: list[NDArray[np.int64]] = []
        self._late: list[NDArray[np.bool_]] = []
        self._held: Rows | None = None
        self._from_s: int | None = None
        self._lost = self._added = self._moved = 0

    def at(self, period: Path) -> None:
        """One day, or month."""
        rows = self._read(period)
        if not len(rows):
            return
        late = (rows.origin["event_flags"] & LATE) != 0
        self._numbers.append(rows.origin["number"].copy())
        self._times.append(rows.records["time" if self._series.timeframe else "time_msc"].copy())
        self._late.append(late)
        if self._held is not None:
            self._compare(self._held, last=False)
        self._held = rows

    def _read(self, period: Path) -> Rows:
        checked, parts = self._checked, []
        for part in parts_in(period):
            checked.files += 1
            checked.bytes += part.path.stat().st_size
            try:
                rows = read_part(part, self._series)
            except DamagedRecording as error:
                checked.wrong.append(str(error))
                continue
            days = np.unique(rows.records["time"] // 86_400) * 86_400
            if any(self._series.period(int(time_s)) != period.name for time_s in days):
                checked.wrong.append(f"{part.path} has rows of another day")
            parts.append(rows)
        return joined(parts, self._series)

    def end(self) -> None:
        """There are no more."""
        if self._held is not None:
            self._compare(self._held, last=True)
        if self._numbers:
            self._order(np.concatenate(self._numbers), np.concatenate(self._times), np.concatenate(self._late))
        checked = self._checked
        if self._lost:
            noted = f"; {checked.gaps} gaps are noted" if checked.gaps else ", and no gap is noted"
            checked.wrong.append(f"{self._lost} rows of the terminal's history are not recorded{noted}")
        if self._added:
            checked.wrong.append(f"{self._added} rows are recorded that the terminal's history does not have, or not so often")
        if self._moved:
            checked.wrong.append(f"{self._moved} rows are not in the order of the terminal's history")

    def _order(self, numbers: NDArray[np.int64], times: NDArray[np.int64], late: NDArray[np.bool_]) -> None:
        checked = self._checked
        order = np.argsort(numbers, kind="stable")
        numbers, times, late = numbers[order], times[order], late[order]
        checked.rows, checked.late = len(numbers), int(late.sum())
        doubled = int((np.diff(numbers) == 0).sum())
        missing = int(numbers[-1] - len(np.unique(numbers)))
        if doubled:
            checked.wrong.append(f"{doubled} numbers are there twice")
        if missing or numbers[0] != 1:
            holes = np.flatnonzero(np.diff(numbers) > 1)[:SHOWN]
            places = ", ".join(f"{numbers[at] + 1} to {numbers[at + 1] - 1}" for at in holes) or f"1 to {numbers[0] - 1}"
            checked.wrong.append(f"{missing} rows are missing: numbers {places}")
        back = int((np.diff(times[~late]) < (1 if self._series.timeframe else 0)).sum())
        if back:
            checked.wrong.append(f"{back} rows are older than the one before, and not marked late")

    def _compare(self, rows: Rows, *, last: bool) -> None:
        """With the terminal's history from behind the former period's last second on, up to this one's; the first and the last
        second of all may have been recorded in part."""
        if self._client is None:
            return
        series = self._series
        end_s = int(rows.records["time"].max()) + (0 if last else 1)
        begin_s = int(rows.records["time"].min()) + 1 if self._from_s is None else self._from_s
        self._from_s = end_s
        if begin_s >= end_s:
            self._checked.compared = True
            return
        try:
            if series.timeframe is None:
                theirs = self._client.arrays.ticks(series.symbol, begin_s, end_s)
            else:
                theirs = self._client.arrays.rates(series.symbol, series.timeframe, date_from=begin_s, date_to=end_s)
        except BridgeError as error:
            self._checked.wrong.append(f"cannot be compared with the terminal's history: {error}")
            return
        self._checked.compared = True
        theirs = theirs[(theirs["time"] >= begin_s) & (theirs["time"] < end_s)]
        within = (rows.records["time"] >= begin_s) & (rows.records["time"] < end_s)
        ours, late = rows.records[within], (rows.origin["event_flags"][within] & LATE) != 0
        if ours.tobytes() == theirs.tobytes():
            return
        ours_counted, theirs_counted = (Counter(row.tobytes() for row in records) for records in (ours, theirs))
        self._lost += (theirs_counted - ours_counted).total()
        self._added += (ours_counted - theirs_counted).total()
        if ours_counted == theirs_counted:  # where the broker put late rows among those of their millisecond nobody knows
            kept = Counter(row.tobytes() for row in ours[late])
            others = []
            for row in theirs:
                content = row.tobytes()
                if kept[content]:
                    kept[content] -= 1
                else:
                    others.append(content)
            self._moved += sum(row.tobytes() != other for row, other in zip(ours[~late], others, strict=True))
