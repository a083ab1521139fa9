"""What a failure to attach to the terminal means, in words for the person who has to mend it.

Codes and texts are those of the package's `last_error()`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """A cause in plain words, the next step, and whether trying again by itself is wrong."""

    cause: str
    next_step: str
    refused: bool = False


_BY_CODE: dict[int, Advice] = {
    -10_005: Advice(
        "the terminal did not become ready in time",
        "open the terminal once by hand: finish its first-run wizard, log in, and close any dialog",
    ),
    -10_004: Advice("the connection to the terminal is gone", "none: the bridge attaches again by itself"),
    -10_002: Advice("the terminal closed the connection", "none: the bridge attaches again by itself"),
    -10_001: Advice("the terminal closed the connection", "none: the bridge attaches again by itself"),
    -8: Advice(
        "the terminal refuses its Python interface",
        "in the terminal, Tools > Options > Expert Advisors: allow algorithmic trading by the Python API",
    ),
    -7: Advice(
        "the account needs a one-time password or a certificate",
        "log in by hand in the terminal, then start the bridge without MT5_LOGIN",
        refused=True,
    ),
    -6: Advice(
        "the trade server refused the login",
        "check MT5_LOGIN, MT5_PASSWORD and MT5_SERVER, then start the bridge again",
        refused=True,
    ),
    -5: Advice("the terminal's build does not fit the MetaTrader5 package", "update the terminal and the package"),
}

_BY_TEXT: tuple[tuple[str, Advice], ...] = (
    ("not found", Advice("no terminal is installed here", "install MetaTrader 5, or set MT5_PATH to its terminal64.exe")),
    ("Process create failed", Advice("the terminal could not be started", "check MT5_PATH: it must name terminal64.exe")),
    ("didn't answer", Advice("the terminal was started but does not answer", "look at the terminal's window for a dialog")),
)


def advice(code: int, text: str) -> Advice:
    """The advice for an error of `initialize` or `login`."""
    if code == -10_003:
        for words, found in _BY_TEXT:
            if words in text:
                return found
    return _BY_CODE.get(code, Advice("the terminal could not be attached", "see docs/operating.md"))
