"""Several clients of one whole bridge in virtual time, each over its own line, and a market whose history is the truth."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from random import Random

from bridge.messages import LATE, Hello
from bridge.ticks import RECORD_BYTES, TICK_STRUCT
from clients.events import Bars, Gap, Item, Ticks
from clients.place import rows_of
from clients.session import ClientSession
from clients.streams import QUEUE_LIMIT, Feed
from tests.fake_link import DELAY_S, after, doubled
from tests.fake_terminal import T0, bar
from tests.virtual_time import VirtualTime
from tests.whole_bridge import Archive, Line, NoBridge, WholeBridge

SYMBOLS = ("EURUSD", "GBPUSD")
BAR_S = 2.0
"""A bar of a minute closes this often."""


class Port:
    """Where one client meets the bridge: its requests go in with its own identity, and it gets its own replies and all events."""

    def __init__(self, hub: Hub, identity: bytes) -> None:
        self.hub = hub
        self.identity = identity
        self.replies: list[tuple[bytes, bytes]] = []
        self.events: list[bytes] = []
        self.in_force: Counter[bytes] = Counter()
        self.wake: Callable[[], None] = lambda: None

    def receive_request(self, _identity: bytes, frame: bytes, now: float) -> None:
        self.hub.bridge.receive_request(self.identity, frame, now)
        self.hub.spread(self)

    def receive_subscription(self, frame: bytes, now: float) -> None:
        self.in_force[frame[1:]] += 1 if frame[0] else -1
        self.hub.bridge.receive_subscription(frame, now)
        self.hub.spread(self)

    def on_time(self, now: float) -> None:
        self.hub.bridge.on_time(now)
        self.hub.spread(self)

    def next_deadline(self) -> float | None:
        return self.hub.bridge.next_deadline()

    def gone(self, now: float) -> None:
        """The bridge finds that this client's connection is gone."""
        for prefix in list(self.in_force.elements()):
            self.hub.bridge.receive_subscription(b"\0" + prefix, now)
        self.in_force.clear()
        self.hub.spread(self)


class Hub:
    """The bridge, which may be another one later, or nobody, and the ports of its clients."""

    def __init__(self, bridge: WholeBridge) -> None:
        self.bridge: WholeBridge | NoBridge = bridge
        self.ports: dict[bytes, Port] = {}

    def port(self) -> Port:
        identity = b"client%d" % len(self.ports)
        return self.ports.setdefault(identity, Port(self, identity))

    def spread(self, by: Port | None = None) -> None:
        """Give everybody what is for them; who did not ask just now is woken."""
        replies, self.bridge.replies = self.bridge.replies, []
        events, self.bridge.events = self.bridge.events, []
        for identity, frame in replies:
            self.ports[identity].replies.append((identity, frame))
        for port in self.ports.values():
            port.events += events
            if port is not by and (port.events or port.replies):
                port.wake()

    def replace(self, bridge: WholeBridge | NoBridge) -> None:
        self.bridge = bridge
        for port in self.ports.values():
            port.in_force.clear()
            port.replies, port.events = [], []


class Strategy:
    """A client with one subscription; what it takes from its queue is in `taken`. A slow one takes it seldom."""

    def __init__(self, world: Town, topics: tuple[str, ...], limit: int = QUEUE_LIMIT, pause_s: float = 0.0) -> None:
        ids = count(1)
        self.world = world
        self.topics = topics
        self.port = world.hub.port()
        name = self.port.identity.decode()
        self.session = ClientSession("tcp://127.0.0.1:5555", Hello("test", name), new_id=lambda: f"{name}.{next(ids)}")
        self.line = Line(world.time, self.session, self.port)
        self.port.wake = lambda: world.time.after(0.0, self.line.work)
        self.taken: deque[Item] = deque()
        self.least: dict[str, int] = {}
        self._pause_s = pause_s
        self.feed: Feed | None = None
        self.session.start(world.time.now, 5.0)
        self.line.work()
        world.time.after(0.01, lambda: self._subscribe(limit))

    def _subscribe(self, limit: int) -> None:
        """Until it works, as a program would."""
        time = self.world.time
        if self.session.welcome is None:
            if self.session.next_outgoing() is None:
                self.session.start(time.now, 5.0)
            self.line.work()
            time.after(0.5, lambda: self._subscribe(limit))
            return
        join = self.session.subscribe(self.topics, time.now, 30.0, queue_limit=limit)
        self.line.work()

        def look() -> None:
            if not join.done:
                time.after(0.05, look)
            elif join.error is not None:
                self._subscribe(limit)
            else:
                self.feed = join.feed
                self.least = {topic: len(self.world.truth(topic)) for topic in self.topics if not topic.endswith("*")}
                if self._pause_s:
                    time.after(self._pause_s, self._take)

        look()

    def _take(self) -> None:
        self.take()
        self.world.time.after(self.world.random.expovariate(1 / self._pause_s), self._take)

    def take(self) -> None:
        assert self.feed is not None
        self.taken.extend(self.feed.queue)
        self.feed.queue.clear()
        self.line.work()

    # ---- what it got ---------------------------------------------------------------------------------------------------------

    def records(self, topic: str, *, late: bool = False) -> list[bytes]:
        """The records that were delivered of a topic: those that came late, or the others with the state they began with."""
        return [
            row
            for item in self.taken
            if isinstance(item, Ticks | Bars) and item.topic == topic and bool(item.flags & LATE) == late
            for row in rows_of(item.records)
        ]

    def begins_with_state(self, topic: str) -> bool:
        first = next((item for item in self.taken if isinstance(item, Ticks | Bars) and item.topic == topic), None)
        return first is not None and first.snapshot

    @property
    def gaps(self) -> list[Gap]:
        return [item for item in self.taken if isinstance(item, Gap)]


