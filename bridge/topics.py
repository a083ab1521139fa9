"""The topics: their sequences, who subscribes, and which streams the session has to send.

A subscription starts a topic's stream; the last unsubscription ends it after a linger, so that a client that reconnects does
not stop and start it. Sequences never restart within an epoch. No I/O; times are monotonic seconds.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bridge.codec import MAX_TOPIC_BYTES
from bridge.delivered import rows_before
from bridge.errors import BridgeError
from bridge.ring import Frames, Pool, Ring
from bridge.ticks import RECORD_BYTES, TIME_BYTES

STREAMED = ("tick:", "bar:", "forming:", "book:", "account\0", "trade\0")
"""How a subscription begins that the session has to serve; all others are served by the gateway, or by nobody."""
OWN = frozenset({"connection", "heartbeat", "log"})
"""Topics that the gateway publishes by itself."""
PASSIVE_PREFIXES = ("bar:", "forming:", "book:")
"""Families of which a prefix subscription only follows what others have started: nobody wants all timeframes of all symbols."""


def known(name: str) -> bool:
    """Whether this is the name of a topic that a snapshot can be asked of."""
    return name in OWN or ("\0" not in name and len(name.encode()) < MAX_TOPIC_BYTES and _served(name + "\0"))


def _served(wire: str) -> bool:
    """Whether the session has to serve a subscription. No symbol has an asterisk in its name: to the session it means a prefix."""
    passive = wire.endswith(":\0") if wire.endswith("\0") else wire.startswith(PASSIVE_PREFIXES)
    return wire.startswith(STREAMED) and not passive and "*" not in wire


def published(wire: str) -> bool:
    """Whether anybody may ever publish what a subscription covers."""
    if wire.endswith("\0"):
        return wire.startswith("client:") or known(wire[:-1])
    return any(family.startswith(wire) or wire.startswith(family) for family in (*STREAMED, "client:", *OWN))


MOST = {"prefix": 1_000, "client": 20_000, "topic": 2**31}
"""How many there may be of a kind, where that is fewer than of all: what a prefix covers is looked at with each new topic, and
nobody else can end what a client has asked for."""


def _kind(wire: str) -> str:
    if not wire.endswith("\0"):
        return "prefix"
    return "client" if wire.startswith("client:") else "topic"


MARKED = ("tick:", "bar:", "forming:", "book:")
"""Families whose events are marked while the terminal is another account's; whose the others are, the session asks by itself."""
RESUMED = ("tick:", "bar:")
"""Families whose streams a new session continues without a hole."""
RECENT = 512
"""Bodies kept for that: more than a session sends of one symbol in a second of server time."""
MOST_ROWS = 20_000
"""Rows of the newest second that a snapshot tells, at most: the last ones."""
MOST_ENDED = 5_000
"""Streams that are ended in one heartbeat: 35 ms."""
NOTHING: Frames = deque(maxlen=0)
"""In place of a queue that nothing was put in yet: an empty one takes 600 bytes, and 100,000 topics may be without an event."""


class Stream(StrEnum):
    """What the session does about a topic."""

    IDLE = "idle"
    STARTING = "starting"
    LIVE = "live"
    FAILED = "failed"


