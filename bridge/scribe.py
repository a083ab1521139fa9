"""The scribe: a thread that owns the journal of orders and the audit, so that a slow disk delays orders and nothing else.

Whatever has come while it wrote goes into one transaction, so that many orders at once cost little more than one. Answers come in
the order of the writes, but those to lines of the audit behind the others: no order waits for the audit's own way to the disk.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from bridge.audit import Audit
from bridge.entries import AuditRecord, Durable, NotOpened, NotWritten, Opened, Write, Written
from bridge.errors import BridgeError, InternalError, JournalUnavailable
from bridge.journal import DAY_US, Journal, Point, account_name

MOST_TOGETHER = 1_000
"""Writes in one transaction."""
LONGEST_WAIT_S = 600.0

_Open = tuple[int, str]


def _now_us() -> int:
    return time.time_ns() // 1000


class Scribe:
    """Starts with no journal open. `wake` is called from the scribe's thread when there is something to `take`, and there was
    nothing before: it must neither block nor raise. That lines of the audit were written is no reason to wake anybody, it is told
    with what comes next. `folder` is where the journals are, `recent` how many settled orders an opening
    tells of.

    `open`, `write` and `take` never wait for the disk.
    """

    def __init__(
        self,
        folder: Path,
        wake: Callable[[], object],
        *,
        keep_days: int = 30,
        recent: int = 10_000,
        now_us: Callable[[], int] = _now_us,
        point: Point = lambda point: None,
    ) -> None:
        self._folder, self._wake = folder, wake
        self._keep_days, self._recent = keep_days, recent
        self._now_us, self._point = now_us, point
        self._todo: deque[Write | _Open] = deque()
        self._done: list[Written] = []
        self._woken = False
        self._changed = threading.Condition()
        self._closing = False
        self._journal: Journal | None = None
        self._audit: Audit | None = None
        self._why: BridgeError = JournalUnavailable("no journal of orders is open", next_step="wait until the account is known")
        self._purge_us = 0
        self.counters = {"commits": 0, "writes": 0, "writes_failed": 0, "audit_failed": 0}
        self._thread = threading.Thread(target=self._run, daemon=True, name="scribe")
        self._thread.start()

    # ---- any thread ------------------------------------------------------------------------------------------------------------

    def open(self, login: int, server: str) -> None:
        """Close the journal that is open, and open that of this account; answered by `Opened` or `NotOpened`."""
        self._give([(login, server)])

    def write(self, writes: Sequence[Write]) -> None:
        """Write these in this order; each is answered."""
        self._give(writes)

    def _give(self, items: Sequence[Write | _Open]) -> None:
        with self._changed:
            self._todo.extend(items)
            self._changed.notify()

    def take(self) -> list[Written]:
        """What has been answered since the last time."""
        with self._changed:
            done, self._done = self._done, []
            self._woken = False
        return done

    def close(self, patience_s: float = 5.0) -> bool:
        """Do what is still to be done and close the journal; whether that was possible in time."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    # ---- the thread ------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            if isinstance(batch, tuple):
                self._answer([self._opened(*batch)])
            else:
                self._write(batch)
            self._purge()
        self._close()

    def _write(self, batch: list[Write]) -> None:
        """The orders first, and their answers at once: the session can have them while the audit is written."""
        lines = [write for write in batch if isinstance(write.record, AuditRecord)]
        orders = [write for write in batch if not isinstance(write.record, AuditRecord)] if lines else batch
        self.counters["writes"] += len(batch)
        if orders:
            self._answer(self._written(orders))
        if lines:
            told = self._audited(lines)
            self._answer(told, wake=any(isinstance(answer, NotWritten) for answer in told))

    def _answer(self, answers: list[Written], *, wake: bool = True) -> None:
        self.counters["writes_failed"] += sum(isinstance(answer, NotWritten) for answer in answers)
        with self._changed:
            self._done += answers
            wake, self._woken = wake and not self._woken, self._woken or wake
        if wake:
            self._wake()

    def _next(self) -> _Open | list[Write] | None:
        """A journal to open, writes that go together, nothing when only time has passed, or None at the end."""
        with self._changed:
            if not self._todo and not self._closing:
                self._changed.wait(LONGEST_WAIT_S)
            if not self._todo:
                return None if self._closing else []
            batch: list[Write] = []
            while self._todo and len(batch) < MOST_TOGETHER:
                item = self._todo[0]
                if isinstance(item, Write):
                    batch.append(item)
                elif batch:
                    break
                else:
                    self._todo.popleft()
                    return item
                self._todo.popleft()
            return batch

    def _opened(self, login: int, server: str) -> Opened | NotOpened:
        self._close()
        try:
            journal = Journal(self._folder, login, server, now_us=self._now_us(), keep_days=self._keep_days, point=self._point)
        except BridgeError as error:
            self._why = error
            return NotOpened(login, server, error)
        self._journal = journal
        self._purge_us = self._now_us() + DAY_US
        noticed = [journal.repaired]
        try:
            noticed.append(self._open_audit(journal).noticed)
        except OSError as error:
            noticed.append(f"the audit cannot be written: {error.strerror}")
        told = "; ".join(filter(None, noticed))
        return Opened(login, server, journal.open_entries(), journal.recent(self._recent), journal.notes(), told)

    def _open_audit(self, journal: Journal) -> Audit:
        if self._audit is None:
            self._audit = Audit(self._folder, account_name(journal.login, journal.server), known=journal.guard.audit)
        return self._audit

    def _written(self, orders: list[Write]) -> list[Written]:
        journal = self._journal
        if journal is None:
            return [NotWritten(write.number, self._why) for write in orders]
        self.counters["commits"] += 1
        try:
            return journal.write(orders)
        except Exception as fault:  # told for each of them; the next batch has its own chance
            journal.give_up()
            error = InternalError(f"the journal could not write this: {fault!r}", next_step="report it, with the log of the bridge")
            return [NotWritten(write.number, error) for write in orders]

    def _audited(self, lines: list[Write]) -> list[Written]:
        journal = self._journal
        if journal is None:
            return [NotWritten(write.number, self._why) for write in lines]
        try:
            audit = self._open_audit(journal)
            audit.append([write.record for write in lines if isinstance(write.record, AuditRecord)])
        except OSError as error:
            self.counters["audit_failed"] += len(lines)
            words = f"the audit beside {journal.path} cannot be written: {error.strerror}"
            failure = JournalUnavailable(words, next_step="look at that disk: space, rights, errors; orders go on")
            return [NotWritten(write.number, failure) for write in lines]
        with contextlib.suppress(OSError):
            journal.guard.write(journal.revision, audit.number)
        return [Durable(write.number) for write in lines]

    def _purge(self) -> None:
        if self._journal is not None and not self._todo and self._now_us() >= self._purge_us:
            self._purge_us = self._now_us() + DAY_US
            with contextlib.suppress(BridgeError, sqlite3.Error):  # tomorrow again
                self._journal.purge(self._now_us())

    def _close(self) -> None:
        journal, self._journal = self._journal, None
        audit, self._audit = self._audit, None
        if audit is not None:
            audit.close()
        if journal is not None:
            with contextlib.suppress(sqlite3.Error):  # all of it is on the disk already
                journal.close()
