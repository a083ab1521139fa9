"""The world of one simulated terminal: an account at a broker, its Market Watch, its orders, positions and history.

`World.call` answers the functions of the MetaTrader5 API by a table; `World.advance` lets time pass.  Time is always
an argument, in milliseconds of server time; nothing here reads a clock or touches a socket.  Arguments and answers
are those of `bridge.mt5api.wire`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridge.mt5api.wire import ANSWERS, ARGUMENTS
from bridge.terminal.simulator import triggers
from bridge.terminal.simulator.answers import BUILD, FUNCTIONS, Answer
from bridge.terminal.simulator.failures import BadParameters, CallFailed
from bridge.terminal.simulator.fault import Faults, changed, elapse
from bridge.terminal.simulator.profile import PROFILES, Profile
from bridge.terminal.simulator.quotes import Market
from bridge.terminal.simulator.server import Server

_NUMBER = (int, float)
_OPTIONAL_TEXT = (str, type(None))
_OPTIONAL_NUMBER = (int, type(None))

KINDS: Mapping[str, tuple[type, ...]] = {
    "path": _OPTIONAL_TEXT, "password": _OPTIONAL_TEXT, "server": _OPTIONAL_TEXT, "group": _OPTIONAL_TEXT,
    "login": _OPTIONAL_NUMBER, "timeout_ms": _OPTIONAL_NUMBER, "portable": (bool, type(None)), "enable": (bool,),
    "symbol": (str,), "timeframe": (int,), "count": (int,), "start_pos": (int,), "flags": (int,), "action": (int,),
    "date_from": (int,), "date_to": (int,), "ticket": _OPTIONAL_NUMBER, "position": _OPTIONAL_NUMBER,
    "volume": _NUMBER, "price": _NUMBER, "price_open": _NUMBER, "price_close": _NUMBER, "request": (list,),
}  # fmt: skip
"""Types an argument may have, by its name in `wire.ARGUMENTS`."""

_OPTIONAL_ARGUMENTS = {
    "orders_get": {"symbol"},
    "positions_get": {"symbol"},
    "history_orders_get": {"date_from", "date_to"},
    "history_deals_get": {"date_from", "date_to"},
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one account that the simulated broker knows."""

    login: int = 5_000_001
    password: str = "simulated"  # noqa: S105  the documented password of a simulated account
    server: str = "MetaQuotes-Demo"


class World:
    """A terminal's world.

    `server` is the trade server with the account, `now_msc` the moment up to which it has lived, `books` the
    subscriptions to depths of market as (attached program, symbol), `faults` what is wrong on demand (`faults.inflict`),
    `build` the terminal's build number.
    """

    def __init__(
        self, market: Market, start_msc: int, *, profile: Profile | None = None, credentials: Credentials | None = None
    ) -> None:
        self.server = Server.opened(profile or PROFILES["hedging-cfd"], market)
        self.credentials = credentials or Credentials()
        self.now_msc = start_msc
        self.books: set[tuple[int, str]] = set()
        self.faults = Faults()
        self.build = BUILD
        self.server.ledger.deposit(self.server.profile.balance, start_msc, "Initial deposit")
        self.server.quotes.move(start_msc)

    def advance(self, now_msc: int) -> None:
        """Let time pass up to `now_msc`; does nothing when it is not later than before.  Faults may stop or shift it."""
        self.live(elapse(self, now_msc) if self.faults.in_force else now_msc)

    def live(self, now_msc: int) -> None:
        """Let time pass up to this moment of the world's own clock."""
        if now_msc > self.now_msc:
            triggers.advance(self.server, self.now_msc, now_msc)
            self.now_msc = now_msc

    def call(self, function: str, args: list[Any], now_msc: int, client: int = 0) -> Answer:
        """Answer one function of the API after letting time pass; `client` tells attached programs apart.

        Unknown functions, and arguments of the wrong number or type, are answered with (-2, 'Terminal: Invalid
        params').  Raises LinkLost when a fault breaks the connection instead of an answer.
        """
        self.advance(now_msc)
        if self.faults.in_force and fits(function, args):
            return changed(self, function, args, client)
        return self.answer(function, args, client)

    def answer(self, function: str, args: list[Any], client: int) -> Answer:
        """The answer of a call at the present moment, faults apart."""
        try:
            if not fits(function, args):
                raise BadParameters
            return FUNCTIONS[function](self, client, *args)
        except CallFailed as failure:
            answers_bool = function in ANSWERS and ANSWERS[function][0] == "bool"
            return (*failure.error, False if answers_bool else None)

    def turn(self, now_msc: int) -> None:
        """Put the world's clock to another moment, earlier or later, without living through the time between."""
        self.now_msc = now_msc
        self.server.quotes.move(now_msc)
        self.server.sent_msc.clear()

    def detach(self, client: int) -> None:
        """Forget what belonged to a program that went away: its subscriptions to depths of market."""
        self.books = {book for book in self.books if book[0] != client}


def fits(function: str, args: list[Any]) -> bool:
    """Whether this is a function of the API with arguments of the right number and types."""
    if function not in FUNCTIONS:
        return False
    names = ARGUMENTS[function]
    optional = _OPTIONAL_ARGUMENTS.get(function, ())
    return len(names) == len(args) and all(
        isinstance(value, KINDS[name]) or (value is None and name in optional) for name, value in zip(names, args, strict=True)
    )
