"""Streams in the gateway, in virtual time: subscriptions, presence and proofs, sequences and heartbeats."""

from __future__ import annotations

from time import perf_counter

import pytest

from bridge import codec
from bridge.errors import TerminalRefused, UnknownSymbol
from bridge.messages import LATE, GetSnapshot
from bridge.session import link
from bridge.ticks import TICK_STRUCT
from bridge.topics import Stream, TopicState, TopicTable
from tests.scripted_session import Bench, obliging, ticks, unreachable

# ---- in the gateway: streams -----------------------------------------------------------------------------------------------------


def test_a_stream_runs_while_somebody_wants_it_and_a_linger_longer() -> None:
    bench = Bench(linger_s=5.0).connect()
    bench.healthy()
    bench.answers = obliging
    assert bench.subscribe("tick:A\0")
    assert bench.subscribe("tick:A\0")
    bench.unsubscribe("tick:A\0")
    bench.run(10.0)
    assert bench.streams() == ["+tick:A"]
    bench.unsubscribe("tick:A\0")
    bench.run(4.0)
    assert bench.streams() == ["+tick:A"]
    bench.run(3.0)
    assert bench.streams() == ["+tick:A", "-tick:A"]
    assert bench.gateway.topics.find("tick:A\0") is None


def test_who_comes_back_within_the_linger_finds_the_stream_running() -> None:
    bench = Bench(linger_s=5.0).connect()
    bench.healthy()
    bench.answers = obliging
    bench.subscribe("tick:A\0")
    bench.unsubscribe("tick:A\0")
    bench.run(4.0)
    bench.subscribe("tick:A\0")
    bench.run(20.0)
    assert bench.streams() == ["+tick:A"]


def test_a_stream_that_is_given_up_while_it_starts_is_stopped() -> None:
    bench = Bench(linger_s=1.0).connect()
    bench.healthy()
    bench.subscribe("tick:A\0")
    bench.unsubscribe("tick:A\0")
    bench.run(3.0)
    assert bench.streams() == ["+tick:A", "-tick:A"]
    bench.say(link.Started("tick:A", None))
    assert bench.gateway.topics.find("tick:A\0") is None


def test_the_session_hears_nothing_of_topics_that_are_not_its_own() -> None:
    bench = Bench(linger_s=1.0).connect()
    bench.healthy()
    for wire in ("connection\0", "log\0", "x\0", "bar:", "client:c1\0"):
        bench.subscribe(wire)
        bench.unsubscribe(wire)
    bench.run(3.0)
    assert bench.streams() == []


def test_a_stream_that_is_given_up_while_the_terminal_is_away_is_stopped() -> None:
    bench = Bench(linger_s=1.0).connect()
    bench.answers = lambda message: [] if isinstance(message, link.Connect) else obliging(message)
    bench.subscribe("tick:A\0")
    bench.say(link.Lost("f", -10_004, "gone"))
    bench.unsubscribe("tick:A\0")
    bench.run(3.0)
    assert bench.streams() == ["+tick:A", "-tick:A"]


def test_prefixes_of_ticks_are_streams_of_their_own_and_other_prefixes_only_follow() -> None:
    bench = Bench().connect()
    bench.healthy()
    for wire in ("tick:EUR", "tick:", "bar:", "forming:EUR", "acc", "tick:EURUSD\0"):
        assert bench.subscribe(wire)
    assert bench.streams() == ["+tick:EUR*", "+tick:*", "+tick:EURUSD"]
    bench.say(link.Started("tick:EUR*", None), link.Started("tick:*", None), link.Started("tick:EURUSD", None))
    live = {topic.wire for topic in bench.gateway.topics if topic.stream is Stream.LIVE}
    assert live == {"tick:EUR", "tick:", "tick:EURUSD\0"}
    bench.unsubscribe("tick:EUR")
    bench.run(6.0)
    assert "-tick:EUR*" in bench.streams()


