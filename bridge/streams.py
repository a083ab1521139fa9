"""What the gateway does about streams: subscriptions come in, the session is told what to send, and says what it can. No I/O.

Part of the gateway, kept apart because it is a subject of its own: topics (`topics`), clients (`peers`) and the session's messages
(`session.link`) meet here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Raw

from bridge import codec
from bridge.errors import NotConnected
from bridge.messages import FOREIGN
from bridge.rates import Rates
from bridge.replies import Subscribed
from bridge.session import link
from bridge.starts import Starts
from bridge.topics import Stream, TopicState

if TYPE_CHECKING:
    from bridge.gateway import Gateway


FAILING_AT_ONCE, FAILING_PER_S = 5_000, 10
"""Streams that could not be started. libzmq keeps every name that was asked for in memory, so while there are more of them no names
are taken that nobody has asked for before."""


class Streams:
    """The streams of the gateway's topics."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._topics = gateway.topics
        self._proofs: list[str] = []
        self._starts = Starts()
        self._failures = Failures()
        self._failing = Rates(FAILING_PER_S, FAILING_AT_ONCE)

    def receive(self, frame: bytes, now: float) -> bool:
        """A frame from the XPUB socket. True when it is a subscription that should be put in force, or any unsubscription."""
        if not frame or frame[0] > 1:
            self._gateway.counters["malformed"] += 1
            return False
        wire = frame[1:]
        own = wire.startswith(b"client:") and wire.endswith(b"\0")
        if frame[0] == 0:
            topic = self._topics.unsubscribe(wire, now)
            if own and topic is not None and topic.name.count(":") == 1:
                self._gateway.peers.unsubscribed(topic.name.partition(":")[2], now)
            return True
        if self._failing.used_up("", now) and not own and self._topics.find(wire.decode("utf-8", "replace")) is None:
            topic = None
        else:
            topic = self._topics.subscribe(wire)
        if topic is None:
            self._gateway.counters["refused_subscriptions"] += 1
            return False
        if own:
            if topic.name.count(":") == 1:
                self._gateway.peers.subscribed(topic.name.partition(":")[2], now)
            self._proofs.append(topic.name)
        elif topic.streamed and topic.stream in (Stream.IDLE, Stream.FAILED):
            self.start(topic)
        return True

    def cut(self, now: float) -> None:
        """Every connection for events was cut: nobody subscribes to anything."""
        for topic in list(self._topics):
            for _ in range(topic.subscribers):
                self.receive(b"\0" + topic.prefix, now)

    def applied(self, now: float) -> None:
        """The loop has put in force all subscriptions received: those who asked for the proof get it."""
        if not self._proofs:
            return
        names, self._proofs = self._proofs, []
        body = codec.plain_body(Subscribed(topics=sum(1 for topic in self._topics if topic.subscribers)))
        for name in names:
            if self._topics.find(name + "\0") is not None:  # still wanted
                self._gateway.publish(name, body, now)

    def start(self, topic: TopicState) -> None:
        """Have the session send a topic, if there is a session; otherwise it is asked once there is one."""
        topic.error = None
        if topic.name == "trade" and topic.kept is None:
            topic.kept = self._gateway.dealing.last_trades()
        if self._gateway.attached and (topic.name != "trade" or self._gateway.dealing.journal.known):
            self._topics.starting(topic)
            self._starts.add(topic, going_on=bool(topic.recent) or topic.kept is not None)
            self._ask()
        else:
            topic.stream = Stream.IDLE

    def _ask(self) -> None:
        """Have the session begin with what comes next."""
        for topic in self._starts.take():
            self._gateway.link.append(link.pack(link.StartStream(topic.stream_name, topic.resume())))

    def _find(self, stream_name: str) -> TopicState | None:
        return self._topics.find(stream_name[:-1] if stream_name.endswith("*") else stream_name + "\0")

    def answered(self, message: link.Started | link.NotStarted, now: float) -> None:
        """The session has begun to send a topic, or cannot."""
        self._starts.answered(message.topic)
        topic = self._find(message.topic)
        if topic is not None and topic.stream is Stream.STARTING:
            self._settle(topic, message, now)
        self._ask()

    def _settle(self, topic: TopicState, message: link.Started | link.NotStarted, now: float) -> None:
        if isinstance(message, link.Started):
            topic.stream = Stream.LIVE
            if message.kept is not None:
                topic.kept = message.kept
            self._know(topic, message.body, message.flags, now)
        else:
            error = link.as_error(message)
            if isinstance(error, NotConnected):  # the session has lost its terminal: it is asked again when it has it back
                topic.stream = Stream.IDLE
            else:
                self._topics.failed(topic)
                self._failing.take("", now)
                topic.error = error
                if self._failures.add(topic.name, message.message):
                    self._gateway.log(f"cannot stream {topic.name}: {message.message}", now, topic=topic.name)

    def _know(self, topic: TopicState, packed: bytes | None, flags: int, now: float) -> None:
        """The newest state of a stream that has just started. Of a state that is told as a whole subscribers hear at once where it
        is another one than they know: it may have changed while there was no session, or they were told that it is pending."""
        if packed is None:
            return
        family = topic.name.partition(":")[0]
        body = packed if family in codec.RECORD_FAMILIES else codec.plain_body(Raw(packed))
        if family in ("account", "forming", "book") and (topic.body is None or body != topic.newest()):
            self._gateway.publish(topic.name, body, now, flags)
        else:
            topic.flags, topic.body = flags, body
            if topic.resumed and not topic.recent:
                topic.remember(body)

    def keep(self, kept: dict[str, bytes]) -> None:
        """What the next session needs to go on with these topics."""
        for name, state in kept.items():
            topic = self._topics.find(name + "\0")
            if topic is not None:
                topic.kept = state
                if name == "trade":
                    self._gateway.dealing.keep_trades(state)

    def restarted(self, now: float) -> None:
        """Have the session start every stream anew, each behind what it last sent."""
        self._gateway.streams_paused(now)
        wanted = self._topics.wanted()
        for topic in [*wanted, *self._topics.followed(wanted)]:
            topic.foreign = FOREIGN
            self._gateway.link.append(link.pack(link.StopStream(topic.stream_name)))
        self.resumed()

    def ended(self, stream_name: str) -> None:
        """The session has stopped a stream; what comes from now on is of the one that was started after it."""
        topic = self._find(stream_name)
        if topic is not None:
            topic.foreign = 0
        if topic is None or topic.stream is not Stream.STARTING:  # else it was started anew after that
            self._starts.answered(stream_name)
            self._ask()

    def forget(self) -> None:
        """What was published is another broker's. Each topic leaves one sequence out, so that subscribers see the break."""
        for topic in self._topics:
            if topic.streamed and topic.sequence:
                topic.forget()

    def drop_unwanted(self, now: float) -> None:
        """Have the session end the streams that nobody wants any more; once in each heartbeat."""
        told = self._failures.take()
        if told is not None:
            self._gateway.log(told, now)
        for topic in self._topics.unwanted(now):
            self._starts.withdraw(topic.stream_name)
            failed = topic.stream is Stream.FAILED  # the session has nothing of it
            if topic.streamed and not failed and self._gateway.session_ready:  # also without a terminal: it would go on later
                self._gateway.link.append(link.pack(link.StopStream(topic.stream_name)))
            topic.stream = Stream.IDLE
            topic.kept = None

    def paused(self) -> None:
        """No stream is sent at present."""
        self._starts.clear()
        for topic in self._topics:
            topic.foreign = 0
            if topic.stream in (Stream.LIVE, Stream.STARTING):
                topic.stream = Stream.IDLE

    def journal_opened(self) -> None:
        """It is known up to where the events of `trade` were told: they can be started."""
        topic = self._topics.find("trade\0")
        if topic is not None and topic.stream is Stream.IDLE and topic in self._topics.wanted():
            self.start(topic)

    def resumed(self) -> None:
        """The session can be asked: every wanted topic is started, if it is not already; those with something to go on with first,
        then prefixes, which may cover them."""
        wanted = self._topics.wanted()
        wanted.sort(key=lambda topic: (not topic.recent, not topic.exact))
        for topic in [*self._topics.followed(wanted), *wanted]:
            if topic.stream is not Stream.STARTING:
                self.start(topic)


class Failures:
    """Streams that could not start: the first one is told at once, and of very many only how many they were."""

    def __init__(self) -> None:
        self._quiet = False
        self._more = 0
        self._last = ""

    def add(self, name: str, why: str) -> bool:
        """One more; whether it has to be told by itself."""
        if not self._quiet:
            self._quiet = True
            return True
        self._more += 1
        self._last = f"{name}: {why}"
        return False

    def take(self) -> str | None:
        """What has to be told of those since this was asked last."""
        more, self._more = self._more, 0
        self._quiet = bool(more)
        return f"cannot stream {more:,} more topics; the last of them is {self._last}" if more else None
