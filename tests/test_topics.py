"""Topics by themselves, and what the gateway does about them with its session."""

from __future__ import annotations

import pytest

from bridge.messages import FOREIGN
from bridge.ring import Ring
from bridge.session import link
from bridge.topics import MOST_ENDED, NOTHING, Stream, TopicState, TopicTable, known
from tests.scripted_session import Bench, attached, health, obliging, ticks

# ---- names -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["tick:EURUSD", "tick:EURUSD.r", "bar:X:M1", "forming:X:H1", "book:X", "account", "trade", "connection", "heartbeat", "log"],
)
def test_topics_that_a_snapshot_can_be_asked_of(name: str) -> None:
    assert known(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "tick",
        "tick:",
        "bar:",
        "book:",
        "book:X*",
        "tick:EUR*",
        "tick:*",
        "tick:A\0B",
        "accounts",
        "account\0",
        "client:x",
        "tick:" + "é" * 150,
    ],
)
def test_names_that_are_no_topics(name: str) -> None:
    assert not known(name)


@pytest.mark.parametrize(
    ("wire", "stream_name"),
    [
        ("tick:EURUSD\0", "tick:EURUSD"), ("tick:EUR", "tick:EUR*"), ("tick:", "tick:*"), ("bar:X:M1\0", "bar:X:M1"),
        ("forming:X:M1\0", "forming:X:M1"), ("book:X\0", "book:X"), ("account\0", "account"), ("trade\0", "trade"),
    ],
)  # fmt: skip
def test_what_the_session_is_asked_for(wire: str, stream_name: str) -> None:
    state = TopicTable(5.0).subscribe(wire.encode())
    assert state is not None
    assert state.streamed
    assert state.stream_name == stream_name


@pytest.mark.parametrize(
    "wire",
    [
        "book:", "book:EUR", "tic", "bar:", "bar:EURUSD:", "forming:", "account", "trade", "connection\0", "heart",
        "tick:E*", "client:x\0", "t",
    ],
)  # fmt: skip
def test_what_the_session_is_not_asked_for(wire: str) -> None:
    state = TopicTable(5.0).subscribe(wire.encode())
    assert state is not None
    assert not state.streamed


# ---- the table -------------------------------------------------------------------------------------------------------------------


def test_subscribers_are_counted_and_the_last_one_leaves_a_linger() -> None:
    table = TopicTable(linger_s=5.0)
    first = table.subscribe(b"tick:A\0")
    assert first is not None
    assert table.subscribe(b"tick:A\0") is first
    table.unsubscribe(b"tick:A\0", 1.0)
    assert (first.subscribers, first.linger_until_s) == (1, None)
    table.unsubscribe(b"tick:A\0", 2.0)
    assert (first.subscribers, first.linger_until_s) == (0, 7.0)
    assert table.wanted() == [first]
    assert table.unwanted(6.9) == []
    assert table.subscribe(b"tick:A\0") is first
    assert table.unwanted(1e9) == []


@pytest.mark.parametrize(
    "wire",
    [
        b"", b"\0", b"\0\0", b"\xff\xfe", b"x" * 256, b"tick:A\0\0", b"tick:A\0B\0", b"account\0x", b"a\0b", b"ticks\0", b"tick:\0",
        b"tick:E*\0", b"x\0", b"x",
    ],
)  # fmt: skip
def test_what_is_no_subscription_is_refused(wire: bytes) -> None:
    table = TopicTable(5.0)
    assert table.subscribe(wire) is None
    assert table.refused == 1
    assert table.unsubscribe(wire, 0.0) is None
    assert list(table) == []


def test_one_topic_too_many_is_refused_but_known_ones_are_not() -> None:
    table = TopicTable(5.0, limit=3)
    for name in (b"client:a\0", b"client:b\0", b"client:c\0"):
        assert table.subscribe(name) is not None
    assert not table.make_room(1)
    assert table.subscribe(b"client:d\0") is None
    assert table.subscribe(b"client:a\0") is not None
    table.unsubscribe(b"client:b\0", 0.0)
    assert table.make_room(1)
    assert table.subscribe(b"client:d\0") is not None


def test_topics_that_could_not_be_started_give_way_the_oldest_first() -> None:
    table = TopicTable(5.0, limit=3)
    states = {name: table.subscribe(name) for name in (b"tick:A\0", b"tick:B\0", b"tick:C\0")}
    for state in states.values():
        assert state is not None
        table.starting(state)
        table.failed(state)
    kept = states[b"tick:A\0"]
    assert kept is not None
    table.starting(kept)  # it is tried again
    assert table.subscribe(b"tick:D\0") is not None
    assert table.find("tick:A\0") is kept
    assert table.find("tick:B\0") is None
    assert table.unsubscribe(b"tick:B\0", 0.0) is None
    assert table.make_room(1)
    assert not table.make_room(1 + 3)


