"""The depth of market in virtual time: opened, read, published when it changed, released, and opened again after an outage."""

from __future__ import annotations

from math import inf, nan

import pytest

from bridge.codec import pack
from bridge.errors import NotConnected, TerminalRefused, UnknownSymbol
from bridge.messages import SUSPECT
from bridge.replies import Book
from bridge.session import book as subject
from bridge.terminal import TerminalError
from bridge.trading import BookLevel
from tests.fake_terminal import FakeTerminal, tick
from tests.feed_run import Run

LEVELS = [BookLevel(1, 1.3, 5, 5.0), BookLevel(1, 1.2, 3, 3.5), BookLevel(2, 1.1, 2, 2.0)]


def book(*levels: BookLevel, symbol: str = "EURUSD") -> Book:
    return Book(symbol, levels)


@pytest.fixture
def terminal() -> FakeTerminal:
    made = FakeTerminal("EURUSD", "GBPUSD", "XAUUSD")
    made.books = {"EURUSD": list(LEVELS), "XAUUSD": []}
    return made


@pytest.fixture
def run(terminal: FakeTerminal) -> Run:
    return Run(terminal)


def looks(terminal: FakeTerminal) -> int:
    return terminal.calls.count("book")


def change(terminal: FakeTerminal, price: float, symbol: str = "EURUSD") -> Book:
    terminal.books[symbol] = [*LEVELS, BookLevel(2, price, 1, 1.0)]
    return Book(symbol, tuple(terminal.books[symbol]))


# ---- while somebody wants it -----------------------------------------------------------------------------------------------------


def test_the_state_is_the_book_and_changes_are_published_whole(run: Run, terminal: FakeTerminal) -> None:
    assert run.start("book:EURUSD") == pack(book(*LEVELS))
    assert terminal.calls == ["symbol", "select", "book_open", "book"]
    assert run.pass_time(5) == []
    new = change(terminal, 1.0)
    assert run.pass_time(1) == [("book:EURUSD", 0, new)]
    terminal.books["EURUSD"] = []
    assert run.pass_time(1) == [("book:EURUSD", 0, book())]
    assert run.start("book:EURUSD") == pack(book())
    assert run.feed.symbols() == [], "no last tick is looked at"


def test_before_the_first_update_the_book_is_empty(run: Run, terminal: FakeTerminal) -> None:
    assert run.start("book:XAUUSD") == pack(book(symbol="XAUUSD"))
    assert run.pass_time(2) == []
    new = change(terminal, 1.0, "XAUUSD")
    assert run.pass_time(1) == [("book:XAUUSD", 0, new)]


def test_it_is_looked_at_at_most_twenty_times_a_second_and_less_while_it_rests(run: Run, terminal: FakeTerminal) -> None:
    run.start("book:EURUSD")
    terminal.calls.clear()
    events = []
    for number in range(1000):
        change(terminal, 1.0 + number * 1e-6)
        events += run.pass_time(0.01)
    assert 190 <= looks(terminal) <= 201
    assert len(events) == looks(terminal)
    terminal.calls.clear()
    run.pass_time(10)
    assert 38 <= looks(terminal) <= 43
    change(terminal, 1.05)
    assert len(run.pass_time(subject.LONGEST_S + 0.001)) == 1


def test_many_books_share_the_looks() -> None:
    terminal = FakeTerminal(*(f"S{number}" for number in range(40)))
    terminal.books = {name: list(LEVELS) for name in terminal.names}
    run = Run(terminal)
    for name in terminal.names:
        run.start(f"book:{name}")
    terminal.calls.clear()
    for number in range(100):
        for name in terminal.names:
            change(terminal, 1.0 + number * 1e-6, name)
        run.pass_time(0.01)
    assert looks(terminal) <= subject.LOOKS_PER_S * 1.1
    for name in terminal.names[:-1]:
        run.feed.stop(f"book:{name}")
    run.pass_time(1)
    terminal.calls.clear()
    for number in range(100):
        change(terminal, 1.1 + number * 1e-6, "S39")
        run.pass_time(0.01)
    assert 15 <= looks(terminal) <= 21


def test_strange_books_are_published_as_they_are_and_once(run: Run, terminal: FakeTerminal) -> None:
    run.start("book:EURUSD")
    terminal.books["EURUSD"] = [BookLevel(1, nan, 1, 1.0), BookLevel(2, 1.1, 1, 1.0)]
    events = run.pass_time(3)
    assert [(topic, flags) for topic, flags, _ in events] == [("book:EURUSD", SUSPECT), ("log", 0)]
    assert repr(events[0][2].levels) == repr(tuple(terminal.books["EURUSD"]))
    assert run.feed.take_suspect_records() == 1
    terminal.books["EURUSD"] = [BookLevel(1, 1.0, 1, 1.0), BookLevel(2, 1.1, 1, 1.0)]
    assert [flags for topic, flags, _ in run.pass_time(3) if topic == "book:EURUSD"] == [SUSPECT]
    run.start("book:EURUSD")
    assert run.feed.flags("book:EURUSD") == SUSPECT
    terminal.books["EURUSD"] = list(LEVELS)
    assert run.pass_time(3) == [("book:EURUSD", 0, book(*LEVELS))]
    assert run.feed.flags("book:EURUSD") == 0


# ---- when nobody does any more ---------------------------------------------------------------------------------------------------


def test_it_is_released_when_nobody_wants_it(run: Run, terminal: FakeTerminal) -> None:
    run.start("book:EURUSD")
    terminal.ticks["EURUSD"] = tick(0)
    run.start("tick:EURUSD")
    run.feed.stop("book:EURUSD")
    terminal.calls.clear()
    run.pass_time(1)
    assert terminal.calls[0] == "book_close"
    assert terminal.calls.count("book_close") == 1
    assert looks(terminal) == 0
    assert terminal.books_open == set()
    run.feed.stop("tick:EURUSD")
    assert run.feed.next_deadline() == inf


