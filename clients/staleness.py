"""Which tick topics of a subscription are silent for longer than they should be. No I/O.

Looked at with each heartbeat, on the bridge's clock. The bars of the last week, which say when a symbol is traded, are asked for
only when it is silent for too long and somebody wants to know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from bridge.messages import BACKFILLED, GetRates, Request
from bridge.replies import ConnectionState
from bridge.ticks import RECORD_BYTES, last_tick
from clients.calls import Call
from clients.cursor import Cursor
from clients.events import Fresh, Stale, Ticks
from clients.freshness import SLOTS, TIMEFRAME, Rhythm, Week, is_stale
from clients.place import rows_of, second_of

TIMEOUT_S = 10.0
AGAIN_S = 60.0
"""After bars that could not be had."""
WEEK_LASTS_S = 24 * 3600.0
"""Then they are asked for anew."""


class Bridge(Protocol):
    """What has to be known of the bridge. `now` is kept up to date."""

    now: float
    connection: ConnectionState | None

    def ask(self, request: Request[Any], timeout_s: float, on_done: Callable[[Call[Any]], None]) -> str:
        """Send a request; its id."""


class Staleness:
    """Of one subscription. `tells` is whether its queue gets `Stale` and `Fresh`; somebody may set it."""

    __slots__ = ("_bridge", "_rhythms", "_stale_us", "_weeks", "tells")

    def __init__(self, bridge: Bridge) -> None:
        self.tells = False
        self._bridge = bridge
        self._rhythms: dict[str, Rhythm] = {}
        self._stale_us: dict[str, int] = {}  # topics that are stale, and when their last tick came
        self._weeks: dict[str, tuple[float, Week | None]] = {}  # when to ask again, and what is known

    def beat(self, cursor: Cursor, now_us: int) -> None:
        """A heartbeat was made at this time."""
        if cursor.symbol is None:
            return
        newest_us = self._published_us(cursor)
        if newest_us is None:
            return
        topic = cursor.topic
        rhythm = self._rhythms.get(topic)
        if rhythm is None:
            rhythm = self._rhythms[topic] = Rhythm()
        before_us, expected_s = rhythm.newest_us, rhythm.expected_s
        if newest_us != before_us:
            rhythm.heard(newest_us)
        if not self.tells:
            return
        if topic not in self._stale_us:
            if (now_us - newest_us) / 1e6 > (expected_s or now_us) and self.stale(cursor, now_us):
                self._stale_us[topic] = newest_us
                age_s = (now_us - newest_us) / 1e6
                cursor.feed.queue.append(Stale(*_envelope(cursor, now_us), topic, age_s, expected_s or 0.0))
        elif newest_us > self._stale_us[topic]:
            silent_s = (newest_us - self._stale_us.pop(topic)) / 1e6
            cursor.feed.queue.append(Fresh(*_envelope(cursor, now_us), topic, silent_s))

    def _published_us(self, cursor: Cursor) -> int | None:
        """When the newest tick was published; of one that was found afterwards, or came as a state, when it was made, as far as the
        offset of the server's clock is known."""
        item = cursor.recent[-1] if cursor.recent else None
        if not isinstance(item, Ticks):
            return None
        if item.flags & BACKFILLED or item.snapshot:
            connection = self._bridge.connection
            offset_s = None if connection is None else connection.clock.offset_s
            return None if offset_s is None else (last_tick(item.records).time_msc - offset_s * 1_000) * 1_000
        return item.time_us

    def age_s(self, cursor: Cursor, now_us: int) -> float | None:
        """Age of the newest tick; None when there is none, or it is a state of unknown age."""
        newest_us = self._published_us(cursor)
        return None if newest_us is None else max(0.0, (now_us - newest_us) / 1e6)

    def expected_s(self, topic: str) -> float | None:
        """The longest silence that is nothing unusual."""
        rhythm = self._rhythms.get(topic)
        return None if rhythm is None else rhythm.expected_s

    def stale(self, cursor: Cursor, now_us: int) -> bool | None:
        """Whether it is silent for too long; None when that cannot be told (yet)."""
        age_s, symbol = self.age_s(cursor, now_us), cursor.symbol
        if age_s is None or symbol is None or not cursor.recent:
            return None
        expected_s = self.expected_s(cursor.topic)
        newest_s = second_of(cursor.recent[-1].records, -RECORD_BYTES)
        if expected_s is not None and age_s > expected_s:
            self._learn(symbol)
        _, week = self._weeks.get(symbol, (0.0, None))
        return is_stale(age_s, expected_s, newest_s, week)

    def _learn(self, symbol: str) -> None:
        """Ask for the bars of the last week, if they are not known or old."""
        now = self._bridge.now
        again_s, week = self._weeks.get(symbol, (now, None))
        if now < again_s:
            return
        self._weeks[symbol] = now + AGAIN_S, week

        def answered(call: Call[Any]) -> None:
            if call.error is None:
                times = [second_of(row) for row in rows_of(call.result().records)]
                self._weeks[symbol] = self._bridge.now + WEEK_LASTS_S, Week(times)

        self._bridge.ask(GetRates(symbol, TIMEFRAME, count=SLOTS), TIMEOUT_S, answered)


def _envelope(cursor: Cursor, now_us: int) -> tuple[int, int, int, int, bool]:
    return cursor.epoch, cursor.sequence or 0, now_us, 0, False
