"""The terminal, its symbols and last prices; for every client the same."""

from __future__ import annotations

from bridge.messages import FindSymbol, GetSymbol, GetTerminal, GetTick
from bridge.records import Symbol, TerminalInfo
from bridge.replies import FoundSymbol
from bridge.ticks import Tick, last_tick
from clients import history
from clients.tasks import Steps


def terminal() -> Steps[TerminalInfo]:
    """The terminal."""
    found: TerminalInfo = yield GetTerminal()
    return found


def symbols(group: str | None = None) -> Steps[tuple[Symbol, ...]]:
    """All symbols, hidden ones too, or those whose names match `group` (`*USD*`; MQL5 group filter)."""
    return (yield from history.symbols(group))


def symbol(symbol: str) -> Steps[Symbol]:
    """One symbol's properties. Raises `UnknownSymbol`."""
    found: Symbol = yield GetSymbol(symbol)
    return found


def find_symbol(name: str) -> Steps[FoundSymbol]:
    """The symbol that a plain name (`EURUSD`, `gold`, `US500`) means at this broker, and why: its `symbol` is the name that all
    other methods take, as in `bridge.tick(bridge.find_symbol("gold").symbol)`.

    Raises `UnknownSymbol`, or `InvalidParameters` when several different instruments are equally near, rather than to guess; their
    `details` have the `candidates`.
    """
    found: FoundSymbol = yield FindSymbol(name)
    return found


def tick(symbol: str, *, fresh: bool = False) -> Steps[Tick]:
    """The last tick; with `fresh` the terminal is asked even where the bridge streams the symbol."""
    return last_tick((yield GetTick(symbol, fresh)).record)
