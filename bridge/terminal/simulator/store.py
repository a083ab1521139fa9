"""The state of a simulated terminal in an SQLite file, so that its account survives the process, even killed
outright.

What changed is written in one transaction after each request and each step of time, before the answer is sent.  The
market needs no storage: it follows from seed and time, or from the recordings.  The clock is kept as a function of
UTC, so that server time goes on while no terminal runs, as a real server's does.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgpack

from bridge.errors import ConfigError
from bridge.terminal.simulator.clock import SimulatedClock
from bridge.terminal.simulator.rows import row
from bridge.terminal.simulator.world import World
from bridge.trading import Deal, Order, Position

VERSION = 1
_TABLES: Mapping[str, type[Any]] = {"positions": Position, "orders": Order, "history": Order, "deals": Deal}
_ELSEWHERE = "choose a file in a folder that can be written"
_COUNTERS = ("balance", "credit", "next_order", "next_deal", "requests")


class Store:
    """One open state file; used by one process at a time.

    Raises ConfigError when the file cannot be opened, is in use, or is not such a file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._watch: dict[str, bool] | None = None
        try:
            # Requests are served by one thread, which need not be the one that opened the file.
            self._db = sqlite3.connect(path, timeout=0.2, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError as error:
            raise ConfigError(f"the state file {path} cannot be used: {error}", next_step=_ELSEWHERE) from error
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._db.close()
            if not isinstance(error, sqlite3.OperationalError):
                raise ConfigError(f"{path} is not a state file: {error}", next_step="choose another file") from error
            hint = "another terminal uses it" if "locked" in str(error) else _ELSEWHERE
            raise ConfigError(f"the state file {path} cannot be used: {error}", next_step=hint) from error

    def _prepare(self) -> None:
        for name, value in (("locking_mode", "EXCLUSIVE"), ("journal_mode", "WAL"), ("synchronous", "NORMAL")):
            self._db.execute(f"PRAGMA {name} = {value}")
        with self._transaction():
            for table in _TABLES:
                self._db.execute(f"CREATE TABLE IF NOT EXISTS {table} (ticket INTEGER PRIMARY KEY, fields BLOB NOT NULL)")
            self._db.execute("CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB NOT NULL)")

    def identify(self, identity: Mapping[str, Any]) -> None:
        """Remember whose state this is, or compare with what is remembered.  Raises ConfigError for another's."""
        wanted = {"version": VERSION, **identity}
        known = self._fact("identity")
        if known is None:
            self._set("identity", wanted)
            return
        for name, value in wanted.items():
            if known.get(name) != value:
                raise ConfigError(
                    f"the state file {self._path} is of {name} {known.get(name)!r}, not {value!r}",
                    next_step="choose the same settings or another file",
                )

    def load(self, world: World) -> bool:
        """Put the kept account into a new world; False when nothing is kept yet."""
        kept = self._fact("ledger")
        if kept is None:
            return False
        ledger = world.server.ledger
        for name in _COUNTERS:
            setattr(ledger, name, kept[name])
        for table, kind in _TABLES.items():
            book: dict[int, Any] = getattr(ledger, table)
            book.clear()
            with closing(self._db.execute(f"SELECT fields FROM {table} ORDER BY ticket")) as rows:  # noqa: S608  own names
                for (packed,) in rows:
                    record = kind(*msgpack.unpackb(packed))
                    book[record.ticket] = record
        ledger.changes.clear()
        world.server.watch.clear()
        world.server.watch.update(self._fact("watch"))
        world.now_msc = kept["now_msc"]
        world.server.quotes.move(world.now_msc)
        self._watch = dict(world.server.watch)
        return True

    def save(self, world: World) -> None:
        """Write what changed since the last time; nothing when nothing did."""
        ledger, watch = world.server.ledger, world.server.watch
        if not ledger.changes and watch == self._watch:
            return
        with self._transaction():
            for table, ticket in ledger.drain():
                record = getattr(ledger, table).get(ticket)
                if record is None:
                    self._db.execute(f"DELETE FROM {table} WHERE ticket = ?", (ticket,))  # noqa: S608  own names
                else:
                    packed = msgpack.packb(row(record), unicode_errors="surrogatepass")
                    self._db.execute(f"REPLACE INTO {table} VALUES (?, ?)", (ticket, packed))  # noqa: S608  own names
            self._set("ledger", {"now_msc": world.now_msc, **{name: getattr(ledger, name) for name in _COUNTERS}})
            self._set("watch", watch)
        self._watch = dict(watch)

    def save_clock(self, clock: SimulatedClock, now_msc: int, utc_msc: int) -> None:
        """Remember the clock, which shows `now_msc` at this moment of UTC."""
        self._set("clock", {"start_msc": clock.start_msc, "held": clock.held, "speed": clock.speed, "now": now_msc, "utc": utc_msc})

    def load_clock(self, monotonic_s: float, utc_msc: int, speed: float) -> SimulatedClock | None:
        """The remembered clock at this moment of UTC, from now on with this speed; None when none is remembered."""
        kept = self._fact("clock")
        if kept is None:
            return None
        stood = kept["held"] or kept["speed"] == math.inf  # nothing is read while no terminal runs
        passed_msc = 0 if stood else max(0, int((utc_msc - kept["utc"]) * kept["speed"]))
        return SimulatedClock(kept["start_msc"], speed, kept["held"], monotonic_s, kept["now"] + passed_msc)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _fact(self, name: str) -> Any:
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if found is None else msgpack.unpackb(found[0])

    def _set(self, name: str, value: Any) -> None:
        self._db.execute("REPLACE INTO facts VALUES (?, ?)", (name, msgpack.packb(value)))

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


class _Transaction:
    """BEGIN IMMEDIATE, then COMMIT, or ROLLBACK when the block fails."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        self._db.execute("COMMIT" if failure is None else "ROLLBACK")
