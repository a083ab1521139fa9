"""The faults of the connection: each injects and cures its own, and tells what has to be announced because of it."""

from __future__ import annotations

import math
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bridge.session.core import HEALTH_S
from bridge.terminal.metatrader import MetaTrader
from bridge.trading import Order
from tests.faults.scene import SimulatedProcess
from tests.faults.sequences import BROKER_DOWN, CONNECTED, HUNG, LOST, WRONG_ACCOUNT, Word, told, word
from tests.faults.witness import MAGIC, PREFIX, Identity, Reader, Trader, Witness, told_apart

RECOVERY_S = 5.0
NOTICE_S = 10.0
"""A hang is to be noticed, and the session replaced, within this."""
LONGEST_S = 60.0
"""How long is waited for what should take a few seconds, so that a failure says how long it took."""
DROP_S = (0.3, 2.0)
SEEN_S = 2 * HEALTH_S
"""A dropped link that is back before this may go by between two looks at it."""
UNSEEN_S = 2.0
"""After this it is not announced any more."""
HANGING = ("terminal_info", "symbol_info_tick", "positions_get")
"""Calls that the bridge makes by itself all the time, and that are never slow."""


class Stuck(Exception):
    """What was waited for did not happen."""


@dataclass(slots=True)
class Stage:
    """Everything of one run that its faults need."""

    dice: random.Random
    terminal: SimulatedProcess
    reader: Reader
    trader: Trader
    news: threading.Condition
    wrong: list[str] = field(default_factory=list)
    recovery_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    noticed_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    working_s: list[float] = field(default_factory=list)
    unseen: int = 0
    switched: list[tuple[float, float]] = field(default_factory=list)
    refused_elsewhere: int = 0
    strangers: set[Identity] = field(default_factory=set)
    """Positions of other accounts."""

    @property
    def witnesses(self) -> tuple[Witness, ...]:
        """Both clients."""
        return self.reader, self.trader

    def until(self, what: str, happened: Callable[[], bool], limit_s: float = LONGEST_S) -> float:
        """Wait until something is so; how long it took. Raises `Stuck`."""
        began_s = time.monotonic()
        with self.news:
            while not happened():
                failure = next((witness.failure for witness in self.witnesses if witness.failure), "")
                left_s = limit_s - (time.monotonic() - began_s)
                if failure or left_s <= 0:
                    raise Stuck(f"{what} did not happen: {failure or told(self.reader.states[-8:])}")
                self.news.wait(min(left_s, 0.5))
        return time.monotonic() - began_s

    def come(self, mark: dict[str, int], *words: Word) -> bool:
        """Whether each client has heard these words, in this order, since a mark."""
        return all(_in_order(words, map(word, witness.states[mark[witness.name] :])) for witness in self.witnesses)

    def mark(self) -> dict[str, int]:
        """Where each client's announcements are now."""
        return {witness.name: len(witness.states) for witness in self.witnesses}


def _in_order(words: tuple[Word, ...], heard: Iterator[Word]) -> bool:
    return all(wanted in heard for wanted in words)


# ---- the faults ------------------------------------------------------------------------------------------------------------------
# Each injects and cures its fault, and gives the moment of the cure and what has to be announced by then or soon after.


def kill(stage: Stage, mark: dict[str, int]) -> tuple[float, tuple[Word, ...]]:
    """The terminal is killed, and started again with its state."""
    stage.terminal.kill()
    stage.terminal.start()
    return time.monotonic(), (LOST, CONNECTED)


def hang(stage: Stage, mark: dict[str, int]) -> tuple[float, tuple[Word, ...]]:
    """A call never returns, or all calls of a function until the fault is cleared: the session is replaced."""
    for_good = stage.dice.random() < 0.5
    began_s = time.monotonic()
    if for_good:
        stage.terminal.fault("hang", function="terminal_info", count=0)
    else:
        stage.terminal.fault("hang", function=stage.dice.choice(HANGING))
    stage.until("the end of the hung session", lambda: stage.come(mark, HUNG))
    cured_s = time.monotonic()
    _noticed(stage, "hang", cured_s - began_s)
    if for_good:
        time.sleep(stage.dice.uniform(0.0, 0.8))  # the next session hangs in its attach
        stage.terminal.clear("hang")
        cured_s = time.monotonic()
    return cured_s, (HUNG, CONNECTED)


def broker(stage: Stage, mark: dict[str, int]) -> tuple[float, tuple[Word, ...]]:
    """The terminal loses its trade server for a moment."""
    dropped_s = stage.dice.uniform(*DROP_S)
    stage.terminal.fault("broker_down")
    time.sleep(dropped_s)
    stage.terminal.clear("broker_down")
    cured_s = time.monotonic()
    try:
        stage.until("the news of the lost broker", lambda: stage.come(mark, BROKER_DOWN), UNSEEN_S)
    except Stuck as stuck:
        if dropped_s >= SEEN_S or any(witness.failure for witness in stage.witnesses):
            raise Stuck(f"gone for {dropped_s:.1f} s: {stuck}") from None
        stage.unseen += 1
        return cured_s, ()
    return cured_s, (BROKER_DOWN, CONNECTED)


def account(stage: Stage, mark: dict[str, int]) -> tuple[float, tuple[Word, ...]]:
    """A person logs the terminal in to another account, and back. No order of ours may be executed there.

    No order is under way at the instant of the switch: one that is could be executed on either account, whatever a program does.
    """
    first = len(stage.trader.sent)
    with stage.trader.trading:
        first = len(stage.trader.sent)
        stage.terminal.fault("account_switched")
    began_s = time.monotonic()
    stage.switched.append((began_s, math.inf))
    stage.until("the news of the other account", lambda: stage.come(mark, WRONG_ACCOUNT))
    _noticed(stage, "account", time.monotonic() - began_s)
    least = len(stage.trader.sent) + 2
    stage.until("an order", lambda: len(stage.trader.sent) > least)
    with stage.trader.trading:
        with stage.terminal.inspected() as program:
            there = program.account()
            executed = ours(program)
            stage.strangers.update(map(told_apart, program.positions()))
        stage.terminal.clear("account_switched")
        cured_s = time.monotonic()
        sent = stage.trader.sent[first:]
    if executed:
        stage.wrong.append(f"account: executed on account {there.login}: {sorted(executed)}")
    stage.wrong += [f"account: {order.comment} was {order.outcome} ({order.error})" for order in sent if order.outcome != "refused"]
    stage.refused_elsewhere += sum(order.outcome == "refused" for order in sent)
    stage.switched[-1] = (began_s, cured_s + RECOVERY_S)
    return cured_s, (WRONG_ACCOUNT, CONNECTED)


FAULTS: dict[str, Callable[[Stage, dict[str, int]], tuple[float, tuple[Word, ...]]]] = {
    "kill": kill, "hang": hang, "broker": broker, "account": account,
}  # fmt: skip


def _noticed(stage: Stage, kind: str, seconds: float) -> None:
    stage.noticed_s[kind].append(seconds)
    if seconds > NOTICE_S:
        stage.wrong.append(f"{kind}: noticed only after {seconds:.1f} s")


def ours(program: MetaTrader) -> dict[str, list[Order]]:
    """The orders of the run in the account that is shown, by comment (the bridge may put `~` and a token of its own behind it)."""
    found: dict[str, list[Order]] = defaultdict(list)
    for order in (*program.orders(), *program.history_orders()):
        if order.magic == MAGIC or order.comment.startswith(PREFIX):
            found[order.comment.partition("~")[0]].append(order)
    return found
