"""What a failure to attach to the terminal means, in words for the person who has to mend it.

Codes and texts are those of the package's `last_error()`; reasons are those that were found without the package.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.replies import Reason


@dataclass(frozen=True, slots=True)
class Advice:
    """A cause in plain words, the next step, whether trying again by itself is wrong, and how often to try when it is only a
    matter of waiting (None: with growing pauses)."""

    reason: Reason
    cause: str
    next_step: str
    refused: bool = False
    every_s: float | None = None


AGAIN = "none: the bridge tries again by itself"
_ONCE_BY_HAND = "open the terminal once by hand: finish its first-run wizard, log in, and close any dialog"
_OPTIONS = "in the terminal, Tools > Options > Expert Advisors"

_BY_REASON: dict[str, Advice] = {
    found.reason: found
    for found in (
        Advice("wrong_path", "there is no terminal at this path", "correct MT5_PATH: it must name an existing terminal64.exe"),
        Advice("not_started", "the terminal could not be started", "start the terminal by hand, and check MT5_PATH"),
        Advice("starting", "the terminal is starting", "none: the bridge attaches when it is ready", every_s=1.0),
        Advice("busy", "another program is attached to the terminal", "end the other program, or use a copy of the terminal each"),
        Advice("mute", "the terminal runs, but does not open its interface", _ONCE_BY_HAND),
    )
}

_LOST = Advice("link_lost", "the connection to the terminal broke", AGAIN)

_BY_CODE: dict[int, Advice] = {
    -10_005: Advice("wizard", "the terminal did not become ready in time", _ONCE_BY_HAND),
    -10_004: _LOST,
    -10_002: _LOST,
    -10_001: _LOST,
    -8: Advice(
        "api_disabled",
        "the terminal refuses its Python interface",
        f"{_OPTIONS}: allow algorithmic trading by the Python API",
    ),
    -7: Advice(
        "otp",
        "the account needs a one-time password or a certificate",
        "log in by hand in the terminal, remove MT5_LOGIN, then `mt5bridge reconnect`",
        refused=True,
    ),
    -6: Advice(
        "bad_credentials",
        "the trade server refused the login",
        "correct MT5_LOGIN, MT5_PASSWORD and MT5_SERVER, then `mt5bridge reconnect`",
        refused=True,
    ),
    -5: Advice("wrong_build", "the terminal's build does not fit the MetaTrader5 package", "update the terminal and the package"),
}

_BY_TEXT: tuple[tuple[str, Advice], ...] = (
    (
        "not found",
        Advice("no_terminal", "no terminal is installed here", "install MetaTrader 5, or set MT5_PATH"),
    ),
    (".exe'", Advice("wrong_path", "the terminal could not be started", "check MT5_PATH: it must name terminal64.exe")),
    (
        "Process create failed",
        Advice("not_started", "no terminal answers at this address", "start it, or correct MT5_PATH"),
    ),
    ("didn't answer", Advice("mute", "the terminal was started but does not answer", _ONCE_BY_HAND)),
)


def advice(code: int, text: str, reason: str = "") -> Advice:
    """The advice for an error of `initialize` or `login`, or for what was found before them."""
    if reason in _BY_REASON:
        return _BY_REASON[reason]
    if code == -10_003:
        for words, found in _BY_TEXT:
            if words in text:
                return found
    return _BY_CODE.get(code, Advice("other", "the terminal could not be attached", "see docs/operating.md"))
