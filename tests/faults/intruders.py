"""Attempts to get in, or further in than one's key allows, at a bridge that asks for keys; honest clients work meanwhile.

An attempt has succeeded when something of the bridge came to its author that is not a refusal, or when the terminal's books have a
deal that no honest client ordered.
"""

from __future__ import annotations

import contextlib
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import zmq

from bridge import codec
from bridge.errors import BridgeError, LimitReached, NotAllowed
from bridge.key_files import Secret, new_secret, read_secret
from bridge.messages import (
    GetAccount,
    GetDeals,
    GetJournal,
    GetPositions,
    GetReplay,
    GetSnapshot,
    Halt,
    Hello,
    Ping,
    Reconnect,
    Request,
    SendOrder,
)
from bridge.trading import TradeRequest
from clients import Client
from tests.faults.house import SEEN_S, House, Socket
from tests.faults.outcome import Outcome, spread
from tests.faults.scene import SimulatedProcess, simulated
from tests.processes import PATIENCE_S
from tests.secrecy import Search

MARKET = ("--profile", "hedging", "--start", "2026-03-03 10:00:00", "--speed", "1")
HONEST, INTRUDER = 7, 666
"""Magic numbers of honest orders, and of those that must not be."""
ANSWER_MS = 60
"""How long an intruder waits for what must not come; a reply takes one."""
SLOW = 20
"""Attempts of the kinds that take a second each are this many times fewer than the others, but at least five."""
LIMITS = """
[clients.trader]
max_volume = 0.05
magics = [666]
orders_per_minute = 100000
"""


_SOME: list[Request[Any]] = [Ping(), GetAccount(), GetPositions(), GetDeals()]


class Honest(threading.Thread):
    """A trader that follows ticks and gives an order now and then; what is not as it should be is in `wrong`."""

    def __init__(self, house: House, key: Path) -> None:
        super().__init__(daemon=True, name="honest")
        self._house, self._key = house, key
        self._ending = threading.Event()
        self.orders: list[str] = []
        self.latency_s: list[float] = []
        self.ticks = 0
        self.frames: list[bytes] = []
        self.client_id = ""
        self.ticket = 0
        self.wrong: list[str] = []
        self.paused = threading.Event()

    def run(self) -> None:
        try:
            with self._house.client(self._key) as client, client.subscribe("tick:EURUSD") as ticks:
                self.ticket = client.buy("EURUSD", 0.01, magic=HONEST).result.order
                self.orders.append("first")
                self.client_id = client._driver.session._request.client_id
                while not self._ending.is_set():
                    self._once(client)
                    while ticks.get(0.0) is not None:
                        self.ticks += 1
                if ticks.counters.gaps or ticks.counters.missing:
                    self.wrong.append(f"the honest client missed events: {ticks.counters}")
        except BridgeError as error:
            self.wrong.append(f"the honest client came to an end: {error}")

    def _once(self, client: Client) -> None:
        if self.paused.is_set():
            time.sleep(0.01)
            return
        began_s = time.monotonic()
        client.ping()
        self.latency_s.append(time.monotonic() - began_s)
        if len(self.latency_s) % 50 == 1:
            request = TradeRequest(action=1, symbol="EURUSD", volume=0.01, type=len(self.orders) % 2, magic=HONEST, type_filling=0)
            order_id = f"honest-{uuid4().hex}"
            self.frames.append(codec.encode_request(SendOrder(request), order_id, None, self.client_id))
            client.call(SendOrder(request), request_id=order_id)
            self.orders.append(order_id)
        time.sleep(0.02)

    def end(self) -> None:
        """It has done enough."""
        self._ending.set()
        self.join(PATIENCE_S)


