"""Secrets that must be nowhere: a terminal with a password that no other text has, and the search for it and for secret keys."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import zmq.utils.z85

from bridge.terminal import Credentials
from bridge.terminal.metatrader import MetaTrader, open_terminal

PASSWORD, WRONG = "Kx7+vQ2zR9-right", "Wj4+uT8yN3-wrong"


class SecretiveTerminal(MetaTrader):
    """A simulated terminal whose account has `PASSWORD`."""

    def attach(self, credentials: Credentials) -> None:
        """Log in; with another password, be refused."""
        known = "simulated" if credentials.password == PASSWORD else credentials.password
        super().attach(replace(credentials, password=known))


def terminal() -> SecretiveTerminal:
    """For `--terminal tests.secrecy:terminal`."""
    simulated = open_terminal("simulator")
    assert isinstance(simulated, MetaTrader)
    return SecretiveTerminal(simulated._module)


def spellings(secret: str, *, key: bool = False) -> Iterator[bytes]:
    """The ways in which it may be written; `key`: it is z85 and stands for bytes."""
    for plain in [secret.encode(), *([bytes(zmq.utils.z85.decode(secret))] if key else [])]:
        yield plain
        yield plain.hex().encode()
        yield base64.b64encode(plain).rstrip(b"=")
        yield plain.decode("latin-1").encode("utf-16-le")


class Search:
    """What is looked for: names, and how each of them may be spelled."""

    def __init__(self, passwords: Mapping[str, str], keys: Mapping[str, str]) -> None:
        self._sought = [(name, text) for name, secret in passwords.items() for text in spellings(secret)]
        self._sought += [(name, text) for name, secret in keys.items() for text in spellings(secret, key=True)]

    def found(self, where: str, content: bytes) -> list[str]:
        """A line for each secret that is there."""
        return [f"{name} in {where}, at {content.index(text)}" for name, text in self._sought if text in content]

    def below(self, folder: Path, but: set[Path]) -> list[str]:
        """The same for every file in a folder and the folders in it, except some."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path not in but]
        return [line for path in files for line in self.found(str(path.relative_to(folder)), path.read_bytes())]
