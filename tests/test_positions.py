from __future__ import annotations

import pytest

from bridge.terminal.simulator.retcodes import TEXTS
from tests.scripted_market import START_MSC, START_S, Desk, profile


def test_a_market_order_opens_a_position_with_its_ticket() -> None:
    desk = Desk()
    result = desk.buy(0.1, sl=1.09, tp=1.12, magic=77, comment="first")
    assert (result.retcode, result.comment, result.price, result.volume) == (10009, "Request executed", 1.1002, 0.1)
    assert (result.bid, result.ask, result.request_id, result.retcode_external) == (1.1, 1.1002, 1, 0)
    (position,) = desk.positions
    assert position.ticket == position.identifier == result.order
    assert (position.type, position.price_open, position.price_current, position.profit) == (0, 1.1002, 1.1, -2.0)
    assert (position.sl, position.tp, position.magic, position.reason, position.comment) == (1.09, 1.12, 77, 3, "first")
    assert (position.time_msc, position.time, position.time_update_msc) == (START_MSC, START_S, START_MSC)
    deal = desk.deals[-1]
    assert (deal.ticket, deal.order, deal.entry, deal.type) == (result.deal, result.order, 0, 0)
    assert (deal.position_id, deal.magic, deal.reason, deal.profit) == (result.order, 77, 3, 0.0)
    (order,) = desk.history
    assert (order.ticket, order.state, order.position_id) == (result.order, 4, result.order)
    assert (order.volume_initial, order.volume_current, order.time_done_msc) == (0.1, 0.0, START_MSC)


def test_a_sell_executes_at_the_bid_and_is_valued_at_the_ask() -> None:
    desk = Desk()
    desk.sell(1.0)
    (position,) = desk.positions
    assert (position.type, position.price_open, position.price_current, position.profit) == (1, 1.1, 1.1002, -20.0)


def test_the_floating_profit_follows_the_quotes() -> None:
    desk = Desk({"EURUSD": [(-1000, 1.1, 1.1002), (1000, 1.105, 1.1052)]})
    desk.buy(1.0)
    desk.wait(1001)
    account = desk.account
    assert account.profit == 480.0
    assert account.equity == 100_480.0
    assert account.margin == 1100.2
    assert account.margin_free == account.equity - account.margin
    assert account.margin_level == account.equity / account.margin * 100


def test_closing_by_ticket_in_parts() -> None:
    desk = Desk({"EURUSD": [(-1000, 1.1, 1.1002), (1000, 1.105, 1.1052)]})
    opened = desk.buy(0.3, magic=5)
    desk.wait(2000)
    part = desk.sell(0.1, position=opened.order, comment="half")
    (position,) = desk.positions
    assert (position.ticket, position.volume, position.time_msc) == (opened.order, 0.2, START_MSC)
    assert position.time_update_msc == START_MSC + 2000
    deal = desk.deals[-1]
    assert (deal.entry, deal.type, deal.volume, deal.price, deal.profit) == (1, 1, 0.1, 1.105, 48.0)
    assert (deal.position_id, deal.order, deal.magic, deal.comment) == (opened.order, part.order, 0, "half")
    desk.sell(0.2, position=opened.order)
    assert desk.positions == []
    assert desk.account.balance == 100_000 + 48 + 96
    assert [order.position_id for order in desk.history] == [opened.order] * 3
    assert len(desk.ask("history_deals_get", None, None, None, None, opened.order)) == 3


def test_an_opposite_order_without_ticket_hedges() -> None:
    desk = Desk()
    desk.buy(0.1)
    desk.sell(0.1)
    assert len(desk.positions) == 2
    # margin_hedged is 100,000: both lots together cost as one, at the average open price.
    assert desk.account.margin == 110.01


def test_a_hedge_is_charged_by_the_larger_leg_where_the_symbol_says_so() -> None:
    desk = Desk(of=profile(contract={"margin_hedged_use_leg": True}))
    desk.buy(0.3)
    desk.sell(0.1)
    assert desk.account.margin == 330.06


