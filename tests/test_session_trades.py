"""The stream of trades over random lives of simulated accounts: everything once, causes before effects, across outages."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.messages import BACKFILLED
from bridge.replies import TradeEvent, TradeSnapshot
from bridge.session.account import PERIOD_S
from bridge.session.chronicle import ENDS
from bridge.session.ledger import Ledger, ledger, lots, same
from bridge.session.owner import Owner
from bridge.session.trades import BLIND_S, HISTORY_S, WAITING_S, TradeStream
from bridge.terminal import Credentials, TerminalError
from bridge.terminal.metatrader import MetaTrader
from bridge.terminal.simulator.direct import DirectTerminal
from bridge.trading import Deal, Order, Position
from tests.account_walks import ACTIONS, PROFILES, act, desk_of
from tests.fake_terminal import FakeTerminal, record
from tests.scripted_market import Desk


class Watched:
    """A desk with a stream of trades that is polled as time passes; `told` are its events, `open` what follows from them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.direct = DirectTerminal(desk.world, lambda: desk.now_msc, lambda seconds: None)
        self.terminal = MetaTrader(self.direct.module(), sleep=lambda seconds: None)
        self.terminal.attach(Credentials())
        account = self.terminal.account()
        self.owner = Owner(account.login, account.server)
        self.stream = TradeStream(self.owner)
        self.stream.due = self.now
        self.told: list[tuple[int, TradeEvent]] = []
        self.kept: bytes | None = None
        self.look()
        self.start = ledger(desk.positions, desk.orders)
        self.before = {deal.ticket for deal in desk.deals}
        self.ended = {order.ticket for order in desk.history}

    @property
    def now(self) -> float:
        return self.desk.now_msc / 1000

    def look(self) -> list[TradeEvent]:
        """One complete look."""
        found: list[TradeEvent] = []
        while True:
            events = self.stream.poll(self.terminal, self.now)
            found += [event for _, _, event in events]
            self.told += [(flags, event) for _, flags, event in events]
            if self.stream._look is None:
                break
        self.kept = self.stream.keep() or self.kept
        return found

    def pass_s(self, seconds: float) -> None:
        """Looks as they fall due."""
        end_msc = self.desk.now_msc + round(seconds * 1000)
        while self.stream.due * 1000 <= end_msc:
            self.desk.wait(max(0, round(self.stream.due * 1000) - self.desk.now_msc))
            self.look()
        self.desk.wait(max(0, end_msc - self.desk.now_msc))

    def settle(self) -> None:
        """Until everything is told that has happened."""
        self.pass_s(12.0)
        self.stream.ordered(self.now)
        self.look()

    def again(self) -> None:
        """Another session, with what the last one gave to keep."""
        assert self.kept is not None
        self.stream = TradeStream(self.owner, self.kept)
        self.stream.due = self.now

    def events(self) -> list[TradeEvent]:
        return [event for _, event in self.told]


def check_once(watched: Watched) -> None:
    """Every deal and every end of an order since the start is told, once; and what is open follows from what was told."""
    deals = Counter(event.deal.ticket for event in watched.events() if event.kind == "deal" and event.deal)
    assert deals == Counter(deal.ticket for deal in watched.desk.deals if deal.ticket not in watched.before)
    ends = Counter(event.order.ticket for event in watched.events() if event.kind in ENDS.values() and event.order)
    assert ends == Counter(order.ticket for order in watched.desk.history if order.ticket not in watched.ended)
    assert same(replayed(watched), ledger(watched.desk.positions, watched.desk.orders))


def replayed(watched: Watched) -> Ledger:
    """What is open, as a client would follow it."""
    positions, orders = dict(watched.start.positions), dict(watched.start.orders)
    for event in watched.events():
        if event.position is not None:
            key = event.position.identifier
            assert (key in positions) == (event.kind != "position_opened"), event
            positions[key] = event.position
            if event.kind == "position_closed":
                del positions[key]
        elif event.order is not None:
            key = event.order.ticket
            if event.kind == "order_placed":
                assert key not in orders, event
            if event.kind in ("order_placed", "order_changed", "order_partially_filled"):
                orders[key] = event.order
            else:
                orders.pop(key, None)
    return Ledger(positions, orders)