def test_an_exact_topic_is_not_taken_for_a_prefix() -> None:
    bench = Bench().connect()
    bench.subscribe("tick:EUR*\0")
    bench.subscribe("tick:\0")
    assert bench.streams() == []


def test_before_there_is_a_session_streams_wait_and_then_start() -> None:
    bench = Bench()
    bench.subscribe("tick:A\0")
    bench.subscribe("account\0")
    bench.connect()
    assert {topic.stream for topic in bench.gateway.topics if topic.streamed} == {Stream.STARTING}


def test_a_new_session_is_asked_for_all_that_is_wanted() -> None:
    bench = Bench().connect()
    bench.answers = obliging
    bench.subscribe("tick:A\0")
    bench.subscribe("tick:B\0")
    bench.unsubscribe("tick:B\0")
    bench.subscribe("tick:")
    bench.exit()
    assert {topic.stream for topic in bench.gateway.topics if topic.streamed} == {Stream.IDLE}
    bench.run(0.5)
    bench.said.clear()
    bench.say(link.Ready("token", 1))
    assert bench.streams() == ["+tick:A", "+tick:B", "+tick:*"]
    assert {topic.stream for topic in bench.gateway.topics if topic.streamed} == {Stream.LIVE}


def test_a_stream_that_was_given_up_during_the_outage_is_not_started_again() -> None:
    bench = Bench(linger_s=0.05).connect()
    bench.answers = obliging
    bench.subscribe("tick:A\0")
    bench.exit()
    bench.unsubscribe("tick:A\0")
    bench.run(2.0)
    bench.said.clear()
    bench.say(link.Ready("token", 1))
    assert bench.streams() == []


def test_a_symbol_that_does_not_exist_is_told_in_the_log_and_tried_again_for_the_next_one() -> None:
    bench = Bench().connect()
    bench.subscribe("tick:NO\0")
    bench.say(link.not_started("tick:NO", UnknownSymbol("no symbol NO", symbol="NO")))
    assert [(record.level, record.topic) for record in bench.bodies("log")] == [("warning", "tick:NO")]
    topic = bench.gateway.topics.topic("tick:NO")
    assert topic.stream is Stream.FAILED
    bench.subscribe("tick:NO\0")
    assert bench.streams() == ["+tick:NO", "+tick:NO"]
    assert topic.stream is Stream.STARTING


def test_failed_streams_are_started_by_the_next_session() -> None:
    bench = Bench().connect()
    bench.subscribe("tick:NO\0")
    bench.say(link.not_started("tick:NO", TerminalRefused("no")))
    bench.exit()
    bench.run(0.5)
    bench.say(link.Ready("token", 1), attached := link.from_session(link.pack(obliging(link.Connect(1))[0])))
    assert isinstance(attached, link.Attached)
    assert bench.streams() == ["+tick:NO", "+tick:NO"]


def test_a_stream_that_could_not_start_because_the_terminal_went_is_no_failure() -> None:
    bench = Bench().connect()
    bench.subscribe("tick:A\0")
    bench.ask(GetSnapshot(("tick:A",)))
    bench.say(link.not_started("tick:A", unreachable()), link.Lost("terminal_info", -10_004, "No IPC connection"))
    assert [snapshot.pending for snapshot in bench.result(GetSnapshot).topics] == [True]
    assert bench.bodies("log") == []
    bench.run(0.2)
    bench.say(obliging(link.Connect(1))[0])
    assert bench.streams() == ["+tick:A", "+tick:A"]


# ---- in the gateway: presence and proofs -----------------------------------------------------------------------------------------


def test_a_proof_comes_only_after_the_subscriptions_are_applied() -> None:
    bench = Bench()
    for wire in (b"tick:A\0", b"tick:B\0", b"client:c1:1\0"):
        assert bench.gateway.receive_subscription(b"\1" + wire, 0.0)
    bench.take()
    assert bench.events == []
    bench.gateway.subscriptions_applied(0.0)
    bench.gateway.subscriptions_applied(0.0)
    bench.take()
    assert [body.topics for body in bench.bodies("client:c1:1")] == [3]


