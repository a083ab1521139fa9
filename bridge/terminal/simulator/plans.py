"""An accepted trade request, and what it did when it was executed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from bridge.terminal.simulator.quotes import Quote
from bridge.terminal.simulator.retcodes import Retcode


class Outcome(NamedTuple):
    """What an executed request did: the fields of OrderSendResult that it fills; `quote` gives bid and ask."""

    retcode: Retcode
    deal: int = 0
    order: int = 0
    volume: float = 0.0
    price: float = 0.0
    quote: Quote | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """An accepted request: `margin` is the account's margin after it, `execute` carries it out."""

    margin: float
    execute: Callable[[], Outcome]
