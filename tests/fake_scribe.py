"""A scribe whose journal is in memory. It can be slow (`held`), and fail (`failing`); what was written survives its bridge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge.entries import (
    AuditRecord,
    Durable,
    Entry,
    Existing,
    Found,
    Intent,
    Note,
    NotOpened,
    NotWritten,
    Opened,
    Query,
    Settlement,
    Write,
    Written,
)
from bridge.errors import BridgeError


class FakeScribe:
    """Answers at once, or with `held` when it is let go on."""

    def __init__(self, ring: Callable[[], object] = lambda: None) -> None:
        self._ring = ring
        self.entries: dict[str, Entry] = {}
        self.settlements: list[Settlement] = []
        self.notes: dict[str, str] = {}
        self.audit: list[AuditRecord] = []
        self.held = False
        self.failing: BridgeError | None = None
        self.opens = 0
        self._account: tuple[int, str] | None = None
        self._queue: list[Write | tuple[int, str]] = []

    def open(self, login: int, server: str) -> None:
        """Open the journal of this account."""
        self._queue.append((login, server))
        self._ring()

    def write(self, writes: Sequence[Write]) -> None:
        """Take what is to be written."""
        self._queue += writes
        self._ring()

    def crash(self) -> None:
        """The bridge's process is killed: what was not written yet is lost."""
        self._queue.clear()

    def take(self) -> list[Written]:
        """What has been done."""
        if self.held:
            return []
        queue, self._queue = self._queue, []
        return [self._do(item) for item in queue]

    def _do(self, item: Write | tuple[int, str]) -> Written:
        if isinstance(item, tuple):
            return self._opened(*item)
        number, record = item.number, item.record
        if self.failing is not None:
            return NotWritten(number, self.failing)
        match record:
            case Intent():
                known = self.entries.get(record.id)
                if known is not None and not (known.settlement and known.settlement.kind == "not_sent"):
                    return Existing(number, known)
                self.entries[record.id] = Entry(record)
            case Settlement():
                self.entries[record.id] = Entry(self.entries[record.id].intent, record)
                self.settlements.append(record)
            case Note(name, value):
                self.notes[name] = value
            case AuditRecord():
                self.audit.append(record)
            case Query(_, unknown):
                entries = reversed(self.entries.values())
                return Found(number, tuple(entry for entry in entries if not unknown or _is_open(entry)))
        return Durable(number)

    def _opened(self, login: int, server: str) -> Written:
        self.opens += 1
        if self.failing is not None:
            return NotOpened(login, server, self.failing)
        self._account = login, server
        found = [entry for entry in self.entries.values() if (entry.intent.login, entry.intent.server) == self._account]
        return Opened(
            login,
            server,
            tuple(entry for entry in found if _is_open(entry)),
            tuple(entry for entry in found if not _is_open(entry)),
            dict(self.notes),
        )


def _is_open(entry: Entry) -> bool:
    return entry.settlement is None or entry.settlement.kind == "unknown"
