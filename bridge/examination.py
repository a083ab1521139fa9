"""The examination of a journal of orders: every row of its file is read and compared before anything relies on it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.seals import COUNTED, FORMAT, KEYS, NAMES, SCHEMA, damaged, seal, summed, told


@dataclass(slots=True)
class Examined:
    """What an examination found: the newest commit, the named facts, the ids without a final outcome, and what it noticed."""

    revision: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    open_ids: set[str] = field(default_factory=set)
    cut: bool = False


def examine(path: Path) -> Examined:
    """Read a whole journal that nobody has open, and compare every seal; the file is not touched.

    Raises `JournalDamaged`, or `JournalUnavailable` where it cannot be read at all.
    """
    try:
        with image(path) as (connection, cut):
            found = _examined(connection, path)
            found.cut = cut
            return found
    except (sqlite3.Error, OSError) as error:
        raise told(error, path) from error
    except (ValueError, TypeError) as error:  # such as text that is not UTF-8
        raise damaged(path, " ".join(str(error).split())) from error


def _examined(connection: sqlite3.Connection, path: Path) -> Examined:
    _check_structure(connection, path)
    found = Examined()
    attempts: dict[str, int] = {}
    settled: dict[str, tuple[int, str]] = {}
    for table, row in _sealed_rows(connection, path):
        match table:
            case "facts":
                found.facts[row[0]] = row[1]
            case "intents":
                attempts[row[0]] = row[1]
            case "settlements":
                settled[row[0]] = row[1], row[3]
            case "tally":
                found.revision = row[1]
    if found.revision < 1 or found.facts.get("format") != str(FORMAT):
        raise damaged(path, f"its format is {found.facts.get('format')!r}, not {FORMAT}")
    for name, attempt in attempts.items():
        last = settled.get(name)
        if last is None or last[0] != attempt or last[1] == "unknown":
            found.open_ids.add(name)
    return found


def _check_structure(connection: sqlite3.Connection, path: Path) -> None:
    schema = [row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")]
    if schema != SCHEMA:
        raise damaged(path, "it does not have the tables of a journal")
    for (words,) in connection.execute("PRAGMA integrity_check(1)"):
        if words != "ok":
            raise damaged(path, " ".join(str(words).split()))


def _sealed_rows(connection: sqlite3.Connection, path: Path) -> Iterator[tuple[str, list[Any]]]:
    """Every row, in the order of its key, once its seal was compared; the tally comes last, and agrees with them."""
    count = digest = 0
    for table in (*COUNTED, "tally"):
        for *row, sealed in connection.execute(f"SELECT {NAMES[table]}, seal FROM {table} ORDER BY {KEYS[table]}"):  # noqa: S608
            if seal(table, row) != sealed:
                raise damaged(path, f"a row of {table} was altered ({str(row[0])[:80]!r})")
            if table == "tally" and row[2:] != [count, digest]:
                raise damaged(path, f"rows are missing or were added: it should have {row[2]}, and has {count}")
            count, digest = count + 1, summed(digest, sealed)
            yield table, row


@contextmanager
def image(path: Path) -> Iterator[tuple[sqlite3.Connection, bool]]:
    """A connection to what a file of a journal says now, that cannot change the file; and whether its log has a torn end, which is
    of a write that was never finished."""
    log = path.with_name(path.name + "-wal")
    if not log.exists() or not log.stat().st_size:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
        try:
            yield connection, False
        finally:
            connection.close()
        return
    with tempfile.TemporaryDirectory(prefix="journal-") as folder:  # SQLite would join the log to the file when it closes it
        copy = Path(folder) / "copy"
        shutil.copyfile(path, copy)
        shutil.copyfile(log, copy.with_name("copy-wal"))
        connection = sqlite3.connect(copy, isolation_level=None)
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            yield connection, _torn(connection, log.read_bytes())
        finally:
            connection.close()


def _torn(connection: sqlite3.Connection, log: bytes) -> bool:
    """Whether the log goes on behind its last good commit with something of the same run (source: SQLite, WAL file format)."""
    [page_bytes] = connection.execute("PRAGMA page_size").fetchone()
    _, frames, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    rest = 32 + max(0, frames) * (page_bytes + 24)
    return len(log) > rest and log[rest + 8 : rest + 16] == log[16:24][: max(0, len(log) - rest - 8)]