def test_presence_comes_and_goes_with_the_events_connection() -> None:
    bench = Bench()
    bench.hello("c1")
    peer = next(iter(bench.gateway.peers))
    bench.subscribe("client:c1\0")
    assert peer.subscribed
    assert len(bench.bodies("client:c1")) == 1
    bench.subscribe("client:c1:1\0")
    bench.unsubscribe("client:c1:1\0")
    assert peer.subscribed
    bench.unsubscribe("client:c1\0")
    assert not peer.subscribed
    bench.run(7.0)
    assert len(bench.gateway.peers) == 0


def test_nothing_stays_of_proofs() -> None:
    bench = Bench()
    for number in range(100):
        bench.subscribe(f"client:c1:{number}\0")
        bench.unsubscribe(f"client:c1:{number}\0")
    assert [topic.name for topic in bench.gateway.topics] == []


def test_nothing_stays_of_a_proof_that_nobody_waits_for_any_more() -> None:
    bench = Bench()
    bench.gateway.receive_subscription(b"\1client:c1:1\0", 0.0)
    bench.gateway.receive_subscription(b"\0client:c1:1\0", 0.0)
    bench.gateway.subscriptions_applied(0.0)
    bench.take()
    assert bench.events == []
    assert list(bench.gateway.topics) == []


@pytest.mark.parametrize(
    "frame", [b"", b"junk", b"\2x\0", b"\xff", b"\1", b"\1\0", b"\1\xff\xff\0", b"\1" + b"x" * 300, b"\1tick:A\0B\0"]
)
def test_junk_is_not_put_in_force(frame: bytes) -> None:
    bench = Bench().connect()
    assert not bench.gateway.receive_subscription(frame, 0.0)
    bench.gateway.subscriptions_applied(0.0)
    bench.take()
    counters = bench.gateway.counters
    assert counters["malformed"] + counters["refused_subscriptions"] == 1
    assert bench.streams() == []


@pytest.mark.parametrize("wire", ["tick:A\0", b"\xff", b"", "client:c9\0"])
def test_the_end_of_what_was_never_accepted_changes_nothing(wire: str | bytes) -> None:
    bench = Bench().connect()
    bench.subscribe("tick:B\0")
    assert bench.unsubscribe(wire)
    assert bench.gateway.topics.topic("tick:B").subscribers == 1


# ---- in the gateway: sequences and heartbeats ------------------------------------------------------------------------------------


def test_sequences_count_by_topic_and_never_begin_anew() -> None:
    bench = Bench(linger_s=1.0).connect()
    bench.answers = obliging
    bench.subscribe("tick:A\0")
    bench.say(link.Publish([("tick:A", 0, ticks(1.0)), ("tick:B", 0, ticks(1.0)), ("tick:A", 0, ticks(2.0))]))
    bench.unsubscribe("tick:A\0")
    bench.run(3.0)
    bench.exit()
    bench.run(1.0)
    bench.say(link.Ready("token", 1))
    bench.subscribe("tick:A\0")
    bench.say(link.Publish([("tick:A", 0, ticks(3.0))]))
    assert [event.sequence for event in bench.events if event.topic == "tick:A"] == [1, 2, 4], "3 was left out at the stream's end"


def test_a_new_session_is_told_where_the_last_one_ended() -> None:
    bench = Bench().connect()
    bench.answers = obliging
    for wire in ("tick:A\0", "bar:A:M1\0", "account\0"):
        bench.subscribe(wire)
    old, new = (TICK_STRUCT.pack(second, 1.0, 1.1, 0.0, 0, second * 1_000, 6, 0.0) for second in (0, 1))
    bench.say(link.Publish([("tick:A", 0, old + new), ("tick:A", 0, ticks(2.0, 3.0)), ("bar:A:M1", 0, ticks(4.0, 5.0))]))
    bench.exit()
    bench.run(1.0)
    before = len(bench.said)
    bench.say(link.Ready("token", 1))
    bench.run(0.1)
    resumed = {message.topic: message.resume for message in bench.said[before:] if isinstance(message, link.StartStream)}
    assert resumed == {"tick:A": new + ticks(2.0, 3.0), "bar:A:M1": ticks(5.0), "account": None}