class Town:
    """The market, the terminal, the bridges one after the other, and the clients."""

    def __init__(self, seed: int, **bridge: int | float) -> None:
        self.random = Random(seed)
        self.time = VirtualTime()
        self.terminal = Archive(*SYMBOLS)
        self.settings = {"linger_s": 2.0} | bridge
        self.epochs = count(1)
        self.numbers = count(1)
        self.bars = 0
        self.open = True
        self.inserted: dict[str, list[bytes]] = {symbol: [] for symbol in SYMBOLS}
        self.regular: dict[str, list[bytes]] = {symbol: [] for symbol in SYMBOLS}
        self.closed: list[bytes] = [bar(-60)]
        self.lossless = True
        """Nothing has happened yet after which what the broker inserts may be overlooked."""
        for symbol in SYMBOLS:
            self._append(symbol, self._row(-1_500))
            self._append(symbol, self._row(-500))
        self.terminal.bars["EURUSD", "M1"] = bar(-60) + bar(0)
        self.hub = Hub(self._bridge())
        self.clients: list[Strategy] = []
        self.time.run_for(0.5)

    def _bridge(self) -> WholeBridge:
        return WholeBridge(self.terminal, next(self.epochs), self.time.now, **self.settings)

    def join(self, *topics: str, limit: int = QUEUE_LIMIT, pause_s: float = 0.0) -> Strategy:
        client = Strategy(self, topics, limit, pause_s)
        self.clients.append(client)
        return client

    def truth(self, topic: str) -> list[bytes]:
        """What has been published of a topic by an ideal bridge, without what the broker inserted later."""
        return self.regular[topic.removeprefix("tick:")] if topic.startswith("tick:") else self.closed

    # ---- the market ----------------------------------------------------------------------------------------------------------

    def _row(self, msc: int | None = None, bid: float | None = None) -> bytes:
        stamp = T0 * 1_000 + (round((self.time.now - 1_000.0) * 1e3) if msc is None else msc)
        bid = float(next(self.numbers)) if bid is None else bid
        return TICK_STRUCT.pack(stamp // 1_000, bid, bid + 0.5, 0.0, 0, stamp, 6, 0.0)

    def _append(self, symbol: str, row: bytes) -> None:
        self.regular[symbol].append(row)
        self.terminal.append(symbol, row)

    def tick(self, symbol: str, number: int = 1, *, twins: bool = True) -> None:
        """So many ticks in this millisecond; some of them are equal to the last bit."""
        for _ in range(number):
            twin = twins and self.random.random() < 0.5
            bid = TICK_STRUCT.unpack(self.regular[symbol][-1])[1] if twin else None
            self._append(symbol, self._row(bid=bid))

    def trade(self, until_s: float) -> None:
        """Ticks and bars until then."""
        self.time.after(self.random.expovariate(4.0), lambda: self._quote(until_s))
        self.time.after(BAR_S, lambda: self._close(until_s))

    def _quote(self, until_s: float) -> None:
        if self.open:
            self.tick(self.random.choice(SYMBOLS), self.random.choice((1, 1, 1, 2, 5)))
        if self.time.now < until_s:
            self.time.after(self.random.expovariate(4.0), lambda: self._quote(until_s))

    def _close(self, until_s: float) -> None:
        if self.open:
            self.bars += 1
            self.closed.append(self.terminal.bars["EURUSD", "M1"][-RECORD_BYTES:])
            self.terminal.bars["EURUSD", "M1"] += bar(60 * self.bars)
        if self.time.now < until_s:
            self.time.after(BAR_S, lambda: self._close(until_s))

    # ---- what may happen -----------------------------------------------------------------------------------------------------

    def one(self) -> Strategy:
        return self.random.choice(self.clients)

    def wait(self, seconds: float) -> None:
        self.time.run_for(seconds)

    def lose(self, seconds: float) -> None:
        """Some events of one client are dropped on their way."""
        line, share = self.one().line, self.random.choice((0.1, 0.5, 1.0))
        line.events = lambda frame: () if self.random.random() < share else (DELAY_S,)
        self.time.run_for(seconds)
        line.events = after()

    def shuffle(self, seconds: float) -> None:
        """Events of one client arrive doubled, late and in another order."""
        line = self.one().line
        line.events = lambda frame: [self.random.uniform(0.0, 0.5) for _ in range(self.random.choice((1, 1, 2)))]
        self.time.run_for(seconds)
        line.events = after()

    def delay(self, seconds: float) -> None:
        """Events come later and later, all requests and replies slowly."""
        line, begun = self.one().line, self.time.now
        line.events = lambda frame: (min(1.0, self.time.now - begun),)
        line.replies = after(0.4)
        line.requests = doubled
        self.time.run_for(seconds)
        line.events = line.replies = line.requests = after()

    def stop(self, seconds: float) -> None:
        """A client is stopped, and goes on with what little has waited."""
        line = self.one().line
        line.stop()
        self.time.run_for(seconds)
        line.go_on()

    def cut(self, seconds: float) -> None:
        """One client's connection is gone; the bridge notices that after a while, and ends streams after another."""
        client = self.one()
        client.line.cut()
        self.time.run_for(min(seconds, 0.5))
        client.port.gone(self.time.now)
        self.time.run_for(seconds - min(seconds, 0.5))
        client.line.heal()

    def restart(self, seconds: float) -> None:
        """The bridge is killed, and started again: a new epoch, an empty ring."""
        self.lossless = False
        for client in self.clients:
            client.line.cut()
        self.hub.replace(NoBridge())
        self.time.run_for(seconds)
        self.hub.replace(self._bridge())
        for client in self.clients:
            client.line.heal()

    def kill_session(self, seconds: float) -> None:
        self.lossless = False
        assert isinstance(self.hub.bridge, WholeBridge)
        self.hub.bridge.kill_session(self.time.now)
        self.hub.spread()
        self.time.run_for(seconds)

    def lag(self, seconds: float) -> None:
        """The terminal's history ends where it is now for up to five seconds, while its last tick goes on."""
        symbol = self.random.choice(SYMBOLS)
        self.terminal.loaded[symbol] = len(self.terminal.rows[symbol])

        def there() -> None:
            self.terminal.loaded.pop(symbol, None)

        self.time.after(min(seconds, 5.0), there)
        self.time.run_for(seconds)

    def load(self, seconds: float) -> None:
        """A bridge is restarted while the terminal has to load the newest history: it answers with less than it will have."""
        for symbol in SYMBOLS:
            rows = self.terminal.rows[symbol]
            self.tick(symbol, twins=False)  # a session that begins without history knows this one alone
            end = max(2, len(rows) - self.random.randint(0, 12))
            while end < len(rows) and rows[end - 1] == rows[end]:
                end += 1
            self.terminal.loaded[symbol] = end
        self.restart(seconds / 2)
        self.time.run_for(seconds / 2)
        self.terminal.loaded.clear()

    def insert(self, seconds: float) -> None:
        """The broker inserts a tick before the newest one."""
        symbol = self.random.choice(SYMBOLS)
        rows = self.terminal.rows[symbol]
        if symbol not in self.terminal.loaded:
            newest = TICK_STRUCT.unpack(rows[-1])
            row = self._row(newest[5] - T0 * 1_000)
            rows.insert(len(rows) - 1, row)
            self.inserted[symbol].append(row)
        self.time.run_for(seconds)

    def pay(self, seconds: float) -> None:
        """Money comes in."""
        self.terminal.figures = replace(self.terminal.figures, balance=self.terminal.figures.balance + 1.0)
        self.time.run_for(seconds)

    def silence(self, seconds: float) -> None:
        """The newest events of all clients are lost, and nothing follows but heartbeats."""
        for client in self.clients:
            client.line.events = lambda frame: () if frame.startswith((b"tick", b"bar")) else (DELAY_S,)
        self.tick(self.random.choice(SYMBOLS))
        self.time.run_for(0.2)
        self.open = False
        for client in self.clients:
            client.line.events = after()
        self.time.run_for(seconds)
        self.open = True

    def arrive(self, seconds: float) -> None:
        """One more client."""
        slow = self.random.random() < 0.3
        self.join("tick:EURUSD", "bar:EURUSD:M1", limit=5 if slow else QUEUE_LIMIT, pause_s=0.5 if slow else 0.0)
        self.time.run_for(seconds)

    # ---- the end -------------------------------------------------------------------------------------------------------------

    def calm_down(self) -> None:
        """Nothing happens any more; everybody takes what there is."""
        self.time.run_until(max(self.time.now, 1_020.0))
        for symbol in SYMBOLS:
            self.tick(symbol, twins=False)
        self.time.run_for(6.0)
        for symbol in SYMBOLS:
            self.tick(symbol, twins=False)
        self.time.run_for(14.0)
        for _ in range(200):
            for client in self.clients:
                client.take()
            self.time.run_for(0.25)
            if not any(client.feed is not None and client.feed.queue for client in self.clients) and not self.healing():
                break
        for client in self.clients:
            client.take()

    def healing(self) -> bool:
        cursors = [cursor for client in self.clients if client.feed is not None for cursor in client.feed.cursors.values()]
        return any(cursor.healing or cursor.torn for cursor in cursors)
