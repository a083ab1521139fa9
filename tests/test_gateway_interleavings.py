"""Clients, session and time in any order: every request is answered once, no order is sent twice, no sequence skips."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import Raw

from bridge import codec
from bridge.connection import State
from bridge.errors import ERRORS, DeadlinePassed, NotConnected, OrderRejected, OutcomeUnknown, TryAgain, UnknownSymbol
from bridge.messages import GetAccount, GetSnapshot, GetStatus, GetTick, Ping, Request, SendOrder
from bridge.placement import Placement
from bridge.session import link
from bridge.trading import TradeRequest
from tests.scripted_session import Bench, attached, done, health, ticks

WIRES = ["tick:A\0", "tick:B\0", "tick:", "bar:A:M1\0", "account\0", "client:c1\0", "client:c1:1\0", "connection\0", "bar:"]
PASSIVE = ("bar:", "client:c1\0", "client:c1:1\0")
"""Of these, others decide when there are events, or there is one for each subscription."""
TOPICS = ["tick:A", "tick:B", "tick:C", "bar:A:M1", "account", "connection", "log"]
FAILURES = [DeadlinePassed("late"), NotConnected("gone"), OrderRejected("no"), OutcomeUnknown("?")]
NEWS = [health(connected=False), link.Busy("x", 40.0), link.Idle(), link.Lost("f", -10_004, "gone")]
DEADLINES = st.none() | st.sampled_from([-1.0, 0.05, 1.0, 20.0])


class Interleavings(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.bench = Bench(linger_s=1.0, max_pending=8, heartbeat_s=0.5)
        self.asked = 0
        self.read = 0
        self.counted: Counter[bytes] = Counter()
        self.seen = 0
        self.at_session: dict[int, link.Call] = {}
        self.starting: list[str] = []
        self.connects = 0
        self.generation = 0
        self.ready = False
        self.sent: set[int] = set()
        self.subscribed: Counter[str] = Counter()
        self.followed: dict[str, dict[str, int]] = {wire: {} for wire in WIRES if wire not in PASSIVE}
        self.heard = 0
        self.ready_generation = 0
        self.bench.answers = self.hear
        self.bench.gateway.start(0.0)
        self.look()

    def hear(self, message: link.ToSession) -> list[link.FromSession]:
        """The session receives a message, and says nothing yet."""
        ready = self.ready_generation == self.bench.generation
        assert ready or isinstance(message, link.Stop), f"{message} for a session that is not ready"
        return []

    def look(self) -> None:
        """What the session was told since the last look."""
        bench = self.bench
        bench.take()
        if bench.generation != self.generation:
            self.generation, self.ready = bench.generation, False
            self.forget()
        for message in bench.said[self.seen :]:
            if isinstance(message, link.Call):
                self.at_session[message.id] = message
                if message.method == "order":
                    order = magic(message)
                    assert order not in self.sent, f"order {order} was sent twice"
                    self.sent.add(order)
            elif isinstance(message, link.StartStream):
                self.starting.append(message.topic)
            elif isinstance(message, link.Connect):
                self.connects += 1
        self.seen = len(bench.said)

    def forget(self) -> None:
        self.at_session.clear()
        self.starting.clear()
        self.connects = 0

    @property
    def alive(self) -> bool:
        return self.bench.gateway._supervision.watch.running

    # ---- clients -------------------------------------------------------------------------------------------------------------

    def ask(self, request: Request[Any], request_id: str, deadline_s: float | None) -> None:
        self.asked += 1
        self.bench.ask(request, request_id, peer=b"%d" % self.asked, client="c1", deadline_s=deadline_s)
        self.look()

    @rule(request=st.sampled_from([GetAccount(), GetTick("A"), Ping(), GetStatus()]), deadline_s=DEADLINES)
    def client_asks(self, request: Request[Any], deadline_s: float | None) -> None:
        self.ask(request, "r", deadline_s)

    @rule(topics=st.lists(st.sampled_from(TOPICS), min_size=1, max_size=4), deadline_s=DEADLINES)
    def client_asks_for_a_snapshot(self, topics: list[str], deadline_s: float | None) -> None:
        self.ask(GetSnapshot(tuple(topics)), "s", deadline_s)

    @rule(order=st.integers(0, 3), price=st.sampled_from([1.0, 1.0, 1.0, 2.0]), deadline_s=DEADLINES)
    def client_orders(self, order: int, price: float, deadline_s: float | None) -> None:
        self.ask(SendOrder(TradeRequest(magic=order, price=price)), f"o{order}", deadline_s)

    @rule(frames=st.lists(st.binary(max_size=20), max_size=2))
    def client_sends_garbage(self, frames: list[bytes]) -> None:
        self.asked += 1
        self.bench.send(*frames, peer=b"%d" % self.asked)
        self.look()

    @rule(wire=st.sampled_from(WIRES))
    def client_subscribes(self, wire: str) -> None:
        assert self.bench.subscribe(wire)
        self.subscribed[wire] += 1
        self.look()

    @rule(wire=st.sampled_from(WIRES))
    def client_unsubscribes(self, wire: str) -> None:
        if self.subscribed[wire]:
            self.subscribed[wire] -= 1
            if not self.subscribed[wire] and wire in self.followed:
                self.followed[wire].clear()
            self.bench.unsubscribe(wire)
        self.look()

    @rule(frame=st.binary(max_size=12))
    def junk_is_pushed_upstream(self, frame: bytes) -> None:
        if not frame.startswith((b"\0", b"\1")):
            self.bench.gateway.receive_subscription(frame, self.bench.now)

    # ---- time ----------------------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.01, 0.2, 0.2, 1.0, 4.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.bench.run(seconds)
        self.look()

    @rule(seconds=st.sampled_from([0.5, 3.0]))
    def time_passes_in_a_healthy_session(self, seconds: float) -> None:
        if self.alive and self.ready:
            self.say(health())
        self.bench.run(seconds)
        self.look()

    # ---- the session ---------------------------------------------------------------------------------------------------------

    def say(self, *messages: link.FromSession) -> None:
        if self.alive:
            self.bench.say(*messages)
        self.look()

    @precondition(lambda self: self.alive and not self.ready)
    @rule()
    def session_is_ready(self) -> None:
        self.ready = True
        self.ready_generation = self.generation
        self.say(link.Ready("token", 7))

    @precondition(lambda self: self.connects)
    @rule(message=st.sampled_from([attached(), attached(), attached(connected=False), link.AttachFailed("login", -6, "no")]))
    def session_answers_connect(self, message: link.FromSession) -> None:
        self.connects -= 1
        self.say(message)

    @precondition(lambda self: self.at_session)
    @rule(data=st.data())
    def session_answers(self, data: st.DataObject) -> None:
        call = self.at_session.pop(data.draw(st.sampled_from(sorted(self.at_session))))
        error = data.draw(st.none() | st.sampled_from(FAILURES))
        if error is None:
            self.say(done(call) if call.method == "order" else link.Result(call.id, Raw(codec.pack({}))))
            return
        if isinstance(error, TryAgain) and call.method == "order" and self.alive:
            self.sent.discard(magic(call))
        self.say(link.failed(call.id, error))

    @precondition(lambda self: self.starting)
    @rule(how=st.sampled_from(["started", "started", "unknown", "gone"]))
    def session_answers_a_stream(self, how: str) -> None:
        topic = self.starting.pop(0)
        if how == "started":
            self.say(link.Started(topic, ticks(1.0) if topic.startswith("tick:") and not topic.endswith("*") else None))
        else:
            self.say(link.not_started(topic, UnknownSymbol("no") if how == "unknown" else NotConnected("gone")))

    @precondition(lambda self: self.ready)
    @rule(topic=st.sampled_from(["tick:A", "tick:B", "tick:C", "bar:A:M1"]), flags=st.integers(0, 3))
    def session_publishes(self, topic: str, flags: int) -> None:
        self.say(link.Publish([(topic, flags, ticks(1.0, 2.0)), ("log", 0, {"level": "warning", "message": "m", "topic": None})]))

    @precondition(lambda self: self.ready)
    @rule(message=st.sampled_from(NEWS))
    def session_says(self, message: link.FromSession) -> None:
        self.say(message)

    @rule(garbage=st.booleans())
    def session_ends(self, garbage: bool) -> None:
        if garbage and self.alive:
            self.bench.gateway.receive_link(b"\xc1garbage", self.bench.now)
        else:
            self.bench.exit()
        self.forget()
        self.look()

    # ---- what holds ----------------------------------------------------------------------------------------------------------

    @invariant()
    def nobody_is_answered_twice(self) -> None:
        for peer, reply in self.bench.replies[self.read :]:
            self.counted[peer] += 1
            assert self.counted[peer] == 1, f"second reply: {reply}"
            assert reply.error is None or reply.error.code in ERRORS
        self.read = len(self.bench.replies)

    @invariant()
    def who_subscribes_sees_no_sequence_left_out(self) -> None:
        for event in self.bench.events[self.heard :]:
            for wire, newest in self.followed.items():
                if self.subscribed[wire] and (event.topic + "\0").startswith(wire):
                    assert event.sequence == newest.get(event.topic, event.sequence - 1) + 1, f"{wire} misses {event}"
                    newest[event.topic] = event.sequence
        self.heard = len(self.bench.events)

    @invariant()
    def the_gateway_is_told_when_to_wake(self) -> None:
        assert self.bench.gateway.next_deadline() <= self.bench.now + 0.51

    def teardown(self) -> None:
        bench = getattr(self, "bench", None)
        if bench is None:
            return
        bench.gateway.stop(bench.now)
        bench.take()
        if self.alive:
            bench.exit()
        assert bench.gateway.finished
        assert bench.gateway.connection.state is State.STOPPED
        self.nobody_is_answered_twice()
        assert len(self.counted) == self.asked, "somebody was not answered"
        self.who_subscribes_sees_no_sequence_left_out()
        for wire, count in self.subscribed.items():
            topic = bench.gateway.topics.find(wire)
            assert (topic.subscribers if topic else 0) == count
        for wire in list(self.subscribed.elements()):
            bench.unsubscribe(wire)
        bench.gateway._beat(bench.now + 1e6)
        assert all(topic.sequence for topic in bench.gateway.topics if topic.streamed), "a topic without events is kept"


def magic(call: link.Call) -> int:
    """The order's number, which its content carries."""
    return msgspec.msgpack.decode(call.params, type=Placement).request.magic


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(
    max_examples=60,
    report_multiple_bugs=False,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
