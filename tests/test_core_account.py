"""The session in virtual time, at a terminal that somebody logs in to another account."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.messages import GetAccount, GetDeals, GetHistoryOrders, GetOrders, GetPositions, GetTick
from bridge.session.link import Attached, Connect, Failed, Health, Lost, Publish, Result, StartStream
from bridge.trading import Position
from tests.fake_terminal import record, tick
from tests.test_core import ORDER, Bench, only

MINE, OTHER = record(Position, ticket=1, identifier=1), record(Position, ticket=2, identifier=2)


def connected(login: int | None = None, server: str | None = None) -> Bench:
    """A session that was told which account it serves."""
    bench = Bench()
    bench.settle()
    bench.session.receive(Connect(1, login, server))
    assert len(only(bench.settle(), Attached)) == 1
    return bench


def log_in(bench: Bench, login: int, server: str = "Fake") -> None:
    bench.terminal.figures = replace(bench.terminal.figures, login=login, server=server)


def codes(bench: Bench) -> list[str]:
    return [message.code for message in only(bench.settle(), Failed)]


@pytest.mark.parametrize(("login", "server"), [(2, "Fake"), (1, "Elsewhere")])
def test_no_order_goes_to_another_account(login: int, server: str) -> None:
    bench = connected()
    log_in(bench, login, server)
    bench.call(ORDER)
    assert codes(bench) == ["account_changed"]
    assert bench.terminal.sent == []
    log_in(bench, 1)
    bench.call(ORDER)
    assert codes(bench) == []
    assert len(bench.terminal.sent) == 1


def test_the_account_that_the_gateway_names_is_the_one_and_not_that_which_is_found() -> None:
    bench = connected(login=5, server="Fake")
    bench.call(ORDER)
    assert codes(bench) == ["account_changed"]
    log_in(bench, 5)
    bench.call(ORDER)
    assert codes(bench) == []


def test_the_next_attach_may_name_another() -> None:
    bench = connected()
    log_in(bench, 2)
    bench.session.receive(Connect(2, None, None))
    bench.settle()
    bench.call(ORDER)
    assert codes(bench) == []
    bench.session.receive(Connect(3, 1, "Fake"))
    bench.settle()
    bench.call(ORDER)
    assert codes(bench) == ["account_changed"]


@pytest.mark.parametrize(
    "request_", [GetAccount(), GetPositions(), GetOrders(), GetHistoryOrders(position=1), GetDeals(position=1)]
)
def test_nothing_is_told_of_another_account(request_: GetAccount) -> None:
    bench = connected()
    log_in(bench, 2)
    bench.call(request_)
    assert codes(bench) == ["account_changed"]
    bench.call(GetTick("EURUSD"))
    assert len(only(bench.settle(), Result)) == 1


def test_an_answer_of_the_moment_of_the_change_is_not_told_either() -> None:
    bench = connected()

    def switch(function: str) -> None:
        if function == "positions":
            bench.terminal.open_positions = [OTHER]
            log_in(bench, 2)

    bench.terminal.before = switch
    bench.call(GetPositions())
    assert codes(bench) == ["account_changed"]


def test_the_gateway_hears_of_it_at_once() -> None:
    bench = connected()
    log_in(bench, 2)
    bench.call(ORDER)
    said = bench.settle()
    assert [message.standing.login for message in only(said, Health)] == [2]


def test_a_terminal_that_does_not_say_whose_it_is_gets_no_order() -> None:
    bench = connected()
    bench.terminal.fail("account", -1, "Terminal: Call failed")
    bench.call(ORDER)
    assert codes(bench) == ["terminal_refused"]
    bench.terminal.fail("account", -10_004, "No IPC connection")
    bench.call(ORDER)
    said = bench.settle()
    assert [message.code for message in only(said, Failed)] == ["not_connected"]
    assert len(only(said, Lost)) == 1
    assert bench.terminal.sent == []


# ---- streams of the account ------------------------------------------------------------------------------------------------------


def published(bench: Bench, seconds: float, topic: str) -> list[tuple[int, object]]:
    said = bench.pass_time(seconds)
    return [(flags, body) for message in only(said, Publish) for name, flags, body in message.events if name == topic]


def test_trade_and_account_streams_say_nothing_of_another_account() -> None:
    bench = connected()
    bench.terminal.open_positions = [MINE]
    for topic in ("account", "trade"):
        bench.session.receive(StartStream(topic))
    bench.pass_time(1.0)
    log_in(bench, 2)
    bench.terminal.open_positions = [OTHER]
    assert published(bench, 2.0, "trade") == []
    assert published(bench, 2.0, "account") == []
    log_in(bench, 1)
    bench.terminal.open_positions = [replace(MINE, sl=1.0)]
    ((flags, event),) = published(bench, 1.0, "trade")
    assert flags == 1, "found afterwards"
    assert isinstance(event, dict)
    assert (event["kind"], event["position"]["ticket"]) == ("position_changed", 1)


def test_ticks_go_on_for_the_gateway_marks_them() -> None:
    bench = connected()
    bench.session.receive(StartStream("tick:EURUSD"))
    bench.pass_time(1.0)
    log_in(bench, 2)
    bench.terminal.ticks["EURUSD"] += tick(1)
    assert published(bench, 1.0, "tick:EURUSD") == [(0, tick(1))]


def test_what_was_read_before_the_account_was_asked_for_is_sent_before_what_it_said() -> None:
    bench = connected()
    bench.session.receive(StartStream("tick:EURUSD"))
    bench.pass_time(0.3)
    bench.terminal.ticks["EURUSD"] += tick(1)
    bench.said.clear()
    while not only(bench.said, Health):
        bench.now = max(bench.now, bench.session.next_deadline())
        bench.step()
        assert not only(bench.said, Publish) or not only(bench.said, Health) or isinstance(bench.said[0], Publish)
