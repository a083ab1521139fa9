"""Depth of market and suspect records beyond the feed: the session's messages, the gateway, the client, and real processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from math import nan
from typing import Any

import pytest
from msgspec import Raw

from bridge import codec
from bridge.codec import pack
from bridge.errors import TerminalRefused
from bridge.messages import FOREIGN, SUSPECT, GetSnapshot, GetStatus, SendOrder
from bridge.replies import Book, TopicSnapshot
from bridge.session import link
from bridge.session.core import Session
from bridge.session.review import REVIEW_S
from bridge.terminal import Credentials
from bridge.trading import BookLevel, TradeRequest
from clients import Client, events
from tests.fake_terminal import FakeTerminal, tick
from tests.processes import PATIENCE_S, Served, environment, serving
from tests.scripted_bridge import ScriptedBridge
from tests.scripted_session import Bench, obliging, ticks
from tests.virtual_client import VirtualClient
from tests.virtual_time import VirtualTime

LEVELS = (BookLevel(1, 1.2, 3, 3.5), BookLevel(2, 1.1, 2, 2.0))
BOOK = Book("A", LEVELS)
OTHER = Book("A", LEVELS[:1])


# ---- the session -----------------------------------------------------------------------------------------------------------------


class Heard:
    """A session over a terminal in memory, and what it says, through the bytes."""

    def __init__(self) -> None:
        self.terminal = FakeTerminal("A", "B")
        self.terminal.books["A"] = list(LEVELS)
        self.said: list[link.FromSession] = []
        self.session = Session(self.terminal, Credentials(), self._hear)
        self.now = 50.0
        self.session.receive(link.Connect(1))
        self.pass_s(0.1)

    def _hear(self, message: link.FromSession) -> None:
        self.said.append(link.from_session(link.pack(message)))

    def pass_s(self, seconds: float) -> list[Any]:
        end = self.now + seconds
        while (deadline := self.session.next_deadline()) <= end:
            self.now = max(self.now, deadline)
            self.session.step(self.now)
        self.now = end
        said, self.said = self.said, []
        return said


def test_the_session_sends_books_and_says_how_many_records_are_suspect() -> None:
    heard = Heard()
    heard.session.receive(link.StartStream("book:A"))
    assert [message for message in heard.pass_s(0.1) if isinstance(message, link.Started)] == [link.Started("book:A", pack(BOOK))]
    heard.terminal.books["A"] = [BookLevel(1, 1.0, 1, 1.0), BookLevel(2, 1.1, 1, 1.0)]
    [published] = [message for message in heard.pass_s(1.0) if isinstance(message, link.Publish)]
    assert published.suspect_records == 1
    (topic, flags, body), (log, _, _) = published.events
    assert (topic, flags, log) == ("book:A", SUSPECT, "log")
    assert body == {"symbol": "A", "levels": [[1, 1.0, 1, 1.0], [2, 1.1, 1, 1.0]]}
    heard.session.receive(link.StopStream("book:A"))
    heard.pass_s(0.1)
    assert heard.terminal.books_open == set()


def test_a_state_that_is_suspect_says_so() -> None:
    heard = Heard()
    heard.terminal.ticks["B"] = tick(0, nan)
    heard.session.receive(link.StartStream("tick:B"))
    [started] = [message for message in heard.pass_s(0.1) if isinstance(message, link.Started)]
    assert started.flags == SUSPECT


def test_an_order_goes_before_the_look_at_older_seconds() -> None:
    """A look is one call of one step; an order that has arrived by then is begun first."""
    heard = Heard()
    heard.terminal.ticks["B"] = tick(0)
    heard.session.receive(link.StartStream("tick:B"))
    heard.pass_s(1.0)
    heard.terminal.ticks["B"] += b"".join(tick(1000 * second) for second in range(100))
    heard.pass_s(3 * REVIEW_S)
    order = Raw(pack(SendOrder(TradeRequest(action=1, symbol="B", volume=0.1))))
    calls, session = heard.terminal.calls, heard.session
    looked = 0
    while not looked:
        heard.now = max(heard.now, session.next_deadline())
        review = session._feed._next() is session._feed._review and session._feed.next_deadline() <= heard.now
        if review:
            session.receive(link.Call(1, "order", order, heard.now + 9.0))
            before = len(calls)
            session.step(heard.now)
            assert calls[before:] == ["account", "symbol", "send"]
        before = len(calls)
        session.step(heard.now)
        assert len(calls) - before <= 1
        looked += review
    assert "ticks_from" in calls[before:]


# ---- the gateway -----------------------------------------------------------------------------------------------------------------


def snapshot(bench: Bench, topic: str, request_id: str = "1") -> TopicSnapshot:
    bench.ask(GetSnapshot((topic,)), request_id)
    return bench.result(GetSnapshot, request_id).topics[0]


def published(bench: Bench) -> list[tuple[int, int, Any]]:
    found = [event for event in bench.events if event.topic == "book:A"]
    return [(event.sequence, event.flags, codec.decode_body(event)) for event in found]


def test_late_joiners_get_the_newest_book() -> None:
    bench = Bench().connect()
    bench.healthy()
    bench.subscribe("book:A\0")
    assert bench.streams() == ["+book:A"]
    bench.say(link.Started("book:A", pack(BOOK)))
    told = snapshot(bench, "book:A")
    assert (told.sequence, told.pending, codec.decode_body(codec.Event("book:A", 1, 0, 0, 0, told.body))) == (1, False, BOOK)
    bench.say(link.Publish([("book:A", SUSPECT, OTHER)], {}, 1))
    told = snapshot(bench, "book:A", "2")
    assert (told.sequence, told.flags, codec.decode_body(codec.Event("book:A", 1, 0, 0, 0, told.body))) == (2, SUSPECT, OTHER)
    assert published(bench) == [(1, 0, BOOK), (2, SUSPECT, OTHER)]
    bench.unsubscribe("book:A\0")
    bench.run(6.0)
    assert bench.streams() == ["+book:A", "-book:A"]


def test_a_prefix_of_books_only_follows() -> None:
    bench = Bench().connect()
    bench.subscribe("book:")
    bench.subscribe("book:\0")
    assert bench.streams() == []


def test_what_changed_while_there_was_no_session_is_published() -> None:
    bench = Bench().connect()
    bench.answers = lambda message: [] if isinstance(message, link.StartStream) else obliging(message)
    bench.subscribe("book:A\0")
    bench.say(link.Started("book:A", pack(BOOK)))
    bench.exit()
    bench.run(1.0)
    bench.say(link.Ready("token", 1))
    bench.run(0.1)
    assert bench.streams()[-1] == "+book:A"
    bench.say(link.Started("book:A", pack(BOOK)))
    assert len(published(bench)) == 1, "the same book is no news"
    bench.exit()
    bench.run(1.0)
    bench.say(link.Ready("token", 1))
    bench.run(0.1)
    bench.say(link.Started("book:A", pack(OTHER), flags=SUSPECT))
    assert published(bench) == [(1, 0, BOOK), (2, SUSPECT, OTHER)]


def test_a_symbol_without_depth_fails_the_snapshot() -> None:
    bench = Bench().connect()
    bench.subscribe("book:B\0")
    bench.ask(GetSnapshot(("book:B",)))
    bench.say(link.not_started("book:B", TerminalRefused("B has no depth of market", next_step="use the topic tick:B")))
    error = bench.error()
    assert isinstance(error, TerminalRefused)
    assert error.next_step == "use the topic tick:B"


def test_books_of_another_server_are_marked() -> None:
    bench = Bench().connect()
    bench.answers = obliging
    bench.subscribe("book:A\0")
    bench.gateway.account_is_ours(False, bench.now)
    bench.say(link.Publish([("book:A", 0, BOOK)]))
    assert published(bench) == [(1, FOREIGN, BOOK)]


def test_suspect_records_are_counted() -> None:
    bench = Bench().connect()
    bench.ask(GetStatus())
    assert bench.result(GetStatus).counters["suspect_records"] == 0
    bench.say(link.Publish([("tick:A", SUSPECT, ticks(1.0, 2.0))], {}, 2), link.Publish([("tick:A", 0, ticks(3.0))]))
    bench.say(link.Publish([("tick:A", SUSPECT, ticks(4.0))], {}, 1))
    bench.ask(GetStatus(), "2")
    assert bench.result(GetStatus, "2").counters["suspect_records"] == 3


def test_a_book_of_twenty_levels_is_compact() -> None:
    levels = tuple(BookLevel(1 + (rank > 9), 1.1 - rank * 1e-5, 100 + rank, 100.0 + rank) for rank in range(20))
    frame = codec.encode_event(b"book:EURUSD\0", 1 << 40, 7, 1 << 50, 0, codec.plain_body(Book("EURUSD", levels)))
    assert len(frame) < 520
    assert codec.decode_body(codec.decode_event(frame)) == Book("EURUSD", levels)


# ---- the client ------------------------------------------------------------------------------------------------------------------


def test_a_client_gets_the_book_and_then_its_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualTime()
    bridge = ScriptedBridge(start_s=clock.now)
    bridge.publish("book:A", BOOK)
    with VirtualClient(clock, bridge, monkeypatch.setattr) as client, client.subscribe("book:A") as feed:
        bridge.publish("book:A", OTHER, flags=SUSPECT)
        client.virtual.link.work()
        first, second = feed.get(1.0), feed.get(1.0)
    assert isinstance(first, events.BookUpdate)
    assert isinstance(second, events.BookUpdate)
    assert (first.snapshot, first.book, first.topic) == (True, BOOK, "book:A")
    assert (second.snapshot, second.book, second.flags, second.sequence) == (False, OTHER, SUSPECT, 2)
    assert second.book.levels[0].price == 1.2


# ---- real processes --------------------------------------------------------------------------------------------------------------


def healthy(bridge: Served) -> None:
    with Client(bridge.requests, name="wait") as client:
        deadline = time.monotonic() + PATIENCE_S
        while not client.status().healthy:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_books_of_a_simulated_terminal() -> None:
    with serving() as bridge:
        healthy(bridge)
        with Client(bridge.requests, name="depth") as client:
            with client.subscribe("book:BTCUSD") as feed:
                state = feed.get(PATIENCE_S)
                assert isinstance(state, events.BookUpdate)
                assert (state.snapshot, len(state.book.levels)) == (True, 20)
                assert [level.type for level in state.book.levels] == [1] * 10 + [2] * 10
                prices = [level.price for level in state.book.levels]
                assert prices == sorted(prices, reverse=True)
                changed = feed.get(PATIENCE_S)
                assert isinstance(changed, events.BookUpdate)
                assert (changed.sequence, changed.flags) == (state.sequence + 1, 0)
                assert changed.book != state.book
                with Client(bridge.requests, name="late") as late, late.subscribe("book:BTCUSD") as joined:
                    found = joined.get(PATIENCE_S)
                    assert isinstance(found, events.BookUpdate)
                    assert found.sequence >= changed.sequence
            with pytest.raises(TerminalRefused, match="GBPUSD has no depth of market") as refused:
                client.subscribe("book:GBPUSD")
            assert "tick:GBPUSD" in refused.value.next_step
        tail = [sys.executable, "-m", "bridge", "tail", "book:BTCUSD", "--count", "2", "--endpoint", bridge.requests]
        for arguments in ([], ["--json"]):
            done = subprocess.run(
                [*tail, *arguments], capture_output=True, text=True, timeout=PATIENCE_S, env=environment(), check=True
            )
            lines = done.stdout.splitlines()
            assert len(lines) == 2
            if arguments:
                assert len(json.loads(lines[0])["levels"]) == 20
            else:
                assert lines[0].startswith("book:BTCUSD #")
                assert lines[0].endswith("(10 bids, 10 asks)")
