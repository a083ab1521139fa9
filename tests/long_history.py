"""A terminal with a long history that it reads slowly, and with orders that tell what they had to wait for."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from benchmarks.orders import OrderTerminal
from bridge.mt5api.structs import TICK_DTYPE
from bridge.trading import OrderResult, TradeRequest

LONG = "LONG"
"""The symbol with the history; ten ticks a second."""
BEGIN_S = 1_600_000_000
TICKS_PER_S = 10
SLICE_S = 0.02
"""What one reading of it takes the terminal."""


def ticks_between(first: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Ticks of the history by their place in it."""
    rows = np.arange(first, first + count)
    made = np.zeros(count, TICK_DTYPE)
    made["time"] = BEGIN_S + rows // TICKS_PER_S
    made["time_msc"] = made["time"] * 1_000 + rows % TICKS_PER_S * (1_000 // TICKS_PER_S)
    made["bid"], made["ask"], made["flags"] = rows, rows + 1, 6
    return made


class LongTerminal(OrderTerminal):
    """An order's price is the time at which it was sent, in seconds of the monotonic clock; of the answer, `request_id` is how many
    readings of the history were begun after that and before the order came to the terminal, `retcode_external` how many at all."""

    def __init__(self) -> None:
        super().__init__()
        self._begun_s: list[float] = []

    def ticks_from(self, name: str, from_s: int, count: int, kind: str = "all") -> bytes:
        """Ticks from a second on."""
        if name != LONG:
            return super().ticks_from(name, from_s, count, kind)
        self._begun_s.append(time.monotonic())
        time.sleep(SLICE_S)
        return ticks_between((from_s - BEGIN_S) * TICKS_PER_S, count).tobytes()

    def send(self, request: TradeRequest) -> OrderResult:
        """Done."""
        waited = sum(begun_s > request.price for begun_s in self._begun_s)
        return replace(super().send(request), request_id=waited, retcode_external=len(self._begun_s))


def terminal() -> LongTerminal:
    """For `--terminal tests.long_history:terminal`."""
    made: LongTerminal = LongTerminal()  # type: ignore[abstract]
    return made
