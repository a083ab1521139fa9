from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.mt5api.structs import RATE_DTYPE, TICK_DTYPE
from bridge.mt5api.wire import ANSWERS, ARGUMENTS
from bridge.terminal.simulator.answers import FUNCTIONS
from bridge.terminal.simulator.market import SHAPES, SyntheticMarket
from bridge.terminal.simulator.symbols import CONTRACTS
from bridge.terminal.simulator.world import KINDS, World
from tests.scripted_market import START_MSC, START_S, Desk, profile, request

LATER = {"EURUSD": [(k * 1000, 1.1 + k * 1e-4, 1.1002 + k * 1e-4) for k in range(-200, 300)]}

FITTING: dict[str, list[Any]] = {
    "path": [None], "login": [None, 5_000_001], "password": [None, "simulated"], "server": [None], "group": [None, "*USD*"],
    "timeout_ms": [60_000],
    "portable": [False], "enable": [True], "symbol": ["EURUSD", "NOPE", ""],
    "timeframe": [1, 16385, 999],
    "count": [0, 1, 10, 100_000], "start_pos": [-1, 0, 5], "flags": [-1, 1, 2, 7], "action": [0, 1, 9],
    "date_from": [0, START_S - 60, 2**31 - 1, -(2**31)], "date_to": [0, START_S, 2**31 - 1], "ticket": [None, 1, 50_000_001],
    "position": [None, 1], "volume": [0.1, 0.0, float("nan")], "price": [1.1, -1.0, float("inf")], "price_open": [1.1],
    "price_close": [1.2], "request": [request(symbol="EURUSD", volume=0.1), request(), []],
}  # fmt: skip


def test_every_function_of_the_api_is_answered() -> None:
    assert set(FUNCTIONS) == set(ARGUMENTS)
    assert {name for names in ARGUMENTS.values() for name in names} <= set(KINDS) <= set(FITTING)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_arguments_get_an_answer_in_its_form(data: st.DataObject) -> None:
    desk = Desk()
    function = data.draw(st.sampled_from(sorted(ARGUMENTS)))
    anything: st.SearchStrategy[Any] = st.sampled_from([None, True, 3, -1, 1.5, "x", [], b""])
    args = [data.draw(st.one_of(st.sampled_from(FITTING[name]), anything)) for name in ARGUMENTS[function]]
    code, text, value = desk.error(function, *args)
    if code == 1:
        assert text == "Success"
        kind = ANSWERS[function][0]
        kinds = {"bool": bool, "int": int, "float": float, "version": list, "struct": list, "structs": list}
        assert isinstance(value, kinds.get(kind, bytes))
    else:
        assert code in (-1, -2, -4, -6)
        assert value is (False if ANSWERS[function][0] == "bool" else None)


def test_unknown_functions_and_wrong_argument_counts_are_invalid() -> None:
    desk = Desk()
    assert desk.error("no_such_function") == (-2, "Terminal: Invalid params", None)
    assert desk.error("symbol_info") == (-2, "Terminal: Invalid params", None)
    assert desk.error("symbol_select", "EURUSD", True, 1) == (-2, "Terminal: Invalid params", False)


def test_credentials() -> None:
    desk = Desk()
    assert desk.ask("initialize", None, None, None, None, 60_000, False) is True
    assert desk.ask("initialize", None, 5_000_001, "simulated", "MetaQuotes-Demo", 60_000, False) is True
    refused = (-6, "Terminal: Authorization failed", False)
    assert desk.error("initialize", None, 5_000_002, "simulated", "MetaQuotes-Demo", 60_000, False) == refused
    assert desk.error("login", 5_000_001, "wrong", None, 60_000) == refused
    assert desk.error("login", 5_000_001, None, "Other-Demo", 60_000) == refused
    assert desk.ask("login", 5_000_001, None, None, 60_000) is True


def test_a_new_account() -> None:
    desk = Desk()
    account = desk.account
    assert (account.login, account.server, account.currency, account.leverage) == (5_000_001, "MetaQuotes-Demo", "USD", 100)
    assert (account.balance, account.equity, account.margin, account.margin_level) == (100_000.0, 100_000.0, 0.0, 0.0)
    assert account.margin_mode == 2
    (deposit,) = desk.deals
    assert (deposit.type, deposit.profit, deposit.order, deposit.symbol, deposit.entry) == (2, 100_000.0, 0, "", 0)


