from __future__ import annotations

from dataclasses import replace

from bridge.terminal.simulator.enums import OrderState
from bridge.terminal.simulator.ledger import Ledger
from tests.scripted_market import START_MSC, Desk


def test_a_deposit_is_a_deal_without_order_and_symbol() -> None:
    ledger = Ledger()
    deal = ledger.deposit(1000.0, START_MSC, "hello")
    assert (deal.type, deal.order, deal.symbol, deal.volume, deal.position_id) == (2, 0, "", 0.0, 0)
    assert ledger.balance == 1000.0
    assert ledger.drain() == {("deals", deal.ticket)}
    assert ledger.drain() == set()


def test_a_deal_changes_the_balance_by_everything_in_it() -> None:
    ledger = Ledger()
    deal = ledger.deposit(0.0, START_MSC)
    ledger.put_deal(replace(deal, profit=10.0, swap=-1.0, commission=-0.5, fee=-0.25))
    assert ledger.balance == 8.25


def test_the_balance_keeps_the_currencys_digits() -> None:
    ledger = Ledger()
    for _ in range(1000):
        ledger.deposit(0.1, START_MSC)
    assert ledger.balance == 100.0


def test_changes_name_the_rows_that_moved() -> None:
    desk = Desk()
    ledger = desk.world.server.ledger
    desk.done(action=5, type=2, symbol="EURUSD", volume=0.1, price=1.0, type_filling=2)
    (order,) = ledger.orders.values()
    ledger.drain()
    version = ledger.version
    ledger.end_order(order, OrderState.CANCELED, START_MSC + 5)
    assert ledger.drain() == {("orders", order.ticket), ("history", order.ticket)}
    assert ledger.version > version
    assert ledger.history[order.ticket].time_done_msc == START_MSC + 5
    assert ledger.orders == {}


def test_tickets_are_never_given_twice() -> None:
    ledger = Ledger()
    assert [ledger.take_order_ticket() for _ in range(3)] == [50_000_001, 50_000_002, 50_000_003]
    assert [ledger.take_deal_ticket() for _ in range(2)] == [40_000_001, 40_000_002]
