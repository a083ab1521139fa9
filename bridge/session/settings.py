"""What a session has to know when it starts, as it travels to the child through its standard input."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from bridge.errors import ConfigError
from bridge.terminal import Credentials


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """The link's endpoint and keys, the terminal's name (see `open_terminal`) and the account.

    `token` proves the generation to the gateway. The keys are Z85 text of a CURVE client; without them the link is in the clear,
    which is only right inside one process and in a folder that nobody else may enter. Neither secrets nor the password are ever
    shown.
    """

    endpoint: str
    token: str = field(repr=False)
    terminal: str
    credentials: Credentials = field(default_factory=Credentials)
    server_public_key: str | None = None
    public_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)

    def to_json(self) -> str:
        """One line of JSON, secrets included: for the child's standard input and nowhere else."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, line: str | bytes) -> SessionSettings:
        """Raises `ConfigError` without quoting what was read."""
        try:
            return msgspec.json.decode(line, type=cls)
        except (msgspec.MsgspecError, ValueError) as error:
            raise ConfigError(
                "the session's settings on standard input cannot be read",
                next_step="the bridge starts its sessions itself; this command is not for the shell",
            ) from error
