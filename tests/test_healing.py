"""What a subscriber gets in the end, whatever happens to bridge, session, connection and client: every tick and bar once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import codec
from bridge.errors import InvalidParameters, UnknownMethod
from bridge.messages import BACKFILLED, FOREIGN, LATE, REPLAYED, Hello, Request
from bridge.ticks import RECORD_BYTES, TICK_STRUCT
from clients.events import AccountUpdate, Bars, Connection, Gap, Item, Ticks
from clients.place import rows_of, second_of
from clients.session import ClientSession
from clients.streams import QUEUE_LIMIT, After, Feed
from tests.fake_link import after, doubled
from tests.fake_terminal import T0, bar
from tests.virtual_time import VirtualTime
from tests.whole_bridge import Archive, Line, NoBridge, WholeBridge

SYMBOLS = ("EURUSD", "GBPUSD")
BAR_S = 2.0
"""A bar of a minute closes this often."""


class World:
    """A terminal that lives on, bridges one after the other, and a client with subscriptions."""

    def __init__(self, seed: int = 0, *, twins: bool = True, **bridge: int | float) -> None:
        self.random = Random(seed)
        self.twins = twins
        self.time = VirtualTime()
        self.terminal = Archive(*SYMBOLS)
        self.settings = {"linger_s": 2.0} | bridge
        self.epochs = count(1)
        self.bars = 0
        self.made: dict[str, list[bytes]] = {symbol: [] for symbol in SYMBOLS}
        self.closed: list[bytes] = []
        for symbol in SYMBOLS:
            self.terminal.append(symbol, self._tick(-1_500, 1.0))
            self.terminal.append(symbol, self._tick(-500, 2.0))
        self.terminal.bars["EURUSD", "M1"] = bar(-60) + bar(0)
        ids = count(1)
        self.session = ClientSession("tcp://127.0.0.1:5555", Hello("test", "me"), new_id=lambda: f"id{next(ids)}")
        self.line = Line(self.time, self.session, self._bridge())
        self.session.start(self.time.now, 5.0)
        self.line.work()
        self.time.run_for(0.5)

    def _bridge(self) -> WholeBridge:
        return WholeBridge(self.terminal, next(self.epochs), self.time.now, **self.settings)

    @property
    def bridge(self) -> WholeBridge:
        assert isinstance(self.line.bridge, WholeBridge)
        return self.line.bridge

    def subscribe(self, *topics: str, limit: int = QUEUE_LIMIT, after: After | None = None) -> Feed:
        join = self.session.subscribe(topics, self.time.now, 5.0, queue_limit=limit, after=after)
        self.line.work()
        self.time.run_while(lambda: not join.done)
        assert join.error is None
        self.time.run_for(0.5)
        return join.feed

    # ---- the market --------------------------------------------------------------------------------------------------------------

    def _msc(self) -> int:
        return round((self.time.now - 1_000.0) * 1e3)

    def _tick(self, msc: int, bid: float) -> bytes:
        stamp = T0 * 1_000 + msc
        return TICK_STRUCT.pack(stamp // 1_000, bid, bid + 0.5, 0.0, 0, stamp, 6, 0.0)

    def tick(self, symbol: str = "EURUSD", number: int = 1) -> None:
        """So many ticks in this millisecond; some of them are equal to the last bit."""
        made = self.made[symbol]
        for _ in range(number):
            twin = self.twins and made and self.random.random() < 0.5
            made.append(self._tick(self._msc(), TICK_STRUCT.unpack(made[-1])[1] if twin else float(len(made))))
            self.terminal.append(symbol, made[-1])

    def market(self, until_s: float) -> None:
        """Ticks and bars until then."""
        self.time.at(self.time.now + self.random.expovariate(6.0), lambda: self._quote(until_s))
        self.time.after(BAR_S, lambda: self._close(until_s))

    def _quote(self, until_s: float) -> None:
        if self.time.now < until_s:
            self.tick(self.random.choice(SYMBOLS), self.random.choice((1, 1, 1, 2, 5)))
            self.time.after(self.random.expovariate(6.0), lambda: self._quote(until_s))

    def _close(self, until_s: float) -> None:
        if self.time.now < until_s:
            self.bars += 1
            self.closed.append(self.terminal.bars["EURUSD", "M1"][-RECORD_BYTES:])
            self.terminal.bars["EURUSD", "M1"] += bar(60 * self.bars)
            self.time.after(BAR_S, lambda: self._close(until_s))

    # ---- what may happen ---------------------------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        self.time.run_for(seconds)

    def lose(self, seconds: float) -> None:
        """Events are dropped on their way."""
        self.line.events = lambda frame: ()
        self.time.run_for(seconds)
        self.line.events = after()

    def double(self, seconds: float) -> None:
        self.line.events = doubled
        self.time.run_for(seconds)
        self.line.events = after()

    def stop(self, seconds: float) -> None:
        """The client is stopped, and goes on with what little has waited."""
        self.line.stop()
        self.time.run_for(seconds)
        self.line.go_on()

    def cut(self, seconds: float) -> None:
        """The connection is gone; the bridge notices that after a while, and ends the streams after another."""
        self.line.cut()
        self.time.run_for(min(seconds, 0.5))
        self.line.notice_cut()
        self.time.run_for(seconds - min(seconds, 0.5))
        self.line.heal()

    def restart(self, seconds: float) -> None:
        """The bridge is killed, and started again."""
        self.line.cut()
        self.line.bridge = NoBridge()
        self.time.run_for(seconds)
        self.line.heal(self._bridge())

    def kill_session(self, seconds: float) -> None:
        self.bridge.kill_session(self.time.now)
        self.time.run_for(seconds)

    def load(self, seconds: float) -> None:
        """A bridge is restarted while the terminal has to load the newest history: it answers with less than it will have."""
        for symbol, rows in self.terminal.rows.items():
            self.tick(symbol)  # not equal to the one before it: a session that begins without history knows this one alone
            end = max(2, len(rows) - self.random.randint(0, 12))
            while end < len(rows) and rows[end - 1] == rows[end]:
                end += 1
            self.terminal.loaded[symbol] = end
        self.restart(seconds / 2)
        self.time.run_for(seconds / 2)
        self.terminal.loaded.clear()


def received(feed: Feed, topic: str, *, news: bool = True) -> list[bytes]:
    """The records that were delivered of a topic, without states."""
    return [
        row
        for item in feed.queue
        if isinstance(item, Ticks | Bars) and item.topic == topic and not (news and item.snapshot)
        for row in rows_of(item.records)
    ]


def gaps(feed: Feed) -> list[Gap]:
    return [item for item in feed.queue if isinstance(item, Gap)]


KINDS: tuple[Callable[[World, float], None], ...] = (
    World.wait, World.lose, World.double, World.stop, World.cut, World.restart, World.kill_session, World.load,
)  # fmt: skip
HAPPENINGS = st.lists(st.tuples(st.sampled_from(KINDS), st.floats(0.01, 6.0)), max_size=6)


def lives(world: World, happenings: list[tuple[Callable[[World, float], None], float]]) -> list[Feed]:
    """Two subscriptions, through everything that happens, and through the calm after it."""
    feeds = [world.subscribe("tick:EURUSD", "bar:EURUSD:M1"), world.subscribe("tick:*")]
    for _ in range(2):  # before these a prefix does not know of the topics, and does not miss them
        for symbol in SYMBOLS:
            world.tick(symbol)
        world.wait(1.1)
    world.market(world.time.now + 20.0)
    for happen, seconds in happenings:
        happen(world, seconds)
        world.wait(world.random.choice((0.0, 0.3, 3.0)))
    world.time.run_until(max(world.time.now, 1_025.0))
    world.wait(8.0)
    world.tick("EURUSD")
    world.tick("GBPUSD")
    world.wait(3.0)
    return feeds


def check(world: World, feeds: list[Feed]) -> None:
    exact, every = feeds
    assert gaps(exact) + gaps(every) == []
    assert received(exact, "tick:EURUSD") == world.made["EURUSD"]
    assert received(exact, "bar:EURUSD:M1") == world.closed
    for symbol in SYMBOLS:
        assert received(every, f"tick:{symbol}") == world.made[symbol]
    for feed in feeds:
        assert (feed.counters.gaps, feed.counters.missing) == (0, 0)
        assert not any(cursor.healing or cursor.torn for cursor in feed.cursors.values())


@given(st.integers(0, 10_000), HAPPENINGS, st.sampled_from([3_000, 1 << 20]))
@settings(max_examples=12, deadline=None)
def test_whatever_happens_every_tick_and_bar_comes_once(seed: int, happenings: Any, replay_bytes: int) -> None:
    world = World(seed, replay_bytes=replay_bytes)
    check(world, lives(world, happenings))


@given(st.integers(0, 10_000), HAPPENINGS, st.integers(1, 12))
@settings(max_examples=10, deadline=None)
def test_a_program_that_takes_its_events_seldom_gets_them_all(seed: int, happenings: Any, limit: int) -> None:
    world = World(seed)
    feed = world.subscribe("tick:EURUSD", limit=limit)
    taken: list[Item] = []

    def take() -> None:
        taken.extend(feed.queue)
        feed.queue.clear()
        world.line.work()
        world.time.after(world.random.expovariate(2.0), take)

    world.time.after(0.0, take)
    world.market(world.time.now + 15.0)
    for happen, seconds in happenings:
        happen(world, seconds)
    world.time.run_until(max(world.time.now, 1_020.0))
    world.wait(60.0)
    assert not [item for item in taken if isinstance(item, Gap)]
    assert [row for item in taken if isinstance(item, Ticks) and not item.snapshot for row in rows_of(item.records)] == (
        world.made["EURUSD"]
    )


@given(st.integers(0, 10_000), st.lists(st.tuples(st.sampled_from(KINDS), st.floats(0.01, 6.0)), max_size=3), st.floats(0.0, 6.0))
@settings(max_examples=12, deadline=None)
def test_a_program_that_ends_and_begins_again_goes_on_where_it_stopped(seed: int, happenings: Any, away_s: float) -> None:
    """Twice; what it has kept are its newest events, which reach back into an earlier second."""
    world = World(seed)
    topics = ("tick:EURUSD", "bar:EURUSD:M1")
    world.market(world.time.now + 15.0)
    kept: list[Item] = []
    for happen, seconds in [*happenings, (World.wait, 3.0)]:
        ours = {topic: [item for item in kept if isinstance(item, Ticks | Bars) and item.topic == topic] for topic in topics}
        feed = world.subscribe(*topics, after={topic: items for topic, items in ours.items() if items})
        world.wait(2.5)
        happen(world, seconds)
        world.wait(3.0)
        assert not gaps(feed)
        kept += feed.queue
        world.session.unsubscribe(feed)
        world.line.work()
        world.wait(away_s)
    ours = {topic: [item for item in kept if isinstance(item, Ticks | Bars) and item.topic == topic] for topic in topics}
    feed = world.subscribe(*topics, after=ours)
    world.time.run_until(max(world.time.now, 1_020.0))
    world.wait(60.0)
    world.tick()
    world.wait(3.0)
    assert not gaps(feed)
    kept += feed.queue
    rows = [row for item in kept if isinstance(item, Ticks) for row in rows_of(item.records)]
    history = world.terminal.rows["EURUSD"]
    assert rows == history[len(history) - len(rows) :], "each once, in order, from the first state on"
    bars = [row for item in kept if isinstance(item, Bars) for row in rows_of(item.records)]
    assert [second_of(row) for row in bars] == list(range(second_of(bars[0]), second_of(bars[0]) + 60 * len(bars), 60))


def test_after_is_for_what_is_subscribed() -> None:
    world = World()
    for topics, asked in ((("tick:EURUSD",), "tick:GBPUSD"), (("connection",), "connection"), (("tick:*",), "tick:EURUSD")):
        with pytest.raises(InvalidParameters) as caught:
            world.subscribe(*topics, after={asked: []})
        assert caught.value.details["field"] == "after"


# ---- one thing at a time ---------------------------------------------------------------------------------------------------------


def begun(*topics: str, **bridge: Any) -> tuple[World, Feed]:
    """A subscription that has received ticks in two seconds."""
    world = World(twins=False, **bridge)
    feed = world.subscribe(*(topics or ("tick:EURUSD",)))
    for _ in range(2):
        for symbol in SYMBOLS:
            world.tick(symbol)
        world.wait(1.1)
    feed.queue.clear()
    return world, feed


def news(feed: Feed) -> list[Ticks]:
    return [item for item in feed.queue if isinstance(item, Ticks)]


def asked(world: World, monkey: list[str]) -> None:
    """Note the methods of all requests from now on."""
    call = world.session.call

    def noted(request: Request[Any], *args: Any, **kwargs: Any) -> Any:
        monkey.append(request.method)
        return call(request, *args, **kwargs)

    world.session.call = noted  # type: ignore[method-assign]


def test_what_a_new_bridge_did_not_see_comes_from_the_history() -> None:
    world, feed = begun()
    world.time.after(1.0, lambda: world.tick(number=2_500))
    world.restart(2.0)
    world.wait(1.0)
    world.tick()
    world.wait(1.0)
    found = news(feed)
    assert [(len(item), item.flags, item.sequence, item.epoch, item.snapshot) for item in found] == [
        (1_000, BACKFILLED, 0, 2, False), (1_000, BACKFILLED, 0, 2, False), (500, BACKFILLED, 0, 2, False), (1, 0, 1, 2, False),
    ]  # fmt: skip
    assert received(feed, "tick:EURUSD") == world.made["EURUSD"][2:]
    assert (feed.counters.backfilled, feed.counters.replayed, feed.counters.gaps) == (2_500, 0, 0)


def test_what_the_bridge_still_has_is_replayed() -> None:
    world, feed = begun()
    for _ in range(3):
        world.line.events = lambda frame: ()
        world.tick()
        world.wait(0.5)
    world.line.events = after()
    world.tick()
    world.wait(1.0)
    assert [item.flags for item in news(feed)] == [REPLAYED, REPLAYED, REPLAYED, 0]
    assert received(feed, "tick:EURUSD") == world.made["EURUSD"][2:]


def test_a_stream_that_ended_before_its_first_event_leaves_no_hole_to_who_comes_back() -> None:
    world = World(twins=False)
    feed = world.subscribe("tick:EURUSD", "bar:EURUSD:M1")
    world.time.after(3.5, world.tick)
    world.time.after(3.5, lambda: world._close(world.time.now + 0.1))
    world.cut(4.5)
    world.wait(3.0)
    world.tick()
    world.wait(1.0)
    assert received(feed, "tick:EURUSD") == world.made["EURUSD"]
    assert received(feed, "bar:EURUSD:M1") == world.closed != []
    assert gaps(feed) == []


def test_a_hole_of_any_length_is_asked_for_in_parts() -> None:
    world, feed = begun()

    def many() -> None:
        for number in range(45_000):
            msc = world._msc() + number // 3
            world.made["EURUSD"].append(world._tick(msc, float(number)))
            world.terminal.append("EURUSD", world.made["EURUSD"][-1])

    world.time.after(1.0, many)
    world.restart(30.0)
    world.wait(2.0)
    assert received(feed, "tick:EURUSD") == world.made["EURUSD"][2:]
    assert gaps(feed) == []


def test_bridges_that_come_and_go_before_the_first_is_asked_do_no_harm() -> None:
    world, feed = begun("tick:EURUSD", "trade")
    world.tick()
    for _ in range(3):
        world.restart(0.3)
        world.wait(0.002)
        world.tick()
    world.wait(5.0)
    assert received(feed, "tick:EURUSD") == world.made["EURUSD"][2:]
    assert {gap.topic for gap in gaps(feed)} == {"trade"}


def test_while_there_is_no_session_it_is_asked_seldom_and_then_at_once() -> None:
    world, feed = begun("tick:EURUSD", "tick:GBPUSD", "bar:EURUSD:M1")
    world.terminal.fail("attach", -10_003, "IPC initialize failed", times=6)
    methods: list[str] = []
    asked(world, methods)
    world.tick()
    world.restart(1.0)
    world.wait(3.0)
    assert world.bridge.gateway.connection.state.value != "connected"
    assert methods.count("snapshot") < 6 * 6
    assert methods.count("ticks") == 0
    world.time.run_while(lambda: world.bridge.gateway.connection.state.value != "connected")
    world.wait(0.2)
    assert received(feed, "tick:EURUSD") == world.made["EURUSD"][2:]
    assert gaps(feed) == []


def test_a_terminal_that_refuses_its_history_for_a_while_is_waited_for() -> None:
    world, feed = begun()
    world.tick()
    world.restart(1.0)
    world.terminal.fail("ticks_from", -1, "Terminal: Call failed", times=5)
    world.wait(10.0)
    assert received(feed, "tick:EURUSD") == world.made["EURUSD"][2:]
    assert gaps(feed) == []


def test_a_terminal_with_another_history_leaves_one_gap_and_the_stream_goes_on() -> None:
    world, feed = begun("tick:EURUSD", "bar:EURUSD:M1")
    world.terminal.rows["EURUSD"].clear()
    world.terminal.bars["EURUSD", "M1"] = bar(6_000) + bar(6_060) + bar(6_120)
    world.made["EURUSD"].clear()
    world.tick()
    world.restart(1.0)
    world.wait(20.0)
    assert list(feed.queue) == []
    world.tick()
    world.wait(20.0)
    assert {gap.topic: gap for gap in gaps(feed)} == {
        topic: Gap(topic, 2, "epoch", None, None, None) for topic in ("bar:EURUSD:M1", "tick:EURUSD")
    }
    ticks = news(feed)
    assert [item.snapshot for item in ticks] == [True]
    assert bytes(ticks[0].records) == world.made["EURUSD"][-1]
    world.tick()
    world.wait(1.0)
    assert received(feed, "tick:EURUSD") == world.made["EURUSD"][-1:]
    assert feed.counters.gaps == 2


def test_prices_of_another_server_do_not_fill_a_hole() -> None:
    world, feed = begun()
    world.tick()
    world.line.replies = lambda frame: ()
    world.restart(1.0)
    world.wait(1.0)
    world.terminal.figures = replace(world.terminal.figures, login=2, server="Other")
    world.wait(2.0)
    world.tick()
    world.wait(1.0)
    world.line.replies = after()
    world.wait(12.0)
    assert [gap.reason for gap in gaps(feed)] == ["epoch"]
    assert [item.flags & FOREIGN for item in news(feed)] == [FOREIGN]


def test_what_the_broker_inserted_while_the_bridge_was_away_is_late() -> None:
    world, feed = begun()
    rows = world.terminal.rows["EURUSD"]
    inserted = world._tick(TICK_STRUCT.unpack(rows[-1])[5] - T0 * 1_000 - 3, 7.5)

    def insert() -> None:
        rows.insert(len(rows) - 1, inserted)
        world.tick()

    world.time.after(0.5, insert)
    world.restart(1.0)
    world.wait(1.0)
    first, second = news(feed)
    assert (first.flags, bytes(first.records)) == (LATE | BACKFILLED, inserted)
    assert (second.flags, bytes(second.records)) == (BACKFILLED, world.made["EURUSD"][-1])


def test_a_terminal_that_has_forgotten_its_newest_ticks_gives_them_once() -> None:
    for restarts in (1, 2):
        world, feed = begun("tick:EURUSD", "bar:EURUSD:M1")
        for _ in range(3):
            world.tick()
            world.wait(0.8)
        world.terminal.bars["EURUSD", "M1"] += bar(60)
        world.wait(4.0)
        bars = world.terminal.bars["EURUSD", "M1"]
        world.terminal.bars["EURUSD", "M1"] = bar(-120) + bar(-60) + bar(0)
        forgotten = world.terminal.rows["EURUSD"][-2:]
        del world.terminal.rows["EURUSD"][-2:]
        for _ in range(restarts):
            world.restart(1.0)
            world.wait(0.5)
        # The history is there again, and the bridge finds it afterwards. What was received before is not received again.
        world.terminal.loaded["EURUSD"] = len(world.terminal.rows["EURUSD"])
        world.terminal.rows["EURUSD"] += forgotten
        world.wait(0.5)
        world.terminal.loaded.clear()
        world.tick()
        world.terminal.bars["EURUSD", "M1"] = bars + bar(120)
        world.wait(40.0)
        world.tick()
        world.wait(1.0)
        assert received(feed, "tick:EURUSD") == world.made["EURUSD"][2:]
        assert received(feed, "bar:EURUSD:M1") == [bar(0), bar(60)]
        assert gaps(feed) == []


def test_what_was_asked_of_a_former_bridge_does_not_matter_any_more() -> None:
    world, feed = begun()
    world.line.events = lambda frame: ()
    world.tick()
    world.wait(0.5)
    world.line.events = after()
    world.line.replies = lambda frame: ()
    world.tick()
    world.wait(1.0)
    world.line.replies = after()
    world.restart(0.5)
    world.wait(25.0)
    assert received(feed, "tick:EURUSD") == world.made["EURUSD"][2:]
    assert gaps(feed) == []


def test_little_is_remembered_of_what_was_received() -> None:
    world, feed = begun()
    for _ in range(60):
        world.tick()
        world.wait(0.4)
    assert len(feed.cursors["tick:EURUSD"].recent or ()) < 30


def test_of_states_the_newest_is_enough_and_of_trades_nobody_has_what_was_missed() -> None:
    world, feed = begun("account", "trade", "connection", "forming:EURUSD:M1", "bar:EURUSD:M1")
    world.restart(1.0)
    world.wait(2.0)
    assert {gap.topic for gap in gaps(feed)} == {"trade", "connection"}
    told = [item for item in feed.queue if isinstance(item, AccountUpdate | Connection | Bars)]
    assert {type(item) for item in told} == {AccountUpdate, Connection, Bars}
    assert [item.forming for item in told if isinstance(item, Bars)] == [True]


def test_a_topic_of_a_prefix_is_healed_when_it_is_heard_of_again() -> None:
    world, feed = begun("tick:*")
    for symbol in SYMBOLS:
        world.time.after(0.5, partial(world.tick, symbol))
    methods: list[str] = []
    asked(world, methods)
    world.restart(1.0)
    world.wait(5.0)
    assert not feed.queue
    assert "snapshot" not in methods, "nobody asks for a symbol that may not be in Market Watch any more"
    world.tick("GBPUSD")
    world.wait(0.5)
    assert received(feed, "tick:GBPUSD") == world.made["GBPUSD"][2:]
    assert received(feed, "tick:EURUSD") == []
    world.line.events = lambda frame: () if frame.startswith(b"tick") else (0.001,)
    world.tick("EURUSD")
    world.wait(2.0)
    assert received(feed, "tick:EURUSD") == world.made["EURUSD"][2:], "a heartbeat tells of it"
    assert gaps(feed) == []


def test_a_bridge_that_has_no_history_to_give_leaves_a_gap() -> None:
    world, feed = begun()
    world.tick()
    world.restart(1.0)
    bridge = world.bridge
    answer = bridge.receive_request

    def refuse(identity: bytes, frame: bytes, now: float) -> None:
        message = codec.decode_request(frame)
        if message.method == "ticks":
            failure = codec.encode_failure(message.id, 2, bridge.gateway.time_msc(now), UnknownMethod("not here"))
            bridge.replies.append((identity, failure))
        else:
            answer(identity, frame, now)

    bridge.receive_request = refuse  # type: ignore[method-assign]
    world.wait(3.0)
    assert [type(item) for item in feed.queue] == [Gap, Ticks]


def test_who_never_received_a_record_begins_anew() -> None:
    world = World()
    world.terminal.rows["EURUSD"].clear()
    feed = world.subscribe("tick:EURUSD")
    world.restart(1.0)
    world.tick()
    world.wait(2.0)
    world.tick()
    world.wait(2.0)
    assert [(type(item), getattr(item, "snapshot", None)) for item in feed.queue] == [(Gap, None), (Ticks, True), (Ticks, False)]
