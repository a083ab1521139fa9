"""Settings of the bridge, from flags, the environment, a `.env` file, a TOML file and defaults, in this order.

```toml
[bridge]
terminal = "metatrader5"              # or "simulator"
session = "process"                   # or "thread"
requests = "tcp://127.0.0.1:5555"
events = "tcp://127.0.0.1:5556"
restarts_per_hour = 30
grace_s = 1.0
replay_mib = 64
journal = "orders"                    # folder; without it one for each user
journal_keep_days = 30
keys = "keys"                         # folder with the bridge's key and those that are allowed; without it one for each user
require_keys = false                  # also on this machine; from other machines nobody gets in without one
addresses = ["192.168.1.20"]          # only these, of other machines

[mt5]
login = 5000001
server = "MetaQuotes-Demo"
password = "…"                        # better: MT5_PASSWORD in the environment
path = 'C:\\Program Files\\MetaTrader 5\\terminal64.exe'
timeout_ms = 60000
portable = false

[limits]                              # what all clients together may trade, see `limits`
net_volume = 5.0

[clients."grid-*"]                    # what each client of such a name may trade
max_volume = 0.5
```

Whatever is wrong is one `ConfigError` that names its source; nothing starts with half a configuration. The password is never shown.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from dotenv.parser import parse_stream
from msgspec import Meta, Struct

from bridge.errors import ConfigError
from bridge.limits import ClientLimits, Limits
from bridge.terminal import Credentials

DEFAULT_REQUESTS = "tcp://127.0.0.1:5555"
DEFAULT_EVENTS = "tcp://127.0.0.1:5556"
DEFAULT_SERVER = "MetaQuotes-Demo"
ClientPattern = Annotated[str, Meta(min_length=1, max_length=64)]


class BridgeSection(Struct, frozen=True, forbid_unknown_fields=True):
    """How the bridge runs."""

    terminal: Annotated[str, Meta(min_length=1)] = "metatrader5"
    session: Literal["process", "thread"] = "process"
    requests: str = DEFAULT_REQUESTS
    events: str = DEFAULT_EVENTS
    restarts_per_hour: Annotated[int, Meta(ge=1, le=1_000_000)] = 30
    grace_s: Annotated[float, Meta(ge=0, le=600)] = 1.0
    replay_mib: Annotated[int, Meta(ge=0, le=65_536)] = 64
    journal: Annotated[str, Meta(min_length=1)] | None = None
    journal_keep_days: Annotated[int, Meta(ge=7, le=3_650)] = 30
    keys: Annotated[str, Meta(min_length=1)] | None = None
    require_keys: bool = False
    addresses: tuple[Annotated[str, Meta(min_length=2, max_length=64)], ...] = ()
    requests_per_s: Annotated[int, Meta(ge=0, le=1_000_000)] = 5_000
    connections_per_s: Annotated[int, Meta(ge=0, le=1_000_000)] = 100


class Mt5Section(Struct, frozen=True, forbid_unknown_fields=True):
    """Which terminal and account; without `login`, whatever account the terminal is logged in to."""

    login: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None
    password: str | None = None
    server: str = DEFAULT_SERVER
    path: str | None = None
    timeout_ms: Annotated[int, Meta(ge=1, le=3_600_000)] = 60_000
    portable: bool = False

    def __repr__(self) -> str:
        return f"Mt5Section(login={self.login}, server={self.server!r}, path={self.path!r}, password=***)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("login", self.login), ("server", self.server), ("path", self.path), ("password", ...)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be configured."""

    bridge: BridgeSection = BridgeSection()
    mt5: Mt5Section = Mt5Section()
    limits: ClientLimits = ClientLimits()
    clients: dict[ClientPattern, ClientLimits] = {}

    def trading_limits(self) -> Limits:
        """What clients may trade."""
        return Limits(self.limits, self.clients)

    def journal_folder(self, environ: Mapping[str, str] | None = None) -> Path | None:
        """Where the journals of orders are; None for a simulated terminal that begins and ends with the bridge: its orders are
        worth nothing afterwards, so they belong in a temporary folder, unless one is named."""
        if self.bridge.journal is not None:
            return Path(self.bridge.journal).expanduser()
        if self.bridge.terminal == "simulator" and self.mt5.path is None:
            return None
        return state_folder(os.environ if environ is None else environ) / "journal"

    def keys_folder(self) -> Path:
        """Where keys are, and the list of those that are allowed."""
        return keys_folder(None if self.bridge.keys is None else Path(self.bridge.keys))

    def credentials(self) -> Credentials:
        """What the session needs to attach."""
        mt5 = self.mt5
        return Credentials(
            login=mt5.login,
            password=mt5.password,
            server=mt5.server if mt5.login is not None else None,
            path=mt5.path,
            timeout_ms=mt5.timeout_ms,
            portable=mt5.portable,
        )


