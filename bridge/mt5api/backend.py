"""What the calling rules need from whatever stands behind them: a simulated terminal, or a bridge."""

from __future__ import annotations

from typing import Any, Protocol


class OpenFailed(Exception):
    """No terminal answers at the path; `detail` completes the package's text "IPC initialize failed, …" (-10003)."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class LinkLost(Exception):
    """The connection broke during a call.

    `sending` tells the package's two codes apart: -10001 when the request could not be written, else -10002.  In both cases the
    terminal may have executed the call.
    """

    def __init__(self, *, sending: bool) -> None:
        super().__init__("the request could not be sent" if sending else "no answer arrived")
        self.sending = sending


class Backend(Protocol):
    """One connection to one terminal; used by one thread at a time.

    Function names, arguments and answers are those of `wire.py`.
    """

    @property
    def connected(self) -> bool:
        """Whether `call` may be used; False before `open`, after `close` and after LinkLost."""

    def open(self, path: str | None) -> None:
        """Connect to the terminal at `path` (None: the usual one).  Raises OpenFailed."""

    def call(self, function: str, args: list[Any]) -> tuple[int, str, Any]:
        """Ask the terminal and wait for its answer without a time limit: `(code, text, value)`.  Raises LinkLost."""

    def close(self) -> None:
        """End the connection, if there is one.  Raises nothing."""
