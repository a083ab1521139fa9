"""A strategy's orders and positions through a bridge: each order is logged with its outcome, and counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bridge.errors import BridgeError, OutcomeUnknown, TryAgain
from bridge.replies import OrderOutcome
from bridge.trading import Position
from clients.blocking import Client
from strategies.strategy import Strategy

SETTLE_S = 5.0
"""No entries for so long after an order of unknown outcome: it may still appear among the positions."""


@dataclass(slots=True)
class OrderCounts:
    """Orders by what became of them."""

    done: int = 0
    failed: int = 0
    unknown: int = 0


class ClientDesk:
    """The desk of one strategy. `clock` gives seconds of a clock that never steps back."""

    def __init__(self, strategy: Strategy, client: Client, clock: Callable[[], float]) -> None:
        self.counts = OrderCounts()
        self._strategy = strategy
        self._client = client
        self._clock = clock
        self._settled_s = 0.0
        self._digits: tuple[str, int] = ("", 0)

    def enter(self, side: str, volume: float, sl: float | None, tp: float | None, comment: str) -> OrderOutcome:
        """Open a position. Raises `TryAgain` for a few seconds after an order of unknown outcome."""
        if self._clock() < self._settled_s:
            raise TryAgain("an order of unknown outcome was sent moments ago", next_step="wait for it to show among the positions")
        send = self._client.buy if side == "buy" else self._client.sell
        strategy = self._strategy
        sl, tp = self._on_grid(sl), self._on_grid(tp)
        return self._counted(
            f"{side} {strategy.symbol} volume={volume:g}",
            lambda: send(strategy.symbol, volume, sl=sl, tp=tp, comment=comment, magic=strategy.magic),
        )

    def _on_grid(self, price: float | None) -> float | None:
        """The nearest price with the symbol's digits: a strategy calculates its stops."""
        if price is None:
            return None
        symbol = self._strategy.symbol
        if self._digits[0] != symbol:
            self._digits = symbol, self._client.symbol(symbol).digits
        return round(price, self._digits[1])

    def leave(self, ticket: int, volume: float | None, comment: str) -> OrderOutcome:
        """Close a position, or a part of it."""
        part = "" if volume is None else f" volume={volume:g}"
        return self._counted(f"close ticket={ticket}{part}", lambda: self._client.close(ticket, volume, comment=comment))

    def positions(self) -> tuple[Position, ...]:
        """Open positions with this strategy's magic, the oldest first."""
        found = self._client.positions(self._strategy.symbol)
        own = [position for position in found if position.magic == self._strategy.magic]
        return tuple(sorted(own, key=lambda position: (position.time_msc, position.ticket)))

    def _counted(self, what: str, send: Callable[[], OrderOutcome]) -> OrderOutcome:
        try:
            outcome = send()
        except OutcomeUnknown as error:
            self.counts.unknown += 1
            self._settled_s = self._clock() + SETTLE_S
            self._strategy.log.error("order %s outcome=unknown: %s", what, error)
            raise
        except BridgeError as error:
            self.counts.failed += 1
            self._strategy.log.warning("order %s outcome=failed code=%s: %s", what, error.code, error.message)
            raise
        self.counts.done += 1
        result = outcome.result
        self._strategy.log.info(
            "order %s outcome=%s price=%s order=%d deal=%d", what, outcome.outcome, result.price, result.order, result.deal
        )
        return outcome
