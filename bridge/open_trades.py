"""What is open on the account, followed event by event: the snapshot of `trade`. No I/O.

The session gives the whole when the stream starts; after that each event says what became of one position or order. Both are kept
as the plain maps that are published.
"""

from __future__ import annotations

from typing import Any

State = dict[str, list[dict[str, Any]]]
"""A `replies.TradeSnapshot` as plain types."""

_OPEN_POSITIONS = frozenset({"position_opened", "position_changed"})
_OPEN_ORDERS = frozenset({"order_placed", "order_changed", "order_partially_filled"})


def followed(state: State | None, event: dict[str, Any]) -> State | None:
    """What is open after an event; None while it is not known what was open before. `state` is not changed."""
    if state is None:
        return None
    kind, position, order = event["kind"], event.get("position"), event.get("order")
    if position is not None and kind.startswith("position_"):
        return {**state, "positions": _replaced(state["positions"], position, is_open=kind in _OPEN_POSITIONS)}
    if order is not None and kind.startswith("order_"):
        return {**state, "orders": _replaced(state["orders"], order, is_open=kind in _OPEN_ORDERS)}
    return state


def _replaced(items: list[dict[str, Any]], item: dict[str, Any], *, is_open: bool) -> list[dict[str, Any]]:
    key = _key(item)
    others = [other for other in items if _key(other) != key]
    return sorted([*others, item], key=_ticket) if is_open else others


def _key(item: dict[str, Any]) -> int:
    """The identifier of a position survives a reversal on a netting account, unlike its ticket; an order has none."""
    key: int = item.get("identifier") or item["ticket"]
    return key


def _ticket(item: dict[str, Any]) -> int:
    ticket: int = item["ticket"]
    return ticket
