"""Every return code of ENUM_TRADE_RETURN_CODES that a trade server gives by itself, and how it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.terminal.simulator.retcodes import TEXTS, Retcode
from bridge.terminal.simulator.server import Switches
from tests.scripted_market import START_S, Desk, profile, request

BUY = {"action": 1, "type": 0, "symbol": "EURUSD", "volume": 0.1}
LIMIT = {"action": 5, "type": 2, "symbol": "EURUSD", "volume": 0.1, "price": 1.0, "type_filling": 2}
NAN = float("nan")

FAULTS: list[tuple[int, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    # retcode, request, changes of the profile, changes of the contract
    (10013, {**BUY, "action": 0}, {}, {}),
    (10013, {**BUY, "action": 2}, {}, {}),
    (10013, {**BUY, "symbol": "NOPE"}, {}, {}),
    (10013, {**BUY, "symbol": ""}, {}, {}),
    (10013, {**BUY, "symbol": "EURCHF"}, {}, {}),  # not in Market Watch
    (10013, {**BUY, "type": 2}, {}, {}),
    (10035, {**BUY, "type": 9}, {}, {}),
    (10013, {**LIMIT, "type": 0}, {}, {}),
    (10035, {**LIMIT, "type": 77}, {}, {}),
    (10014, {**BUY, "volume": 0.0}, {}, {}),
    (10014, {**BUY, "volume": 0.001}, {}, {}),
    (10014, {**BUY, "volume": 0.015}, {}, {}),
    (10014, {**BUY, "volume": 501.0}, {}, {}),
    (10014, {**BUY, "volume": NAN}, {}, {}),
    (10014, {**LIMIT, "volume": -0.1}, {}, {}),
    (10015, {**LIMIT, "price": 0.0}, {}, {}),
    (10015, {**LIMIT, "price": NAN}, {}, {}),
    (10015, {**LIMIT, "price": 1.2}, {}, {}),
    (10015, {**LIMIT, "price": 1.0000049}, {}, {}),
    (10015, {**LIMIT, "type": 3, "price": 1.0}, {}, {}),
    (10015, {**LIMIT, "type": 4, "price": 1.0}, {}, {}),
    (10015, {**LIMIT, "type": 5, "price": 1.2}, {}, {}),
    (10015, {**LIMIT, "type": 6, "price": 1.2, "stoplimit": 1.3}, {}, {}),
    (10015, {**LIMIT, "price": 1.0995}, {}, {"stops_level": 100}),
    (10016, {**BUY, "sl": 1.2}, {}, {}),
    (10016, {**BUY, "tp": 1.0}, {}, {}),
    (10016, {**BUY, "sl": NAN}, {}, {}),
    (10016, {**BUY, "sl": -1.0}, {}, {}),
    (10016, {**BUY, "type": 1, "sl": 1.05}, {}, {}),
    (10016, {**BUY, "sl": 1.0995}, {}, {"stops_level": 100}),
    (10016, {**LIMIT, "sl": 1.01}, {}, {}),
    (10017, BUY, {}, {"trade_mode": 0}),
    (10042, {**BUY, "type": 1}, {}, {"trade_mode": 1}),
    (10043, BUY, {}, {"trade_mode": 2}),
    (10044, BUY, {}, {"trade_mode": 3}),
    (10044, LIMIT, {}, {"trade_mode": 3}),
    (10018, BUY, {}, {"schedule": "stocks"}),
    (10019, {**BUY, "volume": 100.0}, {}, {}),
    (10021, {**BUY, "symbol": "AAPL", "volume": 1.0}, {}, {"selected": True, "schedule": "always"}),
    (10022, {**LIMIT, "type_time": 2, "expiration": START_S}, {}, {}),
    (10022, {**LIMIT, "type_time": 3, "expiration": START_S - 90_000}, {}, {}),
    (10022, {**LIMIT, "type_time": 9}, {}, {}),
    (10022, {**LIMIT, "type_time": 1}, {}, {"expiration_mode": 1}),
    (10030, {**BUY, "type_filling": 2}, {}, {}),
    (10030, {**BUY, "type_filling": 3}, {}, {}),
    (10030, BUY, {}, {"filling_mode": 2}),
    (10030, {**BUY, "type_filling": 1}, {}, {"filling_mode": 1}),
    (10030, {**LIMIT, "type_filling": 3}, {}, {}),
    (10030, {**LIMIT, "type_filling": 8}, {}, {}),
    (10033, LIMIT, {"limit_orders": 1}, {}),
    (10034, {**BUY, "volume": 0.3}, {}, {"volume_limit": 0.35}),
    (10034, {**LIMIT, "volume": 0.3}, {}, {"volume_limit": 0.35}),
    (10035, LIMIT, {}, {"order_mode": 1}),
    (10035, {**BUY, "sl": 1.0}, {}, {"order_mode": 127 - 16}),
    (10036, {**BUY, "type": 1, "position": 4711}, {}, {}),
    (10036, {"action": 6, "symbol": "EURUSD", "position": 4711, "sl": 1.0}, {}, {}),
    (10036, {"action": 10, "position": 4711, "position_by": 4712}, {}, {}),
    (10013, {"action": 10, "position": 4711, "position_by": 4711}, {}, {}),
    (10013, {"action": 6, "symbol": "EURUSD", "sl": 1.0}, {}, {}),
    (10013, {"action": 7, "order": 4711, "price": 1.0}, {}, {}),
    (10013, {"action": 8, "order": 4711}, {}, {}),
    (10040, BUY, {"limit_positions": 1}, {}),
    (10040, LIMIT, {"limit_positions": 1}, {}),
    (10046, {**LIMIT, "type": 3, "price": 1.2}, {"hedge_allowed": False}, {}),
    (10046, {**BUY, "type": 1}, {"hedge_allowed": False}, {}),
]


@pytest.mark.parametrize(("retcode", "fields", "terms", "contract"), FAULTS)
def test_a_single_fault(retcode: int, fields: dict[str, Any], terms: dict[str, Any], contract: dict[str, Any]) -> None:
    desk = Desk(of=profile(**terms, contract=contract))
    if terms or "volume_limit" in contract:
        desk.done(**BUY)
    if "limit_orders" in terms:
        desk.done(**LIMIT)
    if "AAPL" in fields.values():
        desk.world.server.watch["AAPL"] = True
    before = (desk.positions, desk.orders, desk.deals, desk.history)
    result = desk.send(**fields)
    assert (result.retcode, result.comment) == (retcode, TEXTS[retcode])
    assert (result.deal, result.order, result.volume, result.price, result.bid, result.ask, result.request_id) == (0,) * 7
    assert (desk.positions, desk.orders, desk.deals, desk.history) == before
    if retcode != 10018:
        assert desk.check(**fields).retcode == retcode


@pytest.mark.parametrize(
    ("retcode", "switches"),
    [
        (10027, Switches(trade_allowed=False)),
        (10031, Switches(connected=False)),
        (10017, Switches(account_trade_allowed=False)),
        (10026, Switches(account_trade_expert=False)),
    ],
)
def test_switches_forbid_trading(retcode: int, switches: Switches) -> None:
    desk = Desk()
    desk.world.server.switches = switches
    assert desk.send(**BUY).retcode == retcode
    assert desk.check(**BUY).retcode == retcode


def test_the_python_api_option_refuses_the_call_itself() -> None:
    desk = Desk()
    desk.world.server.switches = Switches(tradeapi_disabled=True)
    assert desk.error("order_send", request(**BUY)) == (-8, "Auto-Trading using Python API disabled in Terminal", None)


def test_a_close_of_the_wrong_kind() -> None:
    desk = Desk()
    ticket = desk.buy(0.2).order
    close = {"action": 1, "symbol": "EURUSD", "position": ticket}
    assert desk.send(**close, type=0, volume=0.1).retcode == 10013
    assert desk.send(**{**close, "symbol": "USDJPY"}, type=1, volume=0.1).retcode == 10013
    assert desk.send(**close, type=1, volume=0.3).retcode == 10038
    assert desk.send(**close, type=1, volume=0.2).retcode == 10009
    assert desk.send(**close, type=1, volume=0.2).retcode == 10036


def test_closing_is_allowed_when_opening_is_not() -> None:
    desk = Desk()
    ticket = desk.buy(0.1).order
    desk.world.server.profile = profile(contract={"trade_mode": 3})
    assert desk.send(action=1, type=1, symbol="EURUSD", volume=0.1).retcode == 10044
    assert desk.send(action=1, type=1, symbol="EURUSD", volume=0.1, position=ticket).retcode == 10009


def test_a_position_being_closed_cannot_be_closed_again() -> None:
    desk = Desk(of=profile(contract={"exemode": 3, "filling_mode": 7}, liquidity=1.0))
    ticket = desk.buy(1.0).order
    desk.world.server.profile = profile(contract={"exemode": 3, "filling_mode": 7}, liquidity=0.5)
    close = {"action": 1, "type": 1, "symbol": "EURUSD", "position": ticket, "type_filling": 2}
    assert desk.send(**close, volume=1.0).retcode == 10010
    assert desk.send(**close, volume=0.5).retcode == 10039


def test_the_rest_of_an_opening_order_does_not_lock_its_position() -> None:
    desk = Desk(of=profile(contract={"exemode": 3, "filling_mode": 7}, liquidity=1.0))
    ticket = desk.send(action=1, symbol="EURUSD", volume=1.5, type_filling=2).order
    assert desk.send(action=1, type=1, symbol="EURUSD", volume=1.0, type_filling=2, position=ticket).retcode == 10009


def test_pending_orders_count_as_positions_to_come_in_hedging_accounts_only() -> None:
    for name, retcode in (("hedging-cfd", 10040), ("netting", 10009)):
        desk = Desk(of=profile(name, limit_positions=1))
        desk.done(**LIMIT)
        assert desk.send(**BUY).retcode == retcode


def test_frozen_orders_and_positions() -> None:
    desk = Desk(of=profile(contract={"freeze_level": 50}))
    ticket = desk.buy(0.1, sl=1.0996).order
    assert desk.send(action=6, position=ticket, sl=1.09).retcode == 10029
    assert desk.send(action=1, type=1, symbol="EURUSD", volume=0.1, position=ticket).retcode == 10029
    order = desk.done(**{**LIMIT, "price": 1.0998}).order
    assert desk.send(action=8, order=order).retcode == 10029
    assert desk.send(action=7, order=order, price=1.09).retcode == 10029


def test_first_in_first_out() -> None:
    desk = Desk(of=profile(fifo_close=True))
    first, second = desk.buy(0.1).order, desk.buy(0.1).order
    close = {"action": 1, "type": 1, "symbol": "EURUSD", "volume": 0.1}
    assert desk.send(**close, position=second).retcode == 10045
    assert desk.send(**close, position=first).retcode == 10009


def test_too_many_requests_in_a_second() -> None:
    desk = Desk(of=profile(requests_per_second=2))
    assert [desk.send(**BUY).retcode for _ in range(3)] == [10009, 10009, 10024]
    desk.wait(1000)
    assert desk.send(**BUY).retcode == 10009


@pytest.mark.parametrize("retcode", sorted(set(Retcode) - {Retcode.OK}))
def test_every_return_code_can_be_forced(retcode: Retcode) -> None:
    desk = Desk()
    desk.world.server.forced.append(retcode)
    result = desk.send(**BUY)
    assert (result.retcode, result.comment) == (retcode, TEXTS[retcode])
    assert desk.positions == []
    assert desk.send(**BUY).retcode == 10009


def test_order_check_of_an_accepted_request() -> None:
    # Python reference, order_check: retcode 0, comment 'Done', margin_free = equity - margin, level in percent.
    desk = Desk()
    check = desk.check(**{**BUY, "volume": 1.0})
    assert (check.retcode, check.comment, check.balance, check.equity) == (0, "Done", 100_000.0, 100_000.0)
    assert (check.margin, check.margin_free) == (1100.2, 98_899.8)
    assert check.margin_level == check.equity / check.margin * 100
    assert desk.positions == []


def test_order_check_shows_what_is_missing() -> None:
    check = Desk().check(**{**BUY, "volume": 100.0})
    assert (check.retcode, check.comment) == (10019, "No money")
    assert check.margin_free == 100_000 - 110_020


def test_order_check_does_not_notice_a_closed_market() -> None:
    desk = Desk(of=profile(contract={"schedule": "stocks"}))
    assert desk.check(**BUY).retcode == 0
    assert desk.send(**BUY).retcode == 10018


def test_reducing_needs_no_money() -> None:
    desk = Desk({"EURUSD": [(-1000, 1.1, 1.1002), (1000, 1.0860, 1.0862)]}, of=profile("netting", balance=1000.0))
    desk.buy(0.5)
    desk.wait(1500)  # equity 290, margin 550.1
    assert desk.send(action=1, type=0, symbol="EURUSD", volume=0.1).retcode == 10019
    assert desk.send(action=1, type=1, symbol="EURUSD", volume=0.1).retcode == 10009
    assert desk.account.margin_free < 0


def test_modifying_and_removing_an_order() -> None:
    desk = Desk()
    order = desk.done(**LIMIT, sl=0.9, tp=1.05).order
    assert desk.send(action=7, order=order, price=1.0, sl=0.9, tp=1.05).retcode == 10025
    assert desk.send(action=7, order=order, price=1.2).retcode == 10015
    desk.done(action=7, order=order, price=1.05, sl=1.0, type_time=2, expiration=START_S + 60)
    (changed,) = desk.orders
    assert (changed.price_open, changed.sl, changed.tp, changed.time_expiration) == (1.05, 1.0, 0.0, START_S + 60)
    result = desk.done(action=8, order=order)
    assert (result.order, result.deal) == (order, 0)
    assert desk.orders == []
    assert (desk.history[0].state, desk.history[0].volume_current) == (2, 0.1)
    assert desk.send(action=8, order=order).retcode == 10013


def test_request_ids_count_accepted_requests() -> None:
    desk = Desk()
    assert [desk.buy().request_id, desk.buy().request_id] == [1, 2]


def test_the_published_order_check() -> None:
    # Python reference, order_check: balance and equity 10000.17, margin 1000.0, free 9000.17, level 1000.017, 'Done'.
    desk = Desk({"USDJPY": [(-1000, 108.015, 108.02)]}, of=profile(balance=10_000.17))
    check = desk.check(action=1, type=0, symbol="USDJPY", volume=1.0)
    assert (check.retcode, check.balance, check.equity, check.profit) == (0, 10_000.17, 10_000.17, 0.0)
    assert (check.margin, check.margin_free, check.comment) == (1000.0, 9000.17, "Done")
    assert round(check.margin_level, 10) == 1000.017


def test_the_published_close() -> None:
    # Python reference, order_send: closed at the bid 108.015 (ask 108.02) although 108.018 was asked for; market execution.
    desk = Desk({"USDJPY": [(-1000, 108.015, 108.02)]})
    opened = desk.buy(0.1, "USDJPY").order
    result = desk.done(action=1, type=1, symbol="USDJPY", volume=0.1, price=108.018, deviation=20, position=opened)
    assert (result.retcode, result.volume, result.price, result.bid, result.ask) == (10009, 0.1, 108.015, 108.015, 108.02)
    assert (result.comment, result.retcode_external, result.request_id) == ("Request executed", 0, 2)
    assert result.deal > 0
    assert result.order > opened


def test_the_published_pending_order() -> None:
    # A result published from a real terminal: retcode 10009, deal 0, price 0.0, bid and ask of the moment.
    desk = Desk()
    result = desk.done(**LIMIT)
    assert (result.deal, result.volume, result.price, result.bid, result.ask) == (0, 0.1, 0.0, 1.1, 1.1002)
    (order,) = desk.orders
    assert (order.ticket, order.state, order.time_done, order.position_id, order.reason) == (result.order, 1, 0, 0, 3)
    assert (order.volume_initial, order.volume_current, order.price_current) == (0.1, 0.1, 1.1002)
