"""A whole bridge in virtual time: a real gateway, a real session and a terminal in memory, at the other end of a fake link."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable
from math import inf
from random import Random

from bridge.gateway import Gateway, GatewaySettings
from bridge.journalling import OpenJournal
from bridge.records import TerminalInfo
from bridge.session import link
from bridge.session.core import Session
from bridge.supervision import KillSession, StartSession
from bridge.terminal import Credentials
from bridge.ticks import Tick, last_tick
from clients.session import ClientSession
from tests.fake_link import Answering, FakeLink, Fault
from tests.fake_scribe import FakeScribe
from tests.fake_terminal import FakeTerminal
from tests.virtual_time import VirtualTime

WALL_US = 1_700_000_000_000_000
ACCOUNT = Credentials(login=1, password="secret")


class Archive(FakeTerminal):
    """A terminal with a long tick history. While it loads, its history ends with the row `loaded` of each symbol."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.rows: dict[str, list[bytes]] = defaultdict(list)
        self.loaded: dict[str, int] = {}
        self._info = super().info()

    def info(self) -> TerminalInfo:
        self._called("info")
        return self._info  # made once: it is asked twice a second

    def append(self, name: str, row: bytes) -> None:
        """One more tick."""
        self.rows[name].append(row)

    def tick(self, name: str) -> Tick:
        self._symbol("tick", name)
        return last_tick(self.rows[name][-1]) if self.rows[name] else Tick(0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0)

    def ticks_from(self, name: str, from_s: int, count: int, kind: str = "all") -> bytes:
        self._symbol("ticks_from", name)
        rows = self.rows[name]
        first = bisect_left(rows, from_s, key=lambda row: last_tick(row).time)
        return b"".join(rows[first : min(first + count, self.loaded.get(name, len(rows)))])


class WholeBridge:
    """One run of a bridge. `terminal` lives on when it ends."""

    def __init__(self, terminal: FakeTerminal, epoch: int, now: float, **settings: int | float) -> None:
        self.terminal = terminal
        self.scribe = FakeScribe()
        self.gateway = Gateway(
            GatewaySettings(software="1.0", epoch=epoch, wall_us=WALL_US, events="tcp://127.0.0.1:5556", **settings),  # type: ignore[arg-type]
            now,
            Random(7),
        )
        self.in_force: Counter[bytes] = Counter()
        self.generation = 0
        self._session: Session | None = None
        self._said: list[link.FromSession] = []
        self.gateway.start(now)
        self._act(now)

    # ---- what the link sees --------------------------------------------------------------------------------------------------

    @property
    def replies(self) -> list[tuple[bytes, bytes]]:
        return self.gateway.replies

    @replies.setter
    def replies(self, replies: list[tuple[bytes, bytes]]) -> None:
        self.gateway.replies = replies

    @property
    def events(self) -> list[bytes]:
        return [event for event in self.gateway.events if event.startswith(tuple(self.in_force))]

    @events.setter
    def events(self, events: list[bytes]) -> None:
        self.gateway.events = events

    def receive_request(self, identity: bytes, frame: bytes, now: float) -> None:
        self.gateway.receive_request(identity, [frame], now)
        self._act(now)

    def receive_subscription(self, frame: bytes, now: float) -> None:
        if self.gateway.receive_subscription(frame, now):
            if frame[0]:
                self.in_force[frame[1:]] += 1
            else:
                self.in_force = Counter(self.in_force) - Counter((frame[1:],))
        self.gateway.subscriptions_applied(now)
        self._act(now)

    def on_time(self, now: float) -> None:
        self.gateway.on_time(now)
        self._act(now)
        while self._session is not None and self._session.next_deadline() <= now:
            self._session.step(now)
            self._act(now)

    def next_deadline(self) -> float:
        due = self.gateway.next_deadline()
        return due if self._session is None else min(due, self._session.next_deadline())

    # ---- the session ---------------------------------------------------------------------------------------------------------

    def _act(self, now: float) -> None:
        """Carry what gateway and session say to each other."""
        gateway = self.gateway
        while gateway.actions or gateway.link or gateway.writes or self._said:
            writes, gateway.writes = gateway.writes, []
            self.scribe.write(writes)
            actions, gateway.actions = gateway.actions, []
            for action in actions:
                if isinstance(action, StartSession):
                    self.generation = action.generation
                    self._session = Session(self.terminal, ACCOUNT, self._hear)
                    self._said.append(link.Ready("token", 1))
                elif isinstance(action, KillSession):
                    self._session = None
                elif isinstance(action, OpenJournal):
                    self.scribe.open(action.login, action.server)
            for written in self.scribe.take():
                gateway.journalled(written, now)
            frames, gateway.link = gateway.link, []
            for message in sorted(map(link.to_session, frames), key=_of_prefix):
                if self._session is not None:
                    self._session.receive(message)
            said, self._said = self._said, []
            for answer in said:
                gateway.receive_link(link.pack(answer), now)

    def _hear(self, message: link.FromSession) -> None:
        self._said.append(message)

    def kill_session(self, now: float) -> None:
        """Its process is gone; the gateway starts another."""
        if self._session is not None:
            self._session = None
            self._said.clear()
            self.gateway.session_exited(self.generation, "the session process was killed by signal 9", now)
            self._act(now)


