"""How much an account may hold; that requests get these return codes is in test_trade.py, that orders do in test_triggers.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bridge.terminal.simulator import limits
from bridge.terminal.simulator.checks import Case, Refused
from bridge.trading import TradeRequest
from tests.scripted_market import START_MSC, Desk, profile

PENDING = {"action": 5, "type": 2, "symbol": "EURUSD", "volume": 0.1, "price": 1.0, "type_filling": 2}


def refused(check: Callable[..., None], *args: Any) -> int:
    """The return code, 0 if nothing is refused."""
    try:
        check(*args)
    except Refused as reason:
        return int(reason.retcode)
    return 0


def case(desk: Desk, symbol: str = "EURUSD") -> Case:
    server = desk.world.server
    return Case(server, TradeRequest(action=1, symbol=symbol), server.contracts[symbol], START_MSC, True)


def test_a_volume_limit_is_of_one_symbol_and_direction() -> None:
    desk = Desk(of=profile(contract={"volume_limit": 0.5}))
    desk.buy(0.2)
    desk.done(**PENDING)
    assert [refused(limits.check_volume_limit, case(desk), side, volume) for side, volume in ((0, 0.2), (0, 0.21), (1, 0.5))] == [
        0, 10034, 0,
    ]  # fmt: skip
    assert refused(limits.check_volume_limit, case(desk, "USDJPY"), 0, 0.5) == 0


@pytest.mark.parametrize(("limit", "expected"), [(0, 0), (1, 10033), (2, 0)])
def test_the_number_of_orders(limit: int, expected: int) -> None:
    desk = Desk()
    desk.done(**PENDING)
    desk.world.server.profile = profile(limit_orders=limit)
    assert refused(limits.check_order_limit, desk.world.server) == expected


@pytest.mark.parametrize(("name", "expected"), [("hedging-cfd", 10040), ("netting", 0)])
def test_orders_count_as_positions_where_each_opens_one(name: str, expected: int) -> None:
    desk = Desk(of=profile(name, limit_positions=2))
    desk.done(**PENDING)
    desk.buy(0.1)
    assert refused(limits.check_position_limit, desk.world.server) == expected


def test_hedging() -> None:
    for name, allowed, expected in (("hedging-cfd", False, 10046), ("hedging-cfd", True, 0), ("netting", False, 0)):
        desk = Desk(of=profile(name, hedge_allowed=allowed))
        desk.buy(0.1)
        server = desk.world.server
        assert refused(limits.check_hedge, server, "EURUSD", 1) == expected
        assert refused(limits.check_hedge, server, "EURUSD", 0) == refused(limits.check_hedge, server, "USDJPY", 1) == 0


def test_the_oldest_position_of_a_side_goes_first() -> None:
    desk = Desk(of=profile(fifo_close=True))
    for side in (0, 0, 1):
        desk.done(action=1, type=side, symbol="EURUSD", volume=0.1)
        desk.wait(10)
    found = [refused(limits.check_fifo, case(desk), position) for position in desk.positions]
    assert found == [0, 10045, 0]
