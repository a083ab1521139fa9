"""What of the drop-in can be set from outside: the environment, because the programs are others' and stay as they are."""

from __future__ import annotations

import math
import os

from bridge.errors import ConfigError
from clients.sockets import default_endpoint

TIMEOUT_VARIABLE = "MT5BRIDGE_CALL_TIMEOUT_MS"
TIMEOUT_MS = 60_000
"""The longest that one call waits for its answer; the package waits without limit."""
SCHEMES = ("tcp://", "ipc://", "inproc://")


def call_timeout_s() -> float:
    """How long a call waits at most. Raises `ConfigError`."""
    told = os.environ.get(TIMEOUT_VARIABLE, "").strip()
    try:
        timeout_ms = float(told or TIMEOUT_MS)
    except ValueError:
        timeout_ms = math.nan
    if not 1 <= timeout_ms <= 3_600_000:
        raise ConfigError(f"{TIMEOUT_VARIABLE} is {told!r}", next_step="give milliseconds, from 1 to 3600000", value=told)
    return timeout_ms / 1e3


def endpoint_of(path: str | None) -> str:
    """Where the bridge is: a path that is an endpoint names it, any other is that of a terminal and does not matter here."""
    return path if path is not None and path.startswith(SCHEMES) else default_endpoint()
