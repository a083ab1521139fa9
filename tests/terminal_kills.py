"""Kill a simulated terminal outright at random instants while it trades, and look at its account after each restart.

    python -m tests.terminal_kills --count 200 --seed 1 --json

Three accounts (hedging, netting, exchange), each with a state file of its own, are traded in turns through a real
process.  After each restart: the identities of the account hold, the deals explain the balance and the positions, every
order that was answered as done is there as it was answered, no request was executed twice.  The request that was under
way when the terminal died may have been executed or not, but not by halves.  Exit code 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bridge.mt5api.backend import LinkLost, OpenFailed
from bridge.records import Account
from bridge.terminal.simulator.link import SocketBackend
from bridge.trading import Deal, Order, OrderResult, Position, TradeRequest

KINDS = ("hedging", "netting", "exchange")
SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY")
EVER = (0, 2**31 - 1, None, None, None)
DONE, PARTIAL = 10009, 10010
AT_START = 0.15
"""Share of the kills that come while the terminal is starting."""
LONGEST_START_S, LONGEST_RUN_S = 1.2, 0.5


@dataclass(slots=True)
class Known:
    """What an account's client has been told: orders and deals by the answers, the last state of levels and prices."""

    orders: dict[int, OrderResult] = field(default_factory=dict)
    deals: dict[int, OrderResult] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    levels: dict[int, tuple[float, float]] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)
    open: TradeRequest | None = None


@dataclass(slots=True)
class Figures:
    """What happened; `wrong` is empty if all was well."""

    kills: int = 0
    at_start: int = 0
    requests: int = 0
    done: int = 0
    refused: int = 0
    open: int = 0
    open_executed: int = 0
    orders: int = 0
    deals: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


class Client:
    """A program attached to a terminal; plain calls."""

    def __init__(self, address: str) -> None:
        self._backend = SocketBackend()
        self._backend.open(address)

    def ask(self, function: str, *args: Any) -> Any:
        code, text, value = self._backend.call(function, list(args))
        assert code == 1, (function, args, code, text)
        return value

    def send(self, request: TradeRequest) -> OrderResult:
        values = [getattr(replace(request, type_filling=0), name) for name in TradeRequest.__slots__]
        return OrderResult(*self.ask("order_send", values))

    def close(self) -> None:
        self._backend.close()

    @property
    def positions(self) -> list[Position]:
        return [Position(*fields) for fields in self.ask("positions_get", None, None, None)]

    @property
    def orders(self) -> list[Order]:
        return [Order(*fields) for fields in self.ask("orders_get", None, None, None)]

    @property
    def history(self) -> list[Order]:
        return [Order(*fields) for fields in self.ask("history_orders_get", *EVER)]

    @property
    def deals(self) -> list[Deal]:
        return [Deal(*fields) for fields in self.ask("history_deals_get", *EVER)]


