"""The streams of the account: its figures, and what happens to positions and orders, across outages, sessions and accounts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.messages import BACKFILLED
from bridge.replies import TradeEvent
from bridge.session.account import PERIOD_S, AccountStream, TradeStream
from bridge.session.owner import Owner
from bridge.trading import Order, Position
from tests.fake_terminal import FakeTerminal, record

OURS = Owner(1, "Fake")
ONE, TWO = (record(Position, ticket=ticket, identifier=ticket, symbol="A") for ticket in (1, 2))
PENDING = record(Order, ticket=9, symbol="A")


def look(stream: TradeStream, terminal: FakeTerminal, now: float = 0.0) -> list[tuple[int, str, int]]:
    """One complete look: flags, kind and ticket of each event. At another account it ends with the first question."""
    found: list[tuple[int, str, int]] = []
    ours = stream._owner.owns(terminal.figures)
    for calls in (["account"], ["positions"], ["orders"], ["account"]) if ours else (["account"],):
        terminal.calls.clear()
        for topic, flags, event in stream.poll(terminal, now):
            assert topic == "trade"
            assert isinstance(event, TradeEvent)
            found.append((flags, event.kind, (event.position or event.order).ticket))  # type: ignore[union-attr]
        assert terminal.calls == calls
    return found


def log_in(terminal: FakeTerminal, login: int, server: str = "Fake") -> None:
    terminal.figures = replace(terminal.figures, login=login, server=server)


def kept(*positions: Position, orders: tuple[Order, ...] = (), login: int = 1, server: str = "Fake") -> bytes:
    """What a session that saw these gave to keep."""
    terminal = FakeTerminal()
    log_in(terminal, login, server)
    terminal.open_positions, terminal.pending = list(positions), list(orders)
    stream = TradeStream(Owner(login, server))
    look(stream, terminal)
    found = stream.keep()
    assert found is not None
    return found


# ---- trade -----------------------------------------------------------------------------------------------------------------------


def test_the_first_look_is_the_starting_point() -> None:
    terminal, stream = FakeTerminal(), TradeStream(OURS)
    terminal.open_positions = [ONE]
    assert not stream.settled
    assert look(stream, terminal, 5.0) == []
    assert stream.settled
    assert stream.due == 5.0 + PERIOD_S
    terminal.open_positions = [TWO]
    assert look(stream, terminal) == [(0, "position_closed", 1), (0, "position_opened", 2)]


def test_what_happened_between_two_sessions_is_found_afterwards_and_once() -> None:
    terminal = FakeTerminal()
    stream = TradeStream(OURS, kept(ONE, orders=(PENDING,)))
    terminal.open_positions = [TWO]
    assert look(stream, terminal) == [
        (BACKFILLED, "order_gone", 9), (BACKFILLED, "position_closed", 1), (BACKFILLED, "position_opened", 2),
    ]  # fmt: skip
    assert look(stream, terminal) == []
    terminal.open_positions = []
    assert look(stream, terminal) == [(0, "position_closed", 2)]


def test_where_nothing_happened_nothing_is_found() -> None:
    terminal = FakeTerminal()
    terminal.open_positions = [ONE]
    stream = TradeStream(OURS, kept(ONE))
    assert look(stream, terminal) == []
    assert stream.keep() is None, "it is known already"


@pytest.mark.parametrize(("login", "server"), [(2, "Fake"), (1, "Elsewhere")])
def test_what_was_kept_of_another_account_is_no_starting_point(login: int, server: str) -> None:
    terminal = FakeTerminal()
    terminal.open_positions = [TWO]
    stream = TradeStream(OURS, kept(ONE, login=login, server=server))
    assert look(stream, terminal) == []
    assert stream.keep() == kept(TWO)


def test_there_is_something_to_keep_only_when_it_has_changed() -> None:
    terminal, stream = FakeTerminal(), TradeStream(OURS)
    assert stream.keep() is None
    look(stream, terminal)
    assert stream.keep() == kept()
    assert stream.keep() is None
    look(stream, terminal)
    assert stream.keep() is None
    terminal.open_positions = [ONE]
    look(stream, terminal)
    assert stream.keep() == kept(ONE)
    terminal.open_positions = [replace(ONE, profit=5.0, price_current=2.0)]
    assert look(stream, terminal) == []
    assert stream.keep() is None, "a price is no change"


def test_without_an_account_nothing_is_kept() -> None:
    terminal, stream = FakeTerminal(), TradeStream(Owner())
    look(stream, terminal)
    assert stream.keep() is None


def test_the_positions_of_another_account_are_nobodys_business() -> None:
    terminal, stream = FakeTerminal(), TradeStream(OURS)
    terminal.open_positions = [ONE]
    look(stream, terminal)
    stream.keep()
    log_in(terminal, 2)
    terminal.open_positions = [TWO]
    assert look(stream, terminal, 7.0) == []
    assert stream.keep() is None
    assert stream.due == 7.0 + PERIOD_S
    log_in(terminal, 1)
    terminal.open_positions = []
    assert look(stream, terminal, 8.0) == [(BACKFILLED, "position_closed", 1)]
    assert stream.due == 8.0 + PERIOD_S
    terminal.open_positions = [ONE]
    assert look(stream, terminal) == [(0, "position_opened", 1)]


def test_a_stream_that_begins_at_another_account_waits_for_its_own() -> None:
    terminal = FakeTerminal()
    log_in(terminal, 2)
    stream = TradeStream(OURS, kept(ONE))
    assert look(stream, terminal) == []
    assert stream.settled, "it runs all the same"
    log_in(terminal, 1)
    assert look(stream, terminal) == [(BACKFILLED, "position_closed", 1)]


def test_positions_read_before_the_account_was_ours_again_are_not_taken_for_ours() -> None:
    terminal, stream = FakeTerminal(), TradeStream(OURS)
    terminal.open_positions = [ONE]
    look(stream, terminal)
    log_in(terminal, 2)
    terminal.open_positions = [TWO]
    assert stream.poll(terminal, 1.0) == []  # asks whose they are, and does not read them
    log_in(terminal, 1)
    terminal.open_positions = [ONE]
    assert look(stream, terminal) == []


def test_positions_read_after_the_account_was_ours_are_not_taken_for_ours() -> None:
    terminal, stream = FakeTerminal(), TradeStream(OURS)
    terminal.open_positions = [ONE]
    look(stream, terminal)
    assert stream.poll(terminal, 1.0) == []
    log_in(terminal, 2)
    terminal.open_positions = [TWO]
    for _ in range(3):
        assert stream.poll(terminal, 1.0) == []
    log_in(terminal, 1)
    terminal.open_positions = [ONE]
    assert look(stream, terminal) == []


def test_after_an_outage_the_look_begins_anew_and_finds_afterwards() -> None:
    terminal, stream = FakeTerminal(), TradeStream(OURS)
    look(stream, terminal)
    stream.poll(terminal, 0.0)
    stream.restore(9.0)
    assert stream.due == 9.0
    terminal.open_positions = [ONE]
    assert look(stream, terminal) == [(BACKFILLED, "position_opened", 1)]


def test_after_an_order_the_look_begins_anew_at_once() -> None:
    terminal, stream = FakeTerminal(), TradeStream(OURS)
    look(stream, terminal, 1.0)
    stream.poll(terminal, 2.0)
    stream.ordered(2.1)
    assert stream.due <= 2.1
    terminal.open_positions = [ONE]
    assert look(stream, terminal) == [(0, "position_opened", 1)]


# ---- account ---------------------------------------------------------------------------------------------------------------------


def test_the_figures_are_published_when_they_change() -> None:
    terminal, stream = FakeTerminal(), AccountStream(OURS)
    assert [body for _, _, body in stream.poll(terminal, 1.0)] == [terminal.figures]
    assert stream.due == 1.0 + PERIOD_S
    assert stream.poll(terminal, 2.0) == []
    terminal.figures = replace(terminal.figures, balance=50.0)
    assert stream.poll(terminal, 3.0) == [("account", 0, terminal.figures)]


def test_the_figures_of_another_account_are_not() -> None:
    terminal, stream = FakeTerminal(), AccountStream(OURS)
    log_in(terminal, 2)
    assert stream.poll(terminal, 1.0) == []
    assert stream.settled
    assert stream.due == 1.0 + PERIOD_S
    log_in(terminal, 1)
    assert len(stream.poll(terminal, 2.0)) == 1
    log_in(terminal, 1, "Elsewhere")
    assert stream.poll(terminal, 3.0) == []
    log_in(terminal, 1)
    assert stream.poll(terminal, 4.0) == [], "nothing has changed"
