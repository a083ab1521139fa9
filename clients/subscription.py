"""Subscriptions: an iterator over events for the blocking client, an asynchronous one for the asyncio client."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Protocol, Self

from bridge.errors import InvalidParameters
from clients.cursor import Cursor
from clients.events import Gap, Item
from clients.join import Join
from clients.staleness import Staleness
from clients.streams import Feed, StreamCounters

SHOWN_TOPICS = 4
TURN_S = 0.005
"""How long events may be taken one after the other before other tasks of the loop have their turn."""


class Received:
    """What a subscription has received."""

    def __init__(self, feed: Feed, bridge_us: Callable[[], int | None]) -> None:
        """`bridge_us` is the bridge's clock."""
        self._feed = feed
        self._bridge_us = bridge_us

    def __repr__(self) -> str:
        topics = [*self._feed.exact, *(f"{prefix}*" for prefix in self._feed.prefixes)]
        named = ", ".join(topics[:SHOWN_TOPICS]) + (f" and {len(topics) - SHOWN_TOPICS} more" if len(topics) > SHOWN_TOPICS else "")
        state = "closed, " if self.closed else ""
        return f"<{type(self).__name__} {named}: {state}{self.queued} queued, lag {self.lag_s:.3f} s, {self.counters.gaps} gaps>"

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


class Subscription(Received):
    """Events in order, each once; a `Gap` where some are missing that neither the bridge nor the terminal has.

    The client receives only while one of its methods runs. What arrives while the program does something else waits in the socket,
    then in this subscription's queue. What finds no room there, or is lost on its way, is asked for again and comes later, in its
    place (`clients.healing`); until then what follows it waits.
    """

    def __init__(
        self, feed: Feed, turn: Callable[[float], None], end: Callable[[Feed], None], bridge_us: Callable[[], int | None]
    ) -> None:
        """`turn(timeout_s)` receives what is there, waiting for it at most that long; `end` unsubscribes."""
        super().__init__(feed, bridge_us)
        self._turn = turn
        self._end = end

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

    def close(self) -> None:
        """Unsubscribe; what is in the queue can still be taken."""
        if not self._feed.closed:
            self._end(self._feed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Driver(Protocol):
    """What the subscription of an asyncio client needs of it."""

    def receive(self) -> None:
        """Receive what is there."""

    async def until(self, finished: Callable[[], bool], timeout_s: float | None = None) -> None:
        """Wait until something is so, or for so long."""

    async def joined(self, join: Join) -> None:
        """Wait until a subscription is in force. Raises why it is not."""

    def unsubscribe(self, feed: Feed) -> None:
        """End a subscription."""

    async def give_way(self) -> None:
        """Other tasks of the loop have their turn."""


class AsyncSubscription(Received):
    """Events as from `Subscription`, for one task: `async with bridge.subscribe(…) as events: async for event in events`.

    It is begun when it is made, and in force after `await subscription`, `async with` or the first event. The client receives while
    the event loop runs; what the program has not taken waits in this subscription's queue (`queued`, `lag_s`).
    """

    def __init__(self, join: Join, driver: Driver, bridge_us: Callable[[], int | None]) -> None:
        super().__init__(join.feed, bridge_us)
        self._join: Join | None = join
        self._driver = driver
        self._turn_s = 0.0

    def __await__(self) -> Generator[object, None, Self]:
        yield from self._begun().__await__()
        return self

    async def _begun(self) -> None:
        if self._join is not None:
            await self._driver.joined(self._join)
            self._join = None

    async def __aenter__(self) -> Self:
        return await self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def __aiter__(self) -> Self:
        """Every event from now on; waits for the next one, and ends when the subscription is closed."""
        return self

    async def __anext__(self) -> Item:
        if self._join is not None:
            await self._begun()
        feed = self._feed
        now_s = time.monotonic()
        if not feed.queue:
            await self._driver.until(lambda: bool(feed.queue) or feed.closed)
            if not feed.queue:
                raise StopAsyncIteration
            self._turn_s = time.monotonic()
        elif now_s - self._turn_s > TURN_S:
            await self._driver.give_way()
            self._turn_s = time.monotonic()
        return feed.queue.popleft()

    async def get(self, timeout_s: float = 0.0) -> Item | None:
        """The next event, waiting for it at most `timeout_s` seconds; None when there is none."""
        await self._begun()
        feed = self._feed
        if not feed.queue:
            self._driver.receive()
            if timeout_s > 0:
                await self._driver.until(lambda: bool(feed.queue) or feed.closed, timeout_s)
        return feed.queue.popleft() if feed.queue else None

    async def close(self) -> None:
        """Unsubscribe; what is in the queue can still be taken."""
        self._end()

    def _end(self) -> None:
        if not self._feed.closed:
            self._driver.unsubscribe(self._feed)
