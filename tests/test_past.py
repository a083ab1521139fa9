"""What a used account has behind it."""

from __future__ import annotations

import pytest

from bridge.terminal.simulator.clock import server_time_msc
from bridge.terminal.simulator.profile import PROFILES
from bridge.terminal.simulator.settings import TerminalSettings, furnish
from bridge.terminal.simulator.world import World
from bridge.trading import Deal, Order

WEDNESDAY_MSC, SATURDAY_MSC = 1_704_880_800_000, 1_705_140_000_000
EVER = [0, 2**31 - 1, None, None, None]


def used(profile: str = "hedging-cfd", utc_msc: int = WEDNESDAY_MSC, **changes: object) -> World:
    return furnish(TerminalSettings(profile=profile, **changes), utc_msc=utc_msc, monotonic_s=0.0).world  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PROFILES)
def test_a_used_account_has_deals_orders_and_one_that_waits(name: str) -> None:
    world = used(name)
    now_msc = world.now_msc
    deals = [Deal(*fields) for fields in world.call("history_deals_get", EVER, now_msc)[2]]
    history = [Order(*fields) for fields in world.call("history_orders_get", EVER, now_msc)[2]]
    assert (deals[0].type, deals[0].profit, deals[0].comment) == (2, 100_000.0, "Initial deposit")
    assert len(deals) >= 10
    assert {deal.entry for deal in deals[1:]} == {0, 1}
    assert any(deal.swap for deal in deals)
    assert any(deal.reason in (4, 5) for deal in deals), "a stop level was hit"
    assert {order.state for order in history} == {2, 4}
    balance = world.call("account_info", [], now_msc)[2][10]
    assert balance == pytest.approx(sum(deal.profit + deal.swap + deal.commission for deal in deals))
    assert balance != 100_000.0
    (order,) = (Order(*fields) for fields in world.call("orders_get", [None, None, None], now_msc)[2])
    assert (order.type, order.state) == (2, 1)
    assert order.price_open < order.price_current * 0.99
    assert world.call("positions_total", [], now_msc)[2] == 0
    assert all(record.time_msc < now_msc for record in deals)
    assert server_time_msc(WEDNESDAY_MSC) == now_msc


def test_the_past_is_the_same_every_time_and_another_for_another_seed() -> None:
    one, again, other = used().server.ledger, used().server.ledger, used(seed=2).server.ledger
    assert (one.deals, one.history, one.orders) == (again.deals, again.history, again.orders)
    assert one.deals != other.deals


def test_at_the_weekend_the_order_waits_since_friday() -> None:
    world = used(utc_msc=SATURDAY_MSC)
    (order,) = world.server.ledger.orders.values()
    assert (world.now_msc - order.time_setup_msc) // 3_600_000 in range(10, 24)
    assert len(world.server.ledger.deals) >= 10


def test_a_fresh_account_has_a_deposit_and_nothing_else() -> None:
    ledger = used(fresh=True).server.ledger
    assert (len(ledger.deals), ledger.history, ledger.orders, ledger.balance) == (1, {}, {}, 100_000.0)


def test_before_all_quotes_nothing_could_be_traded() -> None:
    ledger = used(start_msc=1_000_000_000_000).server.ledger
    assert (len(ledger.deals), ledger.history, ledger.orders) == (1, {}, {})


def test_the_first_request_of_a_used_terminal_has_number_one() -> None:
    assert used().server.ledger.requests == 0