def test_symbols_of_the_default_broker() -> None:
    desk = Desk()
    assert desk.ask("symbols_total") == len(CONTRACTS) >= 30
    names = [row[95 - 2] for row in desk.ask("symbols_get", None)]
    assert names == list(CONTRACTS)
    assert all(name in CONTRACTS for name in SHAPES), "every synthetic symbol can be traded"
    assert all(name in SHAPES for name in CONTRACTS), "every symbol has a synthetic market"
    assert [c.digits for c in CONTRACTS.values()] == [SHAPES[name].digits for name in CONTRACTS]
    assert [c.schedule for c in CONTRACTS.values()] == [SHAPES[name].schedule for name in CONTRACTS]
    assert any(not c.selected for c in CONTRACTS.values())


def test_an_unknown_symbol_is_not_found() -> None:
    desk = Desk()
    missing = (-4, "Terminal: Not found", None)
    assert desk.error("symbol_info", "NOPE") == missing
    assert desk.error("symbol_info_tick", "NOPE") == missing
    assert desk.error("copy_rates_from_pos", "NOPE", 1, 0, 5) == missing
    assert desk.error("copy_ticks_from", "NOPE", START_S, 5, -1) == missing
    assert desk.error("symbol_select", "NOPE", True) == (-1, "Terminal: Call failed", False)
    assert desk.error("market_book_add", "NOPE") == (1, "Success", False)


def test_ticks_need_market_watch() -> None:
    desk = Desk()
    desk.world.server.watch.clear()
    assert desk.error("symbol_info_tick", "EURUSD")[0] == -4
    assert desk.ask("symbol_select", "EURUSD", True) is True
    assert desk.ask("symbol_info_tick", "EURUSD") == [START_S - 1, 1.1, 1.1002, 0.0, 0, START_MSC - 1000, 6, 0.0]


def test_selecting_a_cross_selects_its_conversion_invisibly() -> None:
    desk = Desk()
    desk.world.server.watch.clear()
    desk.ask("symbol_select", "EURGBP", True)
    assert desk.world.server.watch == {"EURGBP": True, "GBPUSD": False, "EURUSD": False}


def test_a_symbol_with_a_position_stays_in_market_watch() -> None:
    desk = Desk()
    ticket = desk.buy().order
    assert desk.error("symbol_select", "EURUSD", False) == (-1, "Terminal: Call failed", False)
    desk.sell(position=ticket)
    assert desk.ask("symbol_select", "EURUSD", False) is True


def test_nothing_of_the_future_is_seen() -> None:
    desk = Desk(LATER)
    assert desk.ask("symbol_info_tick", "EURUSD")[5] == START_MSC - 1000
    ticks = np.frombuffer(desk.ask("copy_ticks_range", "EURUSD", 0, 2**31 - 1, -1), TICK_DTYPE)
    assert ticks["time_msc"].max() == START_MSC - 1000
    desk.wait(10_001)
    assert desk.ask("symbol_info_tick", "EURUSD")[5] == START_MSC + 10_000
    bars = np.frombuffer(desk.ask("copy_rates_from_pos", "EURUSD", 1, 0, 2), RATE_DTYPE)
    assert bars["time"].tolist() == [START_S - 60, START_S]
    assert bars["tick_volume"].tolist() == [60, 11]


def test_bars_from_a_date_open_at_or_before_it() -> None:
    desk = Desk(LATER)
    desk.wait(200_000)
    bars = np.frombuffer(desk.ask("copy_rates_from", "EURUSD", 1, START_S + 59, 2), RATE_DTYPE)
    assert bars["time"].tolist() == [START_S - 60, START_S]
    assert bars["tick_volume"].tolist() == [60, 60]
    bars = np.frombuffer(desk.ask("copy_rates_range", "EURUSD", 1, START_S, START_S + 60), RATE_DTYPE)
    assert bars["time"].tolist() == [START_S, START_S + 60]


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("copy_rates_from_pos", ("EURUSD", 7, 0, 5)),
        ("copy_rates_from_pos", ("EURUSD", 1, 0, 0)),
        ("copy_rates_from_pos", ("EURUSD", 1, -1, 5)),
        ("copy_rates_from_pos", ("EURUSD", 1, 0, 100_000)),
        ("copy_rates_from", ("EURUSD", 1, START_S, -3)),
        ("copy_rates_range", ("EURUSD", 1, START_S, START_S - 1)),
        ("copy_ticks_from", ("EURUSD", START_S, 0, -1)),
        ("copy_ticks_from", ("EURUSD", START_S, 5, 99)),
        ("copy_ticks_range", ("EURUSD", START_S, START_S - 1, -1)),
        ("order_calc_margin", (9, "EURUSD", 1.0, 1.1)),
        ("order_calc_margin", (0, "EURUSD", 0.0, 1.1)),
        ("order_calc_profit", (0, "EURUSD", 1.0, 1.1, -1.0)),
    ],
)
def test_invalid_parameters(function: str, args: tuple[Any, ...]) -> None:
    assert Desk(LATER).error(function, *args) == (-2, "Terminal: Invalid params", None)