def test_a_prefix_is_resumed_symbol_by_symbol_and_stopped_whole() -> None:
    bench = Bench(linger_s=1.0).connect()
    bench.answers = obliging
    bench.subscribe("tick:")
    bench.say(link.Publish([("tick:A", 0, ticks(1.0))]))
    bench.exit()
    bench.run(1.0)
    before = len(bench.said)
    bench.say(link.Ready("token", 1))
    bench.run(0.1)
    started = [message for message in bench.said[before:] if isinstance(message, link.StartStream)]
    assert [(message.topic, message.resume) for message in started] == [("tick:A", ticks(1.0)), ("tick:*", None)]
    bench.unsubscribe("tick:")
    bench.run(3.0)
    assert {message.topic for message in bench.said if isinstance(message, link.StopStream)} == {"tick:A", "tick:*"}


def test_events_carry_the_flags_and_the_bridges_clock() -> None:
    bench = Bench().connect()
    bench.run(1.5)
    bench.say(link.Publish([("tick:A", 2, ticks(1.0, 2.0))]))
    event = bench.events[-1]
    assert (event.flags, event.time_us, bytes(event.body)) == (2, bench.gateway.time_us(1.5), ticks(1.0, 2.0))
    assert bench.gateway.time_us(1.5) == bench.gateway.time_us(0.0) + 1_500_000


def test_heartbeats_carry_the_sequences_of_what_lasts() -> None:
    bench = Bench(heartbeat_s=0.5).connect()
    bench.healthy()
    bench.subscribe("client:c1\0")
    bench.say(link.Publish([("tick:A", 0, ticks(1.0)), ("tick:A", 0, ticks(1.0))]))
    bench.run(2.0)
    beats = bench.bodies("heartbeat")
    assert len(beats) == 4
    told = bench.heartbeat()
    assert (told.period_ms, told.state, told.session_age_ms) == (500, "connected", 0)
    assert told.sequences == {"tick:A": 2, "connection": bench.gateway.topics.topic("connection").sequence}


def test_after_a_pause_of_the_process_heartbeats_do_not_pile_up() -> None:
    bench = Bench(heartbeat_s=1.0)
    bench.gateway.on_time(100.0)
    bench.gateway.on_time(100.0)
    bench.gateway.on_time(100.5)
    bench.take()
    assert len(bench.bodies("heartbeat")) <= 2


def test_ticks_that_came_late_are_not_taken_for_the_newest() -> None:
    bench = Bench().connect()
    bench.answers = obliging
    bench.subscribe("tick:A\0")
    bench.say(link.Publish([("tick:A", 0, ticks(2.0)), ("tick:A", LATE, ticks(1.0))]))
    bench.ask(GetSnapshot(("tick:A",)))
    snapshot = bench.result(GetSnapshot).topics[0]
    assert (snapshot.sequence, snapshot.flags) == (2, 0)
    assert bytes(snapshot.body) == codec.pack(ticks(2.0))


def test_a_prefix_that_covers_a_topic_sees_no_gap_when_the_topic_itself_is_given_up() -> None:
    bench = Bench(linger_s=1.0).connect()
    bench.healthy()
    bench.answers = obliging
    for wire in ("tick:", "tick:A", "tick:A\0"):
        bench.subscribe(wire)
    bench.say(link.Publish([("tick:A", 0, ticks(1.0))]))
    bench.unsubscribe("tick:A\0")
    bench.run(3.0)
    bench.say(link.Publish([("tick:A", 0, ticks(2.0))]))
    bench.unsubscribe("tick:A")
    bench.run(3.0)
    bench.say(link.Publish([("tick:A", 0, ticks(3.0))]))
    assert [event.sequence for event in bench.events if event.topic == "tick:A"] == [1, 2, 3]
    assert [name for name in bench.streams() if name.startswith("-")] == ["-tick:A", "-tick:A*"]
    assert bench.gateway.topics.topic("tick:A").resume() == ticks(1.0, 2.0, 3.0)


