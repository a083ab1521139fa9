"""What a strategy is: parameters, six callbacks and a timer, and what it can do.

A strategy runs in a process of its own, in one thread; `runner` calls its callbacks. The same class is fed with history first and
with live events then, through the same `on_bar`, so that nothing has to be calculated twice. It knows nothing of sockets: what it
does goes to a `Desk`.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any, ClassVar, Protocol

from bridge.errors import CallError, InvalidParameters, NotConnected, UnknownTimeframe
from bridge.replies import ConnectionState, OrderOutcome, TradeEvent
from bridge.ticks import TIMEFRAMES, Bar, Tick
from bridge.trading import Position
from strategies.param import Param, param, params_of


class NotLive(CallError):
    """Orders are refused while history is played: check `self.live` first."""

    code = "not_live"


class Desk(Protocol):
    """Where a strategy's orders go, and its positions are known. Every method raises `BridgeError`."""

    def enter(self, side: str, volume: float, sl: float | None, tp: float | None, comment: str) -> OrderOutcome:
        """Open a position at the market."""

    def leave(self, ticket: int, volume: float | None, comment: str) -> OrderOutcome:
        """Close a position, or a part of it."""

    def positions(self) -> tuple[Position, ...]:
        """Open positions of this strategy's symbol and magic, the oldest first."""


class Strategy:
    """Subclass this, give parameters with `param`, and override the callbacks you need. The class's docstring becomes its help.

    `symbol` and `timeframe` are parameters of every strategy; assigning a plain value in a subclass changes their default. `warmup`
    is how many closed bars are played before it goes live (a number, or a property made from parameters): if the terminal has
    fewer, the strategy does not start. `timer_s` is the period of `on_timer`.
    """

    symbol = param("EURUSD", help="instrument; the bridge finds the broker's name of it")
    timeframe = param("M5", help="timeframe of the bars: M1 … MN1")
    timer_s: ClassVar[float] = 1.0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        inherited = params_of(cls.__mro__[1])
        for name, value in list(vars(cls).items()):
            base = inherited.get(name)
            if base is not None and not isinstance(value, Param):
                changed: Param[Any] = Param(value, base.kind, base.minimum, base.maximum, base.help)
                setattr(cls, name, changed)
                changed.__set_name__(cls, name)

    def __init__(self, name: str | None = None, instance: str | None = None, **values: Any) -> None:
        """`values` are parameters by name. `instance` tells several of the same strategy apart; without one it is the symbol.

        Raises `InvalidParameters` or `UnknownTimeframe`.
        """
        known = params_of(type(self))
        unknown = sorted(values.keys() - known.keys())
        if unknown:
            raise InvalidParameters(
                f"{type(self).__name__} has no parameter {unknown[0]!r}",
                next_step=f"its parameters are {', '.join(known)}",
                field=unknown[0],
            )
        for key, value in values.items():
            setattr(self, key, value)
        if self.timeframe not in TIMEFRAMES:
            raise UnknownTimeframe(
                f"no such timeframe: {self.timeframe!r}", next_step=f"use one of {', '.join(TIMEFRAMES)}", timeframe=self.timeframe
            )
        self.name = f"{name or type(self).__name__}/{instance or self.symbol}"
        """Strategy and instance: what the monitor and the log show."""
        self.magic = magic_of(self.name)
        """Marks this instance's orders and positions."""
        self.log = logging.getLogger(f"strategies.{self.name}")
        self.live = False
        """False while history is played: at the start, and for the bars that were missed in an outage. Orders are refused then."""
        self.connection: ConnectionState | None = None
        """Where the bridge's session with the terminal stands."""
        self._desk: Desk | None = None

    @property
    def warmup(self) -> int:
        """Closed bars that are played before the strategy goes live."""
        return 0

    # ---- callbacks: override what you need ---------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """First of all, before any bar: make indicators here. Orders are refused."""

    def on_bar(self, bar: Bar) -> None:
        """A bar closed."""

    def on_tick(self, tick: Tick) -> None:
        """A tick came. Ticks are subscribed to only where this is overridden."""

    def on_trade(self, trade: TradeEvent) -> None:
        """A position or order of this instance appeared, changed or went, whoever did it."""

    def on_connection(self, connection: ConnectionState) -> None:
        """The connection changed. Entries are refused unless its state is `connected`, whether this is overridden or not."""

    def on_timer(self, now_msc: int) -> None:
        """Every `timer_s` seconds, while live; `now_msc` is the bridge's clock."""

    def on_stop(self, reason: str) -> None:
        """Last of all. Positions stay as they are unless they are closed here."""

    # ---- what a strategy can do --------------------------------------------------------------------------------------------------

    def buy(self, volume: float, *, sl: float | None = None, tp: float | None = None, comment: str = "") -> OrderOutcome:
        """Buy at the market, `volume` in lots, `sl` and `tp` as prices. Returns when the terminal has accepted the order.

        Raises `NotLive` while history is played, `NotConnected` unless the connection stands, `OrderRejected`, and `OutcomeUnknown`
        when nobody can say: then look at `positions` before sending another.
        """
        return self._entry_desk().enter("buy", volume, sl, tp, comment)

    def sell(self, volume: float, *, sl: float | None = None, tp: float | None = None, comment: str = "") -> OrderOutcome:
        """Sell at the market; as `buy`."""
        return self._entry_desk().enter("sell", volume, sl, tp, comment)

    def close(self, position: Position | None = None, volume: float | None = None, *, comment: str = "") -> OrderOutcome | None:
        """Close a position (without one: `self.position`), or `volume` of it; None when there is nothing to close."""
        desk = self._live_desk()
        which = position or self.position
        return desk.leave(which.ticket, volume, comment) if which is not None else None

    @property
    def positions(self) -> tuple[Position, ...]:
        """This instance's open positions, asked of the terminal now, the oldest first; none while history is played."""
        return self._desk.positions() if self._desk is not None and self.live else ()

    @property
    def position(self) -> Position | None:
        """The oldest of `positions`, or None."""
        return next(iter(self.positions), None)

    def _live_desk(self) -> Desk:
        if self._desk is None or not self.live:
            raise NotLive(f"{self.name} plays history: no orders", next_step="check self.live before sending orders")
        return self._desk

    def _entry_desk(self) -> Desk:
        desk = self._live_desk()
        if self.connection is None or self.connection.state != "connected":
            state = "unknown" if self.connection is None else self.connection.state
            raise NotConnected(f"no entries while the connection is {state}", next_step="wait for it", state=state)
        return desk

    def use_desk(self, desk: Desk) -> None:
        """Where orders go from now on; called once, by what runs the strategy."""
        self._desk = desk


def magic_of(name: str) -> int:
    """A number from 1 to 2**31 - 1 that is always the same for the same name, on every machine."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest()) % (2**31 - 1) + 1