@dataclass(slots=True, eq=False)
class TopicState:
    """One topic; `prefix` is its name with the NUL, as bytes, `wire` the subscription as text, with the NUL for an exact topic.

    `foreign` is the flag of what still comes of a stream that began at another account, until the session says that it has ended.
    """

    name: str
    wire: str
    prefix: bytes
    sequence: int = 0
    subscribers: int = 0
    stream: Stream = Stream.IDLE
    flags: int = 0
    body: Any = None
    published_s: float | None = None
    recent: deque[bytes] = field(init=False)
    frames: Frames = field(init=False)
    pool: Pool | None = None
    kept: bytes | None = None
    error: BridgeError | None = None
    linger_until_s: float | None = None
    foreign: int = 0
    streamed: bool = field(init=False)
    marked: bool = field(init=False)
    resumed: bool = field(init=False)

    def __post_init__(self) -> None:
        self.streamed = _served(self.wire)
        self.marked = self.wire.startswith(MARKED)
        self.resumed = self.wire.startswith(RESUMED)
        self.recent = self.frames = NOTHING

    @property
    def exact(self) -> bool:
        """Whether this is a topic, and not a prefix of topics."""
        return self.wire.endswith("\0")

    @property
    def stream_name(self) -> str:
        """What the session calls it: a prefix ends with an asterisk."""
        return self.name if self.exact else f"{self.name}*"

    @property
    def lasting(self) -> bool:
        """Whether a subscriber has to notice when it misses the newest event; not so for proofs and heartbeats."""
        return not self.name.startswith("client:") and self.name != "heartbeat"

    def rows(self) -> bytes:
        """All that was published of the newest second, of ticks."""
        return b"".join(self.recent)[-MOST_ROWS * RECORD_BYTES :] if self.name.startswith("tick:") else b""

    def resume(self) -> bytes | None:
        """What a new session needs to go on where the last one ended: what that gave to keep; of bars the last, of ticks those of
        the last minutes as far as they are kept, and all of their newest second."""
        if self.kept is not None:
            return self.kept
        records = b"".join(self.recent)
        if not records or not self.name.startswith("tick:"):
            return records[-RECORD_BYTES:] or None
        return rows_before(self.frames, int.from_bytes(records[:TIME_BYTES], "little", signed=True)) + records

    def remember(self, body: bytes) -> None:
        """Keep what `resume` needs of the records that are being published: those of the newest second, found by bisection."""
        last = len(body) - RECORD_BYTES
        second = body[last : last + TIME_BYTES]
        low, high = 0, last // RECORD_BYTES
        while low < high:
            middle = (low + high) // 2
            at = middle * RECORD_BYTES
            if body[at : at + TIME_BYTES] == second:
                high = middle
            else:
                low = middle + 1
        recent = self.recent
        if recent is NOTHING:
            recent = self.recent = deque(maxlen=RECENT)
        elif recent and (low or recent[-1][:TIME_BYTES] != second):
            recent.clear()
        recent.append(body[low * RECORD_BYTES :])

    def break_off(self) -> None:
        """What comes next does not go on where this ended: a sequence is left out, and nothing is kept."""
        self.recent = self.frames = NOTHING
        self.kept = None
        self.sequence += 1

    def forget(self) -> None:
        """The same, and its state is no state any more."""
        self.break_off()
        self.body, self.flags = None, 0

    def newest(self) -> Any:
        """What a late joiner needs of the newest event: the last of its records, else all of it; of `trade` what is open; nothing
        of what is not a state."""
        if isinstance(self.body, bytes):
            return self.body[-RECORD_BYTES:]
        return None if self.name in ("log", "heartbeat") else self.body