def test_a_fully_charged_hedge() -> None:
    desk = Desk(of=profile(contract={"margin_hedged": 200_000.0}))
    desk.buy(0.2)
    desk.sell(0.1)
    assert desk.account.margin == pytest.approx(110.02 + 2 * 0.1 * 1000 * (2 * 1.1002 + 1.1) / 3, abs=0.006)


def test_changing_stop_levels() -> None:
    desk = Desk()
    ticket = desk.buy().order
    result = desk.done(action=6, symbol="EURUSD", position=ticket, sl=1.0951234, tp=1.11)
    assert (result.deal, result.order, result.volume, result.price, result.bid, result.ask) == (0, 0, 0.0, 0.0, 0.0, 0.0)
    assert (desk.positions[0].sl, desk.positions[0].tp) == (1.09512, 1.11)
    assert desk.send(action=6, symbol="EURUSD", position=ticket, sl=1.09512, tp=1.11).retcode == 10025
    desk.done(action=6, position=ticket)
    assert (desk.positions[0].sl, desk.positions[0].tp) == (0.0, 0.0)


def test_closing_by_an_opposite_position() -> None:
    desk = Desk({"EURUSD": [(-1000, 1.1, 1.1002), (1000, 1.105, 1.1052)]})
    first = desk.buy(0.3).order
    desk.wait(2000)
    second = desk.sell(0.1).order
    result = desk.done(action=10, position=first, position_by=second)
    (left,) = desk.positions
    assert (left.ticket, left.volume) == (first, 0.2)
    deals = desk.deals[-2:]
    assert [deal.entry for deal in deals] == [3, 3]
    assert [deal.type for deal in deals] == [1, 0]
    assert [deal.position_id for deal in deals] == [first, second]
    assert sum(deal.profit for deal in deals) == 48.0
    order = desk.history[-1]
    assert (order.type, order.comment, order.ticket) == (8, f"#{first} by #{second}", result.order)
    assert (order.position_id, order.position_by_id) == (first, second)
    assert desk.account.balance == 100_048.0


def test_netting_adds_at_the_average_price() -> None:
    desk = Desk({"EURUSD": [(-1000, 1.1, 1.1002), (1000, 1.105, 1.1052)]}, of=profile("netting"))
    first = desk.buy(0.1)
    desk.wait(2000)
    second = desk.buy(0.3, sl=1.09)
    (position,) = desk.positions
    assert (position.ticket, position.volume, position.sl) == (first.order, 0.4, 1.09)
    assert position.price_open == pytest.approx((1.1002 + 3 * 1.1052) / 4)
    assert desk.deals[-1].entry == 0
    assert desk.history[-1].ticket == second.order
    assert desk.history[-1].position_id == first.order


def test_netting_reduces_closes_and_reverses() -> None:
    desk = Desk(of=profile("netting"))
    first = desk.buy(0.3).order
    desk.sell(0.1)
    assert desk.positions[0].volume == 0.2
    assert desk.deals[-1].entry == 1
    reverse = desk.sell(0.5, magic=9)
    (position,) = desk.positions
    assert (position.ticket, position.identifier, position.type, position.volume) == (reverse.order, first, 1, 0.3)
    assert (desk.deals[-1].entry, desk.deals[-1].volume, desk.deals[-1].profit) == (2, 0.5, -4.0)
    desk.buy(0.3)
    assert desk.positions == []
    assert desk.account.balance == pytest.approx(100_000 - 2.0 - 4.0 - 6.0)


def test_netting_stop_levels_need_no_ticket() -> None:
    desk = Desk(of=profile("netting"))
    assert desk.send(action=6, symbol="EURUSD", sl=1.0).retcode == 10036
    desk.buy(0.1)
    desk.done(action=6, symbol="EURUSD", sl=1.0)
    assert desk.positions[0].sl == 1.0


