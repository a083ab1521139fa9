"""A gateway, a session and the link between them in virtual time, around a world; and everything that is said outside, checked.

The session is the real core. While one of its calls takes time, everything else goes on; a call that never returns ends when the
gateway has the session killed.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from math import inf
from random import Random
from typing import Any

from bridge import codec
from bridge.connection import State
from bridge.gateway import Action, Gateway, GatewaySettings
from bridge.journalling import OpenJournal
from bridge.messages import FOREIGN, GetStatus, Hello, ReplyMessage, Request
from bridge.replies import ConnectionState, Status, TradeEvent
from bridge.session import link
from bridge.session.core import Session
from bridge.supervision import KillSession, StartSession
from bridge.terminal import Credentials
from tests.fake_scribe import FakeScribe
from tests.week_world import WeekTerminal, World

LINK_S = 0.0001
START_S = 0.2
"""How long a session process takes to be there."""
EXIT_S = 0.05
"""How long until its end is noticed."""


class Killed(BaseException):
    """The process that makes this call is gone."""


class Process:
    """A session process."""

    def __init__(self, rig: Rig, generation: int) -> None:
        self.rig = rig
        self.generation = generation
        self.alive = True
        self.ready_at = rig.now + START_S
        self.heard: deque[tuple[float, bytes]] = deque()
        self.hangs = False
        self.session: Session | None = None
        self.wake = self.ready_at

    def begin(self) -> None:
        """It runs."""
        rig = self.rig
        self.session = Session(WeekTerminal(rig.world, self.wait), rig.credentials, self.say)
        self.say(link.Ready("token", self.generation))
        if rig.world.crashes:
            rig.exits(self, "the session process ended with status 70")

    def wait(self, seconds: float) -> None:
        """A call takes so long."""
        self.hangs = seconds > 5.0
        self.rig.let_pass(self, seconds)
        self.hangs = False

    def say(self, message: link.FromSession) -> None:
        """To the gateway."""
        self.rig.on_the_way.append((self.rig.now + LINK_S, self.generation, link.pack(message)))

    def hear(self, frame: bytes) -> None:
        """From the gateway; what comes before it has begun is lost."""
        if self.session is not None and self.alive:
            at = self.rig.now + LINK_S
            self.heard.append((at, frame))
            self.wake = min(self.wake, at)

    def run(self) -> None:
        """One turn, as `host` takes them."""
        if self.session is None:
            self.begin()
        if not self.alive:
            return
        assert self.session is not None
        session, now = self.session, self.rig.now
        if session.next_deadline() <= now:
            session.step(now)
            now = self.rig.now
        while self.heard and self.heard[0][0] <= now:
            session.receive(link.to_session(self.heard.popleft()[1]))
        if session.stopped:
            session.close()
            self.rig.exits(self, "the session process ended with status 0")
            return
        self.wake = max(now, min(session.next_deadline(), self.heard[0][0] if self.heard else inf))


class Rig:
    """See the module. `now` is monotonic; `states` are the published states with the time, `received` the records of each topic."""

    def __init__(self, world: World, start_us: int, now: float, credentials: Credentials, dice: Random) -> None:
        self.now = now
        self.world = world
        self.credentials = credentials
        self.dice = dice
        settings = GatewaySettings("1.0", 7, start_us, heartbeat_s=5.0)
        self.scribe = FakeScribe()
        self.gateway = Gateway(settings, now, Random(dice.random()))
        self.process: Process | None = None
        self.on_the_way: deque[tuple[float, int, bytes]] = deque()
        self._plan: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()
        self._gateway_at = now
        self._asleep = False
        self.kills: list[tuple[float, str]] = []
        self.states: list[tuple[float, ConnectionState]] = []
        self.received: defaultdict[str, bytearray] = defaultdict(bytearray)
        self.sequences: Counter[str] = Counter()
        self.trades: list[TradeEvent] = []
        self.logs: list[str] = []
        self.foreign = 0
        self.asked: Counter[str] = Counter()
        self.answered: defaultdict[str, list[ReplyMessage]] = defaultdict(list)

    # ---- time ----------------------------------------------------------------------------------------------------------------

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Plan something."""
        heapq.heappush(self._plan, (max(when, self.now), next(self._number), act))

    def run_until(self, until: float) -> None:
        """Let everything happen."""
        while True:
            process = self.process
            wake = process.wake if process is not None else inf
            due = self._due()
            if min(wake, due) > until:
                break
            if wake < due:
                self.now = max(self.now, wake)
                assert process is not None
                with suppress(Killed):
                    process.run()
            else:
                self._once(due)
        self.now = max(self.now, until)

    def sleep_until(self, until: float) -> None:
        """The machine sleeps; when it wakes, the session is the first to speak."""
        if self._plan:
            until = min(until, self._plan[0][0])
        self.now = max(self.now, until)
        if self.process is not None and self.process.session is not None:
            self._asleep = True
            self._gateway_at = inf

    def let_pass(self, process: Process, seconds: float) -> None:
        """Time passes for a session that is in a call; raises `Killed`."""
        end = self.now + seconds
        while (due := self._due()) <= end:
            assert due < inf, "a call that hangs, and nobody minds"
            self._once(due)
            if not process.alive:
                raise Killed
        self.now = end

    def _due(self) -> float:
        due = self._gateway_at
        if self.on_the_way and self.on_the_way[0][0] < due:
            due = self.on_the_way[0][0]
        return self._plan[0][0] if self._plan and self._plan[0][0] < due else due

    def _once(self, due: float) -> None:
        self.now = now = max(self.now, due)
        if self._plan and self._plan[0][0] <= now:
            heapq.heappop(self._plan)[2]()
        elif self.on_the_way and self.on_the_way[0][0] <= now:
            _, generation, frame = self.on_the_way.popleft()
            if self.process is not None and generation == self.process.generation:
                self._asleep = False
                self.gateway.receive_link(frame, now)
        else:
            self.gateway.on_time(now)
        self._take()

    # ---- the gateway's outputs -----------------------------------------------------------------------------------------------

    def _take(self) -> None:
        gateway = self.gateway
        while gateway.actions or gateway.writes:
            writes, gateway.writes = gateway.writes, []
            self.scribe.write(writes)
            actions, gateway.actions = gateway.actions, []
            for action in actions:
                self._act(action)
            for written in self.scribe.take():
                gateway.journalled(written, self.now)
        if gateway.link:
            frames, gateway.link = gateway.link, []
            for frame in frames:
                if gateway.connection.state is State.REFUSED:
                    message = link.to_session(frame)
                    assert not isinstance(message, link.Connect), "tried while refused"
                if self.process is not None:
                    self.process.hear(frame)
        for _, frame in gateway.replies:
            reply = codec.decode_reply(frame)
            self.answered[reply.id].append(reply)
        gateway.replies.clear()
        for frame in gateway.events:
            self._publish(frame)
        gateway.events.clear()
        if not self._asleep:
            self._gateway_at = gateway.next_deadline()

    def _act(self, action: Action) -> None:
        if isinstance(action, StartSession):
            assert self.gateway.connection.state is not State.REFUSED, "tried while refused"
            self.process = Process(self, action.generation)
        elif isinstance(action, OpenJournal):
            self.scribe.open(action.login, action.server)
        elif isinstance(action, KillSession) and self.process is not None and self.process.generation == action.generation:
            self.kills.append((self.now, action.reason))
            self.process.alive = False
            self.process = None

    def exits(self, process: Process, cause: str) -> None:
        """A session process ends; what it has said is heard before."""
        process.alive = False
        process.wake = inf

        def noticed() -> None:
            if self.process is process:
                self.process = None
                self.gateway.session_exited(process.generation, cause, self.now)

        self.at(self.now + EXIT_S, noticed)

    def _publish(self, frame: bytes) -> None:
        event = codec.decode_event(frame)
        topic = event.topic
        if not topic.startswith("client:"):
            self.sequences[topic] += 1
            assert event.sequence == self.sequences[topic], (topic, event.sequence, self.sequences[topic])
        family = topic.partition(":")[0]
        if family in codec.RECORD_FAMILIES:
            if event.flags & FOREIGN:
                self.foreign += 1
            else:
                self.received[topic] += event.body
        elif family == "connection":
            self._state(codec.decode_body(event))
        elif event.flags & FOREIGN:
            self.foreign += 1
        elif family == "trade":
            self.trades.append(codec.decode_body(event))
        elif family == "account":
            assert codec.decode_body(event).login == self.world.home.account.login
        elif family == "log":
            self.logs.append(codec.decode_body(event).message)
            assert "internal" not in self.logs[-1]

    def _state(self, state: ConnectionState) -> None:
        if self.states:
            assert replace(state, at_msc=0) != replace(self.states[-1][1], at_msc=0), f"told twice: {state}"
        self.states.append((self.now, state))
        if state.next_attempt_msc is not None:
            ceiling_s = {"suspended": 3600.0, "reconnecting": 36.1}[state.state]
            assert 0 <= state.next_attempt_msc - state.at_msc <= ceiling_s * 1000, state
        assert (state.next_attempt_msc is None) or state.state != "refused"

    # ---- clients -------------------------------------------------------------------------------------------------------------

    def ask(self, request: Request[Any], request_id: str, timeout_s: float | None = None) -> None:
        """A client asks."""
        deadline_msc = None if timeout_s is None else self.gateway.time_msc(self.now) + round(timeout_s * 1000)
        self.asked[request_id] += 1
        self.gateway.receive_request(b"peer", [codec.encode_request(request, request_id, deadline_msc, "c1")], self.now)
        self._take()

    def subscribe(self, *wires: str) -> None:
        """A client subscribes."""
        for wire in wires:
            assert self.gateway.receive_subscription(b"\1" + wire.encode(), self.now)
        self.gateway.subscriptions_applied(self.now)
        self._take()

    def begin(self, *wires: str) -> None:
        """Start the bridge, with a client."""
        self.gateway.start(self.now)
        self.ask(Hello("week", "c1"), "hello")
        self.subscribe("client:c1\0", *wires)

    def status(self) -> Status:
        """What the bridge says of itself."""
        request_id = f"status{next(self._number)}"
        self.ask(GetStatus(), request_id)
        found: Status = codec.decode_result("status", self.answered.pop(request_id)[0])
        self.asked.pop(request_id)
        return found

    def settings_changed(self) -> None:
        """A file with settings was saved."""
        self.gateway.settings_changed(self.now)
        self._take()