class Intruder:
    """Everything that is tried. Each attempt returns what it got that it must not have; nothing, if all is well."""

    def __init__(self, house: House, honest: Honest, dice: random.Random, keys: dict[str, Secret]) -> None:
        self._house, self._honest, self._dice, self._keys = house, honest, dice, keys
        self._context: zmq.Context[Socket] = zmq.Context()
        self._numbers = 0

    def close(self) -> None:
        """Leave nothing behind."""
        self._context.destroy(0)

    # ---- tools ---------------------------------------------------------------------------------------------------------------

    def _order(self, **changes: Any) -> SendOrder:
        fields: dict[str, Any] = {"action": 1, "symbol": "EURUSD", "volume": 0.01, "type": 0, "magic": INTRUDER, "type_filling": 0}
        return SendOrder(TradeRequest(**(fields | changes)))

    def _any_request(self) -> Request[Any]:
        return self._dice.choice([*_SOME, Halt("intruder"), Reconnect(), GetJournal(), self._order()])

    @contextmanager
    def _socket(self, kind: int, secret: Secret | None, server: str | None = None) -> Iterator[Socket]:
        socket = self._house.socket(self._context, kind, secret, server)
        try:
            yield socket
        finally:
            socket.close(0)

    def _frame(self, request: Request[Any], client: str | None = None) -> bytes:
        self._numbers += 1
        return codec.encode_request(request, f"intruder-{self._numbers}", None, client)

    def _answers(self, socket: Socket, frame: bytes, patience_ms: int = ANSWER_MS) -> Iterator[BridgeError | bytes]:
        """What comes to a request."""
        with contextlib.suppress(zmq.Again):
            socket.send(frame, zmq.NOBLOCK)
        if socket.poll(patience_ms):
            reply = codec.decode_reply(socket.recv())
            if reply.error is None:
                yield bytes(reply.result)
            else:
                try:
                    codec.decode_result("ping", reply)
                except BridgeError as error:
                    yield error

    def _silent(self, secret: Secret | None, server: str | None = None, frame: bytes | None = None) -> list[str]:
        """Nothing at all may come, neither replies nor events."""
        with self._socket(zmq.DEALER, secret, server) as dealer, self._socket(zmq.SUB, secret, server) as sub:
            sub.subscribe(b"")
            got = [f"a reply: {answer!r}" for answer in self._answers(dealer, frame or self._frame(self._any_request()))]
            if sub.poll(1):
                got.append(f"an event: {sub.recv()[:40]!r}")
        return got

    def _refused(self, role: str, request: Request[Any], *kinds: type[BridgeError], client: str | None = None) -> list[str]:
        """The answer has to be one of these errors."""
        with self._socket(zmq.DEALER, self._keys[role]) as dealer:
            answers = list(self._answers(dealer, self._frame(request, client), 5_000))
        if not answers:
            return [f"no answer to {request.method}"]
        return [f"{request.method}: {answer!r}" for answer in answers if not isinstance(answer, kinds)]

    # ---- attempts ------------------------------------------------------------------------------------------------------------

    def no_key(self) -> list[str]:
        """A plain connection."""
        return self._silent(None)

    def unknown_key(self) -> list[str]:
        """A key that nobody allowed."""
        return self._silent(new_secret("unknown"))

    def wrong_server_key(self) -> list[str]:
        """An allowed key, but whoever it talks to is not who it thinks."""
        return self._silent(self._keys["trader"], new_secret("other").public)

    def plain_password(self) -> list[str]:
        """Name and password instead of a key."""
        socket = self._context.socket(zmq.DEALER)
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.PLAIN_USERNAME, b"trader")
        socket.set(zmq.PLAIN_PASSWORD, self._keys["trader"].public.encode())
        socket.connect(self._house.bridge.requests)
        try:
            return [f"a reply: {answer!r}" for answer in self._answers(socket, self._frame(self._any_request()))]
        finally:
            socket.close(0)

    def revoked_before(self) -> list[str]:
        """A key that was allowed once."""
        return self._silent(self._keys["revoked"])

    def replayed_frames(self) -> list[str]:
        """The order of somebody else, once more, with another key and without one."""
        if not self._honest.frames:
            return []
        frame = self._dice.choice(self._honest.frames)
        got = self._silent(None, frame=frame)
        with self._socket(zmq.DEALER, self._keys["trader"]) as dealer:
            got += [f"a reply: {answer!r}" for answer in self._answers(dealer, frame, 5_000) if not isinstance(answer, NotAllowed)]
        return got

    def monitor_trades(self) -> list[str]:
        """A monitor asks for what is not for it."""
        wanted: list[Request[Any]] = [
            self._order(),
            Halt("intruder"),
            Reconnect(),
            GetAccount(),
            GetPositions(),
            GetDeals(),
            GetJournal(),
        ]
        wanted += [GetSnapshot(("tick:EURUSD", "account")), GetSnapshot(("trade",)), GetReplay("account"), GetReplay("trade")]
        return self._refused("monitor", self._dice.choice(wanted), NotAllowed)

    def monitor_follows(self) -> list[str]:
        """A monitor subscribes to what is not for it."""
        with self._socket(zmq.SUB, self._keys["monitor"]) as sub:
            for prefix in (b"account", b"account\0", b"trade\0", b"log\0", b"", b"a", b"tr"):
                sub.subscribe(prefix)
            if sub.poll(ANSWER_MS):
                return [f"an event: {sub.recv()[:40]!r}"]
        return []

    def trader_steers(self) -> list[str]:
        """A trader does what is for an admin."""
        wanted: list[Request[Any]] = [Halt("intruder"), Reconnect(), GetJournal()]
        return self._refused("trader", self._dice.choice(wanted), NotAllowed)

    def trader_beyond(self) -> list[str]:
        """A trader gives an order beyond its limits, or touches what another has opened."""
        theirs = {"position": self._honest.ticket}
        order = self._dice.choice([
            self._order(volume=0.06), self._order(magic=HONEST), self._order(**theirs, type=1, magic=0),
            self._order(**theirs, type=1), self._order(**theirs, action=6, volume=0.0, sl=0.5, magic=0),
        ])  # fmt: skip
        return self._refused("trader", order, LimitReached)

    def name_of_another(self) -> list[str]:
        """A trader says that it is somebody else: its limits stay its own."""
        with self._socket(zmq.DEALER, self._keys["trader"]) as dealer:
            client_id = f"x-{uuid4().hex}"
            for _ in self._answers(dealer, self._frame(Hello("honest", client_id), client_id), 5_000):
                pass
            answers = list(self._answers(dealer, self._frame(self._order(volume=0.06), client_id), 5_000))
        return [f"{answer!r}" for answer in answers if not isinstance(answer, LimitReached)] or ([] if answers else ["no answer"])

    def stolen_client_id(self) -> list[str]:
        """A trader uses the id of another's client."""
        requests: list[Request[Any]] = [Ping(), self._order(), Hello("honest", self._honest.client_id)]
        return self._refused("trader", self._dice.choice(requests), NotAllowed, client=self._honest.client_id)

    def stolen_routing_id(self) -> list[str]:
        """Two connections with the same routing id: the answers of the first are not for the second."""
        routing_id = uuid4().bytes.replace(b"\0", b"x")
        got = []
        first, second = self._context.socket(zmq.DEALER), self._context.socket(zmq.DEALER)
        try:
            for socket, role in ((first, "honest"), (second, "monitor")):
                socket.set(zmq.LINGER, 0)
                socket.set(zmq.ROUTING_ID, routing_id)
                socket.set(zmq.CURVE_SERVERKEY, self._house.server.encode())
                socket.set(zmq.CURVE_PUBLICKEY, self._keys[role].public.encode())
                socket.set(zmq.CURVE_SECRETKEY, self._keys[role].secret.encode())
                socket.connect(self._house.bridge.requests)
                list(self._answers(socket, self._frame(Ping()), 2_000 if role == "honest" else ANSWER_MS))
            first.send(self._frame(GetAccount()))
            if second.poll(ANSWER_MS):
                reply = codec.decode_reply(second.recv())
                if reply.error is None:
                    got.append(f"the answer of another: {bytes(reply.result)[:40]!r}")
        finally:
            first.close(0)
            second.close(0)
        return got

    def forged_link(self) -> list[str]:
        """A connection to where the bridge's session is, as a session of one's own."""
        got = []
        ports = _ports_of(self._house.bridge.process.pid if self._house.bridge.process else 0)
        for endpoint in [*(f"tcp://127.0.0.1:{port}" for port in ports), *(f"ipc://{path}" for path in _local_sockets())]:
            if endpoint in (self._house.bridge.requests, self._house.bridge.events):
                continue
            for secret in (None, new_secret("session")):
                socket = self._context.socket(zmq.PAIR)
                socket.set(zmq.LINGER, 0)
                if secret is not None:
                    socket.set(zmq.CURVE_SERVERKEY, self._house.server.encode())
                    socket.set(zmq.CURVE_PUBLICKEY, secret.public.encode())
                    socket.set(zmq.CURVE_SECRETKEY, secret.secret.encode())
                socket.connect(endpoint)
                with contextlib.suppress(zmq.Again):
                    socket.send(b"forged", zmq.NOBLOCK)
                if socket.poll(ANSWER_MS):
                    got.append(f"a message of the link: {socket.recv()[:40]!r}")
                socket.close(0)
        return got

    def revoked_meanwhile(self) -> list[str]:
        """A key is revoked while its client is connected, follows events and asks."""
        with self._socket(zmq.DEALER, self._keys["leaving"]) as dealer, self._socket(zmq.SUB, self._keys["leaving"]) as sub:
            sub.subscribe(b"heartbeat\0")
            got = (
                []
                if any(isinstance(answer, bytes) for answer in self._answers(dealer, self._frame(Ping()), 5_000))
                else ["not let in before"]
            )
            if not sub.poll(5_000):
                got.append("no events before")
            key = self._house.revoke("leaving")
            time.sleep(1.0 - SEEN_S)
            while sub.poll(0):
                sub.recv()
            request: Request[Any] = self._dice.choice(_SOME)
            got += [
                f"a reply: {answer!r}"
                for answer in self._answers(dealer, self._frame(request), 1_000)
                if not isinstance(answer, NotAllowed)
            ]
            if sub.poll(1_200):
                got.append(f"an event: {sub.recv()[:40]!r}")
        self._house.restore(key)
        return got

    def nobody_answers(self) -> list[str]:
        """The bridge stands still: who connects meanwhile without a right to is not let in then, nor afterwards."""
        process = self._house.bridge.process
        assert process is not None
        self._honest.paused.set()
        time.sleep(0.05)
        process.send_signal(signal.SIGSTOP)
        try:
            with self._socket(zmq.DEALER, new_secret("unknown")) as dealer, self._socket(zmq.DEALER, None) as plain:
                got = []
                for socket in (dealer, plain):
                    got += [f"a reply: {answer!r}" for answer in self._answers(socket, self._frame(self._order()))]
                process.send_signal(signal.SIGCONT)
                for socket in (dealer, plain):
                    got += [f"a reply: {answer!r}" for answer in self._answers(socket, self._frame(self._order()))]
        finally:
            process.send_signal(signal.SIGCONT)
            self._honest.paused.clear()
        return got


