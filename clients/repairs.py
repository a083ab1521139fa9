"""The topics of one client that are being healed: whose turn it is to ask, what is asked again, and when.

A few are asked for at a time, so that orders and reads of the same client, and other clients, have their turn. What is asked, and
what comes of the answer, is decided in `healing`. No I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from bridge.errors import BridgeError, NotConnected, Stopping, TryAgain
from bridge.messages import GetReplay, Request
from clients.calls import Call
from clients.cursor import Cursor
from clients.healing import PENDING_S, Bridge, Pause, Room, Steps, heal, wanted_room
from clients.streams import Feed

TOPICS_AT_ONCE = 4
"""Requests under way, each of another topic."""
TIMEOUT_S = 10.0
RETRY_S = (0.5, 1.0, 2.0, 5.0)
"""Pauses before a request is repeated; the last one for as long as the epoch lasts."""
LATER = (TryAgain, Stopping)
"""Errors that the same request may get over."""


class Asked(Bridge, Protocol):
    """Where requests go. `now` is kept up to date."""

    now: float

    def ask(self, request: Request[Any], timeout_s: float, on_done: Callable[[Call[Any]], None]) -> str:
        """Send a request; its id."""


@dataclass(slots=True, eq=False)
class Repair:
    """One topic, and how far its healing is. `request` is what it asks next, None while it waits for something else."""

    cursor: Cursor
    steps: Steps
    request: Request[Any] | None = None
    failures: int = 0
    wake_s: float = 0.0

    @property
    def has_room(self) -> bool:
        """Whether there is room in the queue."""
        feed = self.cursor.feed
        return feed.room >= wanted_room(feed.limit)


class Repairs:
    """All of them. Each waits in one place: for its turn, an answer, a time, a session, or for room."""

    def __init__(self, bridge: Asked) -> None:
        self._bridge = bridge
        self._ready: deque[Repair] = deque()
        self._asking: dict[str, Repair] = {}
        self._asleep: list[Repair] = []
        self._sessionless: list[Repair] = []
        self._crowded: list[Repair] = []
        self._session_s = 0.0  # there is no session before this; then somebody looks again

    def begin(self, cursor: Cursor) -> None:
        """Heal a topic, unless that is being done."""
        if not cursor.healing:
            cursor.healing = True
            self._go_on(Repair(cursor, heal(cursor, self._bridge)), None)

    def _go_on(self, repair: Repair, result: Any, error: BridgeError | None = None) -> None:
        """The next step of one topic."""
        repair.request, repair.failures = None, 0
        try:
            wanted = repair.steps.send(result) if error is None else repair.steps.throw(error)
        except StopIteration:
            repair.cursor.healing = False
        else:
            if isinstance(wanted, Pause):
                self._pause(repair, wanted.seconds, session=wanted.session)
            elif isinstance(wanted, Room):
                self._crowded.append(repair)
            else:
                repair.request = wanted
                self._ready.append(repair)
        self._ask()

    def _pause(self, repair: Repair, seconds: float, *, session: bool) -> None:
        if session:
            self._session_s = self._bridge.now + PENDING_S
            self._sessionless.append(repair)
        else:
            repair.wake_s = self._bridge.now + seconds
            self._asleep.append(repair)

    def _ask(self) -> None:
        """Ask for those whose turn it is; while there is no session only what the bridge answers by itself."""
        while self._ready and len(self._asking) < TOPICS_AT_ONCE:
            repair = self._ready.popleft()
            assert repair.request is not None
            if self._bridge.now < self._session_s and not isinstance(repair.request, GetReplay):
                self._sessionless.append(repair)
            else:
                self._asking[self._bridge.ask(repair.request, TIMEOUT_S, self._on_done)] = repair

    def _on_done(self, call: Call[Any]) -> None:
        repair = self._asking.pop(call.id, None)
        if repair is None:
            return  # forgotten
        if isinstance(call.error, LATER):
            self._pause(repair, RETRY_S[min(repair.failures, len(RETRY_S) - 1)], session=isinstance(call.error, NotConnected))
            repair.failures += 1
            self._ask()
        else:
            self._go_on(repair, None if call.error is not None else call.result(), call.error)

    def session_is_there(self) -> None:
        """The connection says so: those who wait for a session need not wait longer."""
        self._session_s = self._bridge.now

    def forget(self, feed: Feed | None = None) -> None:
        """Give up the topics of a subscription, or all of them."""
        waiting = (self._ready, self._asking.values(), self._asleep, self._sessionless, self._crowded)
        for repair in [repair for place in waiting for repair in place]:
            if feed is None or repair.cursor.feed is feed:
                repair.cursor.healing = False
                repair.steps.close()
        self._ready = deque(repair for repair in self._ready if repair.cursor.healing)
        self._asking = {call_id: repair for call_id, repair in self._asking.items() if repair.cursor.healing}
        self._asleep, self._sessionless, self._crowded = (
            [repair for repair in place if repair.cursor.healing] for place in (self._asleep, self._sessionless, self._crowded)
        )
        self._ask()

    # ---- time --------------------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `on_time` has something to do."""
        times = [repair.wake_s for repair in self._asleep]
        if self._sessionless:
            times.append(self._session_s)
        if any(repair.has_room for repair in self._crowded):
            times.append(self._bridge.now)
        return min(times, default=None)

    def on_time(self) -> None:
        """Do what is due now."""
        now = self._bridge.now
        due = [repair for repair in self._asleep if repair.wake_s <= now] + [repair for repair in self._crowded if repair.has_room]
        if now >= self._session_s:
            due += self._sessionless
            self._sessionless = []
        if not due:
            return
        self._asleep = [repair for repair in self._asleep if repair.wake_s > now]
        woken = set(due)
        self._crowded = [repair for repair in self._crowded if repair not in woken]
        for repair in due:
            if repair.request is None:
                self._go_on(repair, None)
            else:
                self._ready.append(repair)
        self._ask()