def test_who_comes_back_before_the_release_finds_it_open(run: Run, terminal: FakeTerminal) -> None:
    run.start("book:EURUSD")
    run.feed.stop("book:EURUSD")
    terminal.calls.clear()
    assert run.start("book:EURUSD") == pack(book(*LEVELS))
    assert terminal.calls == ["symbol", "select", "book"]
    run.pass_time(1)
    assert terminal.books_open == {"EURUSD"}
    assert "book_close" not in terminal.calls


def test_a_release_that_fails_is_told_and_is_the_end_of_it(run: Run, terminal: FakeTerminal) -> None:
    run.start("book:EURUSD")
    run.feed.stop("book:EURUSD")
    terminal.fail("book_close", -1)
    [(topic, _, record)] = run.pass_time(5)
    assert (topic, record.topic) == ("log", "book:EURUSD")
    assert "was not released" in record.message
    assert terminal.calls.count("book_close") == 1
    assert run.feed.next_deadline() == inf


def test_a_start_that_is_given_up_is_released(run: Run, terminal: FakeTerminal) -> None:
    steps = run.feed.begin("book:EURUSD", run.now)
    for _ in range(3):
        assert next(steps) == 0.0
    assert terminal.books_open == set()
    steps.close()
    assert run.feed.next_deadline() == inf
    steps = run.feed.begin("book:EURUSD", run.now)
    for _ in range(4):
        assert next(steps) == 0.0
    assert terminal.books_open == {"EURUSD"}
    steps.close()
    run.pass_time(0.1)
    assert terminal.books_open == set()
    assert run.feed.next_deadline() == inf


# ---- refusals --------------------------------------------------------------------------------------------------------------------


def test_a_symbol_without_depth_is_refused_with_the_next_step(run: Run, terminal: FakeTerminal) -> None:
    with pytest.raises(TerminalRefused, match="GBPUSD has no depth of market: the broker gives none") as refused:
        run.start("book:GBPUSD")
    assert "tick:GBPUSD" in refused.value.next_step
    assert "ticks_bookdepth" in refused.value.next_step
    assert "book_open" not in terminal.calls
    assert run.feed.next_deadline() == inf


def test_a_terminal_that_refuses_is_quoted(run: Run, terminal: FakeTerminal) -> None:
    terminal.fail("book_open", -1, "refused without a reason")
    with pytest.raises(TerminalRefused, match=r"EURUSD has no depth of market: the terminal refused: .*without a reason"):
        run.start("book:EURUSD")
    assert terminal.calls == ["symbol", "select", "book_open", "symbol"]
    assert run.feed.next_deadline() == inf


@pytest.mark.parametrize("function", ["book_open", "symbol"])
def test_a_lost_connection_is_not_taken_for_a_refusal(run: Run, terminal: FakeTerminal, function: str) -> None:
    """The package refuses in the same way when it has no connection; what is asked next shows it."""
    if function == "symbol":
        terminal.before = lambda called: terminal.fail("symbol", -10_004) if called == "book_open" else None
        terminal.fail("book_open", -1)
    else:
        terminal.fail("book_open", -10_001)
    with pytest.raises(NotConnected):
        run.start("book:EURUSD")


def test_an_unknown_symbol(run: Run) -> None:
    with pytest.raises(UnknownSymbol):
        run.start("book:NOPE")


# ---- outages ---------------------------------------------------------------------------------------------------------------------


def test_after_an_outage_it_is_opened_again(run: Run, terminal: FakeTerminal) -> None:
    run.start("book:EURUSD")
    terminal.fail("book", -10_004)
    with pytest.raises(TerminalError):
        run.pass_time()
    terminal.books_open.clear()
    terminal.visible.clear()
    new = change(terminal, 1.0)
    terminal.calls.clear()
    run.feed.restore(run.now)
    assert run.pass_time(0.01) == [("book:EURUSD", 0, new)]
    assert terminal.calls[:3] == ["select", "book_open", "book"]
    assert terminal.visible == {"EURUSD"}
    run.feed.restore(run.now)
    assert run.pass_time(5) == [], "it has not changed"


def test_a_release_is_no_matter_after_an_outage(run: Run, terminal: FakeTerminal) -> None:
    for topic in ("book:EURUSD", "book:XAUUSD"):
        run.start(topic)
    for topic in ("book:EURUSD", "book:XAUUSD"):
        run.feed.stop(topic)
    terminal.fail("book_close", -10_004)
    with pytest.raises(TerminalError):
        run.pass_time()
    run.feed.restore(run.now)
    assert run.feed.next_deadline() == inf


def test_a_book_that_cannot_be_read_is_tried_again_and_then_opened_anew(run: Run, terminal: FakeTerminal) -> None:
    run.start("book:EURUSD")
    terminal.books_open.clear()
    new = change(terminal, 1.0)
    events = run.pass_time(subject.REOPEN_AFTER + 2)
    assert [topic for topic, _, _ in events] == ["log", "book:EURUSD"]
    assert events[1][2] == new
    assert terminal.calls.count("book_open") == 2


def test_a_first_look_that_fails_does_not_fail_the_start(run: Run, terminal: FakeTerminal) -> None:
    terminal.fail("book", -1)
    assert run.start("book:EURUSD") is None
    events = run.pass_time(2)
    assert [topic for topic, _, _ in events] == ["log", "book:EURUSD"]
    assert events[1][2] == book(*LEVELS)
