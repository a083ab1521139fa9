"""The list of allowed keys of a bridge that runs, read again when its file changes."""

from __future__ import annotations

from pathlib import Path

from bridge.access import Allowed
from bridge.errors import ConfigError
from bridge.key_files import ALLOWED, read_allowed

Stamp = tuple[int, int, int] | None


class WatchedKeys:
    """The list in this folder; `keys` is what it says at first. Raises `ConfigError`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / ALLOWED
        self._stamp = self._look()
        self.keys = read_allowed(self._path)

    def newer(self) -> tuple[Allowed, ...] | ConfigError | None:
        """What the list says, if it has changed since this was last asked; an error where it cannot be read: the former one is to
        be kept then, and it is told once. Else None."""
        stamp = self._look()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            return read_allowed(self._path)
        except ConfigError as error:
            return error

    def _look(self) -> Stamp:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
