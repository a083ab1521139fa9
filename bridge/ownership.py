"""Who else on this machine could read or write a file: its mode on POSIX systems, its access list on Windows."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from bridge.errors import ConfigError

if sys.platform == "win32":
    from bridge import windows_access


def make_private(path: Path) -> None:
    """Keep everybody but its owner from a file. Raises `OSError`."""
    if sys.platform == "win32":
        windows_access.make_private(path)
    else:
        path.chmod(0o600)


def check_private(path: Path) -> None:
    """Raises `ConfigError` unless the file is ours, no link to another, and only we can read it."""
    found = _look(path)
    if sys.platform == "win32":
        others = windows_access.others(path, writing=False)
        if others:
            raise ConfigError(
                f"others can read {path}: {', '.join(others)}",
                next_step="take their rights away under Properties, Security, or make a new key",
            )
    elif stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigError(
            f"others can read {path} (mode {stat.S_IMODE(found.st_mode):04o})", next_step=f"keep it to yourself: chmod 600 '{path}'"
        )


def check_unforged(path: Path) -> None:
    """Raises `ConfigError` unless the file is ours, no link to another, and only we can write it."""
    found = _look(path)
    if sys.platform == "win32":
        others = windows_access.others(path, writing=True)
        if others:
            raise ConfigError(
                f"others can write {path}: {', '.join(others)}", next_step="take their rights away under Properties, Security"
            )
    elif stat.S_IMODE(found.st_mode) & 0o022:
        raise ConfigError(
            f"others can write {path} (mode {stat.S_IMODE(found.st_mode):04o})",
            next_step=f"keep it to yourself: chmod 600 '{path}'",
        )


def _look(path: Path) -> os.stat_result:
    try:
        found = path.lstat()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}", next_step="name a file that is there") from None
    if stat.S_ISLNK(found.st_mode) or not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path} is not a plain file", next_step="name the file itself, not a link to it")
    if sys.platform != "win32" and found.st_uid not in (os.geteuid(), 0):
        raise ConfigError(f"{path} belongs to another user", next_step="use a file of the user who runs this")
    return found
