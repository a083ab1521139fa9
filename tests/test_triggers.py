from __future__ import annotations

from typing import Any

import pytest

from bridge.terminal.simulator.enums import SwapMode
from tests.scripted_market import START_MSC, START_S, Desk, profile

RISE = {"EURUSD": [(-1000, 1.1, 1.1002), (1000, 1.1030, 1.1032), (2000, 1.1060, 1.1062), (3000, 1.1090, 1.1092)]}
FALL = {"EURUSD": [(-1000, 1.1, 1.1002), (1000, 1.0970, 1.0972), (2000, 1.0940, 1.0942), (3000, 1.0910, 1.0912)]}
DAY_MSC = 86_400_000


def test_a_take_profit_of_a_long_position_is_hit_by_the_bid() -> None:
    desk = Desk(RISE)
    ticket = desk.buy(0.1, tp=1.1061, magic=8).order
    desk.wait(2500)
    assert [p.ticket for p in desk.positions] == [ticket], "the ask alone passed the level"
    desk.wait(1000)
    assert desk.positions == []
    deal, order = desk.deals[-1], desk.history[-1]
    assert (deal.price, deal.entry, deal.type, deal.reason, deal.magic, deal.comment) == (1.109, 1, 1, 5, 8, "[tp 1.10610]")
    assert (deal.time_msc, deal.position_id, deal.profit) == (START_MSC + 3000, ticket, 88.0)
    assert (order.ticket, order.reason, order.state, order.position_id) == (deal.order, 5, 4, ticket)
    assert desk.account.balance == 100_088.0


def test_a_stop_loss_of_a_long_position_is_hit_by_the_bid_and_slips() -> None:
    desk = Desk(FALL)
    desk.buy(0.1, sl=1.0980)
    desk.wait(1001)
    deal = desk.deals[-1]
    assert (deal.price, deal.reason, deal.comment, deal.profit) == (1.097, 4, "[sl 1.09800]", -32.0)


def test_slippage_makes_what_executes_at_the_market_worse_and_targets_not() -> None:
    worse = profile(slippage=5)
    desk = Desk(FALL, worse)
    desk.buy(0.1, sl=1.0980)
    assert desk.deals[-1].price == 1.10025
    desk.sell(0.1, tp=1.0941)
    assert desk.deals[-1].price == 1.09995
    desk.done(action=5, type=5, symbol="EURUSD", volume=0.1, price=1.0950, type_filling=2)
    desk.wait(1001)
    assert (desk.deals[-1].price, desk.deals[-1].reason) == (1.09695, 4)
    desk.wait(2000)
    found = [(deal.price, deal.reason) for deal in desk.deals[-2:]]
    assert sorted(found) == [(1.0912, 5), (1.09395, 3)]


def test_levels_of_a_short_position_are_hit_by_the_ask() -> None:
    desk = Desk(RISE)
    ticket = desk.sell(0.1, sl=1.1061).order
    desk.wait(1500)
    assert len(desk.positions) == 1
    desk.wait(1000)  # bid 1.1060, ask 1.1062
    assert (desk.deals[-1].price, desk.deals[-1].reason, desk.deals[-1].position_id) == (1.1062, 4, ticket)
    desk = Desk(FALL)
    desk.sell(0.1, tp=1.0941)
    desk.wait(2500)  # bid 1.0940, ask 1.0942
    assert len(desk.positions) == 1
    desk.wait(1000)
    assert (desk.deals[-1].price, desk.deals[-1].reason) == (1.0912, 5)


