"""Every interleaving: two clients with an order each, repetitions, one lost reply, and a crash of one part at any step.

The gateway and the session are the real ones, time is virtual, the terminal's books and the journal are in memory. From the start
every possible next step is taken, up to a depth; states that are alike are gone on from once. In each state everything is then
mended and left alone until nothing happens any more, and the invariants are looked at: at most one deal for each id, and a journal,
and answers, that agree with the terminal's books.

`python -m tests.exploration [--depth N]` prints how many states there were.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bridge import codec
from bridge.entries import AuditRecord
from bridge.errors import BridgeError, TryAgain
from bridge.gateway import Gateway, GatewaySettings
from bridge.journalling import OpenJournal
from bridge.messages import SendOrder
from bridge.records import Symbol
from bridge.replies import OrderOutcome
from bridge.session import link
from bridge.session.core import Session
from bridge.supervision import KillSession, StartSession
from bridge.terminal import Credentials, TerminalError
from bridge.ticks import Tick
from bridge.trading import Deal, Order, OrderResult, Position, TradeRequest
from tests.fake_scribe import FakeScribe
from tests.fake_terminal import FakeTerminal, record
from tests.records import symbol

WALL_US = 1_700_000_000_000_000
SERVER_S = WALL_US // 1_000_000
ACCOUNT = Credentials(login=1, password="secret")
TICK_S = 0.001
PATIENCE_S = 200.0
"""How long is waited, in virtual time, until everything is settled."""
CRASHES = ("kill bridge", "kill session", "terminal executes and dies", "terminal dies")


class Books(FakeTerminal):
    """A terminal that executes every market order. `crash` is what the next order meets instead of an answer."""

    def __init__(self) -> None:
        super().__init__("EURUSD")
        self.executed: list[Deal] = []
        self.history: list[Order] = []
        self.crash = ""

    def symbol(self, name: str) -> Symbol:
        self._symbol("symbol", name)
        return symbol(
            name, visible=True, digits=5, point=1e-5, trade_tick_size=1e-5, volume_min=0.01, volume_max=100.0, volume_step=0.01,
            trade_mode=4, filling_mode=3, order_mode=127, expiration_mode=15, trade_exemode=2, trade_contract_size=1e5,
        )  # fmt: skip

    def tick(self, name: str) -> Tick:
        return Tick(SERVER_S, 1.1, 1.1001, 0.0, 0, SERVER_S * 1000, 6, 0.0)

    def send(self, request: TradeRequest) -> OrderResult:
        crash, self.crash = self.crash, ""
        if crash == "lost":
            raise TerminalError("order_send", -10_001, "IPC send failed")
        ticket = 100 + 2 * len(self.executed)
        of = {"symbol": request.symbol, "magic": request.magic, "comment": request.comment, "type": request.type}
        self.executed.append(
            record(
                Deal, ticket=ticket + 1, order=ticket, position_id=ticket, volume=request.volume, price=1.1, time=SERVER_S,
                time_msc=SERVER_S * 1000, **of,
            )
        )  # fmt: skip
        self.history.append(
            record(
                Order, ticket=ticket, state=4, volume_initial=request.volume, time_setup=SERVER_S, time_done=SERVER_S,
                time_setup_msc=SERVER_S * 1000, time_done_msc=SERVER_S * 1000, position_id=ticket, price_open=1.1, **of,
            )
        )  # fmt: skip
        if crash == "executed":
            raise TerminalError("order_send", -10_002, "IPC recv failed")
        return record(OrderResult, retcode=10009, order=ticket, deal=ticket + 1, volume=request.volume, price=1.1, request=request)

    def positions(self, *, ticket: int | None = None, symbol: str | None = None, group: str | None = None) -> list[Position]:
        return [
            record(
                Position, ticket=deal.order, identifier=deal.order, symbol=deal.symbol, magic=deal.magic, comment=deal.comment,
                volume=deal.volume, time=deal.time, time_msc=deal.time_msc, type=deal.type,
            )
            for deal in self.executed
            if ticket in (None, deal.order)
        ]  # fmt: skip

    def history_orders(self, *, from_s: int | None = None, to_s: int | None = None, position: int | None = None) -> list[Order]:
        return [order for order in self.history if position in (None, order.position_id)]

    def deals(self, *, from_s: int | None = None, to_s: int | None = None, position: int | None = None) -> list[Deal]:
        return [deal for deal in self.executed if position in (None, deal.position_id)]


@dataclass(slots=True)
class Client:
    """One client with its order; `told` is its last answer, and what is final of it."""

    number: int
    asked: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def frame(self) -> bytes:
        request = TradeRequest(action=1, symbol="EURUSD", volume=0.1, type=0, price=1.1001, magic=7, type_filling=0)
        return codec.encode_request(SendOrder(request), self.id, None, f"c{self.number}")

    @property
    def id(self) -> str:
        return f"order-{self.number}"

    @property
    def settled(self) -> bool:
        return bool(self.told) and self.told[-1] != "again"


class System:
    """Bridge, session, terminal, journal and clients; one step at a time."""

    def __init__(self, clients: int = 2, asks: int = 2, losses: int = 1, crashes: int = 1) -> None:
        """So many clients, each of which asks so often at most; so many replies may be lost, and parts crash."""
        self.now = 0.0
        self.terminal = Books()
        self.scribe = FakeScribe()
        self.clients = [Client(number) for number in range(clients)]
        self.asks = asks
        self.losses = losses
        self.crashes = crashes
        self.bridges = 0
        self._start_bridge()
        self._until_quiet()

    # ---- parts -----------------------------------------------------------------------------------------------------------------

    def _start_bridge(self) -> None:
        self.bridges += 1
        settings = GatewaySettings("1.0", 1 + int(self.now), WALL_US + int(self.now * 1e6), heartbeat_s=10.0)
        self.gateway = Gateway(settings, self.now, Random(7))
        self.replies: deque[tuple[int, Any]] = deque()
        self.to_session: deque[bytes] = deque()
        self.from_session: deque[bytes] = deque()
        self.written: deque[Any] = deque()
        self.session: Session | None = None
        self.generation = 0
        self.gateway.start(self.now)
        self._take()

    def _start_session(self, generation: int) -> None:
        self.generation = generation
        self.to_session.clear()
        self.from_session.clear()
        self.session = Session(self.terminal, ACCOUNT, lambda message: self.from_session.append(link.pack(message)))
        self.from_session.append(link.pack(link.Ready("token", 1)))

    def _take(self) -> None:
        gateway = self.gateway
        self.scribe.write([write for write in gateway.writes if not isinstance(write.record, AuditRecord)])
        gateway.writes = []
        self.to_session += gateway.link
        gateway.link = []
        for routing_id, frame in gateway.replies:
            self.replies.append((int(routing_id), codec.decode_reply(frame)))
        gateway.replies = []
        gateway.events = []
        actions, gateway.actions = gateway.actions, []
        for action in actions:
            if isinstance(action, StartSession):
                self._start_session(action.generation)
            elif isinstance(action, KillSession):
                self.session = None
            elif isinstance(action, OpenJournal):
                self.scribe.open(action.login, action.server)

    # ---- steps -----------------------------------------------------------------------------------------------------------------

    def steps(self) -> Iterator[str]:
        """What can happen next."""
        for client in self.clients:
            if client.asked < self.asks and not client.settled:
                yield f"ask:{client.number}"
        if self.scribe._queue:
            yield "commit"
        if self.written:
            yield "durable"
        if self.to_session and self.session is not None:
            yield "session"
        if self.from_session:
            yield "heard"
        if self.replies:
            yield "reply"
            if self.losses:
                yield "lose"
        if self.crashes:
            yield from CRASHES

    def step(self, name: str) -> None:
        """Have it happen."""
        self.now += TICK_S
        kind, _, detail = name.partition(":")
        _STEPS[kind](self, detail)

    def _ask(self, detail: str) -> None:
        client = self.clients[int(detail)]
        client.asked += 1
        self.gateway.receive_request(b"%d" % client.number, [client.frame], self.now)
        self._take()

    def _commit(self, detail: str) -> None:
        self.written += self.scribe.take()

    def _durable(self, detail: str) -> None:
        self.gateway.journalled(self.written.popleft(), self.now)
        self._take()

    def _work(self, detail: str) -> None:
        assert self.session is not None
        self.session.receive(link.to_session(self.to_session.popleft()))
        while self.session.next_deadline() == float("-inf") and not self.session.stopped:
            self.session.step(self.now)

    def _heard(self, detail: str) -> None:
        self.gateway.receive_link(self.from_session.popleft(), self.now)
        self._take()

    def _reply(self, detail: str) -> None:
        number, reply = self.replies.popleft()
        client = self.clients[number]
        if reply.id == client.id:
            client.told.append(told(reply))

    def _lose(self, detail: str) -> None:
        self.losses -= 1
        self.replies.popleft()

    def _kill_bridge(self, detail: str) -> None:
        self.crashes -= 1
        self.scribe.crash()
        self._start_bridge()

    def _kill_session(self, detail: str) -> None:
        self.crashes -= 1
        self.session = None
        self.to_session.clear()
        self.from_session.clear()
        self.gateway.session_exited(self.generation, "the session process was killed by signal 9", self.now)
        self._take()

    def _execute_and_die(self, detail: str) -> None:
        self.crashes -= 1
        self.terminal.crash = "executed"

    def _die(self, detail: str) -> None:
        self.crashes -= 1
        self.terminal.crash = "lost"

    # ---- the end ---------------------------------------------------------------------------------------------------------------

    def _until_quiet(self) -> None:
        """Everything that is on its way arrives."""
        while True:
            if self.scribe._queue:
                self._commit("")
            elif self.written:
                self._durable("")
            elif self.from_session:
                self._heard("")
            elif self.to_session and self.session is not None:
                self._work("")
            elif self.replies:
                self._reply("")
            else:
                return

    def settle(self) -> None:
        """Nothing fails any more, and the clients ask until they know."""
        self.terminal.crash = ""
        until = self.now + PATIENCE_S
        self._until_quiet()
        while self.now < until and not (all(client.settled for client in self.clients) and self._explained()):
            for client in self.clients:
                if not client.settled:
                    self._ask(str(client.number))
            self._until_quiet()
            due = self.now + 5.0
            while self.now < due:
                self.now = max(self.now + 0.1, min(due, self.gateway.next_deadline()))
                if self.session is not None:
                    self.session.step(self.now)
                self.gateway.on_time(self.now)
                self._take()
                self._until_quiet()

    def _explained(self) -> bool:
        return all(entry.settlement and entry.settlement.kind != "unknown" for entry in self.scribe.entries.values())

    def wrong(self) -> list[str]:
        """What contradicts what was promised."""
        found: list[str] = []
        executed = Counter(deal.comment for deal in self.terminal.executed)
        for client in self.clients:
            entry = self.scribe.entries.get(client.id)
            token = "" if entry is None else entry.intent.token
            count = executed.pop(token, 0) if token else 0
            kind = entry.settlement.kind if entry is not None and entry.settlement is not None else None
            last = client.told[-1] if client.told else "nothing"
            if not client.settled:
                found.append(f"{client.id} is not known in the end: {client.told[-3:]}")
            if count > 1:
                found.append(f"{client.id} was executed {count} times")
            if (kind == "done") != (count == 1):
                found.append(f"{client.id} is {kind} in the journal and was executed {count} times")
            if (last == "done") != (count == 1):
                found.append(f"{client.id} was told to be {client.told} and was executed {count} times")
        if executed:
            found.append(f"deals that the journal does not explain: {executed}")
        return found

    def key(self) -> tuple[Any, ...]:
        """What makes states alike."""
        orders = self.gateway.dealing.execution._orders
        return (
            tuple((client.asked, tuple(client.told)) for client in self.clients),
            tuple(deal.comment for deal in self.terminal.executed),
            self.terminal.crash, self.crashes, self.losses, self.bridges, self.generation, self.session is None,
            tuple(sorted((name, entry.settlement.kind if entry.settlement else "") for name, entry in self.scribe.entries.items())),
            tuple(type(item.record).__name__ if not isinstance(item, tuple) else "open" for item in self.scribe._queue),
            tuple(type(item).__name__ + str(getattr(item, "number", "")) for item in self.written),
            tuple(sorted((name, order.phase.name, len(order.waiters)) for name, order in orders.items())),
            tuple(self.to_session), tuple(map(_alike, self.from_session)),
            tuple((number, reply.id, told(reply)) for number, reply in self.replies),
            self.gateway.connection.state,
        )  # fmt: skip


_STEPS = {
    "ask": System._ask, "commit": System._commit, "durable": System._durable, "session": System._work, "heard": System._heard,
    "reply": System._reply, "lose": System._lose, "kill bridge": System._kill_bridge, "kill session": System._kill_session,
    "terminal executes and dies": System._execute_and_die, "terminal dies": System._die,
}  # fmt: skip


def _alike(frame: bytes) -> str:
    message = link.from_session(frame)
    return f"{type(message).__name__} {getattr(message, 'id', '')}"


def told(reply: Any) -> str:
    """What an answer says of an order."""
    try:
        found: OrderOutcome = codec.decode_result("order", reply)
    except TryAgain:
        return "again"
    except BridgeError as error:
        return "again" if error.code in ("outcome_unknown", "stopping") else error.code
    return found.outcome


@dataclass(slots=True)
class Explored:
    """How far it went, and what was wrong: each with the steps that led there."""

    depth: int
    states: int = 0
    steps: int = 0
    wrong: list[str] = field(default_factory=list)


def replayed(path: tuple[str, ...]) -> System:
    """The system after these steps."""
    system = System()
    for name in path:
        system.step(name)
    return system


def explore(depth: int) -> Explored:
    """All states that at most so many steps lead to."""
    explored = Explored(depth)
    seen: set[tuple[Any, ...]] = set()
    level: list[tuple[str, ...]] = [()]
    for _ in range(depth + 1):
        following: list[tuple[str, ...]] = []
        for path in level:
            system = replayed(path)
            explored.steps += 1
            key = system.key()
            if key in seen:
                continue
            seen.add(key)
            following += [(*path, name) for name in system.steps()]
            system.settle()
            explored.wrong += [f"{', '.join(path)}: {text}" for text in system.wrong()]
        level = following
    explored.states = len(seen)
    return explored


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.exploration", description=__doc__)
    parser.add_argument("--depth", type=int, default=8, help="how many steps from the start [8]")
    depth = parser.parse_args().depth
    began_s = time.monotonic()
    explored = explore(depth)
    for text in explored.wrong[:20]:
        print(f"WRONG: {text}")
    print(
        f"depth {explored.depth}: {explored.states} states by {explored.steps} ways, {len(explored.wrong)} wrong, "
        f"{time.monotonic() - began_s:.0f} s"
    )
    return 1 if explored.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
