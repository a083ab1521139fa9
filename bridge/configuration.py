"""The settings of a bridge that runs: read again when a session starts, and watched while only another configuration can help."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge.config import Settings, load, sources

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

    def read(self) -> Settings:
        """Read it all again; what was read before stays when that fails. Raises `ConfigError`."""
        self._stamp = self._look()
        self.settings = load(self._flags, config=self._config, environ=self._environ, folder=self._folder)
        return self.settings

    def changed(self) -> bool:
        """Whether a file is another one than when it was last read. So it stays until it is read again: a correction that is made
        while something is still tried with what was read before is not overlooked."""
        return self._look() != self._stamp

    def _look(self) -> Stamp:
        return tuple(map(_stamp, sources(self._config, self._environ, self._folder)))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
