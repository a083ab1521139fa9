"""What is open, followed event by event, is what the account shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codec import plain_body
from bridge.open_trades import State, followed
from bridge.replies import TradeEvent, TradeSnapshot
from tests.records import order, position

EMPTY: State = {"positions": [], "orders": []}
THINGS = st.tuples(st.booleans(), st.integers(1, 4), st.integers(0, 3))


def tickets(state: State | None) -> tuple[list[int], list[int]]:
    assert state is not None
    return [item["ticket"] for item in state["positions"]], [item["ticket"] for item in state["orders"]]


@given(st.lists(THINGS, max_size=30))
def test_what_came_and_did_not_go_is_open(things: list[tuple[bool, int, int]]) -> None:
    state: State | None = plain_body(TradeSnapshot((), ()))
    account: dict[tuple[bool, int], Any] = {}
    for is_order, ticket, volume in things:
        key = is_order, ticket
        known = key in account
        if volume:
            account[key] = order(ticket, volume_current=volume) if is_order else position(ticket, volume=volume)
        elif known:
            del account[key]
        else:
            continue
        if is_order:
            kind: Any = ("order_changed" if known else "order_placed") if volume else "order_cancelled"
            event = TradeEvent(kind, order=account.get(key, order(ticket)))
        else:
            kind = ("position_changed" if known else "position_opened") if volume else "position_closed"
            event = TradeEvent(kind, position=account.get(key, position(ticket)))
        state = followed(state, plain_body(event))
    positions = tuple(item for (is_order, _), item in sorted(account.items(), key=lambda one: one[0]) if not is_order)
    orders = tuple(item for (is_order, _), item in sorted(account.items(), key=lambda one: one[0]) if is_order)
    assert state == plain_body(TradeSnapshot(positions, orders))


def test_a_position_that_was_reversed_keeps_its_identifier() -> None:
    before = plain_body(TradeSnapshot((position(5),), ()))
    event = plain_body(TradeEvent("position_changed", position=replace(position(9), identifier=5)))
    assert tickets(followed(before, event)) == ([9], [])


@pytest.mark.parametrize("kind", ["order_filled", "order_cancelled", "order_expired", "order_rejected", "order_gone"])
def test_an_order_that_ended_is_not_open(kind: Any) -> None:
    before = plain_body(TradeSnapshot((), (order(5), order(6))))
    assert tickets(followed(before, plain_body(TradeEvent(kind, order=order(5))))) == ([], [6])
    assert tickets(before) == ([], [5, 6]), "who holds the state before it is not surprised"


def test_a_part_that_was_filled_leaves_the_rest_open() -> None:
    before = plain_body(TradeSnapshot((), (order(5),)))
    after = followed(before, plain_body(TradeEvent("order_partially_filled", order=order(5, volume_current=0.5))))
    assert after is not None
    assert [item["volume_current"] for item in after["orders"]] == [0.5]


@pytest.mark.parametrize(
    "event", [{"kind": "deal", "deal": {}}, {"kind": "order_placed", "order": None}, {"kind": "of a later release"}]
)
def test_what_opens_and_closes_nothing_changes_nothing(event: dict[str, Any]) -> None:
    assert followed(EMPTY, event) == EMPTY
    assert followed(None, event) is None
