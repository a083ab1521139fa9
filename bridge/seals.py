"""How the journal of orders lies on the disk: its tables, and the seal on each of their rows.

Every row ends with a seal, eight bytes of BLAKE2b over its table's name and all its other columns; `tally` has the number of rows
and the sum of their seals, so that a row that is missing, added or altered is found wherever that happened. Tables are kept in the
order of their keys without an index beside them: what a search finds is what an examination has read.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from bridge.codec import pack
from bridge.entries import Intent, Note, Settlement
from bridge.errors import BridgeError, JournalDamaged, JournalUnavailable
from bridge.trading import TradeRequest

FORMAT = 1
PAGE_BYTES = 4_096
SALVAGE = "put a good copy back, or keep what is intact with: mt5bridge orders --salvage"

COLUMNS: dict[str, tuple[str, ...]] = {
    "facts": ("name TEXT", "value TEXT"),
    "intents": ("id TEXT", "attempt INTEGER", "time_us INTEGER", "client TEXT", "request TEXT", "token TEXT", "server_s REAL"),
    "settlements": (
        "id TEXT", "attempt INTEGER", "number INTEGER", "kind TEXT", "time_us INTEGER", "order_ticket INTEGER",
        "deal_ticket INTEGER", "evidence TEXT", "result BLOB",
    ),
    "notes": ("name TEXT", "value TEXT"),
    "tally": ("one INTEGER", "revision INTEGER", "count INTEGER", "digest INTEGER"),
}  # fmt: skip
KEYS = {"facts": "name", "intents": "id", "settlements": "id, attempt, number", "notes": "name", "tally": "one"}
COUNTED = ("facts", "intents", "settlements", "notes")
"""The tables whose rows are in the tally."""
SCHEMA = [
    f"CREATE TABLE {name} ({', '.join(columns)}, seal INTEGER, PRIMARY KEY ({KEYS[name]})) WITHOUT ROWID"
    for name, columns in COLUMNS.items()
] + ["CREATE INDEX intents_by_time ON intents (time_us)"]
NAMES = {table: ", ".join(column.split()[0] for column in columns) for table, columns in COLUMNS.items()}
"""The columns of each table but the seal, as a query lists them."""

Row = tuple[Any, ...]


def seal(table: str, row: Sequence[Any]) -> int:
    """The seal of a row, given without it; a signed number of 64 bits."""
    return int.from_bytes(blake2b(pack((table, *row)), digest_size=8).digest(), "big", signed=True)


def summed(digest: int, change: int) -> int:
    """A sum of seals, as a signed number of 64 bits."""
    return (digest + change + 2**63) % 2**64 - 2**63


def insert(connection: sqlite3.Connection, table: str, row: Row) -> int:
    """Write a row with its seal, which is returned."""
    sealed = seal(table, row)
    connection.execute(f"INSERT INTO {table} VALUES ({'?, ' * len(row)}?)", (*row, sealed))  # noqa: S608 - names of our own
    return sealed


def connect(path: Path) -> sqlite3.Connection:
    """Open a journal for writing; each commit is on the disk when it returns. Nobody else can open it meanwhile.

    With a write-ahead log, `synchronous` FULL syncs at every commit; EXTRA would differ only without such a log.
    """
    connection = sqlite3.connect(path, timeout=0.05, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = 1")  # what fsync does not do on macOS
        connection.execute("PRAGMA checkpoint_fullfsync = 1")
    except BaseException:
        connection.close()
        raise
    return connection


def fill(connection: sqlite3.Connection, rows: dict[str, list[Row]], revision: int, page_bytes: int = PAGE_BYTES) -> None:
    """Make a new file of a journal, with these rows."""
    connection.execute(f"PRAGMA page_size = {page_bytes}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    for statement in SCHEMA:
        connection.execute(statement)
    digest = 0
    for table, content in rows.items():
        for row in content:
            digest = summed(digest, insert(connection, table, row))
    insert(connection, "tally", (1, revision, sum(map(len, rows.values())), digest))
    connection.execute("COMMIT")


def create(
    path: Path,
    rows: dict[str, list[Row]],
    revision: int,
    page_bytes: int = PAGE_BYTES,
    *,
    make_room: Callable[[], None] = lambda: None,
) -> None:
    """Put a new journal with these rows at `path`; it is there whole, or not at all. `make_room` is called when it has been made,
    before it gets its name."""
    made = path.with_name(path.name + "-new")
    for stale in (made, Path(f"{made}-wal"), Path(f"{made}-journal")):
        stale.unlink(missing_ok=True)
    os.close(os.open(made, os.O_CREAT | os.O_WRONLY, 0o600))  # SQLite gives its log the same rights
    connection = sqlite3.connect(made, isolation_level=None)
    try:
        fill(connection, rows, revision, page_bytes)
    finally:
        connection.close()
    make_room()
    os.replace(made, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder last; Windows does that by itself."""
    if os.name != "nt":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


# ---- one transaction -------------------------------------------------------------------------------------------------------------


