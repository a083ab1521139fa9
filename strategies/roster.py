"""The file of strategies that run together: which, with what parameters, and when one is started again.

Everything in it is checked before anything is started, the parameters by the strategy itself. What is wrong is one message with the
file, the line where it is known, and the field.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click

from bridge.errors import BridgeError, ConfigError
from clients.lock import lock_of
from strategies.param import params_of
from strategies.strategy import Strategy, magic_of
from strategies.supervisor import Policy, Restart

INSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""Also the name of its file of log, on every operating system."""
_TOP = {"endpoint": str, "key": str, "server_key": str, "log_folder": str, "defaults": dict, "strategy": dict}
_DEFAULTS: dict[str, Any] = {
    "restart": str, "backoff_s": float, "backoff_most_s": float, "symbol": str, "timeframe": str, "timeout_s": float,
    "short_history": bool, "enabled": bool,
}  # fmt: skip
FIELDS = _DEFAULTS | {"name": str, "file": str, "params": dict}
"""The fields of an instance, and their types."""
_FLAGS = {"endpoint", "key", "server_key", "instance", "short_history", "timeout", "exit_with_parent", "help"}
"""Flags of every strategy, which are no parameters."""
_WORDS = {str: "a text", dict: "a table", bool: "true or false", float: "a number"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One instance: a strategy of the package by `strategy`, or one's own in `file`."""

    instance: str
    strategy: str
    file: Path | None
    symbol: str
    timeframe: str
    enabled: bool
    policy: Policy
    flags: tuple[str, ...]
    """Those of the command that runs it, but for where the bridge is."""

    @property
    def program(self) -> list[str]:
        """The command that runs it, without flags."""
        return (
            [sys.executable, str(self.file)]
            if self.file is not None
            else [sys.executable, "-m", "strategies", "run", self.strategy]
        )


@dataclass(frozen=True, slots=True)
class Roster:
    """A whole file. `link` are the flags that say where the bridge is."""

    path: Path
    entries: Mapping[str, Entry]
    link: tuple[str, ...]
    log_folder: Path | None

    def command(self, instance: str) -> list[str]:
        """What runs this instance."""
        entry = self.entries[instance]
        return [*entry.program, f"--instance={instance}", "--exit-with-parent", *self.link, *entry.flags]


def read_roster(path: Path) -> Roster:
    """The file of strategies at `path`. Raises `ConfigError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"{path} cannot be read: {words}", next_step="give a TOML file with a [strategy.NAME] each") from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        words, _, where = str(error).rpartition(" (at ")
        found = re.match(r"line (\d+)", where)
        place = f"{path}:{found[1] if found else max(1, len(text.splitlines()))}"
        raise ConfigError(f"{place}: not TOML: {words or error}", next_step="correct that line") from None
    return _Reading(path, text).roster(table)


class _Reading:
    """A file on its way to a `Roster`; keeps the text to find the lines of what is wrong in it."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def roster(self, table: dict[str, Any]) -> Roster:
        self._check(table, _TOP, ())
        defaults = table.get("defaults", {})
        self._check(defaults, _DEFAULTS, ("defaults",))
        strategies = table.get("strategy", {})
        if not strategies:
            self._refuse((), "there is no strategy in it", "add a [strategy.NAME] with name and symbol")
        entries: dict[str, Entry] = {}
        for instance, fields in strategies.items():
            self._check_instance(instance, entries)
            entries[instance] = self._entry(instance, fields, defaults)
        self._check_magic(entries)
        log_folder = self._beside(table["log_folder"]) if table.get("log_folder") else None
        return Roster(self._path, entries, self._link(table), log_folder)

    def _check_instance(self, instance: str, others: Mapping[str, Entry]) -> None:
        if INSTANCE.fullmatch(instance) is None:
            self._refuse(
                ("strategy", instance), f"{instance!r} is no name of an instance", "use letters, digits, _ and -, at most 64"
            )
        same = next((other for other in others if other.casefold() == instance.casefold()), None)
        if same is not None:
            self._refuse(("strategy", instance), f"there is a {same!r} already", "give each instance another name, capitals or not")

    def _check_magic(self, entries: Mapping[str, Entry]) -> None:
        taken: dict[int, str] = {}
        for entry in (entry for entry in entries.values() if entry.file is None):
            magic = magic_of(f"{entry.strategy}/{entry.instance}")
            other = taken.setdefault(magic, entry.instance)
            if other != entry.instance:
                self._refuse(("strategy", entry.instance), f"it would have the magic number of {other!r}", "name it differently")

    def _link(self, table: dict[str, Any]) -> tuple[str, ...]:
        endpoint = table.get("endpoint")
        if endpoint is not None and re.fullmatch(r"(tcp|ipc)://\S+", endpoint) is None:
            self._refuse(("endpoint",), f"not an endpoint: {endpoint!r}", "write it as tcp://HOST:PORT")
        key = str(self._beside(table["key"])) if "key" in table else None
        if key is None and "server_key" not in table:
            return (f"--endpoint={endpoint}",) if endpoint is not None else ()
        try:
            lock_of(key, table.get("server_key"))
        except BridgeError as error:
            self._refuse(("key",) if "key" in table else ("server_key",), error.message, error.next_step)
        given = {"--endpoint": endpoint, "--key": key, "--server-key": table.get("server_key")}
        return tuple(f"{flag}={value}" for flag, value in given.items() if value is not None)

    def _beside(self, name: str) -> Path:
        """A path of the file, which counts from where the file is."""
        return (self._path.parent / Path(name).expanduser()).absolute()

    # ---- one instance ------------------------------------------------------------------------------------------------------------

    def _entry(self, instance: str, fields: dict[str, Any], defaults: dict[str, Any]) -> Entry:
        where = ("strategy", instance)
        if not isinstance(fields, dict):
            self._refuse(where, f"it must be a table, not {fields!r}", f"write [strategy.{instance}]")
        self._check(fields, FIELDS, where)
        if ("name" in fields) == ("file" in fields):
            both = "both name and file" if "name" in fields else "neither name nor file"
            self._refuse(where, f"it has {both}", "give the name of a packaged strategy, or the file of one of your own")
        merged = defaults | fields
        params = dict(merged.get("params", {}))
        for name in ("symbol", "timeframe"):
            if name in params:
                self._refuse((*where, "params", name), "not among params", f"write {name} = … beside params")
            if name in merged:
                params[name] = merged[name]
        file = self._file(where, fields["file"]) if "file" in fields else None
        if file is None:
            strategy = self._packaged(where, fields["name"], instance, params)
            shown, symbol, timeframe = fields["name"].replace("-", "_"), strategy.symbol, strategy.timeframe
        else:
            shown, symbol, timeframe = file.stem, params.get("symbol", ""), params.get("timeframe", "")
        flags = [f"--{name.replace('_', '-')}={self._word(where, name, value)}" for name, value in params.items()]
        if "timeout_s" in merged:
            flags.append(f"--timeout={self._above(where, merged, 'timeout_s', 0.1):g}")
        if merged.get("short_history", False):
            flags.append("--short-history")
        return Entry(
            instance, shown, file, symbol, timeframe, merged.get("enabled", True), self._policy(where, merged), tuple(flags)
        )

    def _packaged(self, where: tuple[str, ...], name: str, instance: str, params: dict[str, Any]) -> Strategy:
        """The strategy itself, which checks its parameters."""
        from strategies.commands import load  # noqa: PLC0415 - the commands import what they run

        try:
            kind = load(name)
        except click.UsageError as error:
            self._refuse((*where, "name"), error.message, "python -m strategies list")
        known, more = params_of(kind), f"python -m strategies params {name}"
        for param, value in params.items():
            if param not in known:
                self._refuse(_param(where, param), f"{name} has no parameter {param!r}", f"its parameters are {', '.join(known)}")
            try:
                known[param].check(value)
            except BridgeError as error:
                self._refuse(_param(where, param), error.message, more)
        try:
            strategy = kind(name, instance, **params)
            strategy.on_start()  # what its parameters have to be to each other; it has no desk, so it can do nothing
        except BridgeError as error:
            wrong = error.details.get("field") or ("timeframe" if "timeframe" in error.details else "")
            self._refuse(_param(where, wrong) if wrong else where, error.message, error.next_step or more)
        return strategy

    def _file(self, where: tuple[str, ...], name: str) -> Path:
        path = self._beside(name)
        if not path.is_file():
            self._refuse((*where, "file"), f"there is no file {path}", "paths count from the folder of this file")
        return path

    def _word(self, where: tuple[str, ...], name: str, value: Any) -> str:
        """A parameter as the command line has it."""
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in _FLAGS:
            self._refuse((*where, "params", name), f"{name!r} is no name of a parameter", "use the names of the strategy's own")
        if not isinstance(value, str | int | float):
            self._refuse((*where, "params", name), f"must be a text, a number, true or false, not {value!r}", "write one value")
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _policy(self, where: tuple[str, ...], merged: dict[str, Any]) -> Policy:
        word = merged.get("restart", Restart.ON_FAILURE)
        if word not in list(Restart):
            self._refuse((*where, "restart"), f"no such rule: {word!r}", f"use one of {', '.join(Restart)}")
        usual = Policy()
        backoff_s = self._above(where, merged, "backoff_s", 0.1) if "backoff_s" in merged else usual.backoff_s
        most_s = self._above(where, merged, "backoff_most_s", 0.1) if "backoff_most_s" in merged else usual.backoff_most_s
        if most_s < backoff_s:
            self._refuse(
                (*where, "backoff_most_s"), f"{most_s:g} is less than backoff_s, {backoff_s:g}", "make it as long at least"
            )
        return Policy(Restart(word), backoff_s, most_s)

    def _above(self, where: tuple[str, ...], merged: dict[str, Any], name: str, least: float) -> float:
        value = float(merged[name])
        if not least <= value <= 86_400:
            self._refuse((*where, name), f"must be from {least:g} to 86400, not {value:g}", "give it in seconds")
        return value

    # ---- what is wrong -----------------------------------------------------------------------------------------------------------

    def _check(self, table: dict[str, Any], known: dict[str, Any], where: tuple[str, ...]) -> None:
        """Only fields that there are, each of its type."""
        for name, value in table.items():
            if name not in known:
                self._refuse((*where, name), "no such field", f"the fields are {', '.join(known)}")
            kind = known[name]
            fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
            if not fits or (kind is float and isinstance(value, bool)):
                self._refuse((*where, name), f"must be {_WORDS[kind]}, not {value!r}", "correct its value")

    def _refuse(self, field: tuple[str, ...], words: str, next_step: str) -> NoReturn:
        line = _line_of(self._lines, field)
        place = f"{self._path}:{line}" if line else str(self._path)
        named = f"{'.'.join(field)}: " if field else ""
        raise ConfigError(f"{place}: {named}{words}", next_step=next_step, field=".".join(field))


def _param(where: tuple[str, ...], name: str) -> tuple[str, ...]:
    return (*where, name) if name in ("symbol", "timeframe") else (*where, "params", name)


def _line_of(lines: list[str], field: tuple[str, ...]) -> int:
    """The line of a field, from 1: where its table begins if the field itself is not found (it may be one of [defaults]); or 0.

    Reads what people write, not all of TOML: it only has to lead the eye.
    """
    for depth in range(len(field), -1, -1):
        header = r"\s*\[\s*" + r"\s*\.\s*".join(_key(name) for name in field[:depth]) + r"\s*\]"
        start = 0 if depth == 0 else next((n for n, line in enumerate(lines, 1) if re.match(header, line)), 0)
        if start == 0 and depth > 0:
            continue
        for rest in range(len(field), depth, -1):
            key = r"\s*" + r"\s*\.\s*".join(_key(name) for name in field[depth:rest]) + r"\s*="
            for number in range(start, len(lines)):
                if re.match(r"\s*\[", lines[number]):
                    break
                if re.match(key, lines[number]):
                    return number + 1
        if start:
            return _defaulted(lines, field) or start
    return 0


def _defaulted(lines: list[str], field: tuple[str, ...]) -> int:
    """The line of a field of an instance that comes from [defaults]; 0 without one."""
    if len(field) != 3 or field[0] != "strategy" or field[2] not in _DEFAULTS:
        return 0
    found = _line_of(lines, ("defaults", field[2]))
    return found if found and re.match(r"\s*" + _key(field[2]), lines[found - 1]) else 0


def _key(name: str) -> str:
    return f"[\"']?{re.escape(name)}[\"']?"