def _of_prefix(message: link.ToSession) -> bool:
    """Whether it starts the streams of a prefix. They come last: they would begin without the places of those that follow."""
    return isinstance(message, link.StartStream) and message.topic.endswith("*")


class NoBridge:
    """Nobody is there."""

    def __init__(self) -> None:
        self.replies: list[tuple[bytes, bytes]] = []
        self.events: list[bytes] = []

    def receive_request(self, identity: bytes, frame: bytes, now: float) -> None:
        """Never comes."""

    def receive_subscription(self, frame: bytes, now: float) -> None:
        """Never comes."""

    def on_time(self, now: float) -> None:
        """Nothing is due."""

    def next_deadline(self) -> float | None:
        return None


class Line(FakeLink):
    """The link to a whole bridge, which sees when its client's connection is gone.

    A client that is stopped does nothing; what comes for it waits, up to `ROOM` frames, and the rest is dropped.
    """

    ROOM = 20

    def __init__(self, time: VirtualTime, session: ClientSession, bridge: Answering) -> None:
        super().__init__(time, session, bridge)
        self._waiting: list[Callable[[], None]] | None = None

    def work(self) -> None:
        if self._waiting is None:
            super().work()
        else:
            self._flush_bridge()
            self._wake(self.bridge.next_deadline())

    def _due(self) -> None:
        if self._waiting is None:
            super()._due()
        elif (self.bridge.next_deadline() or inf) <= self.time.now:
            self.bridge.on_time(self.time.now)
            self.work()

    def _carry(self, frame: bytes, fault: Fault, deliver: Callable[[bytes], None]) -> None:
        """To the client only when it is not stopped."""

        def take(frame: bytes) -> None:
            if self._waiting is None or fault in (self.requests, self.subscribing):
                deliver(frame)
            elif len(self._waiting) < self.ROOM:
                self._waiting.append(lambda: deliver(frame))

        super()._carry(frame, fault, take)

    def stop(self) -> None:
        """The client is stopped."""
        self._waiting = self._waiting or []

    def go_on(self) -> None:
        """The client goes on, with what has waited."""
        waiting, self._waiting = self._waiting or [], None
        for deliver in waiting:
            deliver()
        self.work()

    def notice_cut(self) -> None:
        """The bridge finds that the connection is gone."""
        if not self.up and isinstance(self.bridge, WholeBridge):
            for prefix in list(self.bridge.in_force):
                self.bridge.receive_subscription(b"\0" + prefix, self.time.now)
