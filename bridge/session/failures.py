"""The terminal's errors in the words of the protocol."""

from __future__ import annotations

from typing import Any

from bridge.errors import BridgeError, NotConnected, TerminalRefused, UnknownSymbol
from bridge.terminal import TerminalError

NOT_FOUND = -4
CALL_FAILED = -1
INVALID_PARAMS = -2
WRONG = -10_000

NEXT_STEPS: dict[int, str] = {
    -1: "try again in a moment; for history, the terminal may still be downloading it",
    -2: "check the parameters; for bars, ask for fewer than the terminal's 'Max. bars in chart'",
    -3: "restart the terminal: it is out of memory",
    -5: "update the terminal and the MetaTrader5 package",
    -6: "check login, password and server",
    -7: "use an account without one-time password or certificate",
    -8: "in the terminal: Tools, Options, Expert Advisors, allow trading through the Python API",
    -10000: "look at the terminal: it answers wrongly",
}
"""What a person can do about a `last_error()` code of the package."""


def refusal(error: TerminalError, symbol: str | None = None) -> BridgeError:
    """What a client is told when the terminal refused; `symbol` is given where "not found" can only mean that symbol."""
    details: dict[str, Any] = {"function": error.function, "terminal_code": error.code, "terminal_text": error.text}
    if error.link_lost:
        return NotConnected(
            f"the session with the terminal was lost: {error}", next_step="try again when the bridge is connected", **details
        )
    if error.code == NOT_FOUND and symbol is not None:
        return UnknownSymbol(
            f"the terminal has no symbol {symbol!r}", next_step="see the broker's names with the method symbols", symbol=symbol
        )
    return TerminalRefused(f"the terminal refused: {error}", next_step=NEXT_STEPS.get(error.code, ""), **details)
