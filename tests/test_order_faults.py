"""Faults of trading, as the MetaTrader5 API shows them."""

from __future__ import annotations

import pytest

from bridge.terminal.simulator.fault import FaultRefused
from tests.faulty_terminal import EVER, FAILED, LINK_BROKEN, NO_LINK, Faulty
from tests.scripted_market import START_MSC


@pytest.mark.parametrize(
    ("name", "retcode"), [("requote", 10004), ("reject", 10006), ("no_money", 10019), ("market_closed", 10018)]
)
def test_refusals(name: str, retcode: int) -> None:
    faulty = Faulty()
    faulty.fault(name, count=2)
    refused = [faulty.send(), faulty.send()]
    assert [result.retcode for result in refused] == [retcode, retcode]
    assert all((result.order, result.deal) == (0, 0) for result in refused)
    assert (refused[0].bid > 0) == (name == "requote"), "only a requote has new prices"
    assert faulty.names == []
    assert faulty.retcode() == 10009
    assert len(faulty.mt5.positions_get()) == 1
    faulty.fault(name, count=0)
    assert [faulty.retcode() for _ in range(5)] == [retcode] * 5
    faulty.clear()
    assert faulty.retcode() == 10009


def test_any_refusal() -> None:
    faulty = Faulty()
    faulty.fault("retcode", code=10024)
    assert faulty.send().comment == "Too many requests"
    for code in (0, 10009, 10005, 7):
        with pytest.raises(FaultRefused, match=f"{code} is not the return code of a refusal"):
            faulty.fault("retcode", code=code)


def test_a_request_that_is_not_judged_uses_no_refusal_up() -> None:
    faulty = Faulty()
    faulty.fault("reject")
    faulty.fault("api_disabled")
    assert faulty.send() is None
    faulty.clear("api_disabled")
    assert faulty.mt5.order_check({"action": 1, "symbol": "EURUSD", "volume": 0.1}).retcode == 0
    assert faulty.retcode() == 10006
    assert not faulty.world.server.forced


@pytest.mark.parametrize("executes", [True, False])
def test_an_order_without_an_answer(executes: bool) -> None:
    faulty = Faulty()
    faulty.fault("unanswered", executes=executes)
    assert faulty.send() is None
    assert faulty.error == LINK_BROKEN
    assert faulty.mt5.positions_get() is None
    assert faulty.error == NO_LINK
    assert faulty.mt5.initialize()
    assert len(faulty.mt5.positions_get()) == executes
    assert faulty.names == []
    assert faulty.retcode() == 10009


@pytest.mark.parametrize("executes", [True, False])
def test_an_order_that_fails_and_may_be_executed(executes: bool) -> None:
    faulty = Faulty()
    faulty.fault("unanswered", answer="failed", executes=executes, count=0)
    assert faulty.send() is None
    assert faulty.error == FAILED
    assert len(faulty.mt5.positions_get()) == executes
    assert faulty.retcode(volume=0.001) == 10014, "what is refused is answered"
    faulty.clear()
    assert faulty.retcode() == 10009


@pytest.mark.parametrize(("name", "arguments"), [("unanswered", {"executes": False}), ("order_timeout", {"seconds": 9.0})])
def test_what_never_reaches_the_server_is_answered_as_ever(name: str, arguments: dict[str, object]) -> None:
    faulty = Faulty()
    faulty.fault(name, **arguments)
    faulty.fault("api_disabled")
    assert faulty.send() is None
    assert faulty.error[0] == -8
    faulty.clear("api_disabled")
    assert faulty.retcode(volume=0.001) == 10014
    assert faulty.names == [name]


@pytest.mark.parametrize(("executes", "seconds"), [(True, 0.0), (True, 20.0), (False, 0.0)])
def test_a_timeout_whose_order_is_executed_at_once_later_or_never(executes: bool, seconds: float) -> None:
    faulty = Faulty()
    faulty.fault("order_timeout", executes=executes, seconds=seconds)
    result = faulty.send()
    assert (result.retcode, result.comment, result.order) == (10012, "Request canceled by timeout", 0)
    assert result.request.magic == 7
    assert len(faulty.mt5.positions_get()) == (executes and not seconds)
    faulty.pass_s(60)
    positions = faulty.mt5.positions_get()
    assert [position.time_msc for position in positions] == ([START_MSC + seconds * 1000] if executes else [])
    assert faulty.names == []


def test_late_orders_that_are_cleared_are_never_executed() -> None:
    faulty = Faulty()
    faulty.fault("order_timeout", code=10031, seconds=5)
    assert faulty.retcode() == 10031
    assert faulty.names == ["order_timeout"]
    faulty.clear()
    faulty.pass_s(10)
    assert faulty.mt5.positions_get() == ()


def test_books_show_late_what_happened() -> None:
    faulty = Faulty()
    old = faulty.send().order
    faulty.pass_s(10)
    faulty.fault("delayed_books", seconds=3)
    new = faulty.send()
    assert new.retcode == 10009
    mt5 = faulty.mt5

    def seen() -> tuple[list[int], int, int, int, int, int]:
        return (
            [position.ticket for position in mt5.positions_get()], mt5.positions_total(), len(mt5.history_deals_get(*EVER)),
            mt5.history_deals_total(*EVER), mt5.history_orders_total(*EVER), len(mt5.history_deals_get(position=new.order)),
        )  # fmt: skip

    assert seen() == ([old], 1, 2, 2, 1, 0)
    assert mt5.account_info().margin == 220.05, "the account knows"
    faulty.pass_s(2.9)
    assert seen() == ([old], 1, 2, 2, 1, 0)
    faulty.pass_s(0.1)
    assert seen() == ([old, new.order], 2, 3, 3, 2, 1)
    assert faulty.retcode(type=1, position=old) == 10009
    assert seen()[0] == [old, new.order], "closed, but still shown"
    pending = faulty.send(action=5, type=2, price=1.05, type_filling=2).order
    assert mt5.orders_get() == ()
    faulty.clear()
    assert seen()[0] == [new.order]
    assert [order.ticket for order in mt5.orders_get()] == [pending]


def test_one_book_alone_may_be_late() -> None:
    faulty = Faulty()
    faulty.fault("delayed_books", seconds=3, book="deals")
    faulty.send()
    assert len(faulty.mt5.positions_get()) == 1
    assert len(faulty.mt5.history_deals_get(*EVER)) == 1
    faulty.pass_s(3)
    assert len(faulty.mt5.history_deals_get(*EVER)) == 2
