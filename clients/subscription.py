"""A subscription of the blocking client: an iterator over events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from bridge.errors import InvalidParameters
from clients.cursor import Cursor
from clients.events import Gap, Item
from clients.staleness import Staleness
from clients.streams import Feed, StreamCounters


class Subscription:
    """Events in order, each once; a `Gap` where some are missing that neither the bridge nor the terminal has.

    The client receives only while one of its methods runs. What arrives while the program does something else waits in the socket,
    then in this subscription's queue. What finds no room there, or is lost on its way, is asked for again and comes later, in its
    place (`clients.healing`); until then what follows it waits.
    """

    def __init__(
        self, feed: Feed, turn: Callable[[float], None], end: Callable[[Feed], None], bridge_us: Callable[[], int | None]
    ) -> None:
        """`turn(timeout_s)` receives what is there, waiting for it at most that long; `end` unsubscribes; `bridge_us` is the
        bridge's clock."""
        self._feed = feed
        self._turn = turn
        self._end = end
        self._bridge_us = bridge_us

    def __iter__(self) -> Iterator[Item]:
        """Every event from now on; waits for the next one, and ends when the subscription is closed."""
        feed = self._feed
        queue = feed.queue
        take = queue.popleft
        while True:
            while queue:
                yield take()
            if feed.closed:
                return
            self._turn(1.0)

    def get(self, timeout_s: float = 0.0) -> Item | None:
        """The next event, waiting for it at most `timeout_s` seconds; None when there is none."""
        feed = self._feed
        if not feed.queue:
            until_s = time.monotonic() + timeout_s
            self._turn(timeout_s)
            while not feed.queue and not feed.closed and (left_s := until_s - time.monotonic()) > 0:
                self._turn(left_s)
        return feed.queue.popleft() if feed.queue else None

    @property
    def queued(self) -> int:
        """Events that were received and not taken yet."""
        return len(self._feed.queue)

    @property
    def lag_s(self) -> float:
        """Age of the oldest event that waits to be taken, in seconds; 0.0 when none waits."""
        oldest = next((item for item in self._feed.queue if not isinstance(item, Gap)), None)
        present_us = self._bridge_us()
        return 0.0 if oldest is None or present_us is None else max(0.0, (present_us - oldest.time_us) / 1e6)

    @property
    def counters(self) -> StreamCounters:
        """What was missed for good, found again, doubled or unreadable."""
        return self._feed.counters

    # ---- silence -----------------------------------------------------------------------------------------------------------------

    def age_s(self, topic: str) -> float | None:
        """Seconds since the newest tick of `tick:SYMBOL` was published; None when there was none yet, or nobody knows how old the
        state is that it began with. Raises `InvalidParameters` for a topic that this subscription does not have."""
        staleness, cursor, now_us = self._watched(topic)
        return staleness.age_s(cursor, now_us)

    def stale(self, topic: str) -> bool | None:
        """Whether `tick:SYMBOL` is silent for much longer than it usually is, while its market is open.

        What is usual is learned from the ticks that came; when the market is open, from the bars of the last week, which are asked
        for when a silence has become long for the first time. None as long as one of both is not known. On a holiday it is true.
        Raises `InvalidParameters` as `age_s` does.
        """
        staleness, cursor, now_us = self._watched(topic)
        return staleness.stale(cursor, now_us)

    def tell_stale(self) -> None:
        """From now on this subscription also yields `Stale` and `Fresh`, with the heartbeat after it is found."""
        if self._feed.staleness is not None:
            self._feed.staleness.tells = True

    def _watched(self, topic: str) -> tuple[Staleness, Cursor, int]:
        cursor, staleness, now_us = self._feed.cursors.get(topic), self._feed.staleness, self._bridge_us()
        if cursor is None or cursor.symbol is None or staleness is None:
            raise InvalidParameters(f"{topic!r} is not a topic of ticks of this subscription", field="topic")
        return staleness, cursor, now_us or 0

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._feed.closed

    def close(self) -> None:
        """Unsubscribe; what is in the queue can still be taken."""
        if not self._feed.closed:
            self._end(self._feed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