class TopicTable:
    """All topics ever seen in this epoch, by name."""

    def __init__(self, linger_s: float, limit: int = 100_000, ring: Ring | None = None, most_failed: int = 5_000) -> None:
        """At most `limit` topics, and `most_failed` of those whose streams could not be started."""
        self._most_failed = most_failed
        self._ring = ring or Ring(0)
        self._linger_s = linger_s
        self._limit = limit
        self._by_wire: dict[str, TopicState] = {}
        self._failed: dict[str, None] = {}
        self._numbers: Counter[str] = Counter()
        self.refused = 0

    def __iter__(self) -> Iterator[TopicState]:
        return iter(self._by_wire.values())

    def topic(self, name: str) -> TopicState:
        """The state of an exact topic, made if it is new; with a queue for its frames, if they are kept."""
        wire = name + "\0"
        state = self._by_wire.get(wire)
        if state is None:
            state = self._add(TopicState(name, wire, wire.encode(), pool=self._ring.pool(name)))
        if state.frames is NOTHING and state.pool is not None:
            state.frames = deque()
        return state

    def make_room(self, count: int) -> bool:
        """Whether so many more topics may be made. Where they are too many, those give way whose streams could not be started and
        that never had an event, the oldest first: a client that asks for names that do not exist is in nobody's way."""
        over = len(self._by_wire) + count - self._limit
        while 0 < over <= len(self._failed):
            over -= self._give_way()
        return over <= 0

    def _give_way(self) -> bool:
        """Forget the topic that failed longest ago, unless a prefix has brought events, whose sequence must not begin anew."""
        wire = next(iter(self._failed))
        del self._failed[wire]
        if self._by_wire[wire].sequence:
            return False
        self._remove(wire)
        return True

    def failed(self, state: TopicState) -> None:
        """Its stream could not be started."""
        state.stream = Stream.FAILED
        if not state.sequence and state.body is None:
            self._failed[state.wire] = None
            if len(self._failed) > self._most_failed:
                self._give_way()

    def starting(self, state: TopicState) -> None:
        """Its stream is being started."""
        state.stream = Stream.STARTING
        self._failed.pop(state.wire, None)

    def _add(self, state: TopicState) -> TopicState:
        self._by_wire[state.wire] = state
        self._numbers[_kind(state.wire)] += 1
        return state

    def _remove(self, wire: str) -> None:
        del self._by_wire[wire]
        self._failed.pop(wire, None)
        self._numbers[_kind(wire)] -= 1

    def find(self, wire: str) -> TopicState | None:
        """The state of a topic (with its NUL) or prefix that is known."""
        return self._by_wire.get(wire)

    def subscribe(self, wire: bytes) -> TopicState | None:
        """One more subscriber; None when the subscription is refused: not text, a NUL before its end, too long, of what nobody ever
        publishes, or one too many."""
        try:
            text = wire.decode()
        except UnicodeDecodeError:
            text = ""
        state = self._by_wire.get(text)
        if state is None:
            name = text.removesuffix("\0")
            if not name or "\0" in name or len(wire) > MAX_TOPIC_BYTES or not published(text) or not self.make_room(1):
                self.refused += 1
                return None
            if self._numbers[_kind(text)] >= MOST[_kind(text)]:
                self.refused += 1
                return None
            state = self._add(TopicState(name, text, wire, pool=self._ring.pool(name)))
        state.subscribers += 1
        state.linger_until_s = None
        return state

    def unsubscribe(self, wire: bytes, now: float) -> TopicState | None:
        """One subscriber less; None for a subscription that was never accepted."""
        try:
            state = self._by_wire.get(wire.decode())
        except UnicodeDecodeError:
            return None
        if state is None or not state.subscribers:
            return None
        state.subscribers -= 1
        if not state.subscribers:
            if not state.lasting or (not state.sequence and not state.streamed):
                self._remove(state.wire)
            state.linger_until_s = now + self._linger_s
        return state

    def wanted(self) -> list[TopicState]:
        """The topics whose streams the session should send now."""
        return [state for state in self if state.streamed and (state.subscribers or state.linger_until_s is not None)]

    def followed(self, wanted: list[TopicState]) -> list[TopicState]:
        """The topics that had events because a wanted prefix covers them; a new session has to be told where each of them ended."""
        prefixes = tuple(state.wire for state in wanted if not state.exact)
        known = set(wanted)
        return [state for state in self if state.recent and state.wire.startswith(prefixes) and state not in known]

    def unwanted(self, now: float) -> list[TopicState]:
        """The streams whose linger is over: nobody wants them any more; very many of them not all at once, for each is told to the
        session. Topics that never had an event or a state are forgotten.

        A topic that had some leaves one sequence out: what happens until its stream is started again is not published, and a
        subscriber who was only cut off, and comes back later than the linger, has to see that it missed something.
        """
        over = [state for state in self if state.linger_until_s is not None and now >= state.linger_until_s][:MOST_ENDED]
        if not over:
            return over
        for state in over:
            state.linger_until_s = None
        wanted = self.wanted()
        prefixes = tuple(state.wire for state in wanted if not state.exact)
        known = set(wanted)
        over += [state for state in self.followed(over) if state not in known and not state.wire.startswith(prefixes)]
        for state in over:
            if not state.sequence and state.body is None:
                self._remove(state.wire)
            elif (state.resumed or state.name == "trade") and not state.wire.startswith(prefixes):  # no prefix goes on with it
                state.break_off()
        return over
