"""A client's key, and those by which it knows the bridge: what a connection to a bridge on another machine needs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import ConfigError
from bridge.key_files import key_id, read_secret

KEY_VARIABLE = "MT5BRIDGE_KEY"
SERVER_KEY_VARIABLE = "MT5BRIDGE_SERVER_KEY"


@dataclass(frozen=True, slots=True)
class Lock:
    """A key pair in z85, and the public keys of the bridge: the present one, and the one that may follow it."""

    public: bytes
    secret: bytes
    server_keys: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Lock(public={self.public.decode()}, secret=***, server_keys={self.server_keys})"


def lock_of(key: str | Path | None, server_key: str | None, environ: Mapping[str, str] | None = None) -> Lock | None:
    """What the file `key` and the public key(s) `server_key`, separated by commas, say; where they are not given, `MT5BRIDGE_KEY`
    and `MT5BRIDGE_SERVER_KEY`. None without either. Raises `ConfigError`: also for one without the other."""
    environ = os.environ if environ is None else environ
    key = key or environ.get(KEY_VARIABLE) or None
    server_key = server_key or environ.get(SERVER_KEY_VARIABLE) or None
    if key is None and server_key is None:
        return None
    if server_key is None:
        raise ConfigError(
            "a key was given, but not the bridge's", next_step="on its machine: mt5bridge keys server; then --server-key"
        )
    if key is None:
        raise ConfigError("the bridge's key was given, but none of ours", next_step="make one: mt5bridge keys new NAME; then --key")
    publics = tuple(part.strip() for part in server_key.split(","))
    for public in publics:
        key_id(public)
    secret = read_secret(Path(key).expanduser())
    return Lock(secret.public.encode(), secret.secret.encode(), tuple(public.encode() for public in publics))
