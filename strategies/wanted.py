"""What a supervisor keeps beside its file: which instances are wanted to run, and how it is reached. Written whole or not at all.

It outlives the supervisor: after a reboot, or a kill, what ran is started again and what was stopped stays stopped.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bridge.errors import ConfigError
from clients.recorder.disk import Lock, sync_folder

TRIES = 20
TRY_AGAIN_S = 0.05
"""Windows refuses to replace a file while somebody reads it."""


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """The file's content. `port` and `token` are those of the supervisor that runs, or was killed; it leaves neither otherwise."""

    stopped: list[str] = []
    """Instances that somebody stopped; all others are wanted to run, if the roster has them enabled."""
    pid: int = 0
    port: int = 0
    token: str = ""


def state_path(roster: Path) -> Path:
    """The file of state of a roster."""
    return roster.with_name(roster.name + ".state.json")


def hold(roster: Path) -> Lock:
    """Keep a second supervisor away from a roster. Raises `ConfigError` while there is one."""
    path = roster.with_name(roster.name + ".lock")

    def refusal(_path: Path, holder: str) -> ConfigError:
        return ConfigError(f"another supervisor ({holder}) runs {roster}", next_step=f"python -m strategies status {roster}")

    try:
        return Lock(path, refusal)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", next_step="let this user write in that folder") from None


def read_wanted(roster: Path) -> Wanted:
    """What was left beside a roster; nothing is stopped where nothing was left. Raises `ConfigError`."""
    path = state_path(roster)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Wanted)
    except FileNotFoundError:
        return Wanted()
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}",
            next_step="remove it; then all that is enabled is started, also what was stopped",
        ) from None


def write_wanted(roster: Path, wanted: Wanted, sleep: Callable[[float], object] = time.sleep) -> None:
    """Put this beside a roster, readable by this user alone: it has the token. Raises `ConfigError`."""
    path = state_path(roster)
    made = path.with_name(path.name + ".new")
    try:
        made.unlink(missing_ok=True)
        handle = os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)
        with open(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(wanted)) + b"\n")
            file.flush()
            os.fsync(handle)
        for _ in range(TRIES - 1):
            with contextlib.suppress(PermissionError):
                os.replace(made, path)
                break
            sleep(TRY_AGAIN_S)
        else:
            os.replace(made, path)
        sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", next_step="let this user write in that folder") from None