@pytest.mark.parametrize(("filling", "retcode", "state", "filled"), [(0, 10006, None, 0.0), (1, 10010, 2, 5.0), (2, 10010, 3, 5.0)])
def test_partial_fills(filling: int, retcode: int, state: int | None, filled: float) -> None:
    desk = Desk(of=profile("netting-exchange", liquidity=5.0))
    result = desk.send(action=1, symbol="EURUSD", volume=7.0, type_filling=filling)
    assert (result.retcode, result.volume) == (retcode, filled)
    assert result.comment == TEXTS[retcode]
    assert sum(p.volume for p in desk.positions) == filled
    states = [order.state for order in [*desk.orders, *desk.history]]
    assert states == ([] if state is None else [state])


def test_the_rest_of_a_partial_fill_is_filled_by_later_ticks() -> None:
    desk = Desk({"EURUSD": [(-1000, 1.1, 1.1002), (1000, 1.105, 1.1052)]}, of=profile("netting-exchange", liquidity=5.0))
    result = desk.send(action=1, symbol="EURUSD", volume=7.0, type_filling=2)
    (rest,) = desk.orders
    assert (rest.ticket, rest.volume_current, rest.state) == (result.order, 2.0, 3)
    desk.wait(2000)
    assert desk.orders == []
    assert desk.positions[0].volume == 7.0
    assert desk.history[-1].state == 4


def test_a_hedged_order_is_filled_in_parts_into_one_position() -> None:
    ticks = [(-1000, 1.1, 1.1002), (1000, 1.105, 1.1052), (2000, 1.106, 1.1062), (3000, 1.107, 1.1072)]
    desk = Desk({"EURUSD": ticks}, of=profile(contract={"exemode": 3, "filling_mode": 7}, liquidity=1.0))
    opened = desk.send(action=1, symbol="EURUSD", volume=2.5, type_filling=2).order
    desk.wait(2500)
    assert [(p.ticket, p.volume) for p in desk.positions] == [(opened, 2.5)]
    closed = desk.send(action=1, symbol="EURUSD", type=1, volume=2.5, type_filling=2, position=opened).order
    assert desk.positions[0].volume == 1.5
    desk.wait(2000)
    assert desk.positions[0].volume == 0.5
    assert [(o.ticket, o.volume_current, o.position_id) for o in desk.orders] == [(closed, 0.5, opened)]


def test_the_rest_of_an_order_ends_with_its_position() -> None:
    ticks = [(-1000, 1.1, 1.1002), (1000, 1.095, 1.0952), (2000, 1.094, 1.0942)]
    desk = Desk({"EURUSD": ticks}, of=profile(contract={"exemode": 3, "filling_mode": 7}, liquidity=1.0))
    desk.send(action=1, symbol="EURUSD", volume=4.0, type_filling=2)
    desk.done(action=6, position=desk.positions[0].ticket, sl=1.096)
    desk.wait(2500)
    assert (desk.positions, desk.orders) == ([], [])
    assert [order.state for order in desk.history] == [4, 2]


def test_order_check_of_a_close_frees_margin() -> None:
    desk = Desk()
    ticket = desk.buy(0.3).order
    check = desk.check(action=1, type=1, symbol="EURUSD", volume=0.1, position=ticket)
    assert (check.retcode, check.margin) == (0, 220.04)


def test_instant_execution_requotes() -> None:
    desk = Desk(of=profile("instant"))
    result = desk.send(action=1, symbol="EURUSD", volume=0.1, price=1.1000, deviation=10)
    assert (result.retcode, result.bid, result.ask, result.deal) == (10004, 1.1, 1.1002, 0)
    assert desk.send(action=1, symbol="EURUSD", volume=0.1).retcode == 10015
    assert desk.done(action=1, symbol="EURUSD", volume=0.1, price=1.1000, deviation=20).price == 1.1002