def check_causes(watched: Watched) -> None:
    """The end of an order, or that it was there, comes before its deals, and deals before what they make of their position."""
    known, volumes = set(watched.start.orders), {key: lots(item) for key, item in watched.start.positions.items()}
    for event in watched.events():
        if event.order is not None:
            known.add(event.order.ticket)
        elif event.kind == "deal" and event.deal is not None and event.deal.order:
            assert event.deal.order in known, event
            signed = event.deal.volume if event.deal.type == 0 else -event.deal.volume
            volumes[event.deal.position_id] = volumes.get(event.deal.position_id, 0.0) + signed
        elif event.position is not None:
            held = 0.0 if event.kind == "position_closed" else lots(event.position)
            assert volumes.get(event.position.identifier, 0.0) == pytest.approx(held, abs=1e-7), event


lives = st.tuples(
    st.sampled_from(PROFILES), st.integers(0, 2**32), st.lists(st.sampled_from(ACTIONS), min_size=5, max_size=25),
)  # fmt: skip


@settings(deadline=None, max_examples=25)
@given(lives, st.floats(0.0, 0.9))
def test_everything_is_told_once_and_causes_first(life: tuple[str, int, list[str]], skipped: float) -> None:
    name, seed, actions = life
    dice, desk = random.Random(seed), desk_of(name, seed, 20_000.0)
    watched = Watched(desk)
    for what in actions:
        act(desk, what, dice)
        if dice.random() >= skipped:
            watched.stream.ordered(watched.now)
            watched.pass_s(0.05)
    watched.settle()
    check_once(watched)
    check_causes(watched)


@settings(deadline=None, max_examples=15)
@given(lives, st.sampled_from(["all", "positions", "orders", "history", "deals"]), st.floats(0.1, 1.5))
def test_late_books(life: tuple[str, int, list[str]], book: str, late_s: float) -> None:
    name, seed, actions = life
    dice, desk = random.Random(seed), desk_of(name, seed, 20_000.0)
    watched = Watched(desk)
    watched.direct.fault("delayed_books", seconds=late_s, book=book)
    for what in [action for action in actions if action != "day"]:
        act(desk, what, dice)
        watched.pass_s(0.3)
    watched.pass_s(12.0)
    watched.direct.clear()
    watched.settle()
    check_once(watched)
    if book in ("all", "history", "deals"):
        check_causes(watched)


@settings(deadline=None, max_examples=15)
@given(lives)
def test_nothing_is_lost_or_repeated_between_sessions(life: tuple[str, int, list[str]]) -> None:
    name, seed, actions = life
    dice, desk = random.Random(seed), desk_of(name, seed, 20_000.0)
    watched = Watched(desk)
    for what in actions:
        act(desk, what, dice)
        if dice.random() < 0.5:
            watched.pass_s(dice.random())
        if dice.random() < 0.4:
            watched.again()
    watched.again()
    watched.settle()
    check_once(watched)
    check_causes(watched)


# ---- one look at a time ----------------------------------------------------------------------------------------------------------

OURS = Owner(1, "Fake")
ONE, TWO = (record(Position, ticket=ticket, identifier=ticket, symbol="A", volume=0.1) for ticket in (1, 2))
PENDING = record(Order, ticket=9, symbol="A", volume_initial=0.1, volume_current=0.1)
CLOSED = record(Deal, ticket=70, order=50, position_id=1, type=1, entry=1, volume=0.1, time=500)
CLOSING = record(Order, ticket=50, state=4, time_setup=500, time_done=500)
READING = ["account", "positions", "orders", "deals", "history_orders", "account"]
QUIET = ["account", "positions", "orders", "account"]


