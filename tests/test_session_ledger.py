"""What happened between two looks at the account."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bridge.session.ledger import Ledger, diff, ledger
from bridge.trading import Order, Position
from tests.fake_terminal import record

OPEN = record(Position, ticket=5, identifier=5, volume=0.1, price_open=1.1, symbol="EURUSD")
PENDING = record(Order, ticket=9, volume_initial=0.1, volume_current=0.1, state=1, symbol="EURUSD")


def kinds(before: Ledger, after: Ledger) -> list[tuple[str, int]]:
    return [(event.kind, (event.position or event.order).ticket) for event in diff(before, after)]  # type: ignore[union-attr]


def test_equal_looks_show_nothing() -> None:
    assert kinds(ledger([OPEN], [PENDING]), ledger([OPEN], [PENDING])) == []


def test_the_price_alone_is_no_change() -> None:
    moved = ledger([replace(OPEN, price_current=1.5, profit=40.0)], [replace(PENDING, price_current=1.5)])
    assert kinds(ledger([OPEN], [PENDING]), moved) == []


def test_opened_changed_closed() -> None:
    assert kinds(ledger([], []), ledger([OPEN], [])) == [("position_opened", 5)]
    assert kinds(ledger([OPEN], []), ledger([replace(OPEN, sl=1.0)], [])) == [("position_changed", 5)]
    assert kinds(ledger([OPEN], []), ledger([], [])) == [("position_closed", 5)]


def test_a_filled_pending_order_goes_before_its_position_opens() -> None:
    filled = replace(OPEN, ticket=9, identifier=9)
    assert kinds(ledger([], [PENDING]), ledger([filled], [])) == [("order_gone", 9), ("position_opened", 9)]


def test_a_reversal_on_a_netting_account_is_a_change() -> None:
    reversed_ = replace(OPEN, ticket=77, type=1)
    assert kinds(ledger([OPEN], []), ledger([reversed_], [])) == [("position_changed", 77)]


def test_an_order_partly_filled_is_a_change() -> None:
    assert kinds(ledger([], [PENDING]), ledger([], [replace(PENDING, volume_current=0.04, state=3)])) == [("order_changed", 9)]


looks = st.builds(
    lambda positions, orders: ledger(
        [replace(OPEN, ticket=ticket, identifier=ticket, volume=volume) for ticket, volume in positions.items()],
        [replace(PENDING, ticket=ticket, sl=level) for ticket, level in orders.items()],
    ),
    st.dictionaries(st.integers(1, 6), st.sampled_from([0.1, 0.2])),
    st.dictionaries(st.integers(1, 6), st.sampled_from([0.0, 1.0])),
)


@given(looks, looks)
def test_the_events_lead_from_one_look_to_the_next(before: Ledger, after: Ledger) -> None:
    positions, orders = dict(before.positions), dict(before.orders)
    for event in diff(before, after):
        if event.position is not None:
            if event.kind == "position_closed":
                del positions[event.position.identifier]
            else:
                assert (event.position.identifier in positions) == (event.kind == "position_changed")
                positions[event.position.identifier] = event.position
        elif event.order is not None:
            if event.kind == "order_gone":
                del orders[event.order.ticket]
            else:
                assert (event.order.ticket in orders) == (event.kind == "order_changed")
                orders[event.order.ticket] = event.order
    assert (positions, orders) == (after.positions, after.orders)
