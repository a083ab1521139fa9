"""A terminal that freezes its process as the MetaTrader5 package can: a call that keeps the interpreter's lock, so that no thread
of the process runs until it returns.

For a bridge of its own: `mt5bridge serve --terminal tests.frozen_terminal:FrozenTerminal`. The environment says which call it is
and how long it takes: `FROZEN_CALL` is `attach` (every one), `symbol` (of the symbol FROZEN) or `send` (of an order with the
comment frozen), `FROZEN_S` the seconds. Without them it answers at once.
"""

from __future__ import annotations

import ctypes
import os
import sys

from bridge.records import Symbol
from bridge.terminal import Credentials
from bridge.trading import OrderResult, TradeRequest
from tests.fake_terminal import FakeTerminal

CALL, SECONDS = "FROZEN_CALL", "FROZEN_S"
FROZEN_SYMBOL, FROZEN_COMMENT = "FROZEN", "frozen"
ATTACH_LIMIT_S = 130.0
"""More than any freeze: an attach is what the watch over the session allows the most time for."""


def hold_gil(seconds: float) -> None:
    """Sleep without letting any other thread of this process run: `PyDLL` calls keep the lock."""
    if sys.platform == "win32":
        ctypes.PyDLL("kernel32").Sleep(ctypes.c_ulong(round(seconds * 1e3)))
    else:
        ctypes.PyDLL(None).usleep(ctypes.c_uint(round(seconds * 1e6)))


class FrozenTerminal(FakeTerminal):
    """See the module."""

    def __init__(self) -> None:
        super().__init__("EURUSD", FROZEN_SYMBOL)
        self._call = os.environ.get(CALL)
        self._seconds = float(os.environ.get(SECONDS, "0"))

    def _freeze(self, call: str) -> None:
        if call == self._call:
            hold_gil(self._seconds)

    def attach_limit_s(self, credentials: Credentials) -> float:
        """Longer than the freeze."""
        return ATTACH_LIMIT_S

    def attach(self, credentials: Credentials) -> None:
        super().attach(credentials)
        self._freeze("attach")

    def symbol(self, name: str) -> Symbol:
        if name == FROZEN_SYMBOL:
            self._freeze("symbol")
        return super().symbol(name)

    def send(self, request: TradeRequest) -> OrderResult:
        if request.comment.partition("~")[0] == FROZEN_COMMENT:
            self._freeze("send")
        return super().send(request)
