"""What the gateway knows of the journal of orders: whether it is open, what is on its way there, and what comes back. No I/O.

Records go to the scribe in order, each with a number; it answers to each number. While the journal cannot be written no order is
sent; everything else goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    Probe,
    Query,
    Record,
    Settlement,
    Write,
    Written,
)
from bridge.errors import BridgeError, ConfigError, JournalDamaged, JournalUnavailable

if TYPE_CHECKING:
    from bridge.dealing import Dealing
    from bridge.gateway import Gateway

AGAIN_S = 1.0
"""Time between two tries to open a journal, or to write to one that could not be written."""

Answer = Callable[[tuple[Entry, ...] | BridgeError, float], None]


@dataclass(frozen=True, slots=True)
class OpenJournal:
    """The loop is to have the scribe open the journal of this account."""

    login: int
    server: str


class Journalling:
    """The journal as seen from the gateway. `notes` are the named values that survive a restart."""

    def __init__(self, gateway: Gateway, dealing: Dealing) -> None:
        self._gateway = gateway
        self._dealing = dealing
        self.login = 0
        self.server = ""
        self.notes: dict[str, str] = {}
        self._to_note: dict[str, str] = {}
        self._open = False
        self._opening = False
        self.trouble: BridgeError | None = None
        self._last = 0
        self._orders: dict[int, tuple[Record, str]] = {}
        self._queries: dict[int, Answer] = {}
        self._lines: set[int] = set()
        self._audit_fails = False
        self._unwritten: list[tuple[Record, str]] = []
        self._again_s = float("inf")

    # ---- out -----------------------------------------------------------------------------------------------------------------

    def serve(self, login: int, server: str) -> None:
        """The bridge serves this account: open its journal, unless it is open."""
        if (login, server) != (self.login, self.server):
            self.login, self.server = login, server
            self._open, self.trouble = False, None
            self._unwritten.clear()
            self._try_to_open()

    def _try_to_open(self) -> None:
        self._opening = True
        self._again_s = float("inf")
        self._gateway.actions.append(OpenJournal(self.login, self.server))

    def reconsider(self) -> None:
        """An operator may have decided about a damaged journal: it is opened anew at the next attach."""
        if isinstance(self.trouble, JournalDamaged):
            self.login, self.server, self._open = 0, "", False

    @property
    def known(self) -> bool:
        """Whether it is open, or will not be for a while."""
        return self._open or self.trouble is not None

    @property
    def opening(self) -> bool:
        """Whether it is being opened, and nothing was wrong with it yet."""
        return self._opening and self.trouble is None

    def check(self) -> None:
        """Raises what it is that keeps orders from being written down."""
        if self.trouble is not None:
            raise self.trouble
        if not self._open:
            raise JournalUnavailable("the journal of orders is being opened", next_step="try again in a moment")

    def write(self, record: Record, order_id: str = "") -> None:
        """Have something written down."""
        self._last += 1
        if isinstance(record, Intent | Settlement):
            self._orders[self._last] = record, order_id
        self._gateway.writes.append(Write(self._last, record))

    def note(self, name: str, value: str) -> None:
        """Keep a named value over restarts."""
        if self._open:
            self.notes[name] = value
            self.write(Note(name, value))
        else:
            self._to_note[name] = value

    def audit(self, record: AuditRecord) -> None:
        """Add a line to the audit, where there is one: it belongs to an account."""
        if self._open:
            self.write(record)
            self._lines.add(self._last)

    def query(self, query: Query, answer: Answer) -> None:
        """Read entries; `answer` is called with them, or with an error. Raises what `check` raises, but for a full disk."""
        if not self._open:
            self.check()
        self._queries[self._last + 1] = answer
        self.write(query)

    # ---- in ------------------------------------------------------------------------------------------------------------------

    def received(self, written: Written, now: float) -> None:
        """The scribe says something."""
        match written:
            case Opened():
                self._opened(written, now)
            case NotOpened(login, server, error):
                if (login, server) == (self.login, self.server):
                    self._opening = False
                    if isinstance(error, ConfigError):  # another bridge serves the account
                        self._gateway.give_up(error, now)
                    self._trouble(error, now)
                    self._dealing.known(now)
            case Durable(number):
                self._durable(number, now)
            case Existing(number, entry):
                _, order_id = self._orders.pop(number)
                self._dealing.execution.intent_known(order_id, entry, now)
            case Found(number, entries):
                self._queries.pop(number)(entries, now)
            case NotWritten(number, error):
                self._failed(number, error, now)

    def _opened(self, opened: Opened, now: float) -> None:
        if (opened.login, opened.server) != (self.login, self.server):
            return
        self._open, self._opening = True, False
        self.trouble = None
        self.notes = dict(opened.notes)
        to_note, self._to_note = self._to_note, {}
        for name, value in to_note.items():
            self.note(name, value)
        gateway = self._gateway
        if opened.repaired:
            gateway.log(f"journal of orders: {opened.repaired}", now)
        self._dealing.opened(opened, now)

    def _durable(self, number: int, now: float) -> None:
        if number in self._lines:
            self._lines.remove(number)
            self._audit_fails = False
            return
        known = self._orders.pop(number, None)
        if self.trouble is not None and self._open:
            self._recovered(now)
        if known is not None:
            record, order_id = known
            if isinstance(record, Intent):
                self._dealing.execution.intent_written(order_id, now)
            else:
                self._dealing.execution.settled(order_id, now)

    def _recovered(self, now: float) -> None:
        self.trouble = None
        self._again_s = float("inf")
        unwritten, self._unwritten = self._unwritten, []
        for record, order_id in unwritten:
            self.write(record, order_id)
        self._gateway.log("the journal of orders can be written again: orders are taken", now)
        self._gateway.conditions_changed(now)

    def _failed(self, number: int, error: BridgeError, now: float) -> None:
        query = self._queries.pop(number, None)
        if query is not None:
            query(error, now)
            return
        if number in self._lines:  # trading does not depend on the audit
            self._lines.remove(number)
            if not self._audit_fails:
                self._audit_fails = True
                self._gateway.log(error.message, now)
            return
        known = self._orders.pop(number, None)
        self._trouble(error, now)
        if known is None:
            return
        record, order_id = known
        if isinstance(record, Intent):
            self._dealing.execution.intent_refused(order_id, error, now)
        else:  # it is told all the same, and written down as soon as that is possible
            self._unwritten.append(known)
            self._dealing.execution.settled(order_id, now)

    def _trouble(self, error: BridgeError, now: float) -> None:
        known, self.trouble = self.trouble, error
        if not isinstance(error, JournalDamaged | ConfigError):
            self._again_s = now + AGAIN_S
        if known is None or str(known) != str(error):
            self._gateway.log(f"no orders are taken: {error}", now)
            self._gateway.conditions_changed(now)

    # ---- time ----------------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """When something is to be tried again."""
        return self._again_s

    def on_time(self, now: float) -> None:
        """Try again what has failed."""
        if now >= self._again_s:
            self._again_s = now + AGAIN_S
            if self._open:
                self.write(Probe())
            elif not self._opening:
                self._try_to_open()
