"""What the terminal lists, and whether it has changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.session.ledger import ledger, lots, same
from bridge.trading import Order, Position
from tests.fake_terminal import record

OPEN = record(Position, ticket=5, identifier=5, volume=0.1, price_open=1.1, symbol="EURUSD")
PENDING = record(Order, ticket=9, volume_initial=0.1, volume_current=0.1, state=1, symbol="EURUSD")


def test_the_price_alone_is_no_change() -> None:
    moved = ledger([replace(OPEN, price_current=1.5, profit=40.0)], [replace(PENDING, price_current=1.5)])
    assert same(ledger([OPEN], [PENDING]), moved)


@pytest.mark.parametrize(
    "after",
    [
        ledger([], [PENDING]), ledger([OPEN], []), ledger([replace(OPEN, sl=1.0)], [PENDING]),
        ledger([OPEN], [replace(PENDING, volume_current=0.04)]), ledger([replace(OPEN, identifier=6)], [PENDING]),
        ledger([OPEN], [replace(PENDING, ticket=10)]),
    ],
)  # fmt: skip
def test_changes(after: object) -> None:
    assert not same(ledger([OPEN], [PENDING]), after)  # type: ignore[arg-type]


def test_a_position_is_known_by_its_identifier() -> None:
    assert ledger([replace(OPEN, ticket=77)], []).positions.keys() == {5}
    assert ledger([replace(OPEN, identifier=0)], []).positions.keys() == {5}


def test_signed_lots() -> None:
    assert (lots(None), lots(OPEN), lots(replace(OPEN, type=1))) == (0.0, 0.1, -0.1)