FAST = (
    "no_key", "unknown_key", "wrong_server_key", "plain_password", "revoked_before", "replayed_frames", "monitor_trades",
    "monitor_follows", "trader_steers", "trader_beyond", "name_of_another", "stolen_client_id", "stolen_routing_id",
)  # fmt: skip
SECONDS_EACH = ("forged_link", "revoked_meanwhile", "nobody_answers")


def _ports_of(pid: int) -> list[int]:
    """The TCP ports on which a process listens; Linux tells."""
    try:
        owned = {(Path("/proc") / str(pid) / "fd" / name).readlink().name for name in _names(Path("/proc") / str(pid) / "fd")}
        lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    fields = [line.split() for line in lines]
    return [int(one[1].rpartition(":")[2], 16) for one in fields if one[3] == "0A" and f"socket:[{one[9]}]" in owned]


def _local_sockets() -> list[str]:
    """Sockets of bridges for their sessions, also those whose name is gone from its folder; Linux tells."""
    try:
        lines = Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    except OSError:
        return []
    return sorted({line.split()[-1] for line in lines if "mt5bridge-" in line})


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_symlink()]


def run(seed: int, count: int) -> Outcome:
    """Each kind so often; those that take a second or more fewer times, unless `count` is a hundred or more."""
    began_s = time.monotonic()
    outcome = Outcome("intruders", seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, simulated(Path(folder), *MARKET) as terminal:
        house = House(Path(folder), terminal, LIMITS)
        house.bridge.start()
        try:
            _attempts(house, terminal, outcome, random.Random(seed), count)
        finally:
            house.bridge.stop()
        secret_files = set(house.keys.glob("*.key"))
        keys = {path.name: read_secret(path).secret for path in secret_files}
        outcome.wrong += Search({}, keys).below(Path(folder), secret_files)
    outcome.figures["seconds"] = round(time.monotonic() - began_s, 1)
    return outcome


def _attempts(house: House, terminal: SimulatedProcess, outcome: Outcome, dice: random.Random, count: int) -> None:
    roles = {"honest": "trader", "trader": "trader", "monitor": "monitor", "leaving": "trader", "revoked": "trader"}
    keys = {name: read_secret(house.make(name, role)) for name, role in roles.items()}
    house.revoke("revoked")
    with house.client(house.keys / "honest.key") as client:
        until_s = time.monotonic() + PATIENCE_S
        while not client.is_connected:
            if time.monotonic() > until_s:
                outcome.wrong.append("the bridge was never connected")
                return
            time.sleep(0.05)
    honest = Honest(house, house.keys / "honest.key")
    honest.start()
    until_s = time.monotonic() + PATIENCE_S
    while not honest.frames and time.monotonic() < until_s:
        time.sleep(0.05)
    before = list(honest.latency_s)
    intruder = Intruder(house, honest, dice, keys)
    plan = [kind for kind in FAST for _ in range(count)]
    plan += [kind for kind in SECONDS_EACH for _ in range(count if count >= 100 else max(1, min(5, count // SLOW + 1)))]
    dice.shuffle(plan)
    admitted: Counter[str] = Counter()
    try:
        for kind in plan:
            attempt: Callable[[], list[str]] = getattr(intruder, kind)
            for got in attempt():
                admitted[kind] += 1
                if admitted[kind] <= 3:
                    outcome.wrong.append(f"{kind}: {got}")
    finally:
        intruder.close()
        honest.end()
    _conclude(house, terminal, outcome, honest, admitted)
    outcome.counts = dict(Counter(plan))
    outcome.figures["honest_latency_s"] = spread(honest.latency_s[len(before) :])


def _conclude(house: House, terminal: SimulatedProcess, outcome: Outcome, honest: Honest, admitted: Counter[str]) -> None:
    outcome.wrong += honest.wrong
    with terminal.inspected() as program:
        deals = Counter(deal.magic for deal in program.deals())
    if deals[INTRUDER]:
        outcome.wrong.append(f"{deals[INTRUDER]} deals of intruders")
    if deals[HONEST] != len(honest.orders):
        outcome.wrong.append(f"{deals[HONEST]} deals of the honest client, who gave {len(honest.orders)} orders")
    with house.client(house.keys / "honest.key") as client:
        status = client.status()
    if not status.healthy or status.trading.halted:
        outcome.wrong.append(f"the bridge is not well afterwards: {status.connection.state}, halted {status.trading.halted}")
    names = ("connections_admitted", "connections_refused", "not_allowed", "refused_subscriptions")
    outcome.figures |= {
        "admitted": sum(admitted.values()), "honest_orders": len(honest.orders), "honest_ticks": honest.ticks,
        "counted_by_the_bridge": {name: status.counters.get(name, 0) for name in names},
    }  # fmt: skip
