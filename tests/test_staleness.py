"""A subscription that knows how old its ticks are, in virtual time, against a scripted bridge."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from bridge.errors import InvalidParameters, TerminalRefused
from bridge.messages import BACKFILLED, GetRates, Hello
from bridge.replies import ClockOffset, Records
from clients.events import Fresh, Stale, Ticks
from clients.freshness import LEAST, SLOT_S, SLOTS
from clients.session import ClientSession
from clients.subscription import Subscription
from tests.fake_link import FakeLink
from tests.scripted_bridge import CONNECTED, START_MSC, ScriptedBridge, bar_record, tick_record
from tests.virtual_time import VirtualTime

TOPIC = "tick:EURUSD"
SERVER_S = 7_200
"""How far the server's clock is ahead."""


class World:
    """A subscription to ticks; the market is always open, but for what `closed` says."""

    def __init__(self, offset_s: int | None = SERVER_S, *topics: str) -> None:
        ids = count(1)
        self.time = VirtualTime()
        self.bridge = ScriptedBridge(heartbeat_s=1.0)
        self.bridge.connection = replace(
            CONNECTED, clock=ClockOffset(offset_s, 1, "high", 2) if offset_s is not None else ClockOffset()
        )
        self.asked: list[GetRates] = []
        self.closed: range = range(0)
        self.refusing = False
        self.bridge.answers["rates"] = self._rates
        self.session = ClientSession("tcp://127.0.0.1:5555", Hello("test", "me"), new_id=lambda: f"id{next(ids)}")
        self.link = FakeLink(self.time, self.session, self.bridge)
        self.session.start(self.time.now, 5.0)
        self.link.work()
        self.time.run_for(0.1)

    def _rates(self, request: GetRates) -> Records:
        self.asked.append(request)
        if self.refusing:
            raise TerminalRefused("not now")
        last = self.server_s() // SLOT_S
        times = [slot * SLOT_S for slot in range(last - SLOTS, last + 1) if slot * SLOT_S % (7 * 86_400) not in self.closed]
        return Records(len(times), b"".join(bar_record(time_s) for time_s in times))

    def server_s(self) -> int:
        return START_MSC // 1_000 + int(self.time.now - 1_000.0) + SERVER_S

    def subscribe(self) -> Subscription:
        join = self.session.subscribe((TOPIC, "account"), self.time.now, 5.0)
        self.link.work()
        self.time.run_while(lambda: not join.done)
        assert join.error is None

        def bridge_us() -> int:
            return (self.session.clock.bridge_msc(self.time.now) or 0) * 1_000

        return Subscription(join.feed, lambda timeout_s: None, lambda feed: None, bridge_us)

    def ticks(self, number: int = LEAST + 5, every_s: float = 1.0, **event: Any) -> None:
        for _ in range(number):
            self.bridge.publish(TOPIC, tick_record(self.server_s() * 1_000), **event)
            self.link.work()
            self.time.run_for(every_s)


def told(subscription: Subscription) -> list[Stale | Fresh]:
    return [item for item in iter(subscription.get, None) if isinstance(item, Stale | Fresh)]


def test_a_topic_is_stale_when_it_is_silent_for_too_long_and_fresh_when_it_goes_on() -> None:
    world = World()
    subscription = world.subscribe()
    subscription.tell_stale()
    world.ticks()
    assert subscription.age_s(TOPIC) == pytest.approx(1.0, abs=0.2)
    assert (subscription.stale(TOPIC), world.asked, told(subscription)) == (False, [], [])
    world.time.run_for(30.0)
    (stale,) = told(subscription)
    assert isinstance(stale, Stale)
    assert (stale.topic, stale.expected_s) == (TOPIC, 5.0)
    assert 5.0 < stale.age_s < 8.0
    assert subscription.stale(TOPIC) is True
    assert [(request.symbol, request.count) for request in world.asked] == [("EURUSD", SLOTS)]
    world.ticks(5)
    (fresh,) = told(subscription)
    assert isinstance(fresh, Fresh)
    assert fresh.silent_s == pytest.approx(31.0, abs=0.3)
    assert subscription.stale(TOPIC) is False
    world.time.run_for(30.0)
    assert [type(item) for item in told(subscription)] == [Stale]
    assert len(world.asked) == 1, "what was learned is known for a day"


def test_nothing_is_put_in_the_queue_unless_it_is_asked_for() -> None:
    world = World()
    subscription = world.subscribe()
    world.ticks()
    world.time.run_for(30.0)
    assert (told(subscription), world.asked) == ([], [])
    assert subscription.stale(TOPIC) is None, "now somebody wants to know, and the week is asked for"
    world.link.work()
    world.time.run_for(0.1)
    assert subscription.stale(TOPIC) is True


def test_while_the_market_is_closed_silence_says_nothing() -> None:
    world = World()
    subscription = world.subscribe()
    subscription.tell_stale()
    world.closed = range(world.server_s() % (7 * 86_400) // SLOT_S * SLOT_S, (world.server_s() + 3_600) % (7 * 86_400))
    world.ticks()
    world.time.run_for(1_800.0)
    assert (told(subscription), subscription.stale(TOPIC)) == ([], False)
    world.time.run_for(2_900.0)
    assert [type(item) for item in told(subscription)] == [Stale]


def test_bars_that_cannot_be_had_are_asked_for_again_but_not_at_once() -> None:
    world = World()
    subscription = world.subscribe()
    subscription.tell_stale()
    world.refusing = True
    world.ticks()
    world.time.run_for(130.0)
    assert 2 <= len(world.asked) <= 3
    assert (told(subscription), subscription.stale(TOPIC)) == ([], None)
    world.refusing = False
    world.time.run_for(70.0)
    assert [type(item) for item in told(subscription)] == [Stale]


@pytest.mark.parametrize(("offset_s", "age_s"), [(SERVER_S, 40.0), (None, None)])
def test_the_age_of_a_state_is_known_where_the_servers_clock_is(offset_s: int | None, age_s: float | None) -> None:
    world = World(offset_s)
    world.bridge.publish(TOPIC, tick_record((world.server_s() - 40) * 1_000))
    answer = world.bridge._snapshot
    world.bridge.answers["snapshot"] = lambda request: replace(
        found := answer(request), topics=tuple(replace(one, rows=world.bridge.newest.get(one.topic, b"")) for one in found.topics)
    )
    subscription = world.subscribe()
    found_s = subscription.age_s(TOPIC)
    assert found_s == (None if age_s is None else pytest.approx(age_s, abs=1.1))
    assert subscription.stale(TOPIC) is None
    world.ticks(1)
    assert subscription.age_s(TOPIC) == pytest.approx(1.0, abs=0.2)
    world.ticks(1, flags=BACKFILLED)
    assert (subscription.age_s(TOPIC) is None) == (offset_s is None)
    assert sum(isinstance(item, Ticks) for item in iter(subscription.get, None)) == 3


def test_only_ticks_have_an_age() -> None:
    subscription = World().subscribe()
    assert (subscription.age_s(TOPIC), subscription.stale(TOPIC)) == (None, None)
    for topic in ("account", "tick:GBPUSD"):
        with pytest.raises(InvalidParameters):
            subscription.age_s(topic)
        with pytest.raises(InvalidParameters):
            subscription.stale(topic)
