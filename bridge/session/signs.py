"""Signs of progress that are real calls to the terminal: itself, its account, and the last tick of one symbol at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import inf

from bridge.session.link import Health, standing
from bridge.terminal import Terminal, TerminalError

SYMBOLS = 8
"""Symbols whose ticks are looked at in turns, to measure the trade server's clock."""
REFRESH_S = 600.0
"""How long a choice of them lasts: markets close and others open."""
LIST_LIMIT_S = 60.0
"""How long the terminal may take to list its symbols; there may be thousands."""

Reading = Generator[float, None, Health]
"""Yields before each further call how long that may rightly take (0: not long); returns what was read."""


class Signs:
    """Reads one sign after the other. `streamed` gives the symbols that are streamed at present."""

    def __init__(self, terminal: Terminal, streamed: Callable[[], list[str]]) -> None:
        self._terminal = terminal
        self._streamed = streamed
        self._symbols: list[str] = []
        self._turn = 0
        self._chosen_s = -inf

    def read(self, now: float) -> Reading:
        """One sign; each step is one call. Raises `TerminalError`."""
        terminal = self._terminal
        info = terminal.info()
        yield 0.0
        account = terminal.account()
        quote = None
        if info.connected:
            if now - self._chosen_s >= REFRESH_S:
                self._symbols = self._streamed()[:SYMBOLS]
                if not self._symbols:
                    yield LIST_LIMIT_S
                    shown = [symbol for symbol in terminal.symbols() if symbol.visible]
                    shown.sort(key=lambda symbol: (-symbol.time, symbol.name))
                    self._symbols = [symbol.name for symbol in shown[:SYMBOLS]]
                self._chosen_s = now
            if self._symbols:
                self._turn = (self._turn + 1) % len(self._symbols)
                yield 0.0
                quote = self._look(self._symbols[self._turn])
        return Health(info.connected, info.ping_last, standing(account, info), quote)

    def _look(self, symbol: str) -> tuple[str, int] | None:
        try:
            tick = self._terminal.tick(symbol)
        except TerminalError as error:
            if error.link_lost:
                raise
            self._chosen_s = -inf  # it is not there any more: choose anew
            return None
        return (symbol, tick.time_msc) if tick.time_msc else None

    def restore(self) -> None:
        """The terminal is another one, perhaps: choose anew."""
        self._chosen_s = -inf
