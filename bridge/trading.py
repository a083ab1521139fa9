"""Positions, orders, deals, trade requests and their results, as frozen dataclasses with MetaTrader 5's field names and order.

Times are the trade server's wall clock, in seconds (`time*`) or milliseconds (`*_msc`) since 1970-01-01 as if it were UTC.
Volumes are in lots, money in the account's currency. Source: MQL5 `ENUM_POSITION_PROPERTY_*`, `ENUM_ORDER_PROPERTY_*`,
`ENUM_DEAL_PROPERTY_*`, `MqlTradeRequest`, `MqlTradeCheckResult`, `MqlTradeResult`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Annotated, NamedTuple

from msgspec import Meta

Whole = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A ticket, a magic number or an enumeration: not negative, and within what msgpack and the terminal both carry."""
Amount = Annotated[float, Meta(ge=0, le=1e15)]
"""A price or a volume: finite and not negative (NaN and infinity fail both bounds)."""
Text = Annotated[str, Meta(max_length=64)]
"""A symbol or a comment."""


@dataclass(frozen=True, slots=True)
class Position:
    """An open position; `profit` is floating, without swap and commission."""

    ticket: int
    time: int
    time_msc: int
    time_update: int
    time_update_msc: int
    type: int
    magic: int
    identifier: int
    reason: int
    volume: float
    price_open: float
    sl: float
    tp: float
    price_current: float
    swap: float
    profit: float
    symbol: str
    comment: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Order:
    """A pending order, or one from the history; `volume_current` is what is not yet filled."""

    ticket: int
    time_setup: int
    time_setup_msc: int
    time_done: int
    time_done_msc: int
    time_expiration: int
    type: int
    type_time: int
    type_filling: int
    state: int
    magic: int
    position_id: int
    position_by_id: int
    reason: int
    volume_initial: float
    volume_current: float
    price_open: float
    sl: float
    tp: float
    price_current: float
    price_stoplimit: float
    symbol: str
    comment: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Deal:
    """An executed trade or a balance operation; the balance changed by `profit + swap + commission + fee`."""

    ticket: int
    order: int
    time: int
    time_msc: int
    type: int
    entry: int
    magic: int
    position_id: int
    reason: int
    volume: float
    price: float
    commission: float
    swap: float
    profit: float
    fee: float
    symbol: str
    comment: str
    external_id: str


@dataclass(frozen=True, slots=True)
class TradeRequest:
    """What to do (MQL5 `MqlTradeRequest`); a field that an `action` does not use stays at its default.

    `deviation` is in points, `expiration` in server seconds. Without `type_filling` the bridge chooses one that the symbol allows.
    """

    action: Whole = 0
    magic: Whole = 0
    order: Whole = 0
    symbol: Text = ""
    volume: Amount = 0.0
    price: Amount = 0.0
    stoplimit: Amount = 0.0
    sl: Amount = 0.0
    tp: Amount = 0.0
    deviation: Whole = 0
    type: Whole = 0
    type_filling: Whole | None = None
    type_time: Whole = 0
    expiration: Whole = 0
    comment: Text = ""
    position: Whole = 0
    position_by: Whole = 0


_VALUES = attrgetter(*(field.name for field in fields(TradeRequest)))
_FILLING = [field.name for field in fields(TradeRequest)].index("type_filling")


def with_filling(request: TradeRequest, type_filling: int) -> TradeRequest:
    """The same request with this `type_filling`: what `dataclasses.replace` does, at half its cost."""
    values = list(_VALUES(request))
    values[_FILLING] = type_filling
    return TradeRequest(*values)


@dataclass(frozen=True, slots=True)
class OrderCheck:
    """The terminal's own check of a request; `retcode` 0 means that it would be accepted. Nothing is placed by checking."""

    retcode: int
    balance: float
    equity: float
    profit: float
    margin: float
    margin_free: float
    margin_level: float
    comment: str
    request: TradeRequest


@dataclass(frozen=True, slots=True)
class OrderResult:
    """The answer to a request that was sent (MQL5 `MqlTradeResult`); `retcode` 10009 is done, 10010 done in part, 10008 placed."""

    retcode: int
    deal: int
    order: int
    volume: float
    price: float
    bid: float
    ask: float
    comment: str
    request_id: int
    retcode_external: int
    request: TradeRequest


class BookLevel(NamedTuple):
    """One level of the depth of market; `type` 1 is sell, 2 buy, 3 sell at market, 4 buy at market.

    A named tuple, because it travels as an array of its four values: a book has many levels, and comes often.
    """

    type: int
    price: float
    volume: int
    volume_dbl: float
