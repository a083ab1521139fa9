"""One series of a recording: what has come of it and is not on the disk yet, and what is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from bridge.messages import LATE
from bridge.ticks import RECORD_BYTES
from clients.events import Bars, Ticks
from clients.recorder.columns import Arrival, DamagedRecording, Rows, joined, parquet, read_part, rows_of
from clients.recorder.disk import Disk
from clients.recorder.layout import TEMPORARY, Part, Series, merged_away, part_name, parts_in, periods_of

TOGETHER = 8
"""So many files of about the same size in one folder are made one."""
DAMAGED = ".damaged"
"""Ending of a file that could not be read, and was set aside."""


class Writer:
    """Rows of one series, in the order in which they came. `last` is the number of the newest row on the disk."""

    def __init__(self, root: Path, series: Series, disk: Disk, metadata: Mapping[str, str], tell: Callable[[str], object]) -> None:
        """Finds out how far the recording has come. Raises `OSError`, and `DamagedRecording` for what is not the newest."""
        self.series = series
        self.last = 0
        self.pending = 0
        self._root, self._disk, self._metadata, self._tell = root, disk, metadata, tell
        self._arrivals: list[Arrival] = []
        self._unwritten: Rows | None = None
        self._period = ""
        self._tail = joined((), series)
        self._open()

    def _open(self) -> None:
        newest: list[Part] = []
        for folder in periods_of(self._root, self.series):
            for part in merged_away(folder):
                self._disk.remove(part.path)
            for path in folder.glob(f"_*{TEMPORARY}"):
                self._disk.remove(path)
            newest += parts_in(folder)
        newest.sort(key=lambda part: part.last)
        while newest:
            try:
                self._tail = read_part(newest[-1], self.series)
                break
            except DamagedRecording as error:
                part = newest.pop()
                part.path.replace(part.path.with_name(part.path.name + DAMAGED))
                self._tell(f"{error}; it was set aside, and is recorded anew from the terminal's history")
        if not newest:
            return
        self.last = newest.pop().last
        while newest and self._seconds() < 2:
            self._tail = joined((read_part(newest.pop(), self.series), self._tail), self.series)
        self._period = self.series.period(int(self._tail.records["time"][-1]))
        self._shorten()

    def _seconds(self) -> int:
        return len(np.unique(self._tail.records["time"]))

    def _shorten(self) -> None:
        """Of what was written only the newest seconds are needed: to tell where to go on."""
        times = self._tail.records["time"]
        on_time = times[(self._tail.origin["event_flags"] & LATE) == 0]
        if len(on_time):
            before = on_time[on_time < on_time[-1]]
            if len(before):
                self._tail = self._tail.picked(times >= before[-1])

    # ---- what comes ----------------------------------------------------------------------------------------------------------

    def add(self, arrival: Arrival) -> None:
        """More rows; they are in memory until `flush`."""
        if arrival.records:
            self._arrivals.append(arrival)
            self.pending += len(arrival.records) // RECORD_BYTES

    def newest(self) -> list[Ticks | Bars]:
        """The newest rows, written or not, as events: a subscription goes on after them."""
        rows = joined((self._tail, *self._parts()), self.series)
        found: list[Ticks | Bars] = []
        if not len(rows):
            return found
        bounds = [0, *(np.flatnonzero(np.diff(rows.origin["event_flags"])) + 1), len(rows)]
        for start, end in pairwise(bounds):
            origin = rows.origin[end - 1]
            head = (
                int(origin["epoch"]),
                int(origin["sequence"]),
                int(origin["received_us"]),
                int(origin["event_flags"]) & LATE,
                False,
            )
            records = memoryview(rows.records[start:end].tobytes())
            if self.series.timeframe is None:
                found.append(Ticks(*head, self.series.symbol, records))
            else:
                found.append(Bars(*head, self.series.symbol, self.series.timeframe, False, records))
        return found

    def last_record(self) -> bytes:
        """The newest row as the terminal gave it; empty where there is none."""
        if self._arrivals:
            return bytes(self._arrivals[-1].records[-RECORD_BYTES:])
        rows = self._unwritten if self._unwritten is not None else self._tail
        return rows.records[-1:].tobytes()

    # ---- to the disk ---------------------------------------------------------------------------------------------------------

    def _parts(self) -> list[Rows]:
        parts = [] if self._unwritten is None else [self._unwritten]
        if self._arrivals:
            parts.append(rows_of(self.series, self._arrivals, self.last + 1 + sum(map(len, parts))))
        return parts

    def flush(self) -> int:
        """Bring everything to the disk; how many rows that were. What raises `OSError` stays in memory, and the next call tries it
        again."""
        self._unwritten, self._arrivals = joined(self._parts(), self.series), []
        written = 0
        while len(self._unwritten):
            run = self._unwritten.picked(slice(0, self._run()))
            self._write(run)
            written += len(run)
            self.pending -= len(run)
            self._unwritten = self._unwritten.picked(slice(len(run), None))
            self._tail = joined((self._tail, run), self.series)
            self._shorten()
        self._unwritten = None
        return written

    def _run(self) -> int:
        """How many of the unwritten rows are of the same day or month: a file that is not the last one has all numbers up to it."""
        assert self._unwritten is not None
        seconds = self._unwritten.records["time"].astype("M8[s]")
        periods = seconds.astype("M8[D]" if self.series.timeframe is None else "M8[M]")
        changes = np.flatnonzero(periods[1:] != periods[:-1])
        return int(changes[0]) + 1 if len(changes) else len(periods)

    def _write(self, run: Rows) -> None:
        period = self.series.period(int(run.records["time"][0]))
        first, last = int(run.origin["number"][0]), int(run.origin["number"][-1])
        folder = self._root / self.series.folder / period
        self._disk.write(folder / part_name(first, last), parquet(run, self._metadata))
        self.last = last
        if period != self._period and self._period:
            self.merge(self._root / self.series.folder / self._period, every=True)
        self._period = period
        self.merge(folder)

    def merge(self, folder: Path, *, every: bool = False) -> None:
        """Make one file of several small ones, or of all of a period that is over. One that cannot be read stays as it is."""
        parts = parts_in(folder) if every else _alike(parts_in(folder))
        if len(parts) < 2:
            return
        try:
            rows = joined([read_part(part, self.series) for part in parts], self.series)
        except DamagedRecording as error:
            self._tell(f"{error}; it stays as it is")
            return
        self._disk.write(folder / part_name(parts[0].first, parts[-1].last), parquet(rows, self._metadata))
        for part in parts:
            self._disk.remove(part.path)


def _alike(parts: list[Part]) -> list[Part]:
    """The newest files, as many as are small against what they make together; none while they are few."""
    orders = [(part.last - part.first + 1).bit_length() // 3 for part in parts]
    for most in sorted(set(orders)):
        run = len(orders) - max((at + 1 for at, order in enumerate(orders) if order > most), default=0)
        if run >= TOGETHER:
            return parts[-run:]
    return []


def summary(writers: Mapping[str, Writer]) -> dict[str, int]:
    """Rows on the disk by topic."""
    return {topic: writer.last for topic, writer in sorted(writers.items())}
