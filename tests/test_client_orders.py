"""Orders as clients make them: what is asked of the bridge, and what is refused before anything is sent."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.errors import InvalidParameters, OrderRejected, TryAgain
from bridge.messages import GetTick, SendOrder
from bridge.replies import LastTick, Money, OrderOutcome, Orders, Positions
from bridge.trading import OrderResult, TradeRequest
from clients import Client, changes, orders
from clients.tasks import Ask, run
from tests.records import order, position
from tests.scripted_bridge import ScriptedBridge, tick_record
from tests.virtual_client import VirtualClient
from tests.virtual_time import VirtualTime

trading: Any = orders
changing: Any = changes
"""For what a type checker would refuse."""


class Broker:
    """Answers, and keeps the orders that it gets."""

    def __init__(self, *, positions: Any = (), pending: Any = (), bid: float = 1.5) -> None:
        self.sent: list[Ask] = []
        self.answers: dict[str, Callable[[Any], Any]] = {
            "positions": lambda asked: Positions(tuple(held for held in positions if asked.ticket in (None, held.ticket))),
            "orders": lambda asked: Orders(tuple(held for held in pending if asked.ticket in (None, held.ticket))),
            "tick": lambda asked: LastTick(tick_record(1_000, bid=bid) if bid else tick_record(1_000, bid=-0.0001), 0, "terminal"),
            "margin": lambda asked: Money(asked.volume * asked.price),
            "profit": lambda asked: Money(asked.volume * (asked.price_close - asked.price_open)),
            "order_check": lambda asked: asked.request,
        }

    def __call__(self, ask: Ask) -> Any:
        if isinstance(ask.request, SendOrder):
            self.sent.append(ask)
            trade = ask.request.request
            return OrderOutcome("done", OrderResult(10009, 2, 3, trade.volume, 1.0, 1.0, 1.0, "", 1, 0, trade))
        return self.answers[ask.request.method](ask.request)

    @property
    def request(self) -> TradeRequest:
        (ask,) = self.sent
        assert isinstance(ask.request, SendOrder)
        return ask.request.request


HELD = position(5, symbol="X", type=1, volume=0.3, magic=3, sl=1.0, tp=2.0)
WAITING = order(6, symbol="X", price_open=1.2, sl=1.0, type=6, type_time=2, type_filling=2, time_expiration=9, price_stoplimit=1.1)


def sent(steps: Any, **account: Any) -> TradeRequest:
    broker = Broker(**account)
    assert run(steps, broker).outcome == "done"
    return broker.request


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (orders.buy("X", 1), TradeRequest(action=1, symbol="X", volume=1.0)),
        (
            orders.sell("X", 0.1, sl=2.0, tp=1.0, price=1.5, deviation=3, comment="c", magic=7, type_filling=1),
            TradeRequest(
                action=1,
                symbol="X",
                volume=0.1,
                type=1,
                sl=2.0,
                tp=1.0,
                price=1.5,
                deviation=3,
                comment="c",
                magic=7,
                type_filling=1,
            ),
        ),
        (orders.buy("X", 0.1, sl=None, tp=None), TradeRequest(action=1, symbol="X", volume=0.1)),
        (orders.buy_limit("X", 0.1, 1.0), TradeRequest(action=5, symbol="X", volume=0.1, price=1.0, type=2)),
        (orders.sell_limit("X", 0.1, 1.0, sl=2.0), TradeRequest(action=5, symbol="X", volume=0.1, price=1.0, type=3, sl=2.0)),
        (
            orders.buy_stop("X", 0.1, 1.0, expiration="day"),
            TradeRequest(action=5, symbol="X", volume=0.1, price=1.0, type=4, type_time=1),
        ),
        (
            orders.sell_stop("X", 0.1, 1.0, expiration=datetime(2026, 1, 2, tzinfo=UTC)),
            TradeRequest(action=5, symbol="X", volume=0.1, price=1.0, type=5, type_time=2, expiration=1_767_312_000),
        ),
        (
            orders.buy_stop_limit("X", 0.1, 1.2, 1.1),
            TradeRequest(action=5, symbol="X", volume=0.1, price=1.2, type=6, stoplimit=1.1),
        ),
        (
            orders.sell_stop_limit("X", 0.1, 1.1, 1.2, magic=4),
            TradeRequest(action=5, symbol="X", volume=0.1, price=1.1, type=7, stoplimit=1.2, magic=4),
        ),
        (changes.close(5), TradeRequest(action=1, symbol="X", type=0, volume=0.3, position=5, magic=3)),
        (
            changes.close(5, 0.1, comment="c", magic=9),
            TradeRequest(action=1, symbol="X", type=0, volume=0.1, position=5, magic=9, comment="c"),
        ),
        (changes.close_by(5, 8), TradeRequest(action=10, position=5, position_by=8)),
        (changes.modify(5, tp=0.0), TradeRequest(action=6, symbol="X", position=5, sl=1.0, tp=0.0, magic=3)),
        (
            changes.modify(6, price=1.3),
            TradeRequest(
                action=7, symbol="X", order=6, price=1.3, sl=1.0, type=6, type_time=2, type_filling=2, expiration=9, stoplimit=1.1
            ),
        ),
        (
            changes.modify(6, stoplimit=1.0, expiration="day"),
            TradeRequest(
                action=7, symbol="X", order=6, price=1.2, sl=1.0, type=6, type_time=1, type_filling=2, expiration=9, stoplimit=1.0
            ),
        ),
        (changes.cancel(6), TradeRequest(action=8, order=6, symbol="X")),
        (orders.order({"action": 1, "symbol": "X", "volume": 1}), TradeRequest(action=1, symbol="X", volume=1.0)),
    ],
)
def test_what_is_sent(steps: Any, expected: TradeRequest) -> None:
    assert sent(steps, positions=[HELD], pending=[WAITING]) == expected


def test_how_it_is_sent() -> None:
    for steps in (
        orders.buy("X", 0.1, request_id="mine", valid_for_s=0.5, timeout_s=3),
        orders.buy_limit("X", 0.1, 1.0, request_id="mine", valid_for_s=0.5, timeout_s=3),
        orders.order(TradeRequest(), request_id="mine", valid_for_s=0.5, timeout_s=3),
        changes.close(5, request_id="mine", valid_for_s=0.5, timeout_s=3),
        changes.modify(5, sl=1.1, request_id="mine", valid_for_s=0.5, timeout_s=3),
        changes.cancel(6, request_id="mine", valid_for_s=0.5, timeout_s=3),
        changes.close_by(5, 8, request_id="mine", valid_for_s=0.5, timeout_s=3),
    ):
        broker = Broker(positions=[HELD], pending=[WAITING])
        run(steps, broker)
        (ask,) = broker.sent
        assert (ask.request_id, ask.valid_for_s, ask.timeout_s) == ("mine", 0.5, 3.0)


@pytest.mark.parametrize(
    ("make", "field", "rule", "nearest"),
    [
        (lambda: trading.buy("X", 0.1, sll=1.0), "sll", "unknown_field", "sl"),
        (lambda: trading.buy_limit("X", 0.1, 1.0, expiry=5), "expiry", "unknown_field", "expiration"),
        (lambda: trading.buy("X", 0.1, request_Id="a"), "request_Id", "unknown_field", "request_id"),
        (lambda: changing.close(5, volum=0.1), "volum", "unknown_field", None),
        (lambda: changing.cancel(6, magic=1), "magic", "unknown_field", None),
        (lambda: trading.buy("X", True), "volume", "number", None),
        (lambda: trading.buy("X", float("nan")), "volume", "number", None),
        (lambda: trading.buy("X", 0.1, sl=float("inf")), "sl", "number", None),
        (lambda: trading.buy("X", -0.1), "volume", "number", None),
        (lambda: trading.buy("X", "0.1"), "volume", "number", None),
        (lambda: trading.buy("X", 0.1, magic=1.0), "magic", "whole_number", 1),
        (lambda: trading.buy(5, 0.1), "symbol", "text", None),
        (lambda: trading.buy("X", 0.1, comment="a" * 200), "comment", "comment", "a" * 27),
        (lambda: trading.buy("X", 0.1, valid_for_s=0), "valid_for_s", "number", None),
        (lambda: trading.buy("X", 0.1, timeout_s=-1), "timeout_s", "number", None),
        (lambda: trading.buy_limit("X", 0.1, 1.0, expiration="tomorrow"), "expiration", "choice", "day"),
        (lambda: trading.buy_limit("X", 0.1, None), "price", "number", None),
        (lambda: trading.market_order("hold", "X", 0.1), "side", "choice", None),
        (lambda: changing.close("five"), "ticket", "whole_number", None),
        (lambda: changing.modify(9), "ticket", "ticket", None),
        (lambda: changing.cancel(9), "ticket", "ticket", None),
        (lambda: changing.close(9), "ticket", "ticket", None),
        (lambda: changing.modify(5, price=1.0), "price", "contradiction", None),
        (lambda: changing.modify(5, expiration="day"), "expiration", "contradiction", None),
    ],
)
def test_what_is_refused_is_not_sent(make: Callable[[], Any], field: str, rule: str, nearest: Any) -> None:
    broker = Broker(positions=[HELD], pending=[WAITING])
    with pytest.raises(InvalidParameters) as caught:
        run(make(), broker)
    details = caught.value.details
    assert (details["field"], details["rule"], details["nearest"]) == (field, rule, nearest)
    assert "value" in details
    assert "\n" not in str(caught.value)
    assert broker.sent == []


def test_margin_and_profit() -> None:
    broker = Broker()
    assert run(orders.margin("sell", "X", 2.0), broker) == 3.0
    assert run(orders.margin("buy", "X", 1, 3.0), broker) == 3.0
    assert run(orders.profit("buy", "X", 2.0, 1.0, 1.5), broker) == 1.0
    assert run(orders.check({"action": 1}), broker) == TradeRequest(action=1)
    with pytest.raises(TryAgain, match="no price yet"):
        run(orders.margin("sell", "X", 0.1), Broker(bid=0.0))


def test_a_task_hears_of_a_request_that_failed() -> None:
    def steps() -> Any:
        try:
            yield SendOrder(TradeRequest())
        except OrderRejected:
            yield GetTick("X")
            return "went on"

    def call(ask: Ask) -> Any:
        if ask.request.method == "order":
            raise OrderRejected("no")
        return None

    assert run(steps(), call) == "went on"
    with pytest.raises(OrderRejected):
        run(orders.buy("X", 0.1), call)


def test_the_methods_of_the_client_show_their_terms() -> None:
    assert list(inspect.signature(Client.buy_limit).parameters) == ["self", "symbol", "volume", "price", "terms"]
    assert inspect.signature(Client.buy).return_annotation == "OrderOutcome"
    assert Client.buy.__doc__ == orders.buy.__doc__


def test_an_order_may_be_valid_for_a_shorter_time_than_its_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    virtual, bridge = VirtualTime(), ScriptedBridge()
    done = OrderOutcome("done", OrderResult(10009, 2, 3, 0.1, 1.0, 1.0, 1.0, "", 1, 0, TradeRequest()))
    bridge.answers["order"] = lambda request: done
    client = VirtualClient(virtual, bridge, monkeypatch.setattr)
    deadlines_s = []
    every: list[Any] = [{}, {"valid_for_s": 0.5}, {"valid_for_s": 60.0}, {"timeout_s": 1.0, "valid_for_s": 0.5}]
    for terms in every:
        asked_s = virtual.now
        client.buy("X", 0.1, **terms)
        deadline_msc = bridge.seen[-1][2]
        assert deadline_msc is not None
        deadlines_s.append(deadline_msc / 1e3 - asked_s)
    assert [deadline_s - deadlines_s[1] for deadline_s in deadlines_s] == pytest.approx([8.5, 0.0, 8.5, 0.0], abs=0.2)
