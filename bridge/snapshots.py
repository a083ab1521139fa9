"""Snapshots for late joiners: collected until every topic asked for is known, or cannot be. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Raw

from bridge import codec
from bridge.errors import BridgeError, Busy, InvalidParameters
from bridge.messages import GetSnapshot, RequestMessage
from bridge.replies import Snapshots, TopicSnapshot
from bridge.topics import Stream, TopicState, TopicTable, known


@dataclass(slots=True)
class Waiting:
    """A snapshot request that is not answered yet; the first `settled` of its topics need not be waited for."""

    message: RequestMessage
    routing_id: bytes
    deadline_s: float
    topics: tuple[TopicState, ...]
    rows: bool = False
    settled: int = 0

    def complete(self) -> bool:
        """Whether no topic has to be waited for any more. Each is looked at once, for many clients may wait for thousands."""
        topics = self.topics
        while self.settled < len(topics) and topics[self.settled].stream is not Stream.STARTING:
            self.settled += 1
        return self.settled == len(topics)


SnapshotAnswer = tuple[Waiting, Snapshots | BridgeError]


class SnapshotDesk:
    """The snapshot requests under way."""

    def __init__(self, topics: TopicTable, limit: int) -> None:
        """`limit` is how many requests may wait at a time."""
        self._topics = topics
        self._limit = limit
        self._waiting: list[Waiting] = []

    @property
    def soonest_s(self) -> float:
        """When the next of them has to be answered as it is."""
        return min(waiting.deadline_s for waiting in self._waiting) if self._waiting else float("inf")

    def ask(self, request: GetSnapshot, message: RequestMessage, routing_id: bytes, deadline_s: float) -> list[TopicState]:
        """Take a request in; the topics whose streams have to be started for it. They linger if nobody subscribes.

        Raises `InvalidParameters` for a name that is not a topic, and `Busy` when there are too many topics or requests already.
        """
        for name in request.topics:
            if not known(name):
                raise InvalidParameters(
                    f"no such topic: {name!r}", next_step="see Topics in docs/protocol.md", field="topics", value=name
                )
        if len(self._waiting) >= self._limit:
            raise Busy(f"{len(self._waiting)} snapshot requests are waiting", next_step="send fewer at a time")
        if not self._topics.make_room(sum(self._topics.find(name + "\0") is None for name in request.topics)):
            raise Busy("there are too many topics", next_step="ask for fewer, or wait until unused ones are forgotten")
        topics = tuple(self._topics.topic(name) for name in request.topics)
        self._waiting.append(Waiting(message, routing_id, deadline_s, topics, request.rows))
        # By name, for a topic may be asked for twice.
        idle = {topic.name: topic for topic in topics if topic.streamed and topic.stream in (Stream.IDLE, Stream.FAILED)}
        for topic in idle.values():
            if not topic.subscribers and topic.linger_until_s is None:
                topic.linger_until_s = deadline_s
        return list(idle.values())

    def complete(self, attached: bool) -> list[SnapshotAnswer]:
        """Answers to the requests that need not wait any longer: with no session attached, none needs to."""
        done = [waiting for waiting in self._waiting if not attached or waiting.complete()]
        return self._end(done)

    def overdue(self, now: float) -> list[SnapshotAnswer]:
        """Answers to the requests whose time is up: what is not known is told as pending."""
        return self._end([waiting for waiting in self._waiting if now >= waiting.deadline_s])

    def _end(self, done: list[Waiting]) -> list[SnapshotAnswer]:
        if done:
            ended = set(map(id, done))
            self._waiting = [waiting for waiting in self._waiting if id(waiting) not in ended]
        return [(waiting, _answer(waiting)) for waiting in done]


def _answer(waiting: Waiting) -> Snapshots | BridgeError:
    for topic in waiting.topics:
        if topic.error is not None:
            return topic.error
    return Snapshots(tuple(_snapshot(topic, waiting.rows) for topic in waiting.topics))


def _snapshot(topic: TopicState, rows: bool) -> TopicSnapshot:
    pending = topic.streamed and topic.stream is not Stream.LIVE
    body = Raw(codec.pack(topic.newest()))
    return TopicSnapshot(topic.name, topic.sequence, pending, topic.flags, body, topic.rows() if rows else b"")
