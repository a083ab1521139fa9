"""Where each setting came from, for a person who wonders why a value is what it is; and which files hold a password.

Only to be asked after `config.load` has accepted the same arguments: files that it can read are read here again without care.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from msgspec import structs

from bridge.config import ENVIRONMENT, BridgeSection, Mt5Section, sources

DEFAULT = "default"
SECTIONS: dict[str, type] = {"bridge": BridgeSection, "mt5": Mt5Section}
NAMES: tuple[tuple[str, str], ...] = tuple(
    (section, field.name) for section, kind in SECTIONS.items() for field in structs.fields(kind)
)
"""Section and name of every setting."""


@dataclass(frozen=True, slots=True)
class Origins:
    """`by_setting` has a source for every setting, in words; `password_files` are the files with a password, used or not."""

    by_setting: dict[tuple[str, str], str]
    password_files: tuple[Path, ...] = ()


def origins(flags: Mapping[tuple[str, str], Any], *, config: Path | None, environ: Mapping[str, str], folder: Path) -> Origins:
    """The arguments are those of `config.load`, which has to have accepted them."""
    path, *files = sources(config, environ, folder)
    file = files[0] if files else None
    dotenv = dotenv_values(path, interpolate=False, encoding="utf-8-sig") if path.is_file() else {}
    sections: dict[str, dict[str, Any]] = {} if file is None else tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    found = dict.fromkeys(NAMES, DEFAULT)
    found |= {(section, name): str(file) for section, names in sections.items() for name in names}
    for source, values in ((".env", dotenv), ("the environment", environ)):
        found |= {setting: f"{variable} in {source}" for variable, setting in ENVIRONMENT.items() if values.get(variable)}
    found |= {(section, name): f"--{name}" for section, name in flags}
    with_password = [path] if dotenv.get("MT5_PASSWORD") else []
    if file is not None and sections.get("mt5", {}).get("password"):
        with_password.append(file)
    return Origins(found, tuple(with_password))
