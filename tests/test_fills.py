from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.terminal.simulator.fills import fill, lots, netted, new_order
from tests.scripted_market import START_MSC, Desk, profile

DEALS = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 300), st.integers(100, 120)), min_size=1, max_size=15)


@settings(deadline=None, max_examples=60)
@given(DEALS)
def test_netting_holds_the_sum_and_books_the_difference(deals: list[tuple[int, int, int]]) -> None:
    """Whatever was dealt, the position is the signed sum, and profit plus its value is what buying and selling cost."""
    desk = Desk(of=profile("netting"))
    server = desk.world.server
    cash, held = 0.0, 0
    for side, cents, price in deals:
        order = new_order(server, "EURUSD", side, cents / 100, price / 100, START_MSC)
        fill(server, order, cents / 100, price / 100, START_MSC, None)
        signed = cents if side == 0 else -cents
        cash -= signed * price * 10  # 100,000 units a lot, cents of a lot, prices in hundredths
        held += signed
    position = netted(server, "EURUSD")
    if held == 0:
        assert position is None
        open_value = 0.0
    else:
        assert position is not None
        assert (position.volume, position.type) == (lots(abs(held) / 100), 0 if held > 0 else 1)
        open_value = held * position.price_open * 1000
    assert server.ledger.balance - 100_000 == pytest.approx(cash + open_value, abs=0.02 * len(deals))


def test_a_hedging_account_has_no_netted_position() -> None:
    desk = Desk()
    desk.buy()
    assert netted(desk.world.server, "EURUSD") is None


def test_volumes_lose_their_noise() -> None:
    assert lots(0.1 + 0.2) == 0.3
    assert lots(0.3 - 0.1 - 0.2) == 0.0
