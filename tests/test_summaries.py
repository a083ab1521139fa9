"""The account at a glance, from made-up answers, and of a simulated account."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.errors import InvalidParameters, TryAgain
from bridge.messages import GetAccount, GetDeals, GetPositions
from bridge.records import Account
from bridge.replies import ClockOffset, Deals, Positions
from bridge.trading import Deal
from clients import Client
from clients.summaries import Summary, exposures, summary
from clients.tasks import Ask, run
from tests.processes import PATIENCE_S, Served, serving
from tests.records import filled, position

NOON_MSC = 1_772_625_600_000  # 2026-03-04 12:00 UTC


def summed(deals: tuple[Deal, ...] = (), held: tuple[Any, ...] = (), *, offset_s: int | None = 46_800, **more: Any) -> Summary:
    asked: list[Any] = []

    def answer(ask: Ask) -> Any:
        asked.append(ask.request)
        match ask.request:
            case GetAccount():
                return filled(Account, login=7, currency="USD", currency_digits=2, equity=101.5, margin=1.0, margin_level=250.0)
            case GetPositions():
                return Positions(held)
            case GetDeals(from_s=from_s):
                return Deals(tuple(deal for deal in deals if deal.time >= (from_s or 0)))
        raise AssertionError(ask)

    client: Any = SimpleNamespace(clock=ClockOffset(offset_s=offset_s), bridge_msc=lambda: NOON_MSC)
    return run(summary(client, **more), answer)


def deal(time_s: int, profit: float, *, kind: int = 1, **values: Any) -> Deal:
    return filled(Deal, ticket=time_s, time=time_s, type=kind, profit=profit, **values)


def test_today_is_the_servers_day_and_counts_costs() -> None:
    midnight_s = int(datetime(2026, 3, 5, tzinfo=UTC).timestamp())  # 13 hours ahead of UTC it is the next day already
    found = summed((
        deal(midnight_s - 1, 1_000.0), deal(midnight_s, 10.0, commission=-1.0, swap=-0.5, fee=-0.25), deal(midnight_s + 5, -3.0),
        deal(midnight_s + 6, 5_000.0, kind=2),
    ))  # fmt: skip
    assert (found.since_s, found.realised, found.realised_gross, found.deals) == (midnight_s, 5.25, 7.0, 2)
    assert summed((deal(midnight_s - 1, 2.0),), since=midnight_s - 1).realised == 2.0
    assert summed((deal(midnight_s - 1, 2.0),), offset_s=None, since=datetime(2026, 3, 4)).realised == 2.0


def test_what_is_open_by_symbol() -> None:
    held = (
        position(1, symbol="B", type=0, volume=0.3, profit=5.0, swap=-1.0),
        position(2, symbol="B", type=1, volume=0.1, profit=-2.0), position(3, symbol="A", type=1, volume=1.0, profit=0.125),
    )  # fmt: skip
    a, b = exposures(held)
    assert (a.symbol, a.net, a.sold, a.positions) == ("A", -1.0, 1.0, 1)
    assert (b.bought, b.sold, b.net, b.profit) == (0.3, 0.1, 0.2, 2.0)
    told = str(summed(held=held))
    assert "B: +0.2 lots net (0.3 bought, 0.1 sold), +2.00 USD" in told
    assert "margin level 250 %" in told
    assert summed().exposures == ()


def test_without_a_measured_clock_the_day_is_not_known() -> None:
    with pytest.raises(TryAgain, match="since="):
        summed(offset_s=None)
    with pytest.raises(InvalidParameters):
        summed(since="today")


@pytest.fixture(scope="module")
def bridge() -> Iterator[Served]:
    with serving() as served:
        yield served


def test_of_a_simulated_account(bridge: Served) -> None:
    with Client(bridge.requests, timeout_s=20.0) as client, client.subscribe("connection", "tick:BTCUSD") as events:
        until_s = time.monotonic() + PATIENCE_S
        while client.clock.offset_s is None:
            assert time.monotonic() < until_s
            events.get(0.2)
        before = client.summary()
        client.buy("BTCUSD", 0.1)
        (held,) = client.positions("BTCUSD")
        during = client.summary()
        assert next(one for one in during.exposures if one.symbol == "BTCUSD").net == 0.1
        client.close(held.ticket)
        after = client.summary()
        assert after.deals == before.deals + 2
        assert after.realised - before.realised == pytest.approx(after.balance - before.balance, abs=0.011)
