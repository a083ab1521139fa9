"""What an operator can do about a damaged journal: keep the file under another name, and go on with what is intact of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from bridge.errors import BridgeError, ConfigError
from bridge.examination import examine, image
from bridge.guard import Guard
from bridge.journal import account_name
from bridge.seals import COUNTED, FORMAT, KEYS, NAMES, Row, create, seal, told


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What was made of a damaged journal: how many orders were kept, what was lost, in a line each, and where the old file is."""

    orders: int
    lost: tuple[str, ...]
    kept_as: Path | None


def salvage(path: Path, now: datetime) -> Salvaged:
    """Make a new journal of all rows of `path` whose seals are right. The damaged file gets another name and stays.

    Raises `ConfigError` while a bridge runs on the account and for a journal that is not damaged, and `JournalUnavailable`.
    """
    login, server = _account(path)
    try:
        guard = Guard(path.with_suffix(".lock"), f"{login} at {server}")
        try:
            return _salvaged(path, guard, login, server, now)
        finally:
            guard.release()
    except (sqlite3.Error, OSError) as error:
        raise told(error, path) from error


def _salvaged(path: Path, guard: Guard, login: int, server: str, now: datetime) -> Salvaged:
    _refuse_intact(path, guard, login, server)
    rows: dict[str, list[Row]] = {table: [] for table in COUNTED}
    lost: list[str] = []
    revision = guard.revision
    if path.exists():
        try:
            with image(path) as (connection, _):
                connection.text_factory = lambda text: text.decode("utf-8", "replace")
                for table in COUNTED:
                    rows[table], troubles = _intact(connection, table)
                    lost += troubles
                tally, troubles = _intact(connection, "tally")
                lost += troubles or ([] if tally else ["how many rows there were is not known"])
                for row in tally:
                    revision = max(revision, row[1])
                    missing = row[2] - sum(map(len, rows.values()))
                    if missing > 0:
                        lost.append(f"{missing} of {row[2]} rows are lost in all")
                    if guard.revision > row[1]:
                        lost.append(f"the newest {guard.revision - row[1]} commits are lost")
        except sqlite3.Error as error:
            lost.append(f"nothing of the file can be read: {error}")
    else:
        lost.append("the file is not there: everything in it is lost")
    rows["facts"] = [("format", str(FORMAT)), ("login", str(login)), ("server", server)]
    attempts = {row[0]: row[1] for row in rows["intents"]}
    orphans = sorted({row[0] for row in rows["settlements"] if row[0] not in attempts})
    lost += [f"order {name}: its outcome is known, but not what it was; its id is forgotten" for name in orphans]
    rows["settlements"] = [row for row in rows["settlements"] if row[0] in attempts]
    kept_as = path.with_name(f"{path.stem}.damaged-{now.astimezone(UTC):%Y%m%d-%H%M%S}.sqlite") if path.exists() else None
    create(path, rows, revision + 1, make_room=lambda: _set_aside(path, kept_as))
    guard.write(revision + 1, guard.audit)
    return Salvaged(len(attempts), tuple(lost), kept_as)


def _refuse_intact(path: Path, guard: Guard, login: int, server: str) -> None:
    if not path.exists() and not guard.revision:
        raise ConfigError(f"there is no journal {path}", next_step="name one with --file")
    try:
        found = examine(path)
    except BridgeError:
        return
    if found.revision >= guard.revision and (found.facts.get("login"), found.facts.get("server")) == (str(login), server):
        raise ConfigError(f"the journal {path} is not damaged", next_step="start the bridge; nothing was changed")


def _account(path: Path) -> tuple[int, str]:
    """Whose journal it is: by its name, and where that is too long to say it, by what is in it."""
    login, found, name = path.name.removesuffix(".sqlite").partition("@")
    server = unquote(name)
    if not found or not login.isdecimal():
        raise ConfigError(f"{path} is not the name of a journal", next_step="it is LOGIN@SERVER.sqlite")
    if account_name(int(login), server) == path.stem:
        return int(login), server
    facts: dict[str, Any] = {}
    with ExitStack() as stack:
        try:
            connection, _ = stack.enter_context(image(path))
            facts = dict(row[:2] for row in _intact(connection, "facts")[0])
        except (sqlite3.Error, OSError) as error:
            raise told(error, path) from error
    if account_name(int(login), str(facts.get("server"))) != path.stem:
        raise ConfigError(f"it cannot be told whose journal {path} is", next_step="remove it, when positions and orders are right")
    return int(login), str(facts["server"])


def _intact(connection: sqlite3.Connection, table: str) -> tuple[list[Row], list[str]]:
    """The rows of a table with the right seals, and what is wrong with others: read from both ends towards what cannot be read."""
    good: dict[Row, Row] = {}
    bad: set[str] = set()
    keys = KEYS[table].split(", ")
    names = NAMES[table].split(", ")
    at = [names.index(key) for key in keys]
    for order in ("", " DESC"):
        for *row, sealed in _readable(connection, table, ", ".join(key + order for key in keys), bad):
            if seal(table, row) == sealed:
                good[tuple(row[place] for place in at)] = tuple(row)
            else:
                bad.add(f"a row of {table} was altered: {str(row[0])[:80]}")
    return [good[key] for key in sorted(good)], sorted(bad)


def _readable(connection: sqlite3.Connection, table: str, order: str, bad: set[str]) -> Iterator[Row]:
    try:
        yield from connection.execute(f"SELECT {NAMES[table]}, seal FROM {table} ORDER BY {order}")  # noqa: S608 - names of our own
    except sqlite3.Error as error:  # from here on nothing can be read in this direction
        bad.add(f"not all of {table} can be read: {error}")


def _set_aside(path: Path, name: Path | None) -> None:
    """The damaged file and its log get another name; neither is written to."""
    log = path.with_name(f"{path.name}-wal")
    if name is not None:
        path.rename(name)
    if log.exists():
        log.rename((name or path.with_suffix(".damaged.sqlite")).with_name(f"{(name or path).name}-wal"))