def test_a_topic_that_ends_together_with_its_prefix_leaves_one_sequence_out() -> None:
    bench = Bench(linger_s=1.0).connect()
    bench.healthy()
    bench.answers = obliging
    for wire in ("tick:", "tick:A\0"):
        bench.subscribe(wire)
    bench.say(link.Publish([("tick:A", 0, ticks(1.0))]))
    for wire in ("tick:", "tick:A\0"):
        bench.unsubscribe(wire)
    bench.run(3.0)
    assert sorted(name for name in bench.streams() if name.startswith("-")) == ["-tick:*", "-tick:A"]
    assert bench.gateway.topics.topic("tick:A").sequence == 2


def test_a_topic_that_lingers_outlives_its_prefix() -> None:
    table = TopicTable(linger_s=5.0)
    state = table.subscribe(b"tick:A\0")
    prefix = table.subscribe(b"tick:")
    assert state is not None
    state.sequence = 1
    state.remember(ticks(1.0))
    table.unsubscribe(b"tick:", 0.0)
    table.unsubscribe(b"tick:A\0", 3.0)
    assert table.unwanted(5.0) == [prefix]
    assert state.sequence == 1
    assert table.unwanted(8.0) == [state]
    assert state.sequence == 2


def test_of_ticks_no_more_than_their_newest_second_is_kept() -> None:
    state = TopicState("tick:A", "tick:A\0", b"")
    assert state.resume() is None

    def tick(second: int, bid: float) -> bytes:
        return TICK_STRUCT.pack(second, bid, bid, 0.0, 0, second * 1_000, 6, 0.0)

    state.remember(tick(1, 1.0) + tick(2, 2.0))
    assert state.resume() == tick(2, 2.0)
    state.remember(tick(2, 3.0))
    state.remember(tick(2, 4.0) + tick(2, 5.0))
    assert state.resume() == tick(2, 2.0) + tick(2, 3.0) + tick(2, 4.0) + tick(2, 5.0)
    state.remember(tick(2, 6.0) + tick(3, 7.0))
    assert state.resume() == tick(3, 7.0)
    for number in range(10_000):
        state.remember(tick(4, number) * 100)
    assert sum(map(len, state.recent)) < 4_000_000


def test_after_a_restart_thousands_of_topics_are_taken_up_again_quickly() -> None:
    table = TopicTable(5.0)
    table.subscribe(b"tick:")
    for number in range(3_000):
        table.subscribe(b"tick:%d\0" % number)
        table.topic(f"tick:{number}").remember(ticks(1.0))
        table.topic(f"tick:{number}x").remember(ticks(1.0))
    began = perf_counter()
    assert len(table.followed(table.wanted())) == 3_000
    assert perf_counter() - began < 0.5


def test_names_that_do_not_exist_are_taken_until_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.streams.FAILING_AT_ONCE", 2)
    bench = Bench().connect()
    bench.subscribe("tick:GOOD\0")
    for name in ("NO1", "NO2"):
        bench.subscribe(f"tick:{name}\0")
        bench.say(link.not_started(f"tick:{name}", TerminalRefused("no")))
    assert not bench.gateway.receive_subscription(b"\1tick:NO3\0", bench.now)
    assert bench.gateway.receive_subscription(b"\1tick:GOOD\0", bench.now), "known to others"
    assert bench.gateway.receive_subscription(b"\1client:c9\0", bench.now), "a client may always come"
    assert bench.gateway.receive_subscription(b"\1tick:NEW\0", bench.now + 0.2), "and later again"
