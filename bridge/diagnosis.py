"""What `mt5bridge doctor` concludes: facts go in, one line for each check comes out. No I/O."""

from __future__ import annotations

from collections.abc import Callable

from bridge import diagnosis_terminal as terminal
from bridge.config import Settings
from bridge.doctor_facts import UNREAD, Facts, Line, Outcome, Port, Trouble
from bridge.origins import DEFAULT, NAMES

LITTLE_BYTES, TOO_LITTLE_BYTES = 1_000_000_000, 100_000_000
"""Free space below which a terminal soon cannot keep its history and logs, and below which it does not run on."""


# ---- this machine and the settings -----------------------------------------------------------------------------------------------


def platform(facts: Facts) -> Outcome:
    """The MetaTrader5 package exists for 64-bit Python only."""
    machine = facts.machine
    found = f"{machine.name}, Python {machine.python} with {machine.bits} bits"
    if machine.system == "win32" and machine.bits != 64:
        return "FAIL", found, "install 64-bit Python: the MetaTrader5 package and terminal64.exe need it"
    return "ok", found


def messaging(facts: Facts) -> Outcome:
    """The version of libzmq."""
    found = facts.messaging
    return ("FAIL", found.found, found.next_step) if isinstance(found, Trouble) else ("ok", found)


def package(facts: Facts) -> Outcome:
    """The package is needed on Windows, for the real terminal."""
    if isinstance(facts.settings, Settings) and facts.settings.bridge.terminal != "metatrader5":
        return "skip", f"not needed for the terminal {facts.settings.bridge.terminal}"
    match facts.package:
        case None:
            step = "use --terminal simulator, or run the bridge on Windows or in Wine"
            return "skip", f"exists on Windows only, this is {facts.machine.name}", step
        case Trouble(found, next_step):
            return "FAIL", found, next_step
        case version:
            return "ok", f"MetaTrader5 {version}"


def configuration(facts: Facts) -> Outcome:
    """Which settings were given, and where; the password is not shown."""
    settings = facts.settings
    if isinstance(settings, Trouble):
        return "FAIL", settings.found, settings.next_step
    words = []
    for setting in NAMES:
        origin = facts.origins.get(setting, DEFAULT)
        if origin != DEFAULT:
            section, name = setting
            value = "***" if name == "password" else getattr(getattr(settings, section), name)
            words.append(f"{section}.{name} {value} ({origin})")
    return "ok", ", ".join([*words, f"{len(NAMES) - len(words)} defaults"])


def credentials(facts: Facts) -> Outcome:
    """Login, password and server belong together. `config.load` refuses a login without a password."""
    settings = facts.settings
    if isinstance(settings, Trouble):
        return UNREAD
    mt5 = settings.mt5
    if mt5.login is None and settings.bridge.terminal != "metatrader5":
        return "ok", "no MT5_LOGIN: the account of the terminal"
    if mt5.login is None:
        found = "no MT5_LOGIN: the bridge would serve whatever account the terminal is logged in to"
        return "warn", found, "set MT5_LOGIN, MT5_PASSWORD and MT5_SERVER, so that another account is noticed"
    if facts.origins.get(("mt5", "server"), DEFAULT) == DEFAULT:
        return "warn", f"MT5_LOGIN {mt5.login} without MT5_SERVER: {mt5.server} is taken", "set MT5_SERVER to the account's server"
    return "ok", f"account {mt5.login} at {mt5.server}, with a password"


def place(facts: Facts) -> Outcome:
    """Is there a terminal?"""
    where = facts.place
    if where is None:
        return UNREAD
    if where.trouble is not None:
        if facts.look is not None and not facts.look.own:
            return "skip", f"{where.trouble.found}; but the running bridge knows its own"
        return "FAIL", where.trouble.found, where.trouble.next_step
    if len(where.found) > 1:
        step = "set MT5_PATH to one of them: without it chance decides which one is used"
        return "warn", f"{len(where.found)} terminals: {', '.join(where.found)}", step
    if where.found:
        return "ok", where.found[0]
    return _NO_PLACE[where.kind]


_NO_PLACE: dict[str, Outcome] = {
    "own_simulator": ("ok", "the bridge starts a simulated terminal of its own"),
    "custom": ("skip", "a terminal of your own is not looked for"),
    "metatrader5": (
        "warn",
        "no terminal64.exe in the usual folders, and no MT5_PATH",
        "install MetaTrader 5, or set MT5_PATH to its terminal64.exe",
    ),
}


