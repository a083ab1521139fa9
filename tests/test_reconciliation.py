"""Orders of unknown outcome at a simulated terminal in virtual time: each is found out, and never wrongly."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import NotConnected
from bridge.placement import Trace, comment_token
from bridge.reconciliation import ABSENT_S, LATE_S, LOST_S, RECONNECTED_S, WHOLE_S, Reconciliation, Resolution
from bridge.session.evidence import trace
from bridge.session.sight import Sight
from bridge.terminal import Credentials, TerminalError
from bridge.terminal.metatrader import MetaTrader
from bridge.trading import TradeRequest
from tests.faulty_terminal import Faulty
from tests.scripted_market import START_S, profile

BUY = TradeRequest(action=1, symbol="EURUSD", volume=0.1, type=0, type_filling=1, magic=7, comment="scalp")
LIMIT = TradeRequest(action=5, symbol="EURUSD", volume=0.1, type=2, price=1.05, type_filling=2, magic=7, comment="grid")


class Search:
    """A simulated terminal, and what is found out of the orders that it gave no answer to."""

    def __init__(self, seen: Callable[[Trace], Trace] = lambda found: found, **changes: Any) -> None:
        self.faulty = Faulty(of=profile(**changes) if changes else None)
        self.terminal = MetaTrader(self.faulty.terminal.module(), sleep=lambda seconds: None)
        self.terminal.attach(Credentials())
        self.search = Reconciliation()
        self.seen = seen
        self.claimed: set[int] = set()
        self.resolved: dict[str, list[tuple[float, Resolution]]] = {}
        self.connected = True
        self.executed: dict[str, list[int]] = {}

    @property
    def now(self) -> float:
        return self.faulty.now_s

    def send(self, request: TradeRequest, order_id: str) -> None:
        """Send it, and have it looked for whatever the answer is; `executed` has the order tickets that it made."""
        token = comment_token(order_id, request.comment)
        ledger = self.faulty.world.server.ledger
        before = ledger.next_order
        sent_s = START_S + self.now
        try:
            self.terminal.send(replace(request, comment=request.comment + token))
        except TerminalError:
            self.terminal.attach(Credentials())
        self.executed[order_id] = list(range(before, ledger.next_order))
        self.search.add(order_id, request, token, self.now, time_us=round(sent_s * 1e6), server_s=sent_s)

    def run(self, seconds: float) -> None:
        """Ask as it falls due; an answer takes a moment."""
        end = self.now + seconds
        while self.search.next_deadline() <= end:
            wait_s = self.search.next_deadline() - self.now
            self.faulty.pass_s(math.ceil(max(0.0, wait_s) * 1000) / 1000)
            for ask in self.search.due(self.now):
                found = self.seen(trace(Sight(self.terminal), ask.trace))
                self.faulty.pass_s(0.002)
                if not self.connected:
                    self.search.disconnected()
                resolution = self.search.answered(ask.key, found, self.now, self.claimed)
                if resolution is not None:
                    self.resolved.setdefault(resolution.id, []).append((self.now, resolution))
        self.faulty.pass_s(max(0.0, end - self.now))

    def only(self, order_id: str = "one") -> Resolution:
        ((_, resolution),) = self.resolved[order_id]
        return resolution

    def kinds(self, order_id: str = "one") -> list[str]:
        return [resolution.kind for _, resolution in self.resolved.get(order_id, [])]


def stripped(found: Trace) -> Trace:
    """A broker that leaves no comment as it was."""
    return Trace(
        tuple(replace(item, comment="") for item in found.positions), tuple(replace(item, comment="") for item in found.orders),
        tuple(replace(item, comment="") for item in found.history_orders), tuple(replace(item, comment="") for item in found.deals),
        found.connected,
    )  # fmt: skip


# ---- one order -------------------------------------------------------------------------------------------------------------------


def test_executed_and_no_answer() -> None:
    search = Search()
    search.faulty.fault("unanswered")
    search.send(BUY, "one")
    search.run(1.0)
    result = search.only().result
    assert search.only().kind == "done"
    assert result is not None
    deal = search.faulty.desk.deals[-1]
    assert (result.order, result.deal, result.volume, result.price) == (deal.order, deal.ticket, 0.1, deal.price)
    assert (result.retcode, result.comment, result.request) == (10009, "reconciled", BUY)
    assert "token" in search.only().evidence
    assert len(search.search) == 0


def test_executed_three_seconds_later() -> None:
    search = Search()
    search.faulty.fault("order_timeout", seconds=3.0)
    search.send(BUY, "one")
    search.run(2.9)
    assert search.resolved == {}
    search.run(6.0)
    assert search.only().kind == "done"


def test_executed_and_the_history_five_seconds_late() -> None:
    search = Search()
    search.faulty.fault("delayed_books", seconds=5.0, book="history")
    search.faulty.fault("delayed_books", seconds=5.0, book="deals")
    search.faulty.fault("order_timeout")
    search.send(BUY, "one")
    search.run(12.0)
    assert search.only().kind == "done"
    assert search.only().result is not None
    assert search.only().result.deal == search.faulty.desk.deals[-1].ticket  # type: ignore[union-attr]


def test_a_history_that_never_comes_does_not_hold_back_what_the_position_proves() -> None:
    search = Search(lambda found: replace(found, history_orders=(), deals=()))
    search.faulty.fault("order_timeout")
    search.send(BUY, "one")
    search.run(WHOLE_S + 3.0)
    result = search.only().result
    assert result is not None
    assert (search.only().kind, result.order, result.deal, result.volume) == (
        "done",
        search.faulty.desk.positions[0].ticket,
        0,
        0.1,
    )


def test_never_executed() -> None:
    search = Search()
    search.faulty.fault("order_timeout", executes=False)
    search.send(BUY, "one")
    search.run(ABSENT_S)
    assert search.resolved == {}
    search.run(11.0)
    assert search.only().kind == "not_executed"
    assert "looks in 6" in search.only().evidence
    search.run(LATE_S + 120.0)
    assert search.kinds() == ["not_executed"]
    assert len(search.search) == 0


def test_what_appears_late_is_told() -> None:
    search = Search()
    search.faulty.fault("order_timeout", seconds=200.0)
    search.send(BUY, "one")
    search.run(400.0)
    assert search.kinds() == ["not_executed", "done"]
    late = search.resolved["one"][1][1]
    assert late.late
    assert late.evidence.startswith("late: ")


def test_time_without_a_connection_does_not_count() -> None:
    search = Search()
    search.faulty.fault("order_timeout", executes=False)
    search.send(BUY, "one")
    search.run(58.0)
    search.faulty.fault("broker_down")
    search.run(300.0)
    assert search.resolved == {}
    search.faulty.clear("broker_down")
    search.run(RECONNECTED_S)
    assert search.resolved == {}
    search.run(8.0)
    assert search.only().kind == "not_executed"


def test_a_connection_that_was_away_between_two_looks_does_not_count() -> None:
    search = Search()
    search.faulty.fault("order_timeout", executes=False)
    search.send(BUY, "one")
    search.connected = False
    search.run(200.0)
    assert search.resolved == {}


def test_an_order_that_is_refused_by_the_server_after_all() -> None:
    search = Search(lambda found: replace(found, history_orders=tuple(replace(item, state=5) for item in found.history_orders)))
    search.faulty.fault("order_timeout")
    search.send(LIMIT, "one")
    search.terminal.send(TradeRequest(action=8, order=search.executed["one"][0]))
    search.run(70.0)
    assert search.only().kind == "not_executed"
    assert "rejected" in search.only().evidence


@pytest.mark.parametrize("then", ["open", "removed"])
def test_a_pending_order(then: str) -> None:
    search = Search()
    search.faulty.fault("order_timeout")
    search.send(LIMIT, "one")
    if then == "removed":
        search.terminal.send(TradeRequest(action=8, order=search.executed["one"][0]))
    search.run(1.0)
    assert (search.only().kind, search.only().result.order) == ("placed", search.executed["one"][0])  # type: ignore[union-attr]
    assert ("cancelled since" in search.only().evidence) == (then == "removed")


@pytest.mark.parametrize(("filling", "kind", "volume"), [(1, "partial", 0.4), (2, "done", 1.0)])
def test_filled_in_part(filling: int, kind: str, volume: float) -> None:
    search = Search(name="netting-exchange", liquidity=0.4)
    search.faulty.fault("order_timeout")
    search.send(replace(BUY, volume=1.0, type_filling=filling), "one")
    search.run(5.0)
    assert search.only().kind == kind
    assert search.only().result is not None
    assert search.only().result.volume == volume  # type: ignore[union-attr]


def test_a_comment_that_was_stripped() -> None:
    search = Search(stripped)
    search.faulty.fault("order_timeout")
    search.send(BUY, "one")
    search.run(WHOLE_S + 5.0)
    assert search.only().kind == "done"
    assert "comment was changed" in search.only().evidence


def test_without_comment_and_magic_number_nothing_is_certain() -> None:
    search = Search(stripped)
    search.faulty.fault("order_timeout")
    search.send(replace(BUY, magic=0), "one")
    search.run(ABSENT_S + LATE_S + 200.0)
    assert search.kinds() == ["unknown"]


def test_a_close() -> None:
    search = Search()
    held = search.faulty.send(comment="x").order
    search.faulty.fault("order_timeout")
    search.send(replace(BUY, type=1, position=held), "one")
    search.run(1.0)
    assert search.only().kind == "done"
    assert search.faulty.desk.positions == []


def test_a_stop_loss_is_not_our_close() -> None:
    search = Search()
    held = search.faulty.send(comment="x", sl=1.0999).order
    search.faulty.fault("order_timeout", executes=False)
    search.send(replace(BUY, type=1, position=held), "one")
    search.faulty.world.server.ledger.positions[held] = replace(search.faulty.world.server.ledger.positions[held], sl=1.2)
    search.run(80.0)
    assert search.faulty.desk.deals[-1].reason == 4
    assert search.only().kind == "not_executed"


@pytest.mark.parametrize("seen", [stripped, lambda found: found], ids=["stripped", "kept"])
def test_a_reversal_on_a_netting_account(seen: Callable[[Trace], Trace]) -> None:
    search = Search(seen, name="netting")
    search.claimed = {search.faulty.send(comment="x").order}
    search.faulty.fault("order_timeout")
    search.send(replace(BUY, type=1, volume=0.3), "one")
    search.run(WHOLE_S + 5.0)
    result = search.only().result
    assert result is not None
    assert (search.only().kind, result.order, result.volume) == ("done", search.executed["one"][0], 0.3)


@pytest.mark.parametrize("executes", [True, False])
@pytest.mark.parametrize("what", ["stops", "prices", "removal", "close_by"])
def test_a_change_of_what_is_there(what: str, executes: bool) -> None:
    search = Search()
    first, second = search.faulty.send(comment="x").order, search.faulty.send(type=1, comment="y").order
    pending = search.faulty.send(action=5, type=2, price=1.05, type_filling=2).order
    sent = {
        "stops": TradeRequest(action=6, position=first, symbol="EURUSD", sl=1.05, tp=1.25, type_filling=0),
        "prices": TradeRequest(action=7, order=pending, symbol="EURUSD", price=1.04, tp=1.2, type_filling=0),
        "removal": TradeRequest(action=8, order=pending, type_filling=0),
        "close_by": TradeRequest(action=10, position=first, position_by=second, type_filling=0),
    }[what]
    search.faulty.fault("order_timeout", executes=executes)
    search.send(sent, "one")
    search.run(75.0)
    assert search.kinds() == (["done"] if executes else ["not_executed"])
    assert len(search.search) == 0


# ---- several orders --------------------------------------------------------------------------------------------------------------


def test_two_equal_orders_are_told_apart_by_their_tokens() -> None:
    search = Search()
    search.faulty.fault("order_timeout")
    search.send(BUY, "one")
    search.faulty.fault("order_timeout", executes=False)
    search.send(BUY, "two")
    search.run(75.0)
    assert (search.only("one").kind, search.only("two").kind) == ("done", "not_executed")


def test_two_equal_orders_without_tokens_stay_unknown() -> None:
    search = Search(stripped)
    search.faulty.fault("order_timeout")
    search.send(BUY, "one")
    search.faulty.fault("order_timeout", executes=False)
    search.send(BUY, "two")
    search.run(100.0)
    assert search.resolved == {}
    search.run(ABSENT_S + LATE_S)
    assert (search.only("one").kind, search.only("two").kind) == ("unknown", "unknown")


def test_what_belongs_to_another_request_does_not_count() -> None:
    search = Search(stripped)
    search.claimed = {search.faulty.send().order}
    search.faulty.fault("order_timeout", executes=False)
    search.send(BUY, "one")
    search.run(75.0)
    assert search.only().kind == "not_executed"


# ---- the search itself -----------------------------------------------------------------------------------------------------------


def begun() -> Reconciliation:
    search = Reconciliation()
    search.add("one", BUY, "~abcdef", 100.0, time_us=1_700_000_000_000_000)
    return search


def asked(search: Reconciliation, seconds: float) -> list[float]:
    """When it is asked, if the answer is an empty trace each time."""
    times = []
    while search.next_deadline() <= 100.0 + seconds:
        now = search.next_deadline()
        for ask in search.due(now):
            times.append(now - 100.0)
            search.answered(ask.key, Trace((), (), (), (), True), now)
    return times


def test_looks_come_often_at_first() -> None:
    times = asked(begun(), 64.0)
    assert times[:8] == pytest.approx([0.05, 0.2, 0.5, 1.0, 2.0, 4.0, 9.0, 14.0])
    assert max(later - earlier for earlier, later in pairwise(times)) <= 5.0001


def test_the_window_begins_before_the_intent() -> None:
    search = begun()
    search.add("two", BUY, "~abcdef", 100.0, time_us=0, server_s=1_700_003_600.7)
    search.add("three", BUY, "", 100.0, time_us=1_700_000_000_000_000)
    windows = [ask.trace.from_s for ask in search.due(200.0)]
    assert windows == [0, 1_700_003_540, 1_700_000_000 - 86_400], "without the server's time the token is looked for everywhere"


def test_one_question_at_a_time_and_none_without_a_session() -> None:
    search = begun()
    (ask,) = search.due(101.0)
    assert search.due(105.0) == []
    assert search.next_deadline() == 101.0 + LOST_S
    search.detached()
    assert search.next_deadline() == float("inf")
    assert search.due(500.0) == []
    assert search.answered(ask.key, Trace((), (), (), (), True), 501.0) is None
    search.attached(600.0)
    assert len(search.due(600.0)) == 1


def test_an_answer_that_does_not_come_is_asked_for_again() -> None:
    search = begun()
    (first,) = search.due(101.0)
    (second,) = search.due(101.0 + LOST_S)
    assert first.key != second.key
    assert search.answered(first.key, Trace((), (), (), (), True), 300.0) is None


def test_a_refusal_of_the_session_is_no_look() -> None:
    search = begun()
    while search.next_deadline() < 400.0:
        now = search.next_deadline()
        for ask in search.due(now):
            assert search.answered(ask.key, NotConnected("away"), now) is None
    assert "one" in search


def test_forgotten() -> None:
    search = begun()
    (ask,) = search.due(101.0)
    search.forget("one")
    search.forget("one")
    assert search.next_deadline() == float("inf")
    assert search.answered(ask.key, Trace((), (), (), (), True), 102.0) is None


# ---- anything --------------------------------------------------------------------------------------------------------------------

FATES = ("answered", "executed", "late", "never", "broken", "broken_never")
REQUESTS = (BUY, LIMIT, replace(BUY, comment="", volume=0.2))


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.tuples(st.sampled_from(FATES), st.sampled_from(REQUESTS), st.floats(0, 4)), min_size=1, max_size=5),
    st.booleans(), st.sampled_from([0.0, 1.0, 5.0]), st.sampled_from(["", "early", "long"]),
)  # fmt: skip
def test_never_a_wrong_verdict(orders: list[tuple[str, TradeRequest, float]], strips: bool, late_s: float, outage: str) -> None:
    search = Search(stripped if strips else lambda found: found)
    if late_s:
        search.faulty.fault("delayed_books", seconds=late_s)
    late: dict[str, TradeRequest] = {}
    for number, (fate, request, pause_s) in enumerate(orders):
        arguments = {
            "executed": ("order_timeout", {}), "late": ("order_timeout", {"seconds": 3.0}),
            "never": ("order_timeout", {"executes": False}), "broken": ("unanswered", {}),
            "broken_never": ("unanswered", {"executes": False}),
        }.get(fate)  # fmt: skip
        if arguments is not None:
            search.faulty.fault(arguments[0], **arguments[1])  # type: ignore[arg-type]
        search.send(request, f"id-{number}")
        if fate == "late":
            late[f"id-{number}"] = request
        if fate == "answered":
            search.search.forget(f"id-{number}")
            search.claimed |= set(search.executed[f"id-{number}"])
        search.run(pause_s)
    if outage:
        search.faulty.fault("broker_down")
        search.run(20.0 if outage == "early" else 200.0)
        search.faulty.clear("broker_down")
    search.run(100.0)
    ledger = search.faulty.world.server.ledger
    made = {**ledger.orders, **ledger.history}
    by_token = {
        f"id-{number}": [t for t, o in made.items() if comment_token(f"id-{number}", request.comment) in o.comment]
        for number, (_, request, _) in enumerate(orders)
    }
    for number, (fate, _, _) in enumerate(orders):
        order_id = f"id-{number}"
        kinds = search.kinds(order_id)
        if fate == "answered":
            continue
        if by_token[order_id]:
            assert kinds in ([], ["done"], ["placed"]), (fate, kinds)
            for _, resolution in search.resolved.get(order_id, []):
                assert resolution.result is not None
                assert [resolution.result.order] == by_token[order_id]
        else:
            assert kinds in ([], ["not_executed"]), (fate, kinds)
        assert kinds or strips, f"{fate}: resolved within a minute and a half of connection"
