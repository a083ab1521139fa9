"""Topics by themselves, and what the gateway does about them with its session."""

from __future__ import annotations

import pytest

from bridge.topics import TopicState, TopicTable, known
from tests.scripted_session import ticks

# ---- names -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["tick:EURUSD", "tick:EURUSD.r", "bar:X:M1", "forming:X:H1", "account", "trade", "connection", "heartbeat", "log"]
)
def test_topics_that_a_snapshot_can_be_asked_of(name: str) -> None:
    assert known(name)


@pytest.mark.parametrize(
    "name",
    ["", "tick", "tick:", "bar:", "tick:EUR*", "tick:*", "tick:A\0B", "accounts", "account\0", "client:x", "tick:" + "é" * 150],
)
def test_names_that_are_no_topics(name: str) -> None:
    assert not known(name)


@pytest.mark.parametrize(
    ("wire", "stream_name"),
    [
        ("tick:EURUSD\0", "tick:EURUSD"), ("tick:EUR", "tick:EUR*"), ("tick:", "tick:*"), ("bar:X:M1\0", "bar:X:M1"),
        ("forming:X:M1\0", "forming:X:M1"), ("account\0", "account"), ("trade\0", "trade"),
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
        "tic", "ticks\0", "bar:", "bar:EURUSD:", "forming:", "account", "trade", "connection\0", "heart", "tick:\0", "tick:E*\0",
        "tick:E*", "x\0",
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
    "wire", [b"", b"\0", b"\0\0", b"\xff\xfe", b"x" * 256, b"tick:A\0\0", b"tick:A\0B\0", b"account\0x", b"a\0b"]
)
def test_what_is_no_subscription_is_refused(wire: bytes) -> None:
    table = TopicTable(5.0)
    assert table.subscribe(wire) is None
    assert table.refused == 1
    assert table.unsubscribe(wire, 0.0) is None
    assert list(table) == []


def test_one_topic_too_many_is_refused_but_known_ones_are_not() -> None:
    table = TopicTable(5.0, limit=3)
    for name in (b"a\0", b"b\0", b"c\0"):
        assert table.subscribe(name) is not None
    assert not table.has_room_for(1)
    assert table.subscribe(b"d\0") is None
    assert table.subscribe(b"a\0") is not None
    table.unsubscribe(b"b\0", 0.0)
    assert table.has_room_for(1)
    assert table.subscribe(b"d\0") is not None


def test_the_hundred_thousand_and_first_topic_is_refused() -> None:
    table = TopicTable(5.0)
    assert all(table.subscribe(b"tick:%d\0" % number) for number in range(100_000))
    assert table.subscribe(b"tick:A\0") is None
    assert table.topic("tick:0").subscribers == 1


def test_nothing_stays_of_what_never_had_an_event() -> None:
    table = TopicTable(linger_s=5.0)
    for wire in (b"tick:A\0", b"tick:", b"bar:", b"x\0", b"client:c1\0", b"client:c1:1\0", b"connection"):
        table.subscribe(wire)
        table.unsubscribe(wire, 0.0)
    table.unwanted(5.0)
    assert list(table) == []


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
    assert [newest(name, {}) for name in ("trade", "log", "heartbeat")] == [None, None, None]
