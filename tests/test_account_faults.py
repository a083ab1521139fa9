"""Faults of the broker link, the account, permissions and the server's clock, as the MetaTrader5 API shows them."""

from __future__ import annotations

import pytest

from bridge.terminal.simulator.fault import FaultRefused
from tests.faulty_terminal import EVER, Faulty
from tests.scripted_market import START_MSC, START_S


def test_without_the_broker_the_terminal_shows_what_it_knew() -> None:
    faulty = Faulty()
    faulty.pass_s(10)
    known = faulty.tick
    faulty.fault("broker_down")
    faulty.pass_s(60)
    assert faulty.mt5.terminal_info().connected is False
    assert faulty.retcode() == 10031
    assert faulty.tick == known
    assert len(faulty.ticks()) == 70
    assert faulty.mt5.account_info().balance == 100_000.0
    faulty.clear()
    assert faulty.mt5.terminal_info().connected is True
    assert faulty.tick.time == START_S + 69
    assert len(faulty.ticks()) == 130, "the missed ticks are in the history"
    assert faulty.retcode() == 10009


def test_the_server_goes_on_without_the_terminal() -> None:
    faulty = Faulty()
    order = faulty.send(tp=1.1010)
    faulty.fault("broker_down", seconds=300)
    faulty.pass_s(299)
    assert len(faulty.mt5.positions_get()) == 1
    faulty.pass_s(1)
    assert faulty.names == []
    assert faulty.mt5.positions_get() == ()
    deal = faulty.mt5.history_deals_get(*EVER)[-1]
    assert (deal.position_id, deal.reason, deal.time_msc) == (order.order, 5, START_MSC + 100_000)


@pytest.mark.parametrize(("name", "retcode"), [("algo_off", 10027), ("investor", 10017), ("robots_off", 10026)])
def test_permissions(name: str, retcode: int) -> None:
    faulty = Faulty()
    faulty.fault(name)
    assert faulty.retcode() == retcode
    assert faulty.mt5.terminal_info().trade_allowed is (name != "algo_off")
    assert faulty.mt5.account_info().trade_allowed is (name != "investor")
    assert faulty.mt5.account_info().trade_expert is (name != "robots_off")
    faulty.clear()
    assert faulty.retcode() == 10009


def test_a_permission_is_back_only_when_nothing_takes_it_any_more() -> None:
    faulty = Faulty()
    faulty.fault("broker_down", seconds=10)
    faulty.fault("broker_down", seconds=20)
    faulty.fault("investor")
    faulty.pass_s(15)
    assert faulty.mt5.terminal_info().connected is False
    assert faulty.retcode() == 10031
    faulty.pass_s(5)
    assert faulty.retcode() == 10017
    faulty.clear("investor")
    assert faulty.retcode() == 10009


def test_the_python_api_disabled() -> None:
    faulty = Faulty()
    faulty.fault("api_disabled")
    assert faulty.send() is None
    assert faulty.error == (-8, "Auto-Trading using Python API disabled in Terminal")
    assert faulty.mt5.terminal_info().tradeapi_disabled is True
    faulty.clear()
    assert faulty.mt5.terminal_info().tradeapi_disabled is False
    assert faulty.retcode() == 10009


@pytest.mark.parametrize(
    ("name", "arguments", "shift_s"),
    [
        ("clock_jump", {"seconds": 100.0}, 100),
        ("clock_jump", {"seconds": -30.0}, -30),
        ("dst_shift", {"hours": -1}, -3600),
        ("dst_shift", {"hours": 1}, 3600),
    ],
)
def test_the_servers_clock_shifts_and_goes_on(name: str, arguments: dict[str, float], shift_s: int) -> None:
    faulty = Faulty({"EURUSD": [(s * 1000, 1.1, 1.1002) for s in range(-4000, 4000)]})
    faulty.fault(name, **arguments)
    assert faulty.tick.time == START_S + shift_s - 1
    faulty.pass_s(10)
    assert faulty.tick.time == START_S + shift_s + 9
    deal = faulty.mt5.history_deals_get(ticket=faulty.send().order)[0]
    assert deal.time == START_S + shift_s + 10
    faulty.clear()
    assert faulty.tick.time == START_S + 9
    faulty.pass_s(10)
    assert faulty.tick.time == START_S + 19


def test_time_that_is_left_out_is_not_lived_through() -> None:
    quotes = [(0, 1.1, 1.1002), (50_000, 1.2, 1.2002), (60_000, 1.1, 1.1002)]
    faulty = Faulty({"EURUSD": quotes})
    faulty.pass_s(1)
    faulty.send(tp=1.15)
    faulty.fault("clock_jump", seconds=100)
    faulty.pass_s(5)
    assert len(faulty.mt5.positions_get()) == 1


def test_another_account_is_shown_and_the_first_one_comes_back() -> None:
    faulty = Faulty()
    order = faulty.send(tp=1.1010).order
    faulty.fault("account_switched", login=42, server="Other-Live", balance=777.0)
    account = faulty.mt5.account_info()
    assert (account.login, account.server, account.balance) == (42, "Other-Live", 777.0)
    (position,) = faulty.mt5.positions_get()
    assert (position.symbol, position.magic) == ("EURUSD", 0)
    assert faulty.mt5.history_deals_get(ticket=order)[0].magic == 0, "tickets of accounts are not told apart by themselves"
    faulty.pass_s(200)
    faulty.clear()
    assert faulty.mt5.account_info().login == 5_000_001
    deals = faulty.mt5.history_deals_get(*EVER)
    assert [(deal.magic, deal.reason) for deal in deals[1:]] == [(7, 3), (7, 5)], "the first account was looked after meanwhile"
    assert deals[-1].time_msc == START_MSC + 100_000


def test_permissions_are_of_the_terminal_not_of_the_account_it_shows() -> None:
    faulty = Faulty()
    faulty.fault("account_switched")
    faulty.fault("algo_off")
    faulty.clear("account_switched")
    assert faulty.retcode() == 10027
    faulty.fault("account_switched")
    assert faulty.retcode() == 10027
    faulty.clear("algo_off")
    faulty.clear("account_switched")
    assert faulty.retcode() == 10009


def test_logging_in_again_ends_the_other_account() -> None:
    faulty = Faulty()
    faulty.fault("account_switched", symbol="")
    assert faulty.mt5.positions_get() == ()
    assert faulty.mt5.initialize(), "without credentials the account that is shown"
    assert faulty.mt5.account_info().login == 5_000_002
    assert faulty.mt5.login(5_000_001, "simulated", "MetaQuotes-Demo")
    assert faulty.mt5.account_info().login == 5_000_001
    assert faulty.names == []


def test_a_second_account_may_follow_the_first() -> None:
    faulty = Faulty()
    faulty.fault("account_switched", login=1)
    faulty.fault("account_switched", login=2)
    assert faulty.mt5.account_info().login == 2
    faulty.clear()
    assert faulty.mt5.account_info().login == 5_000_001


def test_a_position_of_an_unknown_symbol_is_refused() -> None:
    faulty = Faulty()
    with pytest.raises(FaultRefused, match="no symbol 'NOPE'"):
        faulty.fault("account_switched", symbol="NOPE")
    assert faulty.names == []
    assert faulty.mt5.account_info().login == 5_000_001
