"""`mt5bridge doctor`: finds out what it can, within a bounded time, and says it in one line for each check.

The facts are gathered here and in `doctor_look`; what they mean is decided in `diagnosis`, which does nothing else.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import socket
import stat
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from bridge.config import Settings, load
from bridge.diagnosis import diagnose
from bridge.doctor_facts import Facts, Folder, KeyRing, Look, Machine, PasswordFile, Place, Port, Trouble
from bridge.doctor_look import ask_running, start_and_ask
from bridge.errors import BridgeError, ConfigError
from bridge.key_files import ALLOWED, SERVER, read_allowed, read_secret
from bridge.origins import Origins, origins
from bridge.sockets import check_libzmq, is_loopback

TERMINAL = "terminal64.exe"
ANSWER_S = 3.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line said. `endpoint` is that of a bridge which must be running; `seconds` bounds a session of our own."""

    flags: Mapping[tuple[str, str], Any]
    config: Path | None = None
    endpoint: str | None = None
    symbols: tuple[str, ...] = ()
    seconds: float = 30.0


def run(asked: Asked, *, as_json: bool) -> int:
    """Print the lines; the exit code, 0 unless a check failed."""
    lines = diagnose(gather(asked))
    failed = sum(line.verdict == "FAIL" for line in lines)
    if as_json:
        click.echo(json.dumps({"ok": not failed, "checks": [asdict(line) for line in lines]}))
    else:
        for line in lines:
            click.echo(one_line(str(line)))
    return 1 if failed else 0