def test_only_so_many_that_could_not_be_started_are_remembered() -> None:
    table = TopicTable(5.0, most_failed=2)
    for name in (b"tick:A\0", b"tick:B\0", b"tick:C\0"):
        state = table.subscribe(name)
        assert state is not None
        table.failed(state)
    assert [state.name for state in table] == ["tick:B", "tick:C"]


def test_a_topic_that_had_events_does_not_give_way() -> None:
    table = TopicTable(5.0, limit=1)
    state = table.subscribe(b"tick:A\0")
    assert state is not None
    table.failed(state)
    state.sequence = 1  # a prefix covers it
    assert table.subscribe(b"tick:B\0") is None
    table.failed(state)
    assert table.subscribe(b"tick:B\0") is None
    table.unsubscribe(b"tick:A\0", 0.0)
    assert table.unwanted(9.0) == [state]
    assert table.subscribe(b"tick:B\0") is None


def test_what_is_forgotten_is_not_counted_as_room() -> None:
    table = TopicTable(5.0, limit=2)
    state = table.subscribe(b"tick:A\0")
    assert state is not None
    table.failed(state)
    table.unsubscribe(b"tick:A\0", 0.0)
    assert table.unwanted(9.0) == [state]
    assert table.subscribe(b"tick:B\0") is not None
    assert table.make_room(1)
    assert not table.make_room(2)


def test_the_hundred_thousand_and_first_topic_is_refused() -> None:
    table = TopicTable(5.0)
    assert all(table.subscribe(b"tick:%d\0" % number) for number in range(100_000))
    assert table.subscribe(b"tick:A\0") is None
    assert table.topic("tick:0").subscribers == 1


def test_topics_without_events_have_no_queues() -> None:
    table = TopicTable(5.0, ring=Ring(1_000))
    subscribed = table.subscribe(b"tick:A\0")
    assert subscribed is not None
    assert subscribed.frames is subscribed.recent is NOTHING
    published = table.topic("tick:A")
    assert published is subscribed
    assert published.frames is not table.topic("tick:B").frames
    published.remember(ticks(1.0))
    published.remember(ticks(2.0))
    assert published.rows() == ticks(1.0, 2.0)
    published.break_off()
    assert published.rows() == b""
    assert table.topic("client:x").frames is NOTHING, "nobody misses them"
    assert not NOTHING


def test_very_many_streams_end_one_after_the_other() -> None:
    table = TopicTable(5.0)
    for number in range(MOST_ENDED + 10):
        table.subscribe(b"tick:%d\0" % number)
        table.unsubscribe(b"tick:%d\0" % number, 0.0)
    assert len(table.unwanted(5.0)) == MOST_ENDED
    assert len(list(table)) == 10
    assert len(table.unwanted(6.0)) == 10
    assert list(table) == []


def test_nothing_stays_of_what_never_had_an_event() -> None:
    table = TopicTable(linger_s=5.0)
    for wire in (b"tick:A\0", b"tick:", b"bar:", b"x\0", b"client:c1\0", b"client:c1:1\0", b"connection"):
        table.subscribe(wire)
        table.unsubscribe(wire, 0.0)
    table.unwanted(5.0)
    assert list(table) == []


def test_who_has_only_got_a_state_and_comes_back_too_late_sees_that_something_was_missed() -> None:
    table = TopicTable(linger_s=5.0)
    for wire, body in ((b"bar:A:M1\0", ticks(1.0)), (b"tick:A\0", None)):
        state = table.subscribe(wire)
        assert state is not None
        state.body = body
        table.unsubscribe(wire, 0.0)
    table.unwanted(5.0)
    (told,) = table
    assert (told.name, told.sequence) == ("bar:A:M1", 1)


def test_a_sequence_is_kept_for_those_who_come_back_and_shows_that_something_was_missed() -> None:
    table = TopicTable(linger_s=5.0)
    state = table.subscribe(b"tick:A\0")
    assert state is not None
    state.sequence = 7
    table.unsubscribe(b"tick:A\0", 0.0)
    assert table.unwanted(5.0) == [state]
    again = table.subscribe(b"tick:A\0")
    assert again is state
    assert again.sequence == 8, "what happened since then was not published"


