"""Kill bridge, session, terminal or client at a random instant around orders, again and again; and a terminal that executes orders
and does not say so.

Every order has an id of its own and a magic number of its own. Its client repeats it with the same id until it knows what became of
it, across whatever is killed. In the end the terminal's books are compared with what the clients were told: never two deals of one
id, none of an id that was refused or not executed, one of each that was done.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import zmq

from bridge.codec import encode_request
from bridge.errors import BridgeError, CallError, OrderNotExecuted, OutcomeUnknown
from bridge.messages import SendOrder
from bridge.trading import TradeRequest
from clients import Client
from tests.faults.outcome import Outcome, spread
from tests.faults.scene import BridgeProcess, SimulatedProcess, simulated
from tests.processes import PATIENCE_S

MARKET = ("--profile", "netting", "--start", "2026-03-03 10:00:00", "--speed", "1")
OF_10 = {"bridge": 3, "session": 3, "terminal": 2, "client": 2}
"""Shares of what is killed."""
UNANSWERED = ("unanswered", "order_timeout")
"""A terminal that executes an order and answers None, or 10012: for every five kills one of these, in turn."""
TRADERS = 3
AROUND_S = (0.0, 0.02)
"""When something is killed, after the orders were given to their clients."""
ANSWERED_S = 1.0
"""How long a fault's orders are waited for before the next fault; those that were never sent stay unknown for a minute."""
KNOWN_S = 100.0
"""How long after the last fault an order may be of unknown outcome: 60 s of looking for it, and some for the last recovery."""
MAGIC = 1_000


@dataclass(slots=True)
class Ordered:
    """One order: what its client was told in the end, and how long after the fault."""

    number: int
    began_s: float
    told: str = ""
    detail: str = ""
    known_s: float = 0.0
    attempts: int = 0
    answers: Counter[str] = field(default_factory=Counter)

    @property
    def id(self) -> str:
        return f"fault-order-{self.number:06d}"

    @property
    def magic(self) -> int:
        return MAGIC + self.number


class Trader(threading.Thread):
    """One client at a time, that gives orders and repeats each until its outcome is known. With `crash` the next order is sent by
    one that is gone so many seconds later, without having read anything."""

    def __init__(self, number: int, endpoint: str) -> None:
        super().__init__(daemon=True, name=f"trader-{number}")
        self._endpoint = endpoint
        self._wake = threading.Condition()
        self._due: list[Ordered] = []
        self._ending = False
        self.crash_s: float | None = None
        self.open: list[Ordered] = []
        self.crashes = 0

    def order(self, order: Ordered) -> None:
        """Give an order."""
        with self._wake:
            self._due.append(order)
            self.open.append(order)
            self._wake.notify()

    def end(self) -> None:
        """No more orders."""
        with self._wake:
            self._ending = True
            self._wake.notify()

    def run(self) -> None:
        while not self._ending:
            with contextlib.suppress(BridgeError):
                self._live()

    def _live(self) -> None:
        with Client(self._endpoint, name=self.name, timeout_s=3.0) as client:
            while not self._ending:
                with self._wake:
                    waiting = [order for order in self.open if not order.told]
                    self.open = waiting
                    if not waiting:
                        self._wake.wait(0.2)
                for order in reversed(waiting):
                    self._once(client, order)

    def _vanish(self, request: TradeRequest, order: Ordered, after_s: float) -> None:
        """A client sends the order and is killed."""
        self.crashes += 1
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.linger = 0
            socket.connect(self._endpoint)
            socket.send(encode_request(SendOrder(request), order.id, None, "crashing"))
            time.sleep(after_s)

    def _once(self, client: Client, order: Ordered) -> None:
        order.attempts += 1
        side = order.number % 2
        request = TradeRequest(
            action=1, symbol="EURUSD", volume=0.01, type=side, magic=order.magic, type_filling=0, comment="fault"
        )
        crash_s, self.crash_s = self.crash_s, None
        if crash_s is not None:
            self._vanish(request, order, crash_s)
        try:
            outcome = client.call(SendOrder(request), request_id=order.id)
        except OrderNotExecuted as error:
            self._told(order, "not_executed", str(error))
        except CallError as error:
            self._told(order, "refused", str(error))
        except BridgeError as error:
            order.answers[error.code] += 1
            if not isinstance(error, OutcomeUnknown):
                time.sleep(0.02)
        else:
            self._told(order, outcome.outcome, f"order {outcome.result.order} deal {outcome.result.deal}")

    def _told(self, order: Ordered, what: str, detail: str) -> None:
        order.known_s = time.monotonic() - order.began_s
        order.detail = detail
        order.told = what


