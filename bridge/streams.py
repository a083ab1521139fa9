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
from bridge.replies import Subscribed
from bridge.session import link
from bridge.topics import Stream, TopicState

if TYPE_CHECKING:
    from bridge.gateway import Gateway


class Streams:
    """The streams of the gateway's topics."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._topics = gateway.topics
        self._proofs: list[str] = []

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
        if self._gateway.attached:
            topic.stream = Stream.STARTING
            self._gateway.link.append(link.pack(link.StartStream(topic.stream_name, topic.resume())))
        else:
            topic.stream = Stream.IDLE

    def _find(self, stream_name: str) -> TopicState | None:
        return self._topics.find(stream_name[:-1] if stream_name.endswith("*") else stream_name + "\0")

    def answered(self, message: link.Started | link.NotStarted, now: float) -> None:
        """The session has begun to send a topic, or cannot."""
        topic = self._find(message.topic)
        if topic is None or topic.stream is not Stream.STARTING:
            return
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
                topic.stream = Stream.FAILED
                topic.error = error
                self._gateway.log(f"cannot stream {topic.name}: {message.message}", now, topic=topic.name)

    def _know(self, topic: TopicState, packed: bytes | None, flags: int, now: float) -> None:
        """The newest state of a stream that has just started. It may have changed while there was no session: of a state that is
        told as a whole, subscribers then hear at once."""
        if packed is None:
            return
        family = topic.name.partition(":")[0]
        body = packed if family in codec.RECORD_FAMILIES else codec.plain_body(Raw(packed))
        if topic.body is not None and body != topic.newest() and family in ("account", "forming", "book"):
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

    def forget(self) -> None:
        """What was published is another broker's. Each topic leaves one sequence out, so that subscribers see the break."""
        for topic in self._topics:
            if topic.streamed and topic.sequence:
                topic.forget()

    def drop_unwanted(self, now: float) -> None:
        """Have the session end the streams that nobody wants any more."""
        for topic in self._topics.unwanted(now):
            if topic.streamed and self._gateway.session_ready:  # also while it has no terminal: it would go on later
                self._gateway.link.append(link.pack(link.StopStream(topic.stream_name)))
            topic.stream = Stream.IDLE
            topic.kept = None

    def paused(self) -> None:
        """No stream is sent at present."""
        for topic in self._topics:
            topic.foreign = 0
            if topic.stream in (Stream.LIVE, Stream.STARTING):
                topic.stream = Stream.IDLE

    def resumed(self) -> None:
        """The session can be asked: every wanted topic is started, if it is not already."""
        wanted = self._topics.wanted()
        for topic in [*self._topics.followed(wanted), *wanted]:
            if topic.stream is not Stream.STARTING:
                self.start(topic)
