"""What an order is judged by; the looks themselves are tested with the rules that need them (`test_admission`)."""

from __future__ import annotations

from bridge.session.sight import LAG_S, Sight
from bridge.trading import OrderResult
from tests.fake_terminal import FakeTerminal, record


def note(sight: Sight, now: float, order: int, deal: int = 0) -> None:
    sight.begin(None, now)
    sight.note(record(OrderResult, order=order, deal=deal))


def test_what_was_made_in_the_last_seconds_is_known_and_no_longer() -> None:
    sight = Sight(FakeTerminal("EURUSD"))
    note(sight, 0.0, 1, 2)
    note(sight, 4.0, 3)
    sight.begin(None, LAG_S - 0.1)
    assert [ticket for ticket in range(5) if sight.just_made(ticket)] == [1, 2, 3]
    sight.begin(None, LAG_S)
    assert [ticket for ticket in range(5) if sight.just_made(ticket)] == [3]
    sight.begin(None, 4.0 + LAG_S)
    assert not sight.just_made(3)


def test_a_ticket_that_is_told_again_counts_from_then_on() -> None:
    sight = Sight(FakeTerminal("EURUSD"))
    note(sight, 0.0, 1)
    note(sight, 1.0, 2)
    note(sight, 5.0, 1)
    sight.begin(None, 1.0 + LAG_S)
    assert sight.just_made(1)
    assert not sight.just_made(2)


def test_nothing_is_known_of_a_terminal_that_was_attached_anew() -> None:
    sight = Sight(FakeTerminal("EURUSD"))
    note(sight, 0.0, 1)
    sight.forget()
    assert not sight.just_made(1)
