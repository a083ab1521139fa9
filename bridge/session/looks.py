"""The cheap looks at symbols' last ticks: often where it changes, seldom where it does not, and never more than the terminal and
this machine should bear.

With n symbols, a tick of any of them is seen after `bound_s(n)` at the latest, as far as the terminal answers: a symbol waits
`quiet_s(n)` at most until it is due, and then for all others at most once each. So none starves, whatever the others do, and those
that are quoted are looked at more often than the rest.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import inf

from bridge.session.failures import WRONG
from bridge.session.quotes import Event, Stream
from bridge.session.turns import Turns
from bridge.terminal import Terminal, TerminalError
from bridge.ticks import TICK_STRUCT, Tick

LOOKS_PER_S = 2_000
"""Looks in a second, at all symbols together, at most."""
IN_SLOT = 10
SLOT_S = 1.02 * IN_SLOT / LOOKS_PER_S
"""They are counted in slots: so many looks, then a pause until the slot is over. It is a little longer than it has to be, so that a
second that begins within a slot has not more either."""
SHORTEST_S = 0.005
LONGEST_S = 0.1
"""Bounds of the time between two looks at one symbol; with many symbols, `quiet_s` takes the place of the second."""


def quiet_s(symbols: int) -> float:
    """How long a symbol that is not quoted waits for its next look, at least: as long as a look at each of them takes."""
    return max(LONGEST_S, symbols / LOOKS_PER_S)


def bound_s(symbols: int) -> float:
    """After how long a tick of any symbol is seen at the latest."""
    return quiet_s(symbols) + (symbols / IN_SLOT + 1) * SLOT_S


def _packed(tick: Tick) -> bytes:
    """Raises `TerminalError` for what is no tick."""
    try:
        return TICK_STRUCT.pack(*tick)
    except struct.error as error:
        raise TerminalError("symbol_info_tick", WRONG, f"its answer is not a tick ({error})") from error


@dataclass(slots=True)
class Pace:
    """How long a symbol that is not quoted waits at present."""

    longest_s: float = LONGEST_S


class Watch:
    """Looks at one symbol's last tick, often while it changes and seldom while it does not, and tells the symbol's streams."""

    slow = False

    def __init__(self, symbol: str, now: float, pace: Pace) -> None:
        self.symbol = symbol
        self.topic = f"tick:{symbol}"
        self.due = now
        self._pace = pace
        self.streams: list[Stream] = []
        self.tick: Tick | None = None
        self._packed: bytes | None = None
        self._wait_s = SHORTEST_S
        self._selected = True

    def poll(self, terminal: Terminal, now: float) -> list[Event]:
        """One look."""
        if not self._selected:
            terminal.select(self.symbol)
            self._selected = True
            self.due = now
            return []
        tick = terminal.tick(self.symbol)
        if tick != self.tick and (packed := _packed(tick)) != self._packed:  # packed records compare NaN as equal to itself
            self.tick, self._packed = tick, packed
            self._wait_s = SHORTEST_S
            for stream in self.streams:
                stream.quote(tick, now)
        else:
            self._wait_s = min(2 * self._wait_s, self._pace.longest_s)
        self.due = now + self._wait_s
        return []

    def add(self, stream: Stream, now: float) -> None:
        """Tell this stream, too."""
        self.streams.append(stream)
        if self.tick is not None:
            stream.quote(self.tick, now)

    def restore(self, now: float) -> None:
        """Select the symbol again, then look."""
        self._selected = False
        self.tick = self._packed = None
        self.due = now


class Looks:
    """The watches of all symbols: the one that is due first has its turn, as far as the number of looks permits."""

    def __init__(self) -> None:
        self._watches: dict[str, Watch] = {}
        self._turns: Turns[Watch] = Turns()
        self._pace = Pace()
        self._opens_s = -inf
        self._slot_ends_s = -inf
        self._left = IN_SLOT

    @property
    def due(self) -> float:
        """When the next look is due."""
        return max(self._turns.due, self._opens_s)

    def first(self) -> Watch:
        """Whose it is. Only when `due` is not infinity."""
        return self._turns.first()

    def symbols(self) -> list[str]:
        """The symbols that are looked at."""
        return list(self._watches)

    def watch(self, symbol: str) -> Watch | None:
        """The watch of a symbol, if there is one."""
        return self._watches.get(symbol)

    def follow(self, symbol: str, stream: Stream, now: float) -> None:
        """Tell this stream of a symbol's quotes."""
        watch = self._watches.get(symbol)
        if watch is None:
            watch = self._watches[symbol] = Watch(symbol, now, self._pace)
            self._turns.add(watch)
            self._pace.longest_s = quiet_s(len(self._watches))
        watch.add(stream, now)

    def leave(self, symbol: str, stream: Stream) -> Watch | None:
        """This stream does not have to be told any more. The watch, if no stream has to be: then it is over."""
        watch = self._watches.get(symbol)
        if watch is None or stream not in watch.streams:
            return None
        watch.streams.remove(stream)
        if watch.streams:
            return None
        del self._watches[symbol]
        self._turns.discard(watch)
        self._pace.longest_s = quiet_s(len(self._watches))
        return watch

    def took(self, watch: Watch, now: float) -> None:
        """One look was taken, or failed."""
        if now >= self._slot_ends_s:
            self._slot_ends_s, self._left = now + SLOT_S, IN_SLOT
        self._left -= 1
        if self._left <= 0:
            self._opens_s = self._slot_ends_s
        self._turns.changed((watch,))

    def restore(self, now: float) -> None:
        """The session was lost and is back: all are selected and looked at again."""
        for watch in self._watches.values():
            watch.restore(now)
        self._turns.changed(self._watches.values())
