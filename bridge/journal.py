"""The journal of orders: one SQLite file for each account, in which an order is written down before it is sent, and what became of
it before anybody is told.

`LOGIN@SERVER.sqlite` is the journal; `.lock` beside it is its guard, and keeps a second bridge from the account. A file that is
damaged is never written to: `salvage` keeps it under another name and makes a new one of what is intact.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bridge.entries import (
    Durable,
    Entry,
    Existing,
    Found,
    Intent,
    Note,
    NotWritten,
    Query,
    Settlement,
    Write,
    Written,
)
from bridge.errors import BridgeError, InternalError
from bridge.examination import Examined, examine
from bridge.guard import Guard
from bridge.reading import entry_of, newest
from bridge.seals import FORMAT, NAMES, PAGE_BYTES, Change, connect, create, damaged, told

DAY_US = 86_400 * 1_000_000
PURGED_TOGETHER = 200
"""Old orders that are removed in one transaction: orders wait for no more than that."""

Point = Callable[[str], None]
"""Called at `before_write`, `before_commit` and `after_commit`: what a test does there is what a crash would do."""


def account_name(login: int, server: str) -> str:
    """What the files of an account are called."""
    safe = quote(server, safe=" ")
    if len(safe) > 100:
        safe = f"{safe[:80]}~{blake2b(server.encode(), digest_size=8).hexdigest()}"
    return f"{login}@{safe}"


def _ignore(point: str) -> None:
    pass


class Journal:
    """The open journal of one account; used by one thread at a time. `repaired` says what was found and put right at the opening.

    Raises `ConfigError` while another bridge serves the account, `JournalDamaged`, and `JournalUnavailable`.
    """

    def __init__(
        self,
        folder: Path,
        login: int,
        server: str,
        *,
        now_us: int,
        keep_days: int = 30,
        point: Point = _ignore,
        page_bytes: int = PAGE_BYTES,
    ) -> None:
        self.login, self.server = login, server
        self.path = folder / f"{account_name(login, server)}.sqlite"
        self._keep_us = keep_days * DAY_US
        self._point = point
        self.repaired = ""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.guard = Guard(self.path.with_name(f"{account_name(login, server)}.lock"), f"{login} at {server}")
        except OSError as error:
            raise told(error, self.path) from error
        try:
            found = self._examined(page_bytes)
            self.revision = found.revision
            self._open_ids = found.open_ids
            self._connection = connect(self.path)
            try:
                self._commit(Change(self._connection, self._open_ids))  # whether it can be written is to be known now
                self.purge(now_us)
            except BaseException:
                self._connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            self.guard.release()
            raise told(error, self.path) from error
        except BaseException:
            self.guard.release()
            raise

    def _examined(self, page_bytes: int) -> Examined:
        if not self.path.exists():
            if self.guard.revision or self.path.with_name(f"{self.path.name}-wal").exists():
                raise damaged(self.path, "the file is not there, but its guard says that it has orders in it")
            facts = [("format", str(FORMAT)), ("login", str(self.login)), ("server", self.server)]
            create(self.path, {"facts": facts}, 1, page_bytes)
        found = examine(self.path)
        account = found.facts.get("login"), found.facts.get("server")
        if account != (str(self.login), self.server):
            raise damaged(self.path, f"it is of account {account[0]} at {account[1]}, not of {self.login} at {self.server}")
        if found.revision < self.guard.revision:
            raise damaged(
                self.path,
                f"it ends {self.guard.revision - found.revision} commits too early: its end was lost, or it is an old copy",
            )
        if found.cut:
            self.repaired = "a write that was never finished was cut off its end"
        return found

    # ---- reading -------------------------------------------------------------------------------------------------------------

    def open_entries(self) -> tuple[Entry, ...]:
        """All that have no final outcome: under way, or unknown; oldest first."""
        return tuple(sorted(self._entries(sorted(self._open_ids)), key=lambda entry: entry.intent.time_us))

    def recent(self, count: int) -> tuple[Entry, ...]:
        """The newest with a final outcome, newest first."""
        found = self._newest(0)
        return tuple(islice((entry for entry in found if entry.intent.id not in self._open_ids), count))

    def notes(self) -> dict[str, str]:
        """The named values."""
        return dict(self._connection.execute("SELECT name, value FROM notes"))

    def read(self, query: Query) -> tuple[Entry, ...]:
        """What a query asks for."""
        if query.id is not None:
            return tuple(self._entries([query.id]))
        if query.unknown:
            entries: Iterable[Entry] = reversed([one for one in self.open_entries() if one.intent.time_us >= query.since_us])
        else:
            entries = self._newest(query.since_us)
        return tuple(islice(entries, query.count))

    def _newest(self, since_us: int) -> Iterator[Entry]:
        return newest(self._connection, self.login, self.server, since_us)

    def _old(self, before_us: int) -> list[Entry]:
        found = self._connection.execute(f"SELECT {NAMES['intents']} FROM intents WHERE time_us < ?", (before_us,))  # noqa: S608
        return [self._entry(row) for row in found.fetchall()]

    def _entries(self, ids: Iterable[str]) -> Iterator[Entry]:
        for one in ids:
            row = self._connection.execute(f"SELECT {NAMES['intents']} FROM intents WHERE id = ?", (one,)).fetchone()  # noqa: S608
            if row is not None:
                yield self._entry(row)

    def _entry(self, row: Sequence[Any]) -> Entry:
        return entry_of(self._connection, self.login, self.server, row)

    # ---- writing -------------------------------------------------------------------------------------------------------------

    def write(self, writes: Sequence[Write]) -> list[Written]:
        """Do them all in one transaction. What is answered with `Durable` is on the disk; after a failure nothing of it is, and
        only what could be read is answered otherwise than with `NotWritten`."""
        try:
            return self._written(writes)
        except (sqlite3.Error, OSError) as failure:
            error = told(failure, self.path)
            self.give_up()
            return [self._unwritten(write, error) for write in writes]

    def _written(self, writes: Sequence[Write]) -> list[Written]:
        if writes and all(isinstance(write.record, Query) for write in writes):
            return [Found(write.number, self.read(write.record)) for write in writes if isinstance(write.record, Query)]
        self._point("before_write")
        change = Change(self._connection, self._open_ids)
        done = [self._done(write, change) for write in writes]
        self._commit(change)
        return done

    def _commit(self, change: Change) -> None:
        revision = change.count()
        self._point("before_commit")
        change.connection.execute("COMMIT")
        self.revision, self._open_ids = revision, change.open_ids
        self._point("after_commit")
        with contextlib.suppress(OSError):  # the guard is behind then, which is what it may be
            self.guard.write(revision, self.guard.audit)

    def _done(self, write: Write, change: Change) -> Written:
        match write.record:
            case Intent() as intent:
                return self._intent(write.number, intent, change)
            case Settlement() as settlement:
                if not change.settle(settlement):
                    return NotWritten(write.number, InternalError(f"the journal has no order {settlement.id!r} to settle"))
            case Note() as note:
                change.note(note)
            case Query() as query:
                return Found(write.number, self.read(query))
        return Durable(write.number)

    def _intent(self, number: int, intent: Intent, change: Change) -> Written:
        if (intent.login, intent.server) != (self.login, self.server):
            words = f"an order for account {intent.login} at {intent.server} was to be written in the journal of {self.login}"
            return NotWritten(number, InternalError(words))
        known = self._taken(intent.id)
        if known is not None:
            return Existing(number, known)
        change.begin(intent)
        return Durable(number)

    def _taken(self, order_id: str) -> Entry | None:
        """What is known under an id, unless that is free to be sent."""
        for entry in self._entries([order_id]):
            if entry.settlement is None or entry.settlement.kind != "not_sent":
                return entry
        return None

    def _unwritten(self, write: Write, error: BridgeError) -> Written:
        """What was asked can often be answered though nothing can be written: what is known of an order above all."""
        with contextlib.suppress(sqlite3.Error, OSError):
            match write.record:
                case Query() as query:
                    return Found(write.number, self.read(query))
                case Intent() as intent if (known := self._taken(intent.id)) is not None:
                    return Existing(write.number, known)
        return NotWritten(write.number, error)

    def give_up(self) -> None:
        """Undo what was begun. What a failed commit left in the log is written over with an empty one where that is possible: it
        must not come back after a crash."""
        with contextlib.suppress(sqlite3.Error, OSError):
            self._roll_back()
            change = Change(self._connection, self._open_ids)
            revision = change.count()
            self._connection.execute("COMMIT")
            self.revision = revision
        with contextlib.suppress(sqlite3.Error, OSError):
            self._roll_back()

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def purge(self, now_us: int) -> int:
        """Remove the orders that were settled longer ago than is kept; how many. Raises `JournalUnavailable`."""
        before_us = now_us - self._keep_us
        old = [
            entry.intent.id
            for entry in self._old(before_us)
            if entry.settlement is not None and entry.settlement.kind != "unknown" and entry.settlement.time_us < before_us
        ]
        try:
            for first in range(0, len(old), PURGED_TOGETHER):
                change = Change(self._connection, self._open_ids)
                for order_id in old[first : first + PURGED_TOGETHER]:
                    change.remove("settlements", "id", order_id)
                    change.remove("intents", "id", order_id)
                self._commit(change)
        except (sqlite3.Error, OSError) as failure:
            self.give_up()
            raise told(failure, self.path) from failure
        return len(old)

    def close(self) -> None:
        """Everything is on the disk already; the file is left tidy, and another bridge may have it."""
        try:
            self._connection.close()
        finally:
            self.guard.release()
