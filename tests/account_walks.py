"""Random lives of an account, and what must be true of it after every step.

    python -m tests.account_walks --requests 1000 --seeds 5

The suite walks short ways; the command goes through sequences of 1,000 requests and ticks on every kind of account and
prints what was done.  A broken rule is an AssertionError.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from dataclasses import dataclass

import pytest

from tests.scripted_market import START_MSC, Desk, Ticks, profile

PROFILES = ("hedging-cfd", "netting", "netting-exchange", "nolev-darwin", "instant")


def walk(seed: int, price: float, spread: float, digits: int, step: float, days: int = 1, pace_msc: int = 500) -> Ticks:
    """A random walk with gaps: 400 ticks at the beginning of each 24 hours, at most `pace_msc` apart."""
    dice, ticks = random.Random(seed), [(-1000, price, round(price + spread, digits))]
    for day in range(days):
        after_msc = day * 86_400_000
        for _ in range(400):
            after_msc += dice.randint(0, pace_msc)
            price = round(price * (1 + dice.gauss(0, step)), digits)
            ticks.append((after_msc, price, round(price + spread * dice.uniform(1, 4), digits)))
    return ticks


ACTIONS = ("buy", "sell", "close", "part", "levels", "pend", "modify", "remove", "by", "wait", "wait", "day")


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
        desk.send(
            action=1, type=1 - position.type, symbol=position.symbol, volume=part, position=position.ticket,
            price=position.price_current,
        )  # fmt: skip
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
    check_signs(desk)


def check_signs(desk: Desk) -> None:
    """Nothing is negative that cannot be; balance, equity, profit, swap and free margin can."""
    account = desk.account
    assert account.margin >= 0
    assert account.credit == 0
    assert account.margin_level * account.equity >= 0
    for position in desk.positions:
        assert min(position.volume, position.price_open, position.price_current, position.ticket, position.identifier) > 0
        assert min(position.sl, position.tp, position.time_msc - START_MSC, position.time_update_msc - position.time_msc) >= 0
    for order in (*desk.orders, *desk.history):
        assert order.volume_initial >= order.volume_current >= 0
        assert order.volume_initial > 0
        assert min(order.price_open, order.ticket) > 0
        assert min(order.sl, order.tp, order.price_stoplimit, order.time_expiration, order.position_id) >= 0
        assert order.time_done_msc == 0 or order.time_done_msc >= order.time_setup_msc
    for deal in desk.deals[1:]:
        assert min(deal.volume, deal.price, deal.order, deal.position_id) > 0
        assert deal.commission <= 0


def desk_of(name: str, seed: int, balance: float, days: int = 1, pace_msc: int = 500) -> Desk:
    """A desk with four walking symbols; a deal on an exchange finds one lot at a time."""
    quotes = {
        "EURUSD": walk(seed, 1.1, 0.0002, 5, 3e-4, days, pace_msc), "USDJPY": walk(seed + 1, 150.0, 0.02, 3, 3e-4, days, pace_msc),
        "EURGBP": walk(seed + 2, 0.88, 0.0002, 5, 2e-4, days, pace_msc),
        "XAUUSD": walk(seed + 3, 2000.0, 0.3, 2, 5e-4, days, pace_msc),
    }  # fmt: skip
    return Desk(quotes, of=profile(name, balance=balance, commission=3.0, liquidity=1.0 if "exchange" in name else None))


@dataclass(frozen=True, slots=True)
class Walked:
    """What happened on a walk."""

    steps: int
    requests: int
    done: int
    deals: int
    orders: int
    balance: float
    reasons: dict[int, int]


def walked(name: str, seed: int, requests: int, *, every: int = 1, balance: float = 100_000.0) -> Walked:
    """A walk until so many requests were sent, checked every so many steps and at the end."""
    dice, steps, actions = random.Random(seed), 0, [*ACTIONS[:-1]] * 8 + ["day"]
    desk = desk_of(name, seed, balance, days=2 + requests // 20, pace_msc=20_000)
    sent = 0
    while sent < requests:
        before = len(desk.sent)
        act(desk, dice.choice(actions), dice)
        sent += len(desk.sent) - before
        steps += 1
        if steps % every == 0:
            check_books(desk)
    check_books(desk)
    done = sum(retcode in (10009, 10010) for retcode in desk.sent)
    reasons = Counter(deal.reason for deal in desk.deals[1:])
    orders = len(desk.orders) + len(desk.history)
    return Walked(steps, sent, done, len(desk.deals), orders, desk.account.balance, dict(sorted(reasons.items())))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.account_walks", description="Walk through random lives of an account.")
    parser.add_argument("--requests", type=int, default=1000, help="in each life [1000]")
    parser.add_argument("--seeds", type=int, default=5, help="lives of each kind of account [5]")
    parser.add_argument("--every", type=int, default=1, help="check after so many steps [1]")
    given = parser.parse_args()
    for name in PROFILES:
        for seed in range(given.seeds):
            began = time.monotonic()
            balance = 100_000.0 if seed % 2 else 5_000.0
            figures = walked(name, seed, given.requests, every=given.every, balance=balance)
            print(name, seed, figures, f"{time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
