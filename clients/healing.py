"""What is missing is found: from the bridge, which keeps what it published, else from the terminal's history of ticks and bars.

Healing one topic is a generator that yields requests and is sent their results; where it has to wait it yields a `Pause` or `Room`.
It decides everything about the topic, and `repairs` sees to it that its requests are asked and repeated. No I/O.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

from bridge.errors import BridgeError, MalformedMessage, TerminalRefused
from bridge.messages import FOREIGN, MAX_ROWS, GetRates, GetReplay, GetSnapshot, Request
from bridge.replies import Records, Replayed, TopicSnapshot
from bridge.ticks import RECORD_BYTES
from clients.cursor import STATES, Cursor
from clients.history import ticks
from clients.place import Filling, between_bars, between_ticks, last_bar_s, reached, second_of, told
from clients.splicing import fill, has_state, replay, splice, state

EVENTS_AT_ONCE = 2_000
"""Room that there has to be before events are asked for; as many as the bridge sends at once."""
PENDING_S = 0.5
"""Time between two looks whether there is a session again."""
EMPTY_S = (0.5, 1.0, 2.0, 5.0)
"""Pauses while a topic has no state yet; the last one is repeated."""
SHORT_S = (0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0)
"""Pauses after answers that do not reach: a terminal that has to download history first answers with what it has."""
MOST_RECORDS = 2_000_000
"""More of them are not asked for: 120 MB."""


class Bridge(Protocol):
    """What healing needs to know of the bridge."""

    epoch: int
    time_us: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Go on after so many seconds; with `session` there is none that could be asked: nobody need try before, and all may as soon as
    the connection changes."""

    seconds: float
    session: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """Go on when there is room for more in the queue."""


Steps = Generator[Request[Any] | Pause | Room, Any, None]


class _Hopeless(Exception):
    """The history cannot help."""


# ---- one topic -------------------------------------------------------------------------------------------------------------------


def wanted_room(limit: int) -> int:
    """How much room there has to be in a queue before events are asked for: not for one at a time."""
    return min(EVENTS_AT_ONCE, (limit + 1) // 2)


def heal(cursor: Cursor, bridge: Bridge) -> Steps:
    """Until nothing is missing that can be had. What cannot is told with a `Gap`."""
    if cursor.torn:
        snapshot, healed = yield from _by_history(cursor, bridge)
        if not healed:
            cursor.tear(bridge.epoch)
            if snapshot is None:
                cursor.begin_anywhere()
            else:
                splice(cursor, snapshot, bridge.epoch, bridge.time_us)
    while cursor.sequence is not None and (hole := cursor.advance()) is not None:
        if cursor.feed.room < wanted_room(cursor.feed.limit):
            yield Room()
        elif cursor.family in ("heartbeat", "client"):
            cursor.lose(hole[1])  # nobody keeps these
        else:
            yield from _by_replay(cursor, bridge, *hole)


def _by_replay(cursor: Cursor, bridge: Bridge, first: int, last: int) -> Steps:
    """As much as the bridge sends at once. What it does not have any more is looked for in the terminal's history."""
    try:
        found: Replayed = yield GetReplay(cursor.topic, first, min(last, first + cursor.feed.room - 1))
    except BridgeError:
        cursor.lose(last)
        return
    if found.missing and (cursor.family in STATES or cursor.family == "trade"):
        yield from _by_state(cursor, bridge, last)
        return
    if found.missing and cursor.recent:
        _, healed = yield from _by_history(cursor, bridge)
        if healed:
            return
    cursor.lose(min(last, first + found.missing - 1))
    replay(cursor, found.events)
    if cursor.sequence == first - 1:
        cursor.lose(last)  # the bridge knows of nothing there, or it makes no sense


def _by_state(cursor: Cursor, bridge: Bridge, last: int) -> Steps:
    """What a state was before does not matter: go on with the newest. What happened on the account does: it is told as lost."""
    try:
        snapshot = yield from _snapshot(cursor.topic, stateless=cursor.family not in STATES)
        if cursor.family not in STATES:
            cursor.lose(max(last, snapshot.sequence))
        splice(cursor, snapshot, bridge.epoch, bridge.time_us)
    except BridgeError:
        cursor.lose(last)


# ---- the terminal's history ------------------------------------------------------------------------------------------------------


def _by_history(cursor: Cursor, bridge: Bridge) -> Generator[Request[Any] | Pause, Any, tuple[TopicSnapshot | None, bool]]:
    """Fill the hole up to a snapshot. The newest snapshot that there was, and whether it is done.

    The snapshot is taken anew each time, for a later one may be easier to find.
    """
    snapshot: TopicSnapshot | None = None
    for pause_s in (*SHORT_S, None):
        try:
            snapshot = yield from _snapshot(cursor.topic)
            filling = yield from _between(cursor, snapshot, bridge)
            if filling is not None:
                fill(cursor, filling, snapshot, bridge.epoch, bridge.time_us)
                return snapshot, True
        except TerminalRefused:
            pass  # it may have it later
        except (BridgeError, _Hopeless):
            break
        if pause_s is not None:
            yield Pause(pause_s)
    return snapshot, False


def _snapshot(topic: str, *, stateless: bool = False) -> Generator[Request[Any] | Pause, Any, TopicSnapshot]:
    """A snapshot of a stream that runs; with a state, unless it may be `stateless`."""
    waits = iter(EMPTY_S)
    while True:
        snapshots = (yield GetSnapshot((topic,), rows=True)).topics
        if len(snapshots) != 1 or snapshots[0].topic != topic:
            raise MalformedMessage(f"the bridge did not send a snapshot of {topic}")
        snapshot: TopicSnapshot = snapshots[0]
        if snapshot.pending:
            yield Pause(PENDING_S, session=True)
        elif not stateless and not has_state(snapshot):
            yield Pause(next(waits, EMPTY_S[-1]))
        else:
            return snapshot


def _between(cursor: Cursor, snapshot: TopicSnapshot, bridge: Bridge) -> Generator[Request[Any], Any, Filling | None]:
    """What the history has between the last event and a snapshot; None when it does not have both."""
    body = bytes(state(snapshot, bridge.epoch, bridge.time_us).body)
    if snapshot.flags & FOREIGN or cursor.recent is None:
        raise _Hopeless  # the history is now that of another server
    rest = cursor.topic.partition(":")[2]
    if cursor.family == "bar":
        own_s, end_s = last_bar_s(cursor.recent), second_of(body, -RECORD_BYTES)
        if own_s is None:
            raise _Hopeless
        symbol, _, timeframe = rest.rpartition(":")
        return between_bars((yield from _bars(symbol, timeframe, *sorted((own_s, end_s)))), own_s, end_s)
    own, end = reached(cursor.recent), told(snapshot.rows or body)
    if own is None:
        raise _Hopeless
    chunks = yield from ticks(rest, min(own.second, end.second), count=MOST_RECORDS)
    if sum(map(len, chunks)) >= MOST_RECORDS * RECORD_BYTES:
        raise _Hopeless
    return between_ticks(b"".join(chunks), own, end)


def _bars(symbol: str, timeframe: str, from_s: int, to_s: int) -> Generator[Request[Any], Any, bytes]:
    """Every bar that opened between two times, both included; asked for from the oldest on."""
    chunks: list[bytes] = []
    while True:
        answer: Records = yield GetRates(symbol, timeframe, count=MAX_ROWS, from_s=from_s, to_s=to_s)
        chunks.append(answer.records)
        if len(answer.records) < MAX_ROWS * RECORD_BYTES:
            return b"".join(chunks)
        from_s = second_of(answer.records, -RECORD_BYTES) + 1
