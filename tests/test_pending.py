from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.terminal.simulator.pending import as_limit, expires_msc, triggered
from bridge.terminal.simulator.quotes import Quote
from bridge.trading import Order
from tests.scripted_market import START_MSC, Desk


def order(**changes: object) -> Order:
    desk = Desk()
    desk.done(action=5, type=2, symbol="EURUSD", volume=0.1, price=1.0, type_filling=2)
    return replace(desk.orders[0], **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "below", "at", "above"),
    [
        (2, True, True, False),  # buy limit
        (3, False, True, True),  # sell limit
        (4, False, True, True),  # buy stop
        (5, True, True, False),  # sell stop
        (6, False, True, True),  # buy stop-limit: as the stop
        (7, True, True, False),
    ],
)
def test_triggers(kind: int, below: bool, at: bool, above: bool) -> None:
    """The price that counts is the ask for buying, the bid for selling; the other side is set to mislead."""
    waiting = order(type=kind, price_open=1.1)
    found = []
    for price in (1.0999, 1.1, 1.1001):
        other = 9.0 if price < 1.1 else 0.5
        quote = Quote(0, price, other) if kind % 2 else Quote(0, other, price)
        found.append(triggered(waiting, quote))
    assert found == [below, at, above]


def test_a_stop_limit_order_keeps_its_ticket() -> None:
    limit = as_limit(order(type=7, price_open=1.05, price_stoplimit=1.06))
    assert (limit.type, limit.price_open, limit.price_stoplimit) == (3, 1.06, 0.0)
    assert limit.ticket == order().ticket


def test_expiry() -> None:
    day_end_msc = START_MSC + 12 * 3_600_000
    assert expires_msc(order()) is None
    assert expires_msc(order(type_time=1)) == day_end_msc
    assert expires_msc(order(type_time=2, time_expiration=123)) == 123_000
    assert expires_msc(order(type_time=3, time_expiration=START_MSC // 1000 + 5)) == day_end_msc
