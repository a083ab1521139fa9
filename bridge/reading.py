"""Orders out of a journal: out of an open one, or out of the file of a bridge that does not run, in which nothing is changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from bridge.entries import Entry, Intent, Query, Settlement
from bridge.errors import ConfigError
from bridge.examination import examine, image
from bridge.guard import Guard
from bridge.seals import NAMES, damaged, request_of, told


def newest(connection: sqlite3.Connection, login: int, server: str, since_us: int) -> Iterator[Entry]:
    """The orders at or after a time, newest first."""
    found = connection.execute(
        f"SELECT {NAMES['intents']} FROM intents WHERE time_us >= ? ORDER BY time_us DESC, id DESC",  # noqa: S608
        (since_us,),
    )
    return (entry_of(connection, login, server, row) for row in found)


def entry_of(connection: sqlite3.Connection, login: int, server: str, row: Sequence[Any]) -> Entry:
    """A row of `intents`, with the newest settlement that belongs to it."""
    name, attempt, time_us, client, request, token, server_s = row
    intent = Intent(name, client, login, server, request_of(request), token, time_us, server_s)
    last = connection.execute(
        "SELECT kind, result, time_us, order_ticket, deal_ticket, evidence FROM settlements"
        " WHERE id = ? AND attempt = ? ORDER BY number DESC LIMIT 1",
        (name, attempt),
    ).fetchone()
    return Entry(intent, None if last is None else Settlement(name, *last))


def read(path: Path, query: Query) -> tuple[Entry, ...]:
    """The entries that `query` asks for. Raises `ConfigError` while a bridge has the journal, `JournalDamaged` and
    `JournalUnavailable`."""
    if not path.is_file():
        raise ConfigError(f"there is no journal {path}", next_step="name the file of one: LOGIN@SERVER.sqlite")
    try:
        with _guarded(path) as guard:
            found = examine(path)
            if guard is not None and found.revision < guard.revision:
                raise damaged(path, f"it ends {guard.revision - found.revision} commits too early")
            login, server = int(found.facts["login"]), found.facts["server"]
            with image(path) as (connection, _):
                entries = newest(connection, login, server, query.since_us)
                wanted = (entry for entry in entries if not query.unknown or entry.intent.id in found.open_ids)
                return tuple(islice(wanted, query.count))
    except (sqlite3.Error, OSError) as error:
        raise told(error, path) from error


@contextmanager
def _guarded(path: Path) -> Iterator[Guard | None]:
    """The guard of a journal, held meanwhile; a copy may have none."""
    beside = path.with_suffix(".lock")
    if not beside.exists():
        yield None
        return
    guard = Guard(beside, path.stem)
    try:
        yield guard
    finally:
        guard.release()
