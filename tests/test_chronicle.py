"""What is told of an account, from what is open and what the history says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.records import Account
from bridge.replies import TradeEvent
from bridge.session import kept
from bridge.session.chronicle import FORGET_S, WAIT_S, Chronicle
from bridge.session.known import MOST, OVERLAP_S, Known
from bridge.session.ledger import Ledger, ledger
from bridge.trading import Deal, Order, Position
from tests.fake_terminal import record

OPEN = record(Position, ticket=5, identifier=5, volume=0.1, price_open=1.1, symbol="A", reason=3)
PENDING = record(Order, ticket=9, volume_initial=0.1, volume_current=0.1, state=1, symbol="A", reason=3, time_setup=100)
FILLED = replace(PENDING, state=4, volume_current=0.0, time_done=110, time_done_msc=110_000)
BOUGHT = record(Deal, ticket=900, order=9, position_id=9, volume=0.1, time=110, time_msc=110_000, symbol="A", reason=3)
HELD = replace(OPEN, ticket=9, identifier=9)


def chronicle(positions: list[Position] | None = None, orders: list[Order] | None = None) -> Chronicle:
    return Chronicle(ledger(positions or [], orders or []), Known(50), Known(50))


def told(book: Chronicle, positions: list[Position], orders: list[Order], *history: Order | Deal, now: float = 0.0) -> list[str]:
    """Kinds with tickets, of one look."""
    ends, deals = [item for item in history if isinstance(item, Order)], [item for item in history if isinstance(item, Deal)]
    return [named(event) for event in book.look(ledger(positions, orders), ends, deals, now)]


def named(event: TradeEvent) -> str:
    item: Any = event.position or event.order or event.deal
    return f"{event.kind} {item.ticket}"


def passed(book: Chronicle, positions: list[Position], orders: list[Order], since: float) -> list[str]:
    """What is told, without any history, until everything has waited long enough."""
    found = []
    for step in range(round(WAIT_S / 0.1) + 1):
        found += told(book, positions, orders, now=since + 0.1 * step)
    return found


# ---- the usual way ---------------------------------------------------------------------------------------------------------------


def test_nothing_new() -> None:
    book = chronicle([OPEN], [PENDING])
    assert told(book, [replace(OPEN, profit=3.0, price_current=2.0)], [PENDING]) == []
    assert book.told.positions[5].profit == 3.0
    assert not book.waiting


def test_a_pending_order_is_placed_changed_and_filled() -> None:
    book = chronicle()
    assert told(book, [], [PENDING]) == ["order_placed 9"]
    assert told(book, [], [replace(PENDING, sl=1.0)]) == ["order_changed 9"]
    assert told(book, [HELD], [], BOUGHT, FILLED) == ["order_filled 9", "deal 900", "position_opened 9"]
    assert told(book, [HELD], [], BOUGHT, FILLED) == []


@pytest.mark.parametrize(
    ("state", "kind"), [(2, "order_cancelled"), (3, "order_cancelled"), (5, "order_rejected"), (6, "order_expired")]
)
def test_an_order_that_ends_otherwise(state: int, kind: str) -> None:
    assert told(chronicle([], [PENDING]), [], [], replace(FILLED, state=state)) == [f"{kind} 9"]


def test_an_order_that_is_filled_in_parts() -> None:
    book = chronicle([], [PENDING])
    half = replace(PENDING, volume_current=0.06, state=3)
    first = replace(BOUGHT, volume=0.04)
    assert told(book, [replace(HELD, volume=0.04)], [half], first) == ["order_partially_filled 9", "deal 900", "position_opened 9"]
    second = replace(BOUGHT, ticket=901, volume=0.06, time_msc=111_000)
    assert told(book, [HELD], [], first, second, FILLED) == ["order_filled 9", "deal 901", "position_changed 9"]


def test_what_came_and_went_between_two_looks() -> None:
    book = chronicle()
    sold = replace(BOUGHT, ticket=901, order=10, type=1, entry=1, time_msc=111_000)
    exit_ = replace(FILLED, ticket=10, type=1, time_done_msc=111_000)
    assert told(book, [], [], BOUGHT, sold, FILLED, exit_) == ["order_filled 9", "deal 900", "order_filled 10", "deal 901"]
    assert book.owed == {}


def test_a_close_by_stop_loss_says_so_and_names_the_deal() -> None:
    book = chronicle([OPEN])
    out = replace(BOUGHT, order=12, position_id=5, type=1, entry=1, reason=4, profit=-7.0, comment="[sl 1.0]")
    events = book.look(Ledger({}, {}), [replace(FILLED, ticket=12, reason=4)], [out], 0.0)
    assert [named(event) for event in events] == ["order_filled 12", "deal 900", "position_closed 5"]
    assert [event.reason for event in events] == ["sl", "sl", "sl"]
    assert events[-1].deal == out
    assert events[-1].position == OPEN


def test_a_partial_close_and_a_reversal() -> None:
    part = replace(BOUGHT, order=12, position_id=5, type=1, entry=1, volume=0.04)
    book = chronicle([OPEN])
    assert told(book, [replace(OPEN, volume=0.06)], [], part, replace(FILLED, ticket=12))[-1] == "position_changed 5"
    book = chronicle([OPEN])
    turn = replace(part, entry=2, volume=0.2)
    turned = replace(OPEN, ticket=12, type=1, volume=0.1)
    assert told(book, [turned], [], turn, replace(FILLED, ticket=12)) == ["order_filled 12", "deal 900", "position_changed 12"]


def test_stops_are_a_change_without_a_deal() -> None:
    assert told(chronicle([OPEN]), [replace(OPEN, sl=1.0)], []) == ["position_changed 5"]


def test_a_balance_operation_is_a_deal() -> None:
    book = chronicle()
    (event,) = book.look(Ledger({}, {}), [], [record(Deal, ticket=3, type=2, time=60, profit=1000.0)], 0.0)
    assert (event.kind, event.reason) == ("deal", "balance")


def test_terms_are_told_and_figures_are_not() -> None:
    book, account = chronicle(), record(Account, leverage=100, balance=5.0)
    assert book.account(account) == []
    assert book.account(replace(account, balance=9.0, equity=1.0, credit=2.0)) == []
    (event,) = book.account(replace(account, leverage=30, trade_allowed=True))
    assert (event.kind, event.reason) == ("account_changed", "leverage,trade_allowed")


# ---- a history that is late ------------------------------------------------------------------------------------------------------


def test_a_position_waits_for_its_deal_and_the_deal_for_its_order() -> None:
    book = chronicle()
    assert told(book, [HELD], []) == []
    assert book.waiting
    assert told(book, [HELD], [], BOUGHT, now=0.3) == []
    assert told(book, [HELD], [], BOUGHT, FILLED, now=0.6) == ["order_filled 9", "deal 900", "position_opened 9"]
    assert not book.waiting


def test_a_position_is_told_without_its_deal_in_the_end_and_the_deal_afterwards() -> None:
    book = chronicle()
    assert passed(book, [HELD], [], 0.0) == ["position_opened 9"]
    assert told(book, [HELD], [], BOUGHT, FILLED, now=5.0) == ["order_filled 9", "deal 900"]
    assert book.owed == {}
    closes = replace(BOUGHT, ticket=901, order=10, type=1, entry=1, time=120)
    assert told(book, [], [], closes, replace(FILLED, ticket=10), now=6.0) == ["order_filled 10", "deal 901", "position_closed 9"]


def test_a_deal_comes_before_the_list_of_positions_shows_it() -> None:
    book = chronicle()
    assert told(book, [], [], BOUGHT, FILLED) == ["order_filled 9", "deal 900"]
    (event,) = book.look(ledger([HELD], []), [], [], 0.3)
    assert (event.kind, event.deal) == ("position_opened", BOUGHT)


def test_an_order_that_is_gone_without_a_word() -> None:
    book = chronicle([], [PENDING])
    assert told(book, [], []) == []
    assert passed(book, [], [], 0.1) == ["order_gone 9"]
    assert told(book, [], [], replace(FILLED, state=2), now=5.0) == ["order_cancelled 9"]


def test_a_list_of_orders_that_still_shows_what_has_ended() -> None:
    book = chronicle([], [PENDING])
    assert told(book, [], [PENDING], FILLED) == ["order_filled 9"]
    assert told(book, [], [PENDING]) == []
    book = chronicle()
    assert told(book, [], [PENDING], FILLED) == ["order_filled 9"]


def test_a_pause_between_two_looks_is_no_absence() -> None:
    book = chronicle()
    assert told(book, [HELD], []) == []
    assert told(book, [HELD], [], now=60.0) == []
    assert told(book, [HELD], [], BOUGHT, FILLED, now=120.0)[-1] == "position_opened 9"


def test_deals_that_never_show_in_a_position_are_forgotten() -> None:
    book = chronicle()
    told(book, [], [], BOUGHT, FILLED)
    assert book.owed == {9: 0.1}
    told(book, [], [], now=FORGET_S + 1)
    assert book.owed == {}


# ---- what is known, and kept -----------------------------------------------------------------------------------------------------


def test_an_old_order_that_was_never_seen_is_no_news() -> None:
    book = chronicle()
    assert told(book, [], [], replace(FILLED, time_setup=49)) == []
    assert told(chronicle([], [replace(PENDING, time_setup=49)]), [], [], replace(FILLED, time_setup=49)) == ["order_filled 9"]


def test_the_history_of_orders_is_read_from_when_the_oldest_of_those_that_are_gone_was_placed() -> None:
    book = chronicle([], [replace(PENDING, time_setup=7), replace(PENDING, ticket=10, time_setup=3)])
    assert book.orders_from_s(Ledger({}, {})) == 3
    assert book.orders_from_s(ledger([], [replace(PENDING, ticket=10)])) == 7
    assert book.orders_from_s(book.told) == 50


def test_only_the_newest_part_of_the_history_is_remembered() -> None:
    known = Known()
    for second in range(5_000):
        known.add(second, second)
    known.trim()
    assert len(known.tickets) == MOST
    assert known.from_s == 5_000 - MOST
    known = Known(0, {1: 10, 2: 10 + OVERLAP_S, 3: 11 + OVERLAP_S})
    known.trim()
    assert (known.from_s, known.tickets.keys()) == (11, {2, 3})
    burst = Known(0, dict.fromkeys(range(1_000), 77))
    burst.trim()
    assert (burst.from_s, len(burst.tickets)) == (72, 1_000)


def test_what_is_kept_is_small_and_comes_back_whole() -> None:
    positions = [
        replace(OPEN, ticket=189_164_952 + 7 * n, identifier=189_164_952 + 7 * n, time_msc=1_611_745_581_123 + 7_919 * n,
                time=1_611_745_581 + 8 * n, time_update=1_611_745_581 + 8 * n, time_update_msc=1_611_745_581_123 + 7_919 * n,
                price_open=1.1 + n * 1.7e-5, sl=1.05 + n * 1.3e-5, tp=1.2 + n * 1.1e-5, swap=-0.37 * n, magic=456,
                comment=f"grid~{n:06X}", price_current=1.3, profit=5.0)
        for n in range(100)
    ]  # fmt: skip
    tickets = {1_109_160_642 + 3 * n: 1_611_745_581 + n for n in range(MOST)}
    book = Chronicle(ledger(positions, [PENDING]), Known(1_611_745_581, tickets), Known(7, {9: 12}), {5: 0.3})
    book.account(record(Account, leverage=100, margin_so_call=60.0))
    data = kept.packed(book, 1, "S")
    assert len(data) < 6_000
    found = kept.unpacked(data, 1, "S")
    assert found is not None
    assert found.told.positions[189_164_952] == replace(positions[0], price_current=0.0, profit=0.0)
    assert found.told.orders == {9: PENDING}
    assert (found.deals.from_s, found.deals.tickets, found.ended.tickets) == (1_611_745_581, tickets, {9: 12})
    assert (found.owed, found.terms) == ({5: 0.3}, book.terms)


@pytest.mark.parametrize("data", [b"", b"x", kept.packed(chronicle(), 2, "S"), kept.packed(chronicle(), 1, "T")])
def test_what_is_of_another_account_or_release_is_no_starting_point(data: bytes) -> None:
    assert kept.unpacked(data, 1, "S") is None
    assert kept.unpacked(kept.packed(chronicle(), 1, "S"), 1, "S") is not None
