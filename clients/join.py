"""The steps by which a subscription begins, and begins anew after the bridge was restarted.

1. Wait until the bridge has seen this client on its event socket (`client:ID`): when a socket connects, its subscriptions arrive in
   any order.
2. Subscribe `client:ID:N` and wait for its event: every subscription made before it is in force.
3. Ask for the snapshots, and splice them with what has arrived since. What can go on without a hole where it stopped at the former
   bridge does not begin anew, but is healed.

When the event connection is made anew in between, it begins again at 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, Protocol

from bridge.errors import BridgeError, BridgeUnreachable, MalformedMessage
from bridge.messages import GetSnapshot, Request
from bridge.replies import Snapshots, TopicSnapshot
from clients.calls import Call
from clients.splicing import splice
from clients.streams import Feed

UP_PATIENCE_S = 1.0
"""Wait for `client:ID` before asking for the proof all the same; it is sent once for each connection, and could be lost."""
RETRY_S = 2.0
PROOF_PATIENCE_S = (2.0, 4.0, 8.0, 16.0)
"""Wait for `client:ID:N` before asking for another; it could be lost, too. The last one is repeated."""
PART_TOPICS = 2_000
PART_BYTES = 48_000
"""Topics in one snapshot request, which has to stay below `codec.MAX_REQUEST_BYTES`."""


class Place(Protocol):
    """What a join needs of the subscriptions that it belongs to."""

    now: float
    events_up: bool
    epoch: int
    time_us: int

    def ask(self, request: Request[Any], timeout_s: float, on_done: Callable[[Call[Any]], None]) -> str:
        """Send a request; its id."""

    def ask_proof(self, join: Join) -> int:
        """Subscribe the topic of a new proof; its number."""

    def drop_proof(self, number: int) -> None:
        """Unsubscribe it."""

    def joined(self, join: Join) -> None:
        """The join is over, well or not."""


class Join:
    """One subscription on its way into force. `deadline_s` is None where nobody waits: then it is tried until it works."""

    def __init__(self, place: Place, feed: Feed, *, deadline_s: float | None, timeout_s: float, endpoint: str) -> None:
        """`endpoint` is named when the bridge's events do not arrive."""
        self.feed = feed
        self.done = False
        self.error: BridgeError | None = None
        self._place = place
        self._deadline_s = deadline_s
        self._timeout_s = timeout_s
        self._endpoint = endpoint
        self._stage: Literal["up", "proof", "snapshot", "retry"] = "up"
        self._act_s: float | None = None
        self._number: int | None = None
        self._proofs = 0
        self._calls: set[str] = set()

    def begin(self) -> None:
        """Begin, or begin anew."""
        self._clear()
        if self._place.events_up:
            self._ask_proof()
        else:
            self._stage = "up"
            self._act_s = self._place.now + UP_PATIENCE_S

    def on_events_up(self) -> None:
        """The bridge has seen this client's event connection, perhaps a new one."""
        if self._stage != "retry":
            self._ask_proof()

    def _ask_proof(self) -> None:
        self._clear()
        self._stage = "proof"
        self._number = self._place.ask_proof(self)
        self._act_s = self._place.now + PROOF_PATIENCE_S[min(self._proofs, len(PROOF_PATIENCE_S) - 1)]
        self._proofs += 1

    def on_proof(self) -> None:
        """Every subscription is in force."""
        self._clear()
        cursors = [self.feed.cursors[topic] for topic in self.feed.exact]
        for cursor in cursors:
            if cursor.torn:
                self.feed.heal(cursor)
        self._stage = "snapshot"
        for topics in parts(cursor.topic for cursor in cursors if cursor.joining):
            self._calls.add(self._place.ask(GetSnapshot(topics, rows=True), self._timeout_s, self._on_snapshots))
        if not self._calls:
            self._finish(None)

    def _on_snapshots(self, call: Call[Snapshots]) -> None:
        if call.id not in self._calls:
            return  # of a beginning that was given up
        self._calls.remove(call.id)
        if call.error is not None:
            self._fail(call.error)
            return
        try:
            for snapshot in call.result().topics:
                self._splice(snapshot)
        except MalformedMessage as error:
            self._fail(error)
            return
        if not self._calls:
            self._finish(None)

    def _splice(self, snapshot: TopicSnapshot) -> None:
        cursor = self.feed.cursors.get(snapshot.topic)
        if cursor is None:
            raise MalformedMessage(f"the bridge sent a snapshot of {snapshot.topic!r}, which was not asked for")
        if cursor.joining:
            splice(cursor, snapshot, self._place.epoch, self._place.time_us)

    def _fail(self, error: BridgeError) -> None:
        self._clear()
        if self._deadline_s is not None:
            self._finish(error)
        else:
            self._stage = "retry"
            self._act_s = self._place.now + RETRY_S

    def _finish(self, error: BridgeError | None) -> None:
        self._clear()
        self.error = error
        self.done = True
        self._place.joined(self)

    def cancel(self) -> None:
        """Give it up: nobody wants the subscription any more."""
        if not self.done:
            self._finish(None)

    def _clear(self) -> None:
        self._calls.clear()
        self._act_s = None
        if self._number is not None:
            self._place.drop_proof(self._number)
            self._number = None

    def next_s(self) -> float | None:
        """When `on_time` has something to do."""
        return min((at_s for at_s in (self._act_s, self._deadline_s) if at_s is not None), default=None)

    def on_time(self, now: float) -> None:
        """Do what is due."""
        if self._deadline_s is not None and self._deadline_s <= now:
            self._finish(
                BridgeUnreachable(
                    f"no events of the bridge arrive from {self._endpoint} within {self._timeout_s:g} s, but it answers requests",
                    next_step="open that port, or have the bridge bind its events where this machine can reach them (--events)",
                    endpoint=self._endpoint,
                )
            )
        elif self._act_s is not None and self._act_s <= now:
            self._ask_proof()


def parts(topics: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """The topics, cut so that each part fits in one request."""
    part: list[str] = []
    size = 0
    for topic in topics:
        cost = len(topic.encode()) + 3
        if part and (len(part) == PART_TOPICS or size + cost > PART_BYTES):
            yield tuple(part)
            part, size = [], 0
        part.append(topic)
        size += cost
    if part:
        yield tuple(part)