def test_an_interval_before_all_history_fails() -> None:
    assert Desk().error("copy_rates_range", "EURUSD", 1, 0, 1000) == (-1, "Terminal: Call failed", None)


def test_ticks_of_one_kind() -> None:
    desk = Desk(LATER)
    assert len(desk.ask("copy_ticks_from", "EURUSD", START_S - 100, 5, 1)) == 5 * 60
    assert desk.ask("copy_ticks_from", "EURUSD", START_S - 100, 5, 2) == b""
    last = np.frombuffer(desk.ask("copy_ticks_from", "EURUSD", 0, 3, -1), TICK_DTYPE)
    assert last["time"].tolist() == [START_S - 3, START_S - 2, START_S - 1]


def test_more_ticks_than_an_answer_holds() -> None:
    assert Desk().error("copy_ticks_from", "EURUSD", START_S, 10**9, -1) == (-3, "Terminal: Out of memory", None)


def test_the_depth_of_market_belongs_to_one_program() -> None:
    desk = Desk()
    call, now = desk.world.call, desk.now_msc
    assert call("market_book_get", ["EURUSD"], now, 1)[0] == -4
    assert call("market_book_add", ["EURUSD"], now, 1) == (1, "Success", True)
    levels = call("market_book_get", ["EURUSD"], now, 1)[2]
    assert call("market_book_get", ["EURUSD"], now, 2)[0] == -4
    prices = [level[1] for level in levels]
    assert prices == sorted(prices, reverse=True)
    assert [level[0] for level in levels] == [1] * 10 + [2] * 10
    assert levels[9][1] == 1.1002
    assert levels[10][1] == 1.1
    assert all(level[2] == level[3] > 0 for level in levels)
    desk.world.detach(1)
    assert call("market_book_get", ["EURUSD"], now, 1)[0] == -4
    assert call("market_book_add", ["USDJPY"], now, 1) == (1, "Success", False)


def test_order_calculations() -> None:
    desk = Desk()
    assert desk.ask("order_calc_margin", 0, "EURUSD", 0.1, 1.0991) == 109.91
    assert desk.ask("order_calc_profit", 0, "USDJPY", 1.0, 108.183, 108.483) == 276.54
    assert desk.error("order_calc_profit", 0, "EURJPY", 1.0, 150.0, 151.0)[0] == 1
    assert desk.error("order_calc_profit", 0, "EURCHF", 1.0, 0.93, 0.94) == (-1, "Terminal: Call failed", None)


def test_a_synthetic_world_repeats_itself() -> None:
    def live() -> list[Any]:
        world, now_msc, answers = World(SyntheticMarket(3), START_MSC), START_MSC, []
        for side in (0, 1, 0):
            now_msc += 30_000
            answers.append(world.call("order_send", [request(symbol="EURUSD", volume=0.5, type=side)], now_msc))
            answers.append(world.call("account_info", [], now_msc + 5))
        return answers

    assert live() == live()


def test_a_commission_is_charged_on_every_deal() -> None:
    desk = Desk(of=profile(commission=3.5))
    ticket = desk.buy(0.2).order
    assert desk.account.balance == 100_000 - 0.7
    desk.sell(0.2, position=ticket)
    assert desk.account.balance == 100_000 - 1.4 - 4.0
    assert [deal.commission for deal in desk.deals] == [0.0, -0.7, -0.7]


def test_history_by_ticket_is_by_the_orders_ticket() -> None:
    desk = Desk()
    result = desk.buy()
    (deal,) = desk.ask("history_deals_get", None, None, None, result.order, None)
    assert deal[:2] == [result.deal, result.order]
    (order,) = desk.ask("history_orders_get", None, None, None, result.order, None)
    assert order[0] == result.order
    assert desk.error("history_deals_get", None, None, None, 4711, None)[0] == -4
    assert desk.error("positions_get", None, None, 4711)[0] == -4
    assert desk.error("history_deals_get", None, None, None, None, None)[0] == -2


def test_the_days_prices_are_the_same_however_often_asked() -> None:
    seldom, often = (World(SyntheticMarket(5), START_MSC) for _ in range(2))
    for minute in range(0, 13 * 60, 30):
        often.call("symbol_info", ["EURUSD"], START_MSC + minute * 60_000)
    now_msc = START_MSC + 13 * 3_600_000
    assert often.call("symbol_info", ["EURUSD"], now_msc) == seldom.call("symbol_info", ["EURUSD"], now_msc)