class Change:
    """One transaction: what it does to the rows, to their number and to the sum of their seals. Raises `sqlite3.Error`."""

    def __init__(self, connection: sqlite3.Connection, open_ids: set[str]) -> None:
        self.connection = connection
        self.open_ids = set(open_ids)
        self._count = 0
        self._digest = 0
        connection.execute("BEGIN IMMEDIATE")

    def insert(self, table: str, row: Row) -> None:
        """Write a row."""
        self._digest = summed(self._digest, insert(self.connection, table, row))
        self._count += 1

    def remove(self, table: str, column: str, value: str) -> None:
        """Remove the rows that have this value there."""
        for (sealed,) in self.connection.execute(f"SELECT seal FROM {table} WHERE {column} = ?", (value,)):  # noqa: S608
            self._digest = summed(self._digest, -sealed)
            self._count -= 1
        self.connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (value,))  # noqa: S608

    def begin(self, intent: Intent) -> None:
        """An order is about to be sent; one that was not sent before under this id makes room for it."""
        attempt = self._attempt(intent.id)
        if attempt:
            self.remove("intents", "id", intent.id)
        server_s = None if intent.server_s is None else float(intent.server_s)
        row = (intent.id, attempt + 1, intent.time_us, intent.client, request_text(intent.request), intent.token, server_s)
        self.insert("intents", row)
        self.open_ids.add(intent.id)

    def settle(self, settlement: Settlement) -> bool:
        """What became of an order, in the place of what was known before, which is kept too; False when there is no such order."""
        attempt = self._attempt(settlement.id)
        if not attempt:
            return False
        [(number,)] = self.connection.execute("SELECT max(number) FROM settlements WHERE id = ?", (settlement.id,))
        told = (settlement.kind, settlement.time_us, settlement.order, settlement.deal, settlement.evidence, settlement.result)
        self.insert("settlements", (settlement.id, attempt, (number or 0) + 1, *told))
        (self.open_ids.add if settlement.kind == "unknown" else self.open_ids.discard)(settlement.id)
        return True

    def note(self, note: Note) -> None:
        """A named value, in the place of the one before."""
        self.remove("notes", "name", note.name)
        self.insert("notes", (note.name, note.value))

    def _attempt(self, order_id: str) -> int:
        found = self.connection.execute("SELECT attempt FROM intents WHERE id = ?", (order_id,)).fetchone()
        return 0 if found is None else int(found[0])

    def count(self) -> int:
        """Write how many rows there are now, and the sum of their seals; the number of this commit is returned."""
        [(revision, count, digest)] = self.connection.execute("SELECT revision, count, digest FROM tally")
        tally = (1, revision + 1, count + self._count, summed(digest, self._digest))
        self.connection.execute(
            "UPDATE tally SET revision = ?, count = ?, digest = ?, seal = ?", (*tally[1:], seal("tally", tally))
        )
        return int(tally[1])


_request = msgspec.json.Decoder(TradeRequest).decode


def request_text(request: TradeRequest) -> str:
    """A trade request as the journal keeps it: text that people can read, and numbers that come back as they were."""
    return msgspec.json.encode(request).decode()


def request_of(text: str) -> TradeRequest:
    """The trade request again. Raises `msgspec.MsgspecError`."""
    return _request(text)


# ---- errors ----------------------------------------------------------------------------------------------------------------------


def damaged(path: Path, what: str) -> JournalDamaged:
    """The error for a file that cannot be trusted."""
    return JournalDamaged(f"the journal of orders {path} is damaged: {what}; nothing was changed in it", next_step=SALVAGE)


_UNAVAILABLE: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: ("its disk is full", "free space there"),
    sqlite3.SQLITE_IOERR: ("its disk reports an error", "look at that disk and at the space on it"),
    sqlite3.SQLITE_READONLY: ("it cannot be written to", "give this user the right to write there"),
    sqlite3.SQLITE_BUSY: ("another program has it open", "end what has it open"),
    sqlite3.SQLITE_LOCKED: ("another program has it open", "end what has it open"),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "look whether its folder exists, and may be written to"),
    sqlite3.SQLITE_PERM: ("access is denied", "give this user the right to read and write there"),
    sqlite3.SQLITE_NOMEM: ("there is no memory left", "end other programs"),
}


def told(error: sqlite3.Error | OSError, path: Path) -> BridgeError:
    """What SQLite or the system says, as the error that it is for a trader."""
    if isinstance(error, OSError):
        return unavailable(path, error.strerror or str(error), "look at that disk: space, rights, errors")
    code = getattr(error, "sqlite_errorcode", None)
    known = _UNAVAILABLE.get(code & 0xFF) if isinstance(code, int) else None
    if known is None:
        return damaged(path, " ".join(str(error).split()) or type(error).__name__)
    return unavailable(path, f"{known[0]} ({error})", known[1])


def unavailable(path: Path, what: str, next_step: str) -> JournalUnavailable:
    """The error for a file that cannot be written or read now."""
    return JournalUnavailable(
        f"the journal of orders {path} cannot be used: {what}; no order is sent",
        next_step=f"{next_step}: orders go on by themselves then",
    )
