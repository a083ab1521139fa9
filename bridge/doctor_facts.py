"""What `mt5bridge doctor` finds out, and the form of what it concludes from that."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bridge.config import Settings
from bridge.records import Account, Symbol, TerminalInfo
from bridge.replies import Status

Verdict = Literal["ok", "warn", "FAIL", "skip"]

ATTACHED = ("connected", "degraded")
"""States of the connection in which the terminal can be asked."""
Outcome = tuple[Verdict, str] | tuple[Verdict, str, str]
"""What a check says: its verdict, what was found, and the next step where there is one."""
LATER = "wait a moment, then: mt5bridge status"
UNREAD: Outcome = ("skip", "the configuration cannot be read")
UNSEEN: Outcome = ("skip", "no terminal was attached to")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that went wrong while the facts were gathered, and the next step."""

    found: str
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine and this Python; `system` is `sys.platform`, `bits` those of a pointer."""

    system: str
    name: str
    python: str
    bits: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where the terminal was looked for: `found` are executables, or the address of a simulated terminal that answers."""

    kind: Literal["own_simulator", "simulator", "metatrader5", "custom"]
    found: tuple[str, ...] = ()
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class SymbolSeen:
    """A symbol that was asked for by name (`wanted`) or is in Market Watch; no `record`: why not is in `trouble`."""

    name: str
    wanted: bool
    record: Symbol | None = None
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a bridge told: a running one, or (`own`) one that was started for the look. `now_msc` is its clock."""

    endpoint: str
    own: bool
    status: Status
    now_msc: int
    terminal: TerminalInfo | None = None
    account: Account | None = None
    symbols: tuple[SymbolSeen, ...] = ()
    trouble: Trouble | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class Port:
    """An endpoint of the configuration; `any` is one without a fixed port."""

    name: Literal["requests", "events"]
    endpoint: str
    state: Literal["free", "taken", "any", "wrong"]
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class PasswordFile:
    """A file with a password in it; `open_to_others` is None where permissions are not looked at."""

    path: Path
    open_to_others: bool | None


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys where they are asked for: their folder, how many of each role count, and the names of those that have expired."""

    folder: Path
    roles: dict[str, int]
    expired: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder in which the terminal keeps its files, when it is on this machine."""

    path: str
    free_bytes: int
    writable: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was found out. Without `settings` the configuration could not be read, and nothing that needs it was tried;
    without a `look` no bridge could be asked, and `no_look` says why. `keys` is None where none are asked for."""

    machine: Machine
    messaging: str | Trouble
    package: str | Trouble | None
    settings: Settings | Trouble
    origins: dict[tuple[str, str], str] = field(default_factory=dict)
    password_files: tuple[PasswordFile, ...] = ()
    place: Place | None = None
    look: Look | None = None
    no_look: Trouble | None = None
    ports: tuple[Port, ...] = ()
    keys: KeyRing | Trouble | None = None
    folder: Folder | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """The outcome of a check; `next_step` is empty where there is nothing to do."""

    check: str
    verdict: Verdict
    found: str
    next_step: str = ""

    def __str__(self) -> str:
        line = f"{self.verdict:<4}  {self.check}: {self.found}"
        return f"{line}; next step: {self.next_step}" if self.next_step else line
