"""Which symbols Market Watch shows, for streams of all of them."""

from __future__ import annotations

from collections.abc import Callable

from bridge.session.quotes import Event
from bridge.terminal import Terminal

MARKET_WATCH_S = 10.0


class MarketWatch:
    """Reads every few seconds which symbols Market Watch shows. Each has some hundred fields, so that this may take a while."""

    slow = True
    topic = "tick:"

    def __init__(self, now: float, found: Callable[[set[str], float], None]) -> None:
        self.due = now
        self._found = found

    def poll(self, terminal: Terminal, now: float) -> list[Event]:
        """Read the list."""
        self.due = now + MARKET_WATCH_S
        self._found({symbol.name for symbol in terminal.symbols() if symbol.visible}, now)
        return []
