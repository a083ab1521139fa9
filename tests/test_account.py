"""Money adds up, whatever is requested and however the market moves."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.terminal.simulator.account import Valuation
from tests.scripted_market import START_S, Desk, Ticks, profile


def walk(seed: int, price: float, spread: float, digits: int, step: float) -> Ticks:
    """A random walk with gaps: a tick every 100 ms or so for some minutes."""
    dice, ticks, after_msc = random.Random(seed), [(-1000, price, round(price + spread, digits))], 0
    for _ in range(400):
        after_msc += dice.randint(0, 500)
        price = round(price * (1 + dice.gauss(0, step)), digits)
        ticks.append((after_msc, price, round(price + spread * dice.uniform(1, 4), digits)))
    return ticks


ACTIONS = st.sampled_from(["buy", "sell", "close", "part", "levels", "pend", "modify", "remove", "by", "wait", "wait", "day"])


def act(desk: Desk, what: str, dice: random.Random) -> None:
    symbol = dice.choice(["EURUSD", "USDJPY", "EURGBP", "XAUUSD"])
    quote = desk.world.server.quotes.get(symbol)
    assert quote is not None
    contract = desk.world.server.contracts[symbol]
    volume = dice.randint(1, 200) / 100
    away = quote.bid * dice.uniform(0.0005, 0.01)
    low, high = contract.price(quote.bid - away), contract.price(quote.ask + away)
    positions, orders = desk.positions, desk.orders
    order = {"symbol": symbol, "volume": volume, "type_filling": dice.choice([0, 1, 2]), "magic": 7}
    if what in ("buy", "sell"):
        side = int(what == "sell")
        price = quote.side(side)
        desk.send(**order, action=1, type=side, price=price, deviation=5, sl=high if side else low, tp=low if side else high)
    elif what in ("close", "part") and positions:
        position = dice.choice(positions)
        part = position.volume if what == "close" else round(max(0.01, position.volume / 2), 2)
        desk.send(action=1, type=1 - position.type, symbol=position.symbol, volume=part, position=position.ticket,
            price=desk.world.server.quotes.get(position.symbol).side(1 - position.type))  # type: ignore[union-attr]
    elif what == "levels" and positions:
        desk.send(action=6, position=dice.choice(positions).ticket, sl=low, tp=high)
    elif what == "pend":
        kind = dice.randint(2, 7)
        price = low if kind in (2, 5, 7) else high
        limit = contract.price(price - away / 2 if kind == 6 else price + away / 2)
        desk.send(**order, action=5, type=kind, price=price, stoplimit=limit, type_time=dice.choice([0, 1]))
    elif what == "modify" and orders:
        desk.send(action=7, order=dice.choice(orders).ticket, price=dice.choice([low, high]))
    elif what == "remove" and orders:
        desk.send(action=8, order=dice.choice(orders).ticket)
    elif what == "by" and len(positions) > 1:
        first, second = dice.sample(positions, 2)
        desk.send(action=10, position=first.ticket, position_by=second.ticket)
    else:
        desk.wait(86_400_000 if what == "day" else dice.randint(1, 20_000))


def check_books(desk: Desk) -> None:
    account, positions, deals, ledger = desk.account, desk.positions, desk.deals, desk.world.server.ledger
    booked = sum(deal.profit + deal.swap + deal.commission + deal.fee for deal in deals)
    assert account.balance == pytest.approx(booked, abs=0.005)
    assert account.profit == pytest.approx(sum(p.profit for p in positions), abs=0.005)
    assert account.equity == pytest.approx(account.balance + account.credit + account.profit, abs=0.005)
    assert account.margin_free == pytest.approx(account.equity - account.margin, abs=0.005)
    assert account.margin_level == (account.equity / account.margin * 100 if account.margin else 0.0)
    assert (account.margin == 0.0) == (not positions)
    volumes: dict[int, float] = {}
    for deal in deals[1:]:
        signed = deal.volume * (1 - 2 * deal.type)
        volumes[deal.position_id] = volumes.get(deal.position_id, 0.0) + signed
    held = {p.identifier: p.volume * (1 - 2 * p.type) for p in positions}
    assert {k: v for k, v in volumes.items() if abs(v) > 1e-7} == pytest.approx(held)
    tickets = [order.ticket for order in (*desk.orders, *desk.history)]
    assert len(tickets) == len(set(tickets)) == ledger.next_order - 50_000_001
    assert len(deals) == ledger.next_deal - 40_000_001
    assert {deal.order for deal in deals[1:]} <= set(tickets)
    assert all(order.state in (2, 4, 5, 6) for order in desk.history)
    assert all(order.state in (1, 3) for order in desk.orders)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["hedging-cfd", "netting", "netting-exchange", "nolev-darwin", "instant"]),
    st.integers(0, 2**32), st.lists(ACTIONS, min_size=5, max_size=40), st.sampled_from([100_000.0, 5_000.0]),
)  # fmt: skip
def test_the_books_are_explained_by_the_deals(name: str, seed: int, actions: list[str], balance: float) -> None:
    dice = random.Random(seed)
    quotes = {
        "EURUSD": walk(seed, 1.1, 0.0002, 5, 3e-4), "USDJPY": walk(seed + 1, 150.0, 0.02, 3, 3e-4),
        "EURGBP": walk(seed + 2, 0.88, 0.0002, 5, 2e-4), "XAUUSD": walk(seed + 3, 2000.0, 0.3, 2, 5e-4),
    }  # fmt: skip
    desk = Desk(quotes, of=profile(name, balance=balance, commission=3.0, liquidity=1.0 if "exchange" in name else None))
    for what in actions:
        act(desk, what, dice)
        check_books(desk)
    assert desk.deals[0].time == START_S


def test_a_published_account() -> None:
    # Python reference, account_info: balance 99511.4, profit 41.82, margin 98.18.
    value = Valuation(99511.4, 0.0, 41.82, 98.18)
    assert (value.equity, value.margin_free, value.margin_level) == (99553.22, 99455.04, 101398.67590140559)


def test_the_level_is_zero_without_margin() -> None:
    assert Valuation(264.23, 0.0, 0.0, 0.0).margin_level == 0.0
