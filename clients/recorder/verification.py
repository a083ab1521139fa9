"""Whether a recording is what it says: every number there once, every file whole, and the same as the terminal's history."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

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
    """Each series by itself, and against the terminal's history where there is a `client`. Raises `InvalidParameters` for a folder
    without a recording."""
    recording = Recording(folder)
    gaps = _gaps(folder)
    found = []
    for series in recording.series:
        checked = Checked(series.topic, gaps=gaps[series.topic])
        rows = _read(folder, series, checked)
        _order(rows, series, checked)
        if client is not None and len(rows):
            _compare(client, rows, series, checked)
        found.append(checked)
    return found


def _gaps(folder: Path) -> Counter[str]:
    path = folder / GAPS
    if not path.exists():
        return Counter()
    whole = path.read_bytes().rpartition(b"\n")[0]
    return Counter(json.loads(line)["topic"] for line in whole.splitlines())


def _read(folder: Path, series: Series, checked: Checked) -> Rows:
    parts = []
    for period in periods_of(folder, series):
        for part in parts_in(period):
            checked.files += 1
            checked.bytes += part.path.stat().st_size
            try:
                rows = read_part(part, series)
            except DamagedRecording as error:
                checked.wrong.append(str(error))
                continue
            if any(series.period(int(time_s)) != period.name for time_s in np.unique(rows.records["time"] // 86_400) * 86_400):
                checked.wrong.append(f"{part.path} has rows of another day")
            parts.append(rows)
    return joined(parts, series)


def _order(rows: Rows, series: Series, checked: Checked) -> None:
    numbers = rows.origin["number"]
    checked.rows = len(rows)
    late = (rows.origin["event_flags"] & LATE) != 0
    checked.late = int(late.sum())
    if not len(rows):
        return
    doubled = int((np.diff(numbers) == 0).sum())
    missing = int(numbers[-1] - len(np.unique(numbers)))
    if doubled:
        checked.wrong.append(f"{doubled} numbers are there twice")
    if missing or numbers[0] != 1:
        holes = np.flatnonzero(np.diff(numbers) > 1)[:SHOWN]
        places = ", ".join(f"{numbers[at] + 1} to {numbers[at + 1] - 1}" for at in holes) or f"1 to {numbers[0] - 1}"
        checked.wrong.append(f"{missing} rows are missing: numbers {places}")
    times = rows.records["time" if series.timeframe else "time_msc"][~late]
    back = int((np.diff(times) < (1 if series.timeframe else 0)).sum())
    if back:
        checked.wrong.append(f"{back} rows are older than the one before, and not marked late")


def _compare(client: Client, rows: Rows, series: Series, checked: Checked) -> None:
    """Every row of the terminal's history between the first and the last one, as often as it is there; the first and the last
    second may have been recorded in part."""
    first_s, last_s = int(rows.records["time"].min()), int(rows.records["time"].max())
    try:
        if series.timeframe is None:
            history = client.arrays.ticks(series.symbol, first_s, last_s + 1)
        else:
            history = client.arrays.rates(series.symbol, series.timeframe, date_from=first_s, date_to=last_s)
    except BridgeError as error:
        checked.wrong.append(f"cannot be compared with the terminal's history: {error}")
        return
    checked.compared = True
    ours, theirs = (
        Counter(row.tobytes() for row in records[(records["time"] > first_s) & (records["time"] < last_s)])
        for records in (rows.records, history)
    )
    lost, added = theirs - ours, ours - theirs
    if lost and not checked.gaps:
        checked.wrong.append(f"{lost.total()} rows of the terminal's history are not recorded, and no gap is noted")
    elif lost:
        checked.wrong.append(f"{lost.total()} rows of the terminal's history are not recorded; {checked.gaps} gaps are noted")
    if added:
        checked.wrong.append(f"{added.total()} rows are recorded that the terminal's history does not have, or not so often")