class Run:
    """The processes and the traders of one run."""

    def __init__(self, seed: int, terminal: SimulatedProcess, bridge: BridgeProcess) -> None:
        self.dice = random.Random(seed)
        self.terminal = terminal
        self.bridge = bridge
        self.traders = [Trader(number, bridge.requests) for number in range(TRADERS)]
        self.orders: list[Ordered] = []
        self.wrong: list[str] = []
        self.recovery_s: dict[str, list[float]] = {kind: [] for kind in (*OF_10, *UNANSWERED)}

    def give(self) -> list[Ordered]:
        """An order for each trader."""
        given = []
        for trader in self.traders:
            order = Ordered(len(self.orders), time.monotonic())
            self.orders.append(order)
            given.append(order)
            trader.order(order)
        return given

    def fault(self, kind: str) -> None:
        """One fault around orders, and the recovery from it."""
        if kind in UNANSWERED:
            arguments = {"answer": self.dice.choice(["broken", "failed"])} if kind == "unanswered" else {"seconds": 0.0}
            self.terminal.fault(kind, count=1, executes=True, **arguments)
        if kind == "client":
            for trader in self.traders:
                trader.crash_s = self.dice.uniform(*AROUND_S)
        given = self.give()
        time.sleep(self.dice.uniform(*AROUND_S))
        if kind == "session":
            self._kill_session()
        elif kind == "bridge":
            self.bridge.kill()
            self.bridge.start()
        elif kind == "terminal":
            self.terminal.kill()
            self.terminal.start()
        began_s = time.monotonic()
        self._until_healthy(kind)
        self.recovery_s[kind].append(time.monotonic() - began_s)
        until_s = time.monotonic() + ANSWERED_S
        while time.monotonic() < until_s and not all(order.told for order in given):
            time.sleep(0.005)

    def _kill_session(self) -> None:
        with Client(self.bridge.requests, name="killer", timeout_s=PATIENCE_S) as client:
            pid = client.status().session_pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _until_healthy(self, kind: str) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            with contextlib.suppress(BridgeError), Client(self.bridge.requests, name="looking", timeout_s=PATIENCE_S) as client:
                if client.status().healthy:
                    return
            time.sleep(0.01)
        self.wrong.append(f"not healthy again {PATIENCE_S:.0f} s after {kind}")

    def settle(self) -> None:
        """Wait until everything is known, or has been unknown for too long."""
        until_s = time.monotonic() + KNOWN_S
        while time.monotonic() < until_s and not all(order.told for order in self.orders):
            time.sleep(0.1)


def plan(count: int, dice: random.Random) -> list[str]:
    """So many kills, of each kind in proportion, and unanswered orders among them."""
    kinds = [kind for kind, share in OF_10.items() for _ in range(share)]
    kills: list[str] = []
    while len(kills) < count:
        dice.shuffle(kinds)
        kills += kinds
    found: list[str] = []
    for number, kind in enumerate(kills[:count], start=1):
        found.append(kind)
        if number % 5 == 0:
            found.append(UNANSWERED[number // 5 % 2])
    return found


@contextmanager
def started(folder: Path, seed: int) -> Iterator[Run]:
    """Terminal, bridge and traders at work."""
    settings = "restarts_per_hour = 100000"
    with simulated(folder, *MARKET) as terminal:
        bridge = BridgeProcess(folder, terminal, settings)
        bridge.start()
        run = Run(seed, terminal, bridge)
        run._until_healthy("the beginning")
        for trader in run.traders:
            trader.start()
        try:
            yield run
        finally:
            for trader in run.traders:
                trader.end()
            bridge.stop()


def run(seed: int, count: int) -> Outcome:
    """Inject so many faults."""
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, started(Path(folder), seed) as scene:
        kinds = plan(count, scene.dice)
        outcome = Outcome("trading", seed, dict(Counter(kinds)))
        for number, kind in enumerate(kinds):
            try:
                scene.fault(kind)
            except (AssertionError, OSError) as stuck:
                scene.wrong.append(f"after {number} faults, {kind}: {stuck}")
                break
        scene.settle()
        conclude(scene, outcome)
    outcome.figures["seconds"] = round(time.monotonic() - began_s, 1)
    return outcome


def conclude(scene: Run, outcome: Outcome) -> None:
    """Compare what the clients were told with the terminal's books."""
    with scene.terminal.inspected() as program:
        deals = program.deals()
    executed = Counter(deal.magic for deal in deals if deal.magic >= MAGIC)
    told: Counter[str] = Counter()
    lost = duplicated = wrongly_denied = 0
    for order in scene.orders:
        count = executed.pop(order.magic, 0)
        told[order.told or "never told"] += 1
        if count > 1:
            duplicated += 1
            scene.wrong.append(f"{order.id} was executed {count} times; told: {order.told} {order.detail}")
        elif order.told in ("done", "partial") and count == 0:
            lost += 1
            scene.wrong.append(f"{order.id} was told to be {order.told} ({order.detail}) and is not in the books")
        elif order.told in ("refused", "not_executed") and count:
            wrongly_denied += 1
            scene.wrong.append(f"{order.id} was told to be {order.told} ({order.detail}) and was executed")
        elif not order.told:
            scene.wrong.append(f"{order.id} is not known after {KNOWN_S:.0f} s; answers: {dict(order.answers)}; executed: {count}")
    if executed:
        scene.wrong.append(f"deals of nobody's orders: {dict(executed)}")
    outcome.wrong += scene.wrong
    outcome.figures |= {
        "orders": len(scene.orders),
        "told": dict(told),
        "executed": sum(1 for deal in deals if deal.magic >= MAGIC),
        "duplicated": duplicated,
        "lost": lost,
        "wrongly_denied": wrongly_denied,
        "repeated_requests": sum(order.attempts - 1 for order in scene.orders),
        "recovery_s": spread([value for values in scene.recovery_s.values() for value in values]),
        "recovery_by_fault_s": {kind: spread(values) for kind, values in scene.recovery_s.items() if values},
        "known_s": spread([order.known_s for order in scene.orders if order.told]),
        "client_crashes": sum(trader.crashes for trader in scene.traders),
    }
