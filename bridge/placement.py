"""An order on its way from the gateway to the session, with what has to hold when it is sent."""

from __future__ import annotations

from base64 import b32encode
from dataclasses import dataclass
from hashlib import blake2s

from bridge.trading import Deal, Order, Position, TradeRequest


@dataclass(frozen=True, slots=True)
class ExposureLimits:
    """Limits that need a look at the account at the moment of sending; None is without limit. Volumes in lots, money in the
    account's currency. `magics`: the order, and the position or order that it touches, must have one of these. `reducing_only` is
    the rule for which nothing else may be sent than what reduces exposure. `own` are the limits of the client, beside those of
    the bridge."""

    net_volume: float | None = None
    open_positions: int | None = None
    daily_loss: float | None = None
    magics: tuple[int, ...] | None = None
    reducing_only: str = ""
    own: ExposureLimits | None = None

    def __bool__(self) -> bool:
        return self != ExposureLimits()


@dataclass(frozen=True, slots=True)
class Placement:
    """What the session gets of an order: the client's request, the token for its comment (empty: none), whether the terminal's own
    check has to pass first, the limits that apply, and with `dry_run` that it is checked only and never sent."""

    request: TradeRequest
    token: str = ""
    check: bool = False
    dry_run: bool = False
    limits: ExposureLimits = ExposureLimits()


COMMENT_CHARACTERS = 27
"""What every build of the package and every broker takes as a comment."""


def comment_token(order_id: str, comment: str) -> str:
    """What is put behind an order's comment, so that the order can be recognised by it; empty where there is no room."""
    token = "~" + b32encode(blake2s(order_id.encode()).digest()[:5]).decode()[:6].lower()
    return token if comment.isascii() and len(comment) + len(token) <= COMMENT_CHARACTERS else ""


@dataclass(frozen=True, slots=True)
class TraceOrder:
    """What became of this order? Asked of the session; `from_s` is the server's time from which on it can have been executed, None
    while the server's clock is not known."""

    request: TradeRequest
    token: str
    from_s: int | None
    order: int = 0
    deal: int = 0


@dataclass(frozen=True, slots=True)
class Trace:
    """What the terminal shows that can belong to an order: of its symbol, or with the tickets that it names. `connected` is whether
    the terminal has its trade server: what is missing proves nothing while it has not."""

    positions: tuple[Position, ...]
    orders: tuple[Order, ...]
    history_orders: tuple[Order, ...]
    deals: tuple[Deal, ...]
    connected: bool
