"""The recorder: subscriptions on one side, files on the other, and between them no more than a bounded number of rows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.errors import ConfigError, MustStop, NotConnected
from bridge.messages import FOREIGN
from clients.events import Bars, Gap, Item, Ticks
from clients.recorder.catching_up import catch_up
from clients.recorder.columns import FORMAT, Arrival
from clients.recorder.disk import Disk, Lock, make_folder
from clients.recorder.layout import Series
from clients.recorder.writing import Writer, summary

if TYPE_CHECKING:
    from clients import Client
    from clients.subscription import Subscription

RECORDING, GAPS, LOCK = "recording.json", "gaps.jsonl", "recorder.lock"
RETRY_S = 5.0
"""Between two attempts to write where the disk takes nothing."""


class DiskFull(MustStop):
    """The disk did not take what was recorded, for too long."""

    code = "disk_full"


@dataclass(frozen=True, slots=True)
class Terms:
    """How to record: rows reach the disk after `flush_s` seconds, or when `most_rows` wait; a disk that takes nothing is tried for
    `patience_s`. `since_s` is where a new series begins (server time), if not now."""

    flush_s: float = 5.0
    most_rows: int = 200_000
    patience_s: float = 600.0
    since_s: int | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a recorder has done: rows that it brought to the disk, gaps that it noted, and the rows that are there by topic."""

    rows: int
    gaps: int
    series: dict[str, int]