def one_line(text: str) -> str:
    """Without the line breaks and control characters that names from elsewhere may have."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


# ---- facts -----------------------------------------------------------------------------------------------------------------------


def gather(asked: Asked) -> Facts:
    """Everything that can be found out."""
    machine = Machine(
        system=sys.platform,
        name=f"{platform.system()} {platform.release()}".strip(),
        python=platform.python_version(),
        bits=struct.calcsize("P") * 8,
    )
    environ, folder = os.environ, Path.cwd()
    package = _package() if machine.system == "win32" else None
    try:
        settings = load(asked.flags, config=asked.config, environ=environ, folder=folder)
    except ConfigError as error:
        return Facts(machine, _messaging(), package, Trouble(error.message, error.next_step))
    found = origins(asked.flags, config=asked.config, environ=environ, folder=folder)
    place = find_terminal(settings, machine.system, environ)
    ports = tuple(look_at_port(name, getattr(settings.bridge, name)) for name in ("requests", "events"))
    attachable = place.trouble is None and not (place.kind == "metatrader5" and isinstance(package, Trouble))
    look = _look(asked, settings, ports, attachable=attachable)
    return Facts(
        machine=machine,
        messaging=_messaging(),
        package=package,
        settings=settings,
        origins=found.by_setting,
        password_files=tuple(password_files(found, machine.system)),
        place=place,
        look=look if isinstance(look, Look) else None,
        no_look=look if isinstance(look, Trouble) else None,
        ports=ports,
        keys=look_at_keys(settings),
        folder=_folder(look),
    )


def _look(asked: Asked, settings: Settings, ports: Sequence[Port], *, attachable: bool) -> Look | Trouble | None:
    """A running bridge is asked; only where none can be there, one is started."""
    if asked.endpoint is not None:
        found = ask_running(asked.endpoint, asked.symbols)
        return found or Trouble(f"no bridge answers at {asked.endpoint}", "start it: mt5bridge serve")
    requests = ports[0]
    if requests.state == "taken":
        step = "end what uses the port; a bridge that does not answer may still hold the terminal"
        return ask_running(requests.endpoint, asked.symbols) or Trouble(
            f"{requests.endpoint} is in use, but no bridge answers there", step
        )
    return start_and_ask(settings, asked.symbols, asked.seconds) if attachable else None


def _messaging() -> str | Trouble:
    try:
        return f"pyzmq {importlib.metadata.version('pyzmq')} with libzmq {check_libzmq()}"
    except ConfigError as error:
        return Trouble(error.message, error.next_step)


def _package() -> str | Trouble:
    """The version of the MetaTrader5 package; importing it attaches to nothing."""
    from bridge.terminal.metatrader import load_metatrader5  # noqa: PLC0415 - numpy is only needed where there is a package

    try:
        return str(load_metatrader5().__version__)
    except ConfigError as error:
        return Trouble(error.message, error.next_step)


# ---- the terminal ----------------------------------------------------------------------------------------------------------------


def find_terminal(settings: Settings, system: str, environ: Mapping[str, str]) -> Place:
    """Where the terminal is, as far as that can be seen without attaching to it."""
    name, path = settings.bridge.terminal, settings.mt5.path
    if name == "simulator":
        return Place("own_simulator") if path is None else _simulator(path)
    if name != "metatrader5":
        return Place("custom")
    if system != "win32":
        found = "the MetaTrader5 package exists on Windows only: no terminal can be attached to from here"
        return Place("metatrader5", trouble=Trouble(found, "use --terminal simulator, or run the bridge on Windows or in Wine"))
    if path is None:
        return Place("metatrader5", tuple(usual_places(environ)))
    if not Path(path).is_file():
        return Place("metatrader5", trouble=Trouble(f"MT5_PATH {path} is no file", f"set MT5_PATH to the terminal's {TERMINAL}"))
    return Place("metatrader5", (path,))


def _simulator(address: str) -> Place:
    from bridge.simulation import control  # noqa: PLC0415 - only where there is a simulated terminal

    try:
        control(address, "control.status", timeout_s=ANSWER_S)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        step = f"start one: mt5bridge terminal --listen {address.removeprefix('tcp://')}"
        return Place("simulator", trouble=Trouble(f"no simulated terminal answers at {address}: {reason}", step))
    return Place("simulator", (f"a simulated terminal answers at {address}",))


def usual_places(environ: Mapping[str, str]) -> list[str]:
    """Terminals where installers put them, and those that have a data folder, whose origin.txt says where they are."""
    folders = {Path(environ[name]) for name in ("ProgramFiles", "ProgramW6432") if environ.get(name)}
    found = {path for folder in folders for path in folder.glob(f"*/{TERMINAL}")}
    if environ.get("APPDATA"):
        for origin in Path(environ["APPDATA"], "MetaQuotes", "Terminal").glob("*/origin.txt"):
            path = Path(origin.read_bytes().decode("utf-16", errors="replace").strip("\ufeff\0\r\n "), TERMINAL)
            if path.is_file():
                found.add(path)
    return sorted(map(str, found))


def _folder(look: Look | Trouble | None) -> Folder | None:
    """Where the terminal keeps its files, when that is on this machine."""
    path = look.terminal.data_path if isinstance(look, Look) and look.terminal is not None else ""
    if not path or not Path(path).is_dir():
        return None
    try:
        with tempfile.TemporaryFile(dir=path):
            writable = True
    except OSError:
        writable = False
    return Folder(path, shutil.disk_usage(path).free, writable)


# ---- keys, ports and files ------------------------------------------------------------------------------------------------------


def look_at_keys(settings: Settings) -> KeyRing | Trouble | None:
    """Who may come in; None where everybody of this machine may. Nothing is made."""
    try:
        here = all(is_loopback(endpoint) for endpoint in (settings.bridge.requests, settings.bridge.events))
    except ConfigError:
        here = True  # the ports say so
    if here and not settings.bridge.require_keys:
        return None
    folder = settings.keys_folder()
    try:
        if (folder / f"{SERVER}.key").exists():
            read_secret(folder / f"{SERVER}.key")
        allowed = read_allowed(folder / ALLOWED)
    except ConfigError as error:
        return Trouble(error.message, error.next_step)
    now_us = time.time_ns() // 1000
    roles: Counter[str] = Counter(key.role for key in allowed if not key.expired(now_us))
    return KeyRing(folder, dict(roles), tuple(key.name for key in allowed if key.expired(now_us)))


def look_at_port(name: Any, endpoint: str) -> Port:
    """Whether a bridge could bind it now; nothing is sent to whoever holds it."""
    try:
        is_loopback(endpoint)
    except BridgeError as error:
        return Port(name, endpoint, "wrong", Trouble(error.message, error.next_step))
    port = endpoint.rpartition(":")[2]
    if port in ("*", "0"):
        return Port(name, endpoint, "any")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As libzmq binds: on Windows a port with a bound socket must not be shared, elsewhere one without a listener may be.
        probe.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR), 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError:
            return Port(name, endpoint, "taken")
    return Port(name, endpoint, "free")


def password_files(found: Origins, system: str) -> Iterable[PasswordFile]:
    """The files with a password, and whether others than their owner may read them."""
    for path in found.password_files:
        open_to_others = None if system == "win32" else bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
        yield PasswordFile(path, open_to_others)