def state_folder(environ: Mapping[str, str], system: str = sys.platform) -> Path:
    """Where the bridge keeps what has to outlive it, for each user: `%LOCALAPPDATA%`, `~/Library/Application Support`, or
    `$XDG_STATE_HOME`, which is `~/.local/state` where it is not set."""
    if system == "win32":
        named = environ.get("LOCALAPPDATA")
        base = Path(named) if named else Path.home() / "AppData" / "Local"
    elif system == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        named = environ.get("XDG_STATE_HOME")
        base = Path(named) if named and Path(named).is_absolute() else Path.home() / ".local" / "state"
    return base / "mt5bridge"


def keys_folder(named: Path | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """Where keys are, and the list of those that are allowed; `MT5BRIDGE_KEYS` where none is named."""
    environ = os.environ if environ is None else environ
    if named is not None:
        return named.expanduser()
    told = environ.get("MT5BRIDGE_KEYS")
    return Path(told).expanduser() if told else state_folder(environ) / "keys"


ENVIRONMENT: dict[str, tuple[str, str]] = {
    "MT5_LOGIN": ("mt5", "login"),
    "MT5_PASSWORD": ("mt5", "password"),
    "MT5_SERVER": ("mt5", "server"),
    "MT5_PATH": ("mt5", "path"),
    "MT5_TIMEOUT_MS": ("mt5", "timeout_ms"),
    "MT5_PORTABLE": ("mt5", "portable"),
    "MT5BRIDGE_ENDPOINT": ("bridge", "requests"),
    "MT5BRIDGE_JOURNAL": ("bridge", "journal"),
    "MT5BRIDGE_KEYS": ("bridge", "keys"),
}
"""Section and name of each variable, in the environment or in `.env`."""


def load(
    flags: Mapping[tuple[str, str], Any],
    *,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """The settings. `flags` are those given on the command line, by section and name; `folder` is where `.env` is looked for.

    Raises `ConfigError`.
    """
    environ = os.environ if environ is None else environ
    dotenv = _dotenv((folder or Path.cwd()) / ".env")
    named = config or _config_path(environ, dotenv)
    sections: dict[str, dict[str, Any]] = {}
    if named is not None:
        sections = _file(named)
        _check_clients(sections.get("clients"), f"{named}")
        _checked(sections, f"{named}", strict=True)
    for source, values in ((".env", dotenv), ("the environment", environ)):
        for variable, (section, name) in ENVIRONMENT.items():
            value = values.get(variable)
            if value is not None and value != "":
                _checked({section: {name: value}}, f"{variable} in {source}", strict=False)
                sections.setdefault(section, {})[name] = value
    for (section, name), value in flags.items():
        _checked({section: {name: value}}, f"--{name.replace('_', '-')}", strict=False)
        sections.setdefault(section, {})[name] = value
    settings = _checked(sections, "the settings together", strict=False)
    if settings.mt5.login is not None and not settings.mt5.password:
        raise ConfigError(
            "MT5_LOGIN is set, but there is no MT5_PASSWORD", next_step="set both, or neither to use the terminal's account"
        )
    return settings


def sources(config: Path | None = None, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> tuple[Path, ...]:
    """The files that `load` reads, also those that do not exist."""
    environ = os.environ if environ is None else environ
    dotenv = (folder or Path.cwd()) / ".env"
    try:
        named = config or _config_path(environ, _dotenv(dotenv))
    except ConfigError:
        named = None
    return (dotenv,) if named is None else (dotenv, named)


def _config_path(environ: Mapping[str, str], dotenv: Mapping[str, str | None]) -> Path | None:
    named = environ.get("MT5BRIDGE_CONFIG") or dotenv.get("MT5BRIDGE_CONFIG")
    return Path(named) if named else None


def _dotenv(path: Path) -> dict[str, str | None]:
    try:
        text = _text(path) if path.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {_reason(error)}", next_step="mend it or remove it") from None
    values: dict[str, str | None] = {}
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            line = binding.original.line
            raise ConfigError(f"{path}: line {line} is not NAME=value", next_step="mend it, for example its quotation marks")
        if binding.key is not None:
            values[binding.key] = binding.value
    return values


def _file(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return tomllib.loads(_text(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {_reason(error)}", next_step="name a readable file with --config") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", next_step="mend the line; see docs/operating.md for an example") from None


def _text(path: Path) -> str:
    """UTF-8, with or without the mark that editors on Windows put before it."""
    return path.read_bytes().decode("utf-8-sig")


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"


def _checked(sections: Mapping[str, Any], source: str, *, strict: bool) -> Settings:
    try:
        return msgspec.convert(sections, Settings, strict=strict)
    except msgspec.ValidationError as error:
        words = " ".join(str(error).split())
        raise ConfigError(f"{source}: {words}", next_step="correct it; see docs/operating.md for all settings") from None


def _check_clients(clients: Any, source: str) -> None:
    """Each section of a client apart, so that what is wrong is told with its name."""
    if isinstance(clients, dict):
        for name, section in clients.items():
            _checked({"clients": {name: section}}, f"{source}, section [clients.{name!r}]", strict=True)
