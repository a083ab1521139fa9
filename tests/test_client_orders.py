"""Trade requests as clients make them, and the symbol that a person means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bridge.errors import InvalidParameters, TryAgain
from bridge.replies import LastTick, Orders, Positions
from bridge.trading import TradeRequest
from clients import orders
from tests.records import drive, order, position, symbol
from tests.scripted_bridge import tick_record

MARKET, EXCHANGE, INSTANT = 2, 3, 1
FOK, IOC, RETURN = 0, 1, 2


@pytest.mark.parametrize(
    ("filling_mode", "execution", "expected"),
    [
        (1, MARKET, FOK), (2, MARKET, IOC), (3, MARKET, FOK), (0, MARKET, FOK), (0, EXCHANGE, RETURN), (2, EXCHANGE, IOC),
        (0, INSTANT, RETURN), (6, EXCHANGE, IOC), (4, EXCHANGE, RETURN),
    ],
)  # fmt: skip
def test_filling(filling_mode: int, execution: int, expected: int) -> None:
    assert orders.filling(symbol("X", filling_mode=filling_mode, trade_exemode=execution)) == expected


def test_numbers_of_numpy_and_whole_volumes_become_the_terminals() -> None:
    request = orders.trade_request({"action": np.int64(1), "volume": 1, "price": np.float32(0.5), "magic": True, "symbol": "X"})
    assert request == TradeRequest(action=1, volume=1.0, price=0.5, magic=1, symbol="X")
    assert [type(value) for value in (request.action, request.volume, request.price, request.magic)] == [int, float, float, int]
    again = orders.trade_request(TradeRequest(magic=np.int64(3)))  # type: ignore[arg-type]
    assert type(again.magic) is int


@pytest.mark.parametrize("wrong", [{"sll": 1.0}, {"volume": "much"}, {"magic": 1.5}, {"symbol": 5}, {"price": None}])
def test_wrong_fields_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameters) as caught:
        orders.trade_request(wrong)
    assert caught.value.details["field"] == next(iter(wrong))


class Account:
    """Answers about positions and orders."""

    def __init__(self, *, positions: Any = (), pending: Any = (), bid: float = 1.5) -> None:
        self.answers: dict[str, Any] = {
            "positions": Positions(tuple(positions)),
            "orders": Orders(tuple(pending)),
            "symbol": symbol("X", filling_mode=2),
            "tick": LastTick(tick_record(1_000, bid=bid) if bid else tick_record(1_000, bid=-0.0001), 0, "terminal"),
        }

    def __call__(self, request: Any) -> Any:
        return self.answers[request.method]


def test_modify_keeps_what_is_not_given() -> None:
    held = position(5, symbol="X", sl=1.0, tp=2.0, magic=3)
    assert drive(orders.modification(5, tp=0.0), Account(positions=[held])) == TradeRequest(
        action=6, symbol="X", position=5, sl=1.0, tp=0.0, magic=3
    )
    with pytest.raises(InvalidParameters, match="price cannot be changed"):
        drive(orders.modification(5, price=1.0), Account(positions=[held]))
    pending = order(6, symbol="X", price_open=1.2, sl=1.0, type=2, type_time=1, type_filling=2, time_expiration=9)
    assert drive(orders.modification(6, price=1.3), Account(pending=[pending])) == TradeRequest(
        action=7, symbol="X", order=6, price=1.3, sl=1.0, type=2, type_time=1, type_filling=2, expiration=9
    )


def test_cancel() -> None:
    assert drive(orders.cancellation(6), Account(pending=[order(6, symbol="X")])) == TradeRequest(action=8, order=6, symbol="X")


@pytest.mark.parametrize("steps", [orders.modification(9), orders.cancellation(9), orders.closing(9)])
def test_an_unknown_ticket_is_refused(steps: Any) -> None:
    with pytest.raises(InvalidParameters, match="9 is n"):
        drive(steps, Account())


def test_closing_a_sold_position_buys() -> None:
    held = position(5, symbol="X", type=1, volume=0.3, magic=3)
    assert drive(orders.closing(5, comment="c"), Account(positions=[held])) == TradeRequest(
        action=1, symbol="X", type=0, volume=0.3, price=1.5 + 0.0001, type_filling=1, position=5, magic=3, comment="c"
    )


def test_no_price_means_later() -> None:
    with pytest.raises(TryAgain, match="no price yet"):
        drive(orders.market_order("sell", "X", 0.1), Account(bid=0.0))
    with pytest.raises(InvalidParameters, match="side"):
        drive(orders.market_order("hold", "X", 0.1), Account())