class Recorder:
    """Records series of one bridge into one folder, which it holds alone. Use it as a context manager."""

    def __init__(
        self,
        client: Client,
        folder: Path,
        series: Sequence[Series],
        terms: Terms | None = None,
        *,
        tell: Callable[[str], object] = print,
        disk: Disk | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises `ConfigError` for a folder that is held by another recorder, or belongs to another server; `DamagedRecording`."""
        self._client, self._folder, self._terms, self._tell, self._now = client, folder, terms or Terms(), tell, now
        self._disk = disk or Disk()
        self._gaps = 0
        self._noted: list[bytes] = []
        try:
            make_folder(folder)
            self._lock = Lock(folder / LOCK)
        except OSError as error:
            raise unusable(folder, error) from None
        try:
            metadata = self._introduce()
            self._writers = {one.topic: Writer(folder, one, self._disk, metadata, tell) for one in series}
        except BaseException as error:
            self._lock.__exit__(None, None, None)
            if isinstance(error, OSError):
                raise unusable(folder, error) from None
            raise
        self._before = self._written()
        self._flushed_s = now()
        self._failing_s: float | None = None
        self._retry_s = 0.0

    def _introduce(self) -> dict[str, str]:
        """Whose data that is: one folder is for one server, whose times and prices are its own."""
        connection = self._client.connection()
        if connection.server is None:
            raise NotConnected(
                "the bridge does not know yet which server it is at", next_step="wait until it has attached to its terminal"
            )
        path = self._folder / RECORDING
        told = {"format": FORMAT, "server": connection.server}
        if path.exists():
            known = json.loads(path.read_text(encoding="utf-8"))
            if known.get("format") != FORMAT:
                raise ConfigError(
                    f"{path} is of format {known.get('format')}, this release writes {FORMAT}", next_step="record to another folder"
                )
            if known.get("server") != connection.server:
                raise ConfigError(
                    f"{self._folder} is a recording of {known['server']}, and the bridge is at {connection.server}",
                    next_step="record to another folder: one is for one server",
                )
        else:
            self._disk.write(path, json.dumps(told).encode() + b"\n")
        offset_s = connection.clock.offset_s
        return {"mt5bridge.server": connection.server, "mt5bridge.clock_offset_s": "" if offset_s is None else str(offset_s)}

    def _written(self) -> int:
        return sum(writer.last for writer in self._writers.values())

    @property
    def done(self) -> Recorded:
        """What has been done by now."""
        return Recorded(self._written() - self._before, self._gaps, summary(self._writers))

    # ---- the run -------------------------------------------------------------------------------------------------------------

    def run(self, wanted: Callable[[], bool]) -> Recorded:
        """Record as long as that is wanted. Raises `BridgeError`; what had come by then is on the disk."""
        try:
            for writer in self._writers.values():
                catch_up(self._client, writer, self._terms.since_s, wanted, lambda: self._insist(wanted))
            self._follow(wanted)
        finally:
            self._end()
        return self.done

    def _follow(self, wanted: Callable[[], bool]) -> None:
        after = {topic: writer.newest() for topic, writer in self._writers.items() if writer.last}
        subscription = self._client.subscribe(*self._writers, after=after)
        try:
            while wanted():
                self._step(subscription, 0.2)
        finally:
            subscription.close()
            while (item := subscription.get(0.0)) is not None:
                self._take(item)

    def _step(self, subscription: Subscription, wait_s: float) -> None:
        if self._failing_s is not None and self._pending() >= self._terms.most_rows:
            self._client.is_connected  # noqa: B018 - the client receives while it asks; what finds no room is asked for again
            time.sleep(wait_s)
        else:
            item = subscription.get(wait_s)
            while item is not None:
                self._take(item)
                item = subscription.get(0.0) if self._pending() < self._terms.most_rows else None
        now = self._now()
        if self._pending() >= self._terms.most_rows or now - self._flushed_s >= self._terms.flush_s:
            self._flush(now)

    def _pending(self) -> int:
        return sum(writer.pending for writer in self._writers.values())

    def _take(self, item: Item) -> None:
        if isinstance(item, Gap):
            self._gap(item)
        elif isinstance(item, Ticks | Bars) and (writer := self._writers.get(item.topic)) is not None:
            if item.flags & FOREIGN:
                return  # of another account's server; what this one's had meanwhile comes from its history
            if item.snapshot and bytes(item.records[-60:]) == writer.last_record():
                return  # known: nothing has happened since
            writer.add(Arrival(item.epoch, item.sequence, item.time_us, item.flags, bytes(item.records)))

    def _gap(self, gap: Gap) -> None:
        """What is missing is part of the recording: behind which row, and what is known of it."""
        writer = self._writers.get(gap.topic)
        if writer is None:
            return
        self._gaps += 1
        told: dict[str, Any] = {
            "topic": gap.topic, "after_number": writer.last + writer.pending, "reason": gap.reason, "epoch": gap.epoch,
            "from_sequence": gap.from_sequence, "to_sequence": gap.to_sequence, "missing_events": gap.missing,
            "noticed_us": self._client.bridge_msc() * 1_000,
        }  # fmt: skip
        self._noted.append(json.dumps(told).encode() + b"\n")
        self._tell(f"{gap.topic}: events are missing for good ({gap.reason}); it is noted in {GAPS}")

    def _flush(self, now: float) -> None:
        if now < self._retry_s:
            return
        self._flushed_s = now
        try:
            self._write()
        except OSError as error:
            self._failed(error, now)
        else:
            if self._failing_s is not None:
                self._tell("the disk takes it again: nothing is missing")
            self._failing_s = None
            self._retry_s = 0.0

    def _write(self) -> None:
        """Everything to the disk; gaps before the rows behind them, so that none is there without. Raises `OSError`."""
        if self._noted:
            self._disk.append(self._folder / GAPS, b"".join(self._noted))
            self._noted.clear()
        for writer in self._writers.values():
            if writer.pending:
                writer.flush()

    def _insist(self, wanted: Callable[[], bool]) -> None:
        """Everything to the disk, as soon as it takes it, or until this is not wanted any more."""
        self._retry_s = 0.0
        self._flush(self._now())
        while self._pending() and wanted():
            self._client.is_connected  # noqa: B018 - so that the bridge knows of us
            time.sleep(0.05)
            self._flush(self._now())

    def _failed(self, error: OSError, now: float) -> None:
        if self._failing_s is None:
            self._failing_s = now
            self._tell(f"cannot write: {error}; trying again for {self._terms.patience_s:g} s, what was written is safe")
        elif now - self._failing_s >= self._terms.patience_s:
            raise DiskFull(
                f"cannot write to {self._folder}: {error}",
                next_step="make room and start the recorder again: what is missing then comes from the terminal's history",
            )
        self._retry_s = now + RETRY_S

    def _end(self) -> None:
        self._retry_s = 0.0
        try:
            self._write()
        except OSError as error:
            raise DiskFull(
                f"cannot write to {self._folder}: {error}",
                next_step="make room and start the recorder again: what is missing then comes from the terminal's history",
            ) from None

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.__exit__(None, None, None)


def unusable(folder: Path, error: OSError) -> ConfigError:
    """The error for a folder that nothing can be recorded to."""
    return ConfigError(f"cannot record to {folder}: {error}", next_step="name a folder that can be written to, with room in it")
