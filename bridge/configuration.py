"""The settings of a bridge that runs: read again when a session starts, and watched while only another configuration can help. The
limits on orders are read again whenever a file changes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge.config import Settings, load, sources
from bridge.errors import ConfigError
from bridge.limits import Limits

Stamp = tuple[tuple[int, int] | None, ...]


class Configuration:
    """`flags` and `config` as for `config.load`; of the environment a copy is used, files may change. Raises `ConfigError`."""

    def __init__(
        self,
        flags: Mapping[tuple[str, str], Any],
        config: Path | None = None,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._flags = flags
        self._config = config
        self._environ = dict(os.environ if environ is None else environ)
        self._folder = folder or Path.cwd()
        self._stamp: Stamp = ()
        self.settings = self.read()
        self.limits = self.settings.trading_limits()
        self._limits_stamp: Stamp = self._stamp
        self._limits_wrong = False

    def read(self) -> Settings:
        """Read it all again; what was read before stays when that fails. Raises `ConfigError`."""
        self._stamp = self._look()
        self.settings = load(self._flags, config=self._config, environ=self._environ, folder=self._folder)
        return self.settings

    def changed(self) -> bool:
        """Whether a file is another one than when it was last read. So it stays until it is read again: a correction that is made
        while something is still tried with what was read before is not overlooked."""
        return self._look() != self._stamp

    def newer_limits(self) -> Limits | ConfigError | None:
        """The limits, where a file has changed since this was last asked and they are others, or could not be read before; an error
        where they cannot be read: then the former ones are to be kept, and it is tried again when the file changes. Else None. The
        other settings are not touched."""
        stamp = self._look()
        if stamp == self._limits_stamp:
            return None
        self._limits_stamp = stamp
        try:
            found = load(self._flags, config=self._config, environ=self._environ, folder=self._folder).trading_limits()
        except ConfigError as error:
            self._limits_wrong = True
            return error
        if not self._limits_wrong and found == self.limits and list(found.clients) == list(self.limits.clients):
            return None
        self._limits_wrong = False
        self.limits = found
        return found

    def _look(self) -> Stamp:
        return tuple(map(_stamp, sources(self._config, self._environ, self._folder)))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
