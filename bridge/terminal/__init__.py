"""What the bridge needs of a terminal, in the bridge's own words.

One implementation, `metatrader.MetaTrader`, drives any module with the API of the MetaTrader5 package: the real one on Windows,
or the simulated terminal's. Every method blocks until the terminal has answered, which has no time limit; that is why a
terminal is only used inside the guarded session, never in the gateway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bridge.records import Account, Symbol, TerminalInfo
from bridge.ticks import Tick
from bridge.trading import BookLevel, Deal, Order, OrderCheck, OrderResult, Position, TradeRequest

ATTACH_MARGIN_S = 10.0
"""What an attach may take beyond the package's own time limit: the reads that follow, on a busy machine."""


class TerminalError(Exception):
    """The terminal, or the package that talks to it, reported a failure.

    `function` is the package's function; `code` and `text` are its `last_error()`, read at once after the call. `reason` names
    the cause where it was found without the package (a `bridge.replies.Reason`); `code` is then 0.
    """

    def __init__(self, function: str, code: int, text: str, reason: str = "") -> None:
        super().__init__(f"{function}: {text} ({code})")
        self.function = function
        self.code = code
        self.text = text
        self.reason = reason

    @property
    def link_lost(self) -> bool:
        """The package has no connection to the terminal any more and has to initialize again."""
        return self.code in (-10_001, -10_002, -10_003, -10_004, -10_005)


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach the terminal and which account it must be logged in to.

    Without `login` the bridge attaches to whatever account the terminal is logged in to. `path` is the terminal's executable,
    or for the simulated terminal its address. The password is never shown.
    """

    login: int | None = None
    password: str | None = None
    server: str | None = None
    path: str | None = None
    timeout_ms: int = 60_000
    portable: bool = False

    def __repr__(self) -> str:
        return f"Credentials(login={self.login}, server={self.server!r}, path={self.path!r}, password=***)"


class Terminal(Protocol):
    """A MetaTrader 5 terminal. Every method raises `TerminalError` when the terminal reports a failure; none returns an empty
    result for one. Times are server time: seconds since 1970-01-01 as if the trade server's clock were UTC."""

    def attach(self, credentials: Credentials) -> None:
        """Connect to the terminal, log in where credentials say so. May block for 100 s and more."""

    def attach_limit_s(self, credentials: Credentials) -> float:
        """How many seconds `attach` may rightly take; longer means that it hangs."""
        return credentials.timeout_ms / 1000 + ATTACH_MARGIN_S

    def detach(self) -> None:
        """Give the connection up; the terminal and its positions stay as they are."""

    def version(self) -> tuple[int, int, str]:
        """Terminal version, build and release date."""

    def account(self) -> Account:
        """The account that the terminal is logged in to."""

    def info(self) -> TerminalInfo:
        """The terminal itself; `connected` is its link to the trade server."""

    def symbols(self, group: str | None = None) -> list[Symbol]:
        """All symbols, hidden ones too, or those whose names match the group filter."""

    def symbol(self, name: str) -> Symbol:
        """One symbol."""

    def select(self, name: str, enable: bool = True) -> None:
        """Show a symbol in Market Watch, so that its ticks arrive, or hide it."""

    def tick(self, name: str) -> Tick:
        """The last tick; all zeros for a symbol that was never quoted."""

    def ticks_from(self, name: str, from_s: int, count: int, kind: str = "all") -> bytes:
        """The first `count` ticks at or after a second: packed tick records, oldest first. `kind` is all, info or trade."""

    def rates_from_pos(self, name: str, timeframe: str, start: int, count: int) -> bytes:
        """`count` bars ending `start` bars before the forming one: packed bar records, oldest first."""

    def rates_from(self, name: str, timeframe: str, from_s: int, count: int) -> bytes:
        """The last `count` bars that opened at or before `from_s`: packed bar records, oldest first."""

    def rates_range(self, name: str, timeframe: str, from_s: int, to_s: int) -> bytes:
        """The bars that opened between two times, both included: packed bar records, oldest first."""

    def book_open(self, name: str) -> None:
        """Subscribe to the depth of market of a symbol."""

    def book(self, name: str) -> list[BookLevel]:
        """The depth of market, highest price first; empty before the first update."""

    def book_close(self, name: str) -> None:
        """End the subscription to the depth of market."""

    def positions(self, *, ticket: int | None = None, symbol: str | None = None, group: str | None = None) -> list[Position]:
        """Open positions; at most one filter is used: ticket, then symbol, then group."""

    def orders(self, *, ticket: int | None = None, symbol: str | None = None, group: str | None = None) -> list[Order]:
        """Pending orders; filters as for positions."""

    def history_orders(self, *, from_s: int | None = None, to_s: int | None = None, position: int | None = None) -> list[Order]:
        """Orders of the history, of one position or of a time range."""

    def deals(self, *, from_s: int | None = None, to_s: int | None = None, position: int | None = None) -> list[Deal]:
        """Deals, of one position or of a time range."""

    def check(self, request: TradeRequest) -> OrderCheck:
        """Would the terminal accept the request? Nothing is placed."""

    def send(self, request: TradeRequest) -> OrderResult:
        """Send the request to the trade server. A `TerminalError` from here may leave the outcome unknown (see `sent_nothing`)."""

    def margin(self, action: int, symbol: str, volume: float, price: float) -> float:
        """Margin of a market order, in the account's currency."""

    def profit(self, action: int, symbol: str, volume: float, price_open: float, price_close: float) -> float:
        """Profit between two prices, in the account's currency."""

    def native(self, function: str, arguments: Sequence[Any]) -> tuple[int, str, Any]:
        """One function of the package that changes no order, with the arguments that `bridge.mt5api.wire` lists: code and text of
        `last_error()`, and the value as it travels there; nil with every code but 1. Raises `TerminalError` only when the link is
        lost."""


def sent_nothing(error: TerminalError) -> bool:
    """Whether an error of `send` proves that nothing reached the trade server.

    Bad arguments (-2), the Python API disabled (-8) and no connection before sending (-10004) do; a broken pipe (-10001,
    -10002) and a plain failure (-1) do not: the order may have been executed.
    """
    return error.code in (-2, -8, -10_003, -10_004)