def test_one_long_step_and_many_short_ones_give_the_same_books() -> None:
    def live(step_msc: int) -> list[Any]:
        desk = Desk(RISE)
        desk.buy(0.1, tp=1.1020)
        desk.done(action=5, type=4, symbol="EURUSD", volume=0.2, price=1.1040, type_filling=2, tp=1.1080)
        for _ in range(10_000 // step_msc):
            desk.wait(step_msc)
        return [desk.deals, desk.history, desk.positions]

    assert live(10_000) == live(100)


@pytest.mark.parametrize(
    ("kind", "price", "quotes", "fill_price", "fill_msc"),
    [
        (2, 1.0980, FALL, 1.0972, 1000),  # buy limit: ask <= price
        (3, 1.1025, RISE, 1.1030, 1000),  # sell limit: bid >= price
        (4, 1.1031, RISE, 1.1032, 1000),  # buy stop: ask >= price
        (5, 1.0945, FALL, 1.0940, 2000),  # sell stop: bid <= price
    ],
)
def test_a_pending_order_becomes_a_position_with_its_ticket(
    kind: int, price: float, quotes: Any, fill_price: float, fill_msc: int
) -> None:
    desk = Desk(quotes)
    placed = desk.done(action=5, type=kind, symbol="EURUSD", volume=0.1, price=price, type_filling=2, magic=456, comment="BPO")
    assert (placed.deal, placed.price, placed.volume, placed.bid, placed.ask) == (0, 0.0, 0.1, 1.1, 1.1002)
    (order,) = desk.orders
    assert (order.ticket, order.state, order.position_id, order.time_done, order.type_filling) == (placed.order, 1, 0, 0, 2)
    assert order.price_current == (1.1 if kind % 2 else 1.1002)
    desk.wait(5000)
    assert desk.orders == []
    (position,) = desk.positions
    assert (position.ticket, position.magic, position.comment, position.reason) == (placed.order, 456, "BPO", 3)
    assert (position.price_open, position.time_msc) == (fill_price, START_MSC + fill_msc)
    (done,) = desk.history
    assert (done.state, done.position_id, done.time_done_msc) == (4, placed.order, START_MSC + fill_msc)


def test_a_stop_limit_order_becomes_a_limit_order() -> None:
    quotes = {"EURUSD": [(-1000, 1.1, 1.1002), (1000, 1.1030, 1.1032), (2000, 1.1015, 1.1017)]}
    desk = Desk(quotes)
    ticket = desk.done(action=5, type=6, symbol="EURUSD", volume=0.1, price=1.1030, stoplimit=1.1020, type_filling=2).order
    desk.wait(1500)
    (order,) = desk.orders
    assert (order.ticket, order.type, order.price_open) == (ticket, 2, 1.1020)
    desk.wait(1000)
    assert (desk.positions[0].ticket, desk.positions[0].price_open) == (ticket, 1.1017)


@pytest.mark.parametrize(
    ("type_time", "expiration", "shown", "ends_s"),
    [
        (1, 0, START_S // 86_400 * 86_400, START_S // 86_400 * 86_400 + 86_400),
        (2, START_S + 100, START_S + 100, START_S + 100),
        (3, START_S + 100, START_S + 100, START_S // 86_400 * 86_400 + 86_400),
    ],
)
def test_orders_expire(type_time: int, expiration: int, shown: int, ends_s: int) -> None:
    desk = Desk()
    desk.done(action=5, type=2, symbol="EURUSD", volume=0.1, price=1.0, type_filling=2, type_time=type_time, expiration=expiration)
    assert desk.orders[0].time_expiration == shown
    desk.wait(ends_s * 1000 - desk.now_msc - 1)
    assert len(desk.orders) == 1
    desk.wait(1)
    assert desk.orders == []
    (order,) = desk.history
    assert (order.state, order.time_done, order.volume_current, order.position_id) == (6, ends_s, 0.1, 0)


def test_an_activated_order_without_money_is_rejected() -> None:
    desk = Desk(RISE, of=profile(balance=50.0))
    desk.done(action=5, type=4, symbol="EURUSD", volume=0.1, price=1.1031, type_filling=2)
    desk.wait(1500)
    assert desk.positions == []
    assert desk.history[0].state == 5


def test_an_activated_order_that_may_not_open_a_position_is_rejected() -> None:
    pending = {"action": 5, "type": 4, "symbol": "EURUSD", "volume": 0.1, "price": 1.1031, "type_filling": 2}
    desk = Desk(RISE, of=profile(hedge_allowed=False))
    desk.done(**pending)
    desk.sell(0.1)
    desk.wait(1500)
    assert [order.state for order in desk.history] == [4, 5]
    desk = Desk(RISE, of=profile("netting", limit_positions=1))
    desk.done(**pending)
    held = desk.buy(0.1, "USDJPY").order
    desk.wait(1500)
    assert [p.ticket for p in desk.positions] == [held]
    assert desk.history[-1].state == 5
    desk = Desk(RISE, of=profile("netting", limit_positions=1))
    desk.done(**pending)
    desk.buy(0.1)
    desk.wait(1500)
    assert [p.volume for p in desk.positions] == [0.2], "adding needs no position of its own"


def test_a_volume_limit_counts_an_order_before_and_after_it_is_activated() -> None:
    desk = Desk(RISE, of=profile(contract={"volume_limit": 0.3}))
    pending = {"action": 5, "type": 4, "symbol": "EURUSD", "volume": 0.2, "price": 1.1031, "type_filling": 2}
    desk.done(**pending)
    assert desk.send(**pending).retcode == 10034
    assert desk.send(action=1, symbol="EURUSD", volume=0.2).retcode == 10034
    desk.buy(0.1)
    desk.wait(1500)
    assert [p.volume for p in desk.positions] == [0.1, 0.2]
    assert desk.send(action=1, symbol="EURUSD", volume=0.01).retcode == 10034


def test_a_margin_call_closes_nothing() -> None:
    quotes = {"EURUSD": [(-1000, 1.1, 1.1002), (1000, 1.0880, 1.0882)]}
    desk = Desk(quotes, of=profile(balance=1000.0))
    desk.buy(0.5)
    desk.wait(1500)
    account = desk.account
    assert account.margin_so_so < account.margin_level < account.margin_so_call == 100.0
    assert len(desk.positions) == 1


def test_swaps_are_charged_at_midnight_and_three_times_on_wednesday() -> None:
    # START is a Wednesday; swap long is -7.6 points a night: 0.76 USD for 0.1 lot.
    desk = Desk()
    desk.buy(0.1)
    desk.wait(12 * 3_600_000 - 1)
    assert desk.positions[0].swap == 0.0
    desk.wait(2)
    assert desk.positions[0].swap == -2.28
    desk.wait(DAY_MSC)
    assert desk.positions[0].swap == -3.04  # Thursday night
    desk.wait(DAY_MSC)
    assert desk.positions[0].swap == -3.8  # Friday night
    desk.wait(2 * DAY_MSC)
    assert desk.positions[0].swap == -3.8  # none at the weekend
    assert desk.account.equity == 100_000 + desk.positions[0].profit, "swap is not in the floating profit"


def test_a_swap_is_booked_with_the_part_that_closes() -> None:
    desk = Desk(of=profile(contract={"schedule": "always"}))
    ticket = desk.buy(0.3).order
    desk.wait(13 * 3_600_000)
    assert desk.positions[0].swap == -6.84
    desk.sell(0.1, position=ticket)
    assert desk.deals[-1].swap == -2.28
    assert desk.positions[0].swap == -4.56
    desk.sell(0.2, position=ticket)
    assert desk.deals[-1].swap == -4.56
    assert desk.account.balance == 100_000 - 6.84 - 6.0


@pytest.mark.parametrize("name", ["hedging-cfd", "netting", "netting-exchange"])
def test_a_position_that_is_reopened_over_night_changes_its_ticket(name: str) -> None:
    desk = Desk(of=profile(name, commission=3.0, contract={"swap_mode": SwapMode.REOPEN_CURRENT, "swap_long": -10.0}))
    opened = desk.buy(0.1, sl=1.05, magic=9, comment="kept").order
    desk.wait(12 * 3_600_000 + 1)
    (position,) = desk.positions
    assert (position.ticket, position.identifier) == (opened + 2, opened)
    assert (position.sl, position.magic, position.comment, position.time_msc) == (1.05, 9, "kept", START_MSC)
    assert (position.price_open, position.swap, position.profit) == (1.1003, 0.0, -3.0)  # three nights at ten points
    out, again = desk.deals[-2:]
    assert (out.entry, out.price, out.profit, out.reason, out.commission) == (1, 1.1, -2.0, 7, 0.0)
    assert (again.entry, again.price, again.profit, again.reason, again.commission) == (0, 1.1003, 0.0, 7, 0.0)
    assert {deal.position_id for deal in (out, again)} == {opened}
    assert [order.state for order in desk.history] == [4, 4, 4]
    assert desk.account.balance == 100_000 - 2.0 - 0.3


def test_a_short_position_is_reopened_at_the_ask_or_at_the_bid() -> None:
    for mode, price in ((SwapMode.REOPEN_CURRENT, 1.0999), (SwapMode.REOPEN_BID, 1.0997)):
        desk = Desk(of=profile(contract={"swap_mode": mode, "swap_short": -10.0}))
        desk.sell(0.1)
        desk.wait(12 * 3_600_000 + 1)
        assert (desk.positions[0].price_open, desk.deals[-2].price) == (price, 1.1002)


def test_daily_symbols_drop_orders_and_levels_at_midnight() -> None:
    desk = Desk(of=profile(contract={"gtc_mode": 1}))
    desk.buy(0.1, sl=1.0, tp=1.2)
    desk.done(action=5, type=2, symbol="EURUSD", volume=0.1, price=1.0, type_filling=2)
    desk.wait(12 * 3_600_000 + 1)
    assert desk.orders == []
    assert (desk.positions[0].sl, desk.positions[0].tp) == (0.0, 0.0)


def test_stop_out_closes_the_worst_position_first() -> None:
    quotes = {"EURUSD": [(-1000, 1.1, 1.1002), (1000, 1.0900, 1.0902)]}
    desk = Desk(quotes, of=profile(balance=1000.0))
    small, large = desk.buy(0.1).order, desk.buy(0.5).order
    desk.wait(1500)
    # Equity 1000 - 612 = 388, margin 660.12: 58.78 %, above the stop-out level of 50 %.
    assert len(desk.positions) == 2
    desk = Desk(quotes, of=profile(balance=900.0))
    small, large = desk.buy(0.1).order, desk.buy(0.5).order
    desk.wait(1500)
    assert [p.ticket for p in desk.positions] == [small]
    deal = desk.deals[-1]
    assert (deal.position_id, deal.reason, deal.profit) == (large, 6, -510.0)
    assert deal.comment == "[so 43.63%/288.00/660.12]"
    assert desk.account.balance == 390.0


def test_stop_out_by_money_deletes_reserving_orders_first() -> None:
    quotes = {"EURUSD": [(-1000, 1.1, 1.1002), (1000, 1.0900, 1.0902)]}
    terms = profile(balance=1000.0, margin_so_mode=1, margin_so_so=500.0, contract={"pending_margin_rate": 1.0})
    desk = Desk(quotes, of=terms)
    desk.buy(0.5)
    desk.done(action=5, type=2, symbol="EURUSD", volume=0.1, price=1.0, type_filling=2)
    assert desk.account.margin == 650.1
    desk.wait(1500)
    assert desk.history[1].state == 2
    assert desk.deals[-1].reason == 6
    assert desk.positions == []