@contextmanager
def started(kind: str, state: Path) -> Iterator[subprocess.Popen[str]]:
    """A terminal process on a free port, killed at the end if it was not before."""
    words = ["terminal", "--listen", "127.0.0.1:0", "--profile", kind, "--state", str(state), "--speed", "60"]
    command = [sys.executable, "-m", "bridge", *words, "--start", "2026-03-04 12:00:00"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def address_of(process: subprocess.Popen[str]) -> str | None:
    """Where it listens; None when it ended before."""
    assert process.stdout is not None
    words = process.stdout.readline().split()
    return words[-1] if words else None


def next_request(client: Client, dice: random.Random, magic: int, held: bool) -> TradeRequest:
    """Something to do with what there is now; `magic` is the request's own number."""
    symbol = dice.choice(SYMBOLS)
    positions, orders = client.positions, client.orders
    tick = client.ask("symbol_info_tick", symbol)
    bid, ask, digits = tick[1], tick[2], 3 if symbol.endswith("JPY") else 5
    low, high = round(bid * 0.999, digits), round(ask * 1.001, digits)
    volume, side = dice.randint(1, 700) / 100, dice.randint(0, 1)
    what = dice.choice(("deal", "deal", "close", "pend", "levels", "remove", "modify"))
    if what == "close" and positions:
        position = dice.choice(positions)
        part = position.volume if dice.random() < 0.6 else max(0.01, round(position.volume / 2, 2))
        return TradeRequest(
            action=1, symbol=position.symbol, type=1 - position.type, volume=part, magic=magic, type_filling=1,
            position=position.ticket if held else 0,
        )  # fmt: skip
    if what == "levels" and positions:
        position = dice.choice(positions)
        factor = dice.uniform(0.002, 0.02) * (1 - 2 * position.type)
        places = 3 if position.symbol.endswith("JPY") else 5
        price = position.price_current
        return TradeRequest(
            action=6, position=position.ticket, symbol=position.symbol,
            sl=round(price * (1 - factor), places), tp=round(price * (1 + factor), places),
        )  # fmt: skip
    if what == "remove" and orders:
        return TradeRequest(action=8, order=dice.choice(orders).ticket)
    if what == "modify" and orders:
        order = dice.choice(orders)
        return TradeRequest(action=7, order=order.ticket, price=round(order.price_open * 0.9999, 3), type_time=order.type_time)
    if what == "pend":
        kind = dice.randint(2, 5)
        price = low if kind in (2, 5) else high
        return TradeRequest(action=5, symbol=symbol, type=kind, volume=volume, price=price, magic=magic, type_filling=2)
    return TradeRequest(
        action=1, symbol=symbol, type=side, volume=volume, magic=magic, type_filling=dice.choice((0, 1)),
        sl=high if side else low, tp=low if side else high,
    )  # fmt: skip


def note(known: Known, request: TradeRequest, result: OrderResult) -> bool:
    """Remember an answer; whether the request was executed."""
    if result.retcode not in (DONE, PARTIAL):
        return False
    if request.action in (1, 5):
        known.orders[result.order] = result
    if result.deal:
        known.deals[result.deal] = result
    if request.action == 8:
        known.removed.add(request.order)
    if request.action == 6:
        known.levels[request.position] = (request.sl, request.tp)
    elif request.action == 1:
        known.levels.clear()  # a deal of a netting account may have changed them
    return True


def trade(client: Client, kind: str, known: Known, dice: random.Random, figures: Figures) -> None:
    """Trade until the terminal is gone."""
    while True:
        magic = len(known.asked) + 1
        request = next_request(client, dice, magic, kind == "hedging")
        known.asked.add(magic)
        known.open = request
        figures.requests += 1
        executed = note(known, request, client.send(request))
        known.open = None
        figures.done += executed
        figures.refused += not executed


def faults(client: Client, known: Known) -> Iterator[str]:
    """What is wrong with the account, against itself and against what its client was told."""
    client.ask("control.hold")
    account = Account(*client.ask("account_info"))
    positions, orders, history, deals = client.positions, client.orders, client.history, client.deals
    client.ask("control.release")
    booked = sum(deal.profit + deal.swap + deal.commission + deal.fee for deal in deals)
    yield from (text for text, wrong in (
        (f"balance {account.balance}, deals {booked}", abs(account.balance - booked) > 0.005),
        ("profit", abs(account.profit - sum(p.profit for p in positions)) > 0.005),
        ("equity", abs(account.equity - account.balance - account.credit - account.profit) > 0.005),
        ("margin_free", abs(account.margin_free - account.equity + account.margin) > 0.005),
        ("margin_level", account.margin_level != (account.equity / account.margin * 100 if account.margin else 0.0)),
        ("a negative margin, volume or price", account.margin < 0 or any(p.volume <= 0 or p.price_open <= 0 for p in positions)),
    ) if wrong)  # fmt: skip
    held: Counter[int] = Counter()
    for deal in deals:
        held[deal.position_id] += round(deal.volume * 100) * (1 - 2 * deal.type) if deal.type < 2 else 0
    explained = {identifier: lots for identifier, lots in held.items() if lots}
    if explained != {p.identifier: round(p.volume * 100) * (1 - 2 * p.type) for p in positions}:
        yield "the deals do not explain the positions"
    tickets = sorted(order.ticket for order in (*orders, *history))
    if tickets != list(range(tickets[0], tickets[0] + len(tickets))) or len({deal.ticket for deal in deals}) != len(deals):
        yield "tickets are missing or double"
    if not {deal.order for deal in deals if deal.type < 2} <= set(tickets):
        yield "a deal without its order"
    by_deal = {deal.ticket: deal for deal in deals}
    for ticket, result in known.deals.items():
        found = by_deal.get(ticket)
        if found is None or (found.order, found.volume, found.price) != (result.order, result.volume, result.price):
            yield f"deal {ticket} was answered and is {found}"
    yield from (f"order {ticket} was answered and is lost" for ticket in known.orders if ticket not in set(tickets))
    ended = {order.ticket: order for order in history}
    yield from (f"order {ticket} was removed and is not" for ticket in known.removed if ended.get(ticket) is None)
    times = Counter(order.magic for order in (*orders, *history) if order.reason == 3 and order.magic)
    yield from (f"request {magic} was executed {count} times" for magic, count in times.items() if count > 1)
    yield from (f"an order of a request never sent: {magic}" for magic in times if magic not in known.asked)
    for position in positions:
        wanted = known.levels.get(position.ticket)
        if wanted is not None and wanted != (position.sl, position.tp):
            yield f"levels of {position.ticket} were answered as {wanted}"


def executed_after_all(client: Client, known: Known) -> bool:
    """Whether the request without an answer left an order; levels that it may have changed are forgotten."""
    if known.open is None:
        return False
    known.levels.clear()
    magic = known.open.magic
    return magic > 0 and any(order.magic == magic and order.reason == 3 for order in (*client.orders, *client.history))


def one_kill(kind: str, state: Path, known: Known, dice: random.Random, figures: Figures) -> None:
    """Start the terminal, look at its account, trade, kill it."""
    early = dice.random() < AT_START
    delay_s = dice.uniform(0.0, LONGEST_START_S if early else LONGEST_RUN_S)
    with started(kind, state) as process:
        timer = threading.Timer(delay_s, process.kill)
        if early:
            timer.start()
        address = address_of(process)
        if address is not None:
            with suppress(LinkLost, OpenFailed):
                client = Client(address)
                try:
                    look(client, kind, known, figures)
                    if not early:
                        timer.start()
                    trade(client, kind, known, dice, figures)
                finally:
                    client.close()
        timer.join()
    figures.kills += 1
    figures.at_start += early


def look(client: Client, kind: str, known: Known, figures: Figures) -> None:
    """Judge the account after a restart."""
    figures.wrong += [f"{kind}, after {figures.kills} kills: {text}" for text in faults(client, known)]
    executed = executed_after_all(client, known)
    figures.open += known.open is not None
    figures.open_executed += executed
    known.open = None


def kills(count: int, seed: int, folder: Path) -> Figures:
    """Kill terminals so many times, with state files in this folder, and look a last time."""
    began, dice, figures = time.monotonic(), random.Random(seed), Figures()
    accounts = {kind: Known() for kind in KINDS}
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        one_kill(kind, folder / f"{kind}.db", accounts[kind], dice, figures)
    for kind, known in accounts.items():
        with started(kind, folder / f"{kind}.db") as process:
            client = Client(address_of(process) or "")
            look(client, kind, known, figures)
            figures.orders += len(client.history) + len(client.orders)
            figures.deals += len(client.deals)
            client.close()
    figures.seconds = round(time.monotonic() - began, 1)
    return figures


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.terminal_kills", description="Kill a terminal while it trades.")
    parser.add_argument("--count", type=int, default=200, help="how many times [200]")
    parser.add_argument("--seed", type=int, default=1, help="of the requests and the instants [1]")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asdict(kills(given.count, given.seed, Path(folder)))
    if given.json:
        print(json.dumps({"seed": given.seed, **figures}))
    else:
        print("\n".join(f"{name:14} {value}" for name, value in figures.items()))
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
