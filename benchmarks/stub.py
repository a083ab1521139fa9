"""A terminal without a market: it answers at once, so that what is measured is the bridge.

For a bridge of its own: `mt5bridge serve --terminal benchmarks.stub:StubTerminal`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, get_type_hints

from bridge.records import Account, Symbol, TerminalInfo
from bridge.terminal import Credentials, Terminal
from bridge.ticks import TICK_STRUCT, Tick, last_tick
from bridge.trading import OrderCheck, TradeRequest

T = TypeVar("T")

SYMBOL = "EURUSD"
TOPIC = f"tick:{SYMBOL}"
FIRST_MSC = 1_700_000_000_000
APART_MS = 100


def topic_of(place: int) -> str:
    """The topic of the ticks of one of many symbols; the first of them is `SYMBOL`."""
    return f"tick:SYMBOL{place}" if place else TOPIC


@cache
def batch(records: int, second: int = 0) -> bytes:
    """So many ticks, ten a second from a second on, all with the same prices; packed."""
    times = (FIRST_MSC + 1_000 * second + APART_MS * number for number in range(records))
    return b"".join(TICK_STRUCT.pack(msc // 1_000, 1.08123, 1.08131, 0.0, 0, msc, 6, 0.0) for msc in times)


TICK = batch(1)


_hints: Callable[[Any], dict[str, Any]] = cache(get_type_hints)


def filled(kind: type[T], **values: Any) -> T:
    """A record whose other fields are zero or empty."""
    return kind(**{name: values.get(name, hint()) for name, hint in _hints(kind).items()})


ACCOUNT = filled(Account, login=1, leverage=100, trade_allowed=True, balance=10_000.0, equity=10_000.0, server="Stub")
TERMINAL = filled(TerminalInfo, connected=True, trade_allowed=True, build=5_000, name="Stub")
VERSION = (500, 5_000, "1 Jan 2025")
CHECK = OrderCheck(0, 10_000.0, 10_000.0, 0.0, 108.13, 9_891.87, 9_248.13, "Done", TradeRequest())


class StubTerminal(Terminal):
    """One symbol whose last tick never changes; every order would be accepted."""

    def attach(self, credentials: Credentials) -> None:
        """Always works."""

    def detach(self) -> None:
        """Nothing to do."""

    def version(self) -> tuple[int, int, str]:
        """A version."""
        return VERSION

    def account(self) -> Account:
        """The account."""
        return ACCOUNT

    def info(self) -> TerminalInfo:
        """Connected."""
        return TERMINAL

    def symbols(self, group: str | None = None) -> list[Symbol]:
        """The one symbol."""
        return [self.symbol(SYMBOL)]

    def symbol(self, name: str) -> Symbol:
        """Any symbol."""
        return filled(Symbol, name=name, visible=True, digits=5, point=1e-5)

    def select(self, name: str, enable: bool = True) -> None:
        """Always works."""

    def tick(self, name: str) -> Tick:
        """The tick."""
        return last_tick(TICK)

    def ticks_from(self, name: str, from_s: int, count: int, kind: str = "all") -> bytes:
        """The tick."""
        return TICK

    def check(self, request: TradeRequest) -> OrderCheck:
        """Accepted."""
        return CHECK
