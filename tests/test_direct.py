"""A terminal without a process."""

from __future__ import annotations

from tests.faulty_terminal import NO_LINK, Faulty


def test_several_programs_share_the_world() -> None:
    faulty = Faulty()
    other = faulty.terminal.module()
    assert other.account_info() is None
    assert tuple(other.last_error()) == NO_LINK
    assert other.initialize("tcp://anywhere:1")
    order = faulty.send().order
    assert [position.ticket for position in other.positions_get()] == [order]
    assert len(other.symbols_get()) == faulty.mt5.symbols_total()


def test_a_program_that_detaches_takes_its_subscriptions_along() -> None:
    faulty = Faulty()
    assert faulty.mt5.market_book_add("EURUSD")
    assert len(faulty.mt5.market_book_get("EURUSD")) > 0
    faulty.mt5.shutdown()
    assert faulty.world.books == set()
    assert faulty.mt5.positions_get() is None
    assert faulty.mt5.initialize()
    assert faulty.mt5.market_book_get("EURUSD") is None


def test_a_terminal_that_is_away_names_the_path() -> None:
    faulty = Faulty()
    faulty.fault("restart", seconds=1)
    assert faulty.mt5.initialize("here") is False
    assert faulty.error == (-10003, "IPC initialize failed, Process create failed 'here'")