class Past(FakeTerminal):
    """With a history that a test writes."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Deal] = [record(Deal, ticket=1, type=2, time=100)]
        self.ended: list[Order] = []

    def deals(self, *, from_s: int | None = None, to_s: int | None = None, position: int | None = None) -> list[Deal]:
        super().deals()
        return [deal for deal in self.done if deal.time >= (from_s or 0)]

    def history_orders(self, *, from_s: int | None = None, to_s: int | None = None, position: int | None = None) -> list[Order]:
        super().history_orders()
        return [order for order in self.ended if order.time_done >= (from_s or 0)]


def look(stream: TradeStream, terminal: FakeTerminal, now: float = 0.0, calls: list[str] | None = None) -> list[tuple[int, str]]:
    """One complete look, of one call in each poll: flags and kind of each event."""
    terminal.calls.clear()
    found: list[tuple[int, str]] = []
    polls = 0
    while not polls or stream._look is not None:
        found += [(flags, event.kind) for _, flags, event in stream.poll(terminal, now)]
        polls += 1
    assert len(terminal.calls) == polls
    assert calls is None or terminal.calls == calls
    return found


def log_in(terminal: FakeTerminal, login: int) -> None:
    terminal.figures = replace(terminal.figures, login=login)


def begun(*positions: Position) -> tuple[Past, TradeStream]:
    terminal, stream = Past(), TradeStream(OURS)
    terminal.open_positions = list(positions)
    assert look(stream, terminal, 0.0) == []
    return terminal, stream


def close(terminal: Past) -> None:
    terminal.open_positions, terminal.done, terminal.ended = [], [*terminal.done, CLOSED], [CLOSING]


def test_the_first_look_is_the_starting_point() -> None:
    terminal, stream = Past(), TradeStream(OURS)
    terminal.open_positions, terminal.pending = [TWO, ONE], [PENDING]
    terminal.done.append(CLOSED)
    assert stream.body() is None
    calls = ["account", "positions", "orders", "symbols", "deals", "history_orders", "account"]
    assert look(stream, terminal, 5.0, calls) == []
    assert stream.settled
    assert stream.due == 5.0 + PERIOD_S
    assert msgspec.msgpack.decode(stream.body() or b"", type=TradeSnapshot) == TradeSnapshot((ONE, TWO), (PENDING,))


def test_the_history_is_read_when_there_is_a_reason() -> None:
    terminal, stream = begun()
    assert look(stream, terminal, 3.0, QUIET) == []
    assert look(stream, terminal, HISTORY_S, READING) == []
    assert look(stream, terminal, HISTORY_S + 0.5, QUIET) == []
    terminal.figures = replace(terminal.figures, balance=50.0)
    look(stream, terminal, 6.0, READING)
    look(stream, terminal, 9.0, QUIET)
    stream.ordered(9.1)
    look(stream, terminal, 9.1, READING)


def test_a_wait_is_short() -> None:
    terminal, stream = begun(ONE)
    terminal.open_positions = []
    assert look(stream, terminal, 1.0, READING) == []
    assert stream.due == 1.0 + WAITING_S
    terminal.done, terminal.ended = [CLOSED], [CLOSING]
    assert look(stream, terminal, 1.1, READING) == [(0, "order_filled"), (0, "deal"), (0, "position_closed")]
    assert stream.due == 1.1 + PERIOD_S


def test_what_happened_between_two_sessions_is_found_afterwards_and_once() -> None:
    terminal, stream = begun(ONE)
    kept = stream.keep()
    assert stream.keep() is None
    close(terminal)
    second = TradeStream(OURS, kept)
    assert look(second, terminal, 0.0, READING) == [
        (BACKFILLED, "order_filled"), (BACKFILLED, "deal"), (BACKFILLED, "position_closed"),
    ]  # fmt: skip
    assert look(second, terminal, 1.0) == []
    kept = second.keep()
    assert kept is not None
    third = TradeStream(OURS, kept)
    assert look(third, terminal) == []
    assert third.keep() is None
    assert look(TradeStream(Owner(2, "Fake"), kept), terminal) == []


def test_without_an_account_nothing_is_kept() -> None:
    terminal, stream = Past(), TradeStream(Owner())
    look(stream, terminal)
    assert stream.keep() is None


def test_the_positions_of_another_account_are_nobodys_business() -> None:
    terminal, stream = begun(ONE)
    log_in(terminal, 2)
    terminal.open_positions = [TWO]
    assert look(stream, terminal, 7.0, ["account"]) == []
    assert stream.due == 7.0 + PERIOD_S
    log_in(terminal, 1)
    close(terminal)
    assert look(stream, terminal, 8.0, READING)[-1] == (BACKFILLED, "position_closed")


def test_positions_read_after_the_account_was_ours_are_not_taken_for_ours() -> None:
    terminal, stream = begun(ONE)
    stream.poll(terminal, 1.0)
    log_in(terminal, 2)
    terminal.open_positions = [TWO]
    for _ in range(5):
        assert stream.poll(terminal, 1.0) == []
    log_in(terminal, 1)
    terminal.open_positions = [ONE]
    assert look(stream, terminal, 2.0) == []


def test_a_stream_that_begins_at_another_account_waits_for_its_own() -> None:
    terminal, stream = Past(), TradeStream(OURS)
    log_in(terminal, 2)
    assert look(stream, terminal) == []
    assert stream.settled
    assert (stream.body(), stream.keep()) == (None, None)


def test_after_an_outage_the_look_begins_anew_and_finds_afterwards() -> None:
    terminal, stream = begun(ONE)
    stream.poll(terminal, 1.0)
    stream.restore(9.0)
    assert stream.due == 9.0
    close(terminal)
    assert look(stream, terminal, 9.0, READING)[-1] == (BACKFILLED, "position_closed")
    assert look(stream, terminal, 9.5, READING) == []
    terminal.open_positions = [TWO]
    look(stream, terminal, 10.0)
    assert stream.keep() is not None


def test_a_terminal_without_a_history_is_told_of_all_the_same() -> None:
    terminal, stream = begun(ONE)
    terminal.open_positions = []
    terminal.fail("deals", -1)
    with pytest.raises(TerminalError):
        look(stream, terminal, 1.0)
    assert not stream.slow
    for step in range(24):
        assert look(stream, terminal, 1.1 + step / 10, QUIET) == ([(0, "position_closed")] if step == 20 else [])
    look(stream, terminal, 1.0 + BLIND_S, READING)


def test_a_history_that_could_not_be_read_at_the_start_is_before_it() -> None:
    terminal, stream = Past(), TradeStream(OURS)
    terminal.fail("deals", -1)
    with pytest.raises(TerminalError):
        look(stream, terminal, 0.0)
    assert look(stream, terminal, 1.0, QUIET) == []
    assert (stream.settled, stream.keep()) == (True, None)
    terminal.done.append(CLOSED)
    assert look(stream, terminal, 6.0) == []
    assert stream.keep() is not None
    terminal.done.append(replace(CLOSED, ticket=71, order=0, time=501))
    terminal.figures = replace(terminal.figures, balance=90.0)
    assert look(stream, terminal, 6.5) == [(0, "deal")]


def test_a_change_of_the_accounts_terms_is_told_also_after_a_pause() -> None:
    terminal, stream = begun()
    kept = stream.keep()
    terminal.figures = replace(terminal.figures, leverage=30, profit=5.0)
    assert look(stream, terminal, 1.0) == [(0, "account_changed")]
    assert look(TradeStream(OURS, kept), terminal) == [(BACKFILLED, "account_changed")]