# ---- ports, keys and files -------------------------------------------------------------------------------------------------------


def ports(facts: Facts) -> list[Line]:
    """A line for each endpoint."""
    return [Line(f"{port.name} port", *_port(port, facts)) for port in facts.ports] or [Line("ports", *UNREAD)]


def _port(port: Port, facts: Facts) -> Outcome:
    if port.trouble is not None:
        return "FAIL", port.trouble.found, port.trouble.next_step
    if port.state == "any":
        return "ok", f"{port.endpoint}: any free one"
    if port.state == "free":
        return "ok", f"{port.endpoint} is free"
    if facts.look is not None and not facts.look.own:
        return "ok", f"{port.endpoint} is in use while the bridge runs"
    return (
        "FAIL",
        f"{port.endpoint} is in use, and no bridge answers there",
        f"end what uses it, or choose another with --{port.name}",
    )


def keys(facts: Facts) -> Outcome:
    """Can those come in who should?"""
    ring = facts.keys
    if ring is None:
        return "skip", "this machine only, no keys needed"
    if isinstance(ring, Trouble):
        return "FAIL", ring.found, ring.next_step
    if not ring.roles:
        return "warn", f"nobody is allowed yet ({ring.folder})", "mt5bridge keys allow NAME PUBLIC --role ROLE"
    told = ", ".join(f"{count} {role}" for role, count in ring.roles.items())
    if ring.expired:
        return "warn", f"{told}; expired: {', '.join(ring.expired)}", "mt5bridge keys allow … --expires DATE, or keys revoke"
    return "ok", f"{told} ({ring.folder})"


def password_files(facts: Facts) -> Outcome:
    """Who may read a password?"""
    if isinstance(facts.settings, Trouble):
        return UNREAD
    if not facts.password_files:
        return "ok", "no file holds a password"
    names = ", ".join(str(file.path) for file in facts.password_files)
    if any(file.open_to_others is None for file in facts.password_files):
        step = f"in Properties > Security, let only your own user read {names}"
        return "skip", f"{names}: who may read it is not looked at on this system", step
    bad = [str(file.path) for file in facts.password_files if file.open_to_others]
    if bad:
        return "warn", f"other users can read a password in {', '.join(bad)}", f"chmod 600 {' '.join(bad)}"
    return "ok", f"only you can read {names}"


def disk(facts: Facts) -> Outcome:
    """The bridge itself keeps nothing on disk; the terminal does."""
    folder = facts.folder
    if folder is None:
        return "skip", "the bridge keeps no files, and the terminal's folder is not on this machine"
    found = f"{folder.path}: {folder.free_bytes / 1e9:.1f} GB free"
    if not folder.writable:
        return "FAIL", f"{folder.path} cannot be written to", "give the user that runs the terminal write access to it"
    if folder.free_bytes < TOO_LITTLE_BYTES:
        return "FAIL", found, "free some space: the terminal cannot keep its history and logs"
    if folder.free_bytes < LITTLE_BYTES:
        return "warn", found, "free some space soon: the terminal keeps its history and logs there"
    return "ok", found


Check = Callable[[Facts], Outcome]

CHECKS: tuple[tuple[str, Check] | Callable[[Facts], list[Line]], ...] = (
    ("platform", platform),
    ("libzmq", messaging),
    ("package", package),
    ("configuration", configuration),
    ("credentials", credentials),
    ("terminal", place),
    ("bridge", terminal.bridge),
    ("attached", terminal.attached),
    ("trade server", terminal.link),
    ("algo trading", terminal.algo_trading),
    ("python api", terminal.python_api),
    ("trading", terminal.trading),
    ("robots", terminal.robots),
    ("account", terminal.identity),
    ("clock", terminal.clock),
    terminal.symbols,
    ports,
    ("keys", keys),
    ("file permissions", password_files),
    ("disk", disk),
)
"""Every check in the order of its lines: what comes first is the cause of what comes after."""


def diagnose(facts: Facts) -> list[Line]:
    """All lines."""
    lines: list[Line] = []
    for entry in CHECKS:
        lines += [Line(entry[0], *entry[1](facts))] if isinstance(entry, tuple) else entry(facts)
    return lines
