"""What is in an account, as typed records and as DataFrames; for every client the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.messages import GetAccount, GetDeals, GetHistoryOrders, GetOrders, GetPositions
from bridge.records import Account
from bridge.trading import Deal, Order, Position
from clients.history import Moment, seconds_range
from clients.tasks import Steps

if TYPE_CHECKING:
    import pandas as pd


def account() -> Steps[Account]:
    """The account."""
    found: Account = yield GetAccount()
    return found


def positions(symbol: str | None = None, *, ticket: int | None = None) -> Steps[tuple[Position, ...]]:
    """Open positions, of all symbols or of one."""
    found: tuple[Position, ...] = (yield GetPositions(ticket=ticket, symbol=symbol)).positions
    return found


def orders(symbol: str | None = None, *, ticket: int | None = None) -> Steps[tuple[Order, ...]]:
    """Pending orders, of all symbols or of one."""
    found: tuple[Order, ...] = (yield GetOrders(ticket=ticket, symbol=symbol)).orders
    return found


def deals(start: Moment | None = None, end: Moment | None = None, *, position: int | None = None) -> Steps[tuple[Deal, ...]]:
    """Deals done from `start` to `end`, both included (default: all), or those of one `position`."""
    found: tuple[Deal, ...] = (
        yield GetDeals(*seconds_range(start, end)) if position is None else GetDeals(position=position)
    ).deals
    return found


def history_orders(
    start: Moment | None = None, end: Moment | None = None, *, position: int | None = None
) -> Steps[tuple[Order, ...]]:
    """Orders done from `start` to `end`, both included (default: all), or those of one `position`."""
    found: tuple[Order, ...] = (
        yield GetHistoryOrders(*seconds_range(start, end)) if position is None else GetHistoryOrders(position=position)
    ).orders
    return found


def positions_frame(symbol: str | None = None, *, ticket: int | None = None) -> Steps[pd.DataFrame]:
    """As `positions`, a row each; the index is `ticket`. Times are the terminal's, in server seconds or milliseconds."""
    return _frame(Position, (yield from positions(symbol, ticket=ticket)))


def orders_frame(symbol: str | None = None, *, ticket: int | None = None) -> Steps[pd.DataFrame]:
    """As `orders`, a row each; the index is `ticket`."""
    return _frame(Order, (yield from orders(symbol, ticket=ticket)))


def deals_frame(start: Moment | None = None, end: Moment | None = None, *, position: int | None = None) -> Steps[pd.DataFrame]:
    """As `deals`, a row each; the index is `ticket`."""
    return _frame(Deal, (yield from deals(start, end, position=position)))


def history_orders_frame(
    start: Moment | None = None, end: Moment | None = None, *, position: int | None = None
) -> Steps[pd.DataFrame]:
    """As `history_orders`, a row each; the index is `ticket`."""
    return _frame(Order, (yield from history_orders(start, end, position=position)))


def _frame(kind: type[Any], records: tuple[Any, ...]) -> pd.DataFrame:
    from clients.tables import records_frame  # noqa: PLC0415 - pandas only when it is needed

    return records_frame(kind, records)