def test_of_the_newest_event_a_late_joiner_gets_what_is_still_true() -> None:
    def newest(name: str, body: object) -> object:
        return TopicState(name, name + "\0", b"", body=body).newest()

    assert newest("tick:A", ticks(1.0, 2.0)) == ticks(2.0)
    assert newest("tick:A", None) is None
    assert newest("bar:A:M1", b"x" * 120) == b"x" * 60
    assert newest("forming:A:M1", b"x" * 60) == b"x" * 60
    assert newest("account", {"login": 1}) == {"login": 1}
    assert newest("book:A", {"symbol": "A"}) == {"symbol": "A"}
    assert newest("trade", {"positions": []}) == {"positions": []}
    assert [newest(name, {}) for name in ("log", "heartbeat")] == [None, None]


@pytest.mark.parametrize(
    ("wire", "marked"),
    [
        ("tick:A\0", True), ("tick:", True), ("bar:A:M1\0", True), ("forming:A:M1\0", True), ("book:A\0", True),
        ("account\0", False), ("trade\0", False), ("connection\0", False), ("heartbeat\0", False), ("log\0", False),
        ("client:c1\0", False),
    ],
)  # fmt: skip
def test_which_topics_may_carry_the_data_of_another_account(wire: str, marked: bool) -> None:
    state = TopicTable(5.0).subscribe(wire.encode())
    assert state is not None
    assert state.marked is marked


# ---- what one session leaves to the next -----------------------------------------------------------------------------------------


def following(*wires: str) -> Bench:
    """A bench whose session obeys, but attaches only when it is told to."""
    bench = Bench(linger_s=1.0).connect()
    bench.answers = lambda message: [] if isinstance(message, link.Connect) else obliging(message)
    for wire in wires:
        bench.subscribe(wire)
    return bench


def resumed(bench: Bench) -> dict[str, bytes | None]:
    """What a new session is told about each stream."""
    bench.exit()
    bench.run(1.0)
    bench.said.clear()
    bench.say(link.Ready("token", 1), attached())
    return {message.topic: message.resume for message in bench.said if isinstance(message, link.StartStream)}


def test_what_a_session_gives_to_keep_is_given_to_the_next() -> None:
    bench = following("trade\0", "tick:A\0")
    bench.answers = lambda message: []
    assert resumed(bench) == {"trade": None, "tick:A": None}
    bench.say(link.Started("trade", None, b"first"), link.Started("tick:A", None))
    assert resumed(bench)["trade"] == b"first"
    bench.say(link.Publish([("tick:A", 0, ticks(1.0))], {"trade": b"second"}))
    assert resumed(bench) == {"trade": b"second", "tick:A": ticks(1.0)}
    bench.say(link.Publish([("tick:A", 0, ticks(2.0))]), link.Started("trade", None))
    assert resumed(bench)["trade"] == b"second", "nothing newer was given"


def test_what_is_kept_of_trade_outlives_the_stream() -> None:
    bench = following("trade\0")
    bench.say(link.Publish([], {"trade": b"kept", "nobody asked": b"x"}))
    assert bench.gateway.topics.find("nobody asked\0") is None
    bench.healthy()
    bench.unsubscribe("trade\0")
    bench.run(3.0)
    bench.subscribe("trade\0")
    assert [message for message in bench.said if isinstance(message, link.StartStream)][-1] == link.StartStream("trade", b"kept")


def test_a_stream_that_has_been_asked_for_is_not_asked_for_again() -> None:
    bench = following("tick:A\0")
    bench.answers = lambda message: []
    bench.say(link.Lost("f", -10_004, "gone"))
    bench.said.clear()
    bench.run(0.2)
    bench.say(attached(login=7))
    bench.say(health())
    assert bench.streams() == ["+tick:A", "-tick:A", "+tick:A"]
    bench.gateway.streams_resumed()
    bench.take()
    assert bench.streams() == ["+tick:A", "-tick:A", "+tick:A"]


def test_the_end_of_a_stream_that_is_not_known_is_no_news() -> None:
    bench = following("tick:A\0")
    bench.say(link.Stopped("tick:B"), link.Stopped("tick:*"), link.Stopped(""), link.Stopped("account"))
    topic = bench.gateway.topics.topic("tick:A")
    topic.foreign = FOREIGN
    bench.say(link.Stopped("tick:A"))
    assert (topic.foreign, topic.stream) == (0, Stream.LIVE)


def test_there_are_fewer_prefixes_and_clients_than_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.topics.MOST", {"prefix": 1, "client": 2, "topic": 9})
    table = TopicTable(0.0)
    wires = (b"tick:A", b"tick:B", b"client:a\0", b"client:b\0", b"client:c\0", b"tick:A\0", b"tick:B\0")
    assert [table.subscribe(wire) is not None for wire in wires] == [True, False, True, True, False, True, True]
    assert table.subscribe(b"tick:A") is not None, "one more subscriber of the same"
    table.unsubscribe(b"client:a\0", 0.0)
    assert table.subscribe(b"client:c\0") is not None
