"""What the terminal shows of an order of unknown outcome, asked by the gateway alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from bridge.codec import decode_params, pack
from bridge.errors import InvalidParameters, NotConnected, UnknownMethod
from bridge.placement import Trace, TraceOrder
from bridge.session.calls import perform
from bridge.session.evidence import PLACED_BEFORE_S, trace
from bridge.session.owner import VERIFIED
from bridge.session.schedule import RANKS
from bridge.session.sight import Sight
from bridge.trading import Deal, Order, Position, TradeRequest
from tests.fake_terminal import FakeTerminal, record

BUY = TradeRequest(action=1, symbol="A", volume=0.1)
CALLS = ["info", "positions", "orders", "deals", "history_orders", "info"]


class Books(FakeTerminal):
    """With a history, read by the time that orders were placed."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int | None, int | None]] = []
        self.open_positions = [
            record(Position, ticket=ticket, identifier=ticket, symbol=name) for ticket, name in ((1, "A"), (2, "B"))
        ]
        self.pending = [record(Order, ticket=ticket, symbol=name) for ticket, name in ((11, "A"), (12, "B"))]
        self.ended = [record(Order, ticket=ticket, symbol=name, time_setup=1000) for ticket, name in ((21, "A"), (22, "B"))]
        self.done = [record(Deal, ticket=ticket, order=ticket - 10, symbol=name) for ticket, name in ((31, "A"), (32, "B"))]

    def history_orders(self, *, from_s: int | None = None, to_s: int | None = None, position: int | None = None) -> list[Order]:
        super().history_orders()
        self.asked.append((from_s, to_s))
        return [order for order in self.ended if (from_s or 0) <= order.time_setup <= (to_s or 9e9)]

    def deals(self, *, from_s: int | None = None, to_s: int | None = None, position: int | None = None) -> list[Deal]:
        super().deals()
        self.asked.append((from_s, to_s))
        return list(self.done)


def tickets(found: Trace) -> list[list[int]]:
    return [[item.ticket for item in items] for items in (found.positions, found.orders, found.history_orders, found.deals)]


def test_what_is_of_its_symbol() -> None:
    terminal = Books()
    found = trace(Sight(terminal), TraceOrder(BUY, "", 900))
    assert tickets(found) == [[1], [11], [21], [31]]
    assert found.connected
    assert terminal.calls == CALLS
    assert terminal.asked == [(900, None), (900, None)]


@pytest.mark.parametrize(
    ("changes", "order", "expected"),
    [
        ({"position": 2}, 0, [[2], [12], [22], [32]]),
        ({"order": 12}, 0, [[2], [12], [22], [32]]),
        ({"symbol": "A", "position": 2}, 0, [[1, 2], [11], [21], [31]]),
        ({"symbol": "A"}, 22, [[1], [11], [21, 22], [31, 32]]),
        ({"position": 1, "position_by": 2}, 0, [[1, 2], [11], [21], [31]]),
        ({"position": 99}, 0, [[], [], [], []]),
    ],
)
def test_what_is_named(changes: dict[str, Any], order: int, expected: list[list[int]]) -> None:
    sent = replace(BUY, **{"symbol": "", **changes})
    assert tickets(trace(Sight(Books()), TraceOrder(sent, "", 900, order))) == expected


def test_an_order_that_is_gone_is_looked_for_where_it_was_placed() -> None:
    terminal = Books()
    terminal.ended.append(record(Order, ticket=5, symbol="B", time_setup=100))
    found = trace(Sight(terminal), TraceOrder(TradeRequest(action=8, order=5), "", PLACED_BEFORE_S + 50))
    assert tickets(found)[2] == [5]
    assert terminal.asked[-1] == (50, PLACED_BEFORE_S + 50)
    assert len(terminal.asked) == 3


@pytest.mark.parametrize("call", [1, 2])
def test_connected_before_and_after(call: int) -> None:
    terminal = Books()
    seen: list[str] = []

    def before(function: str) -> None:
        if function == "info":
            seen.append(function)
            terminal.connected = len(seen) != call

    terminal.before = before
    assert not trace(Sight(terminal), TraceOrder(BUY, "", 900)).connected


def test_as_a_call_of_the_session() -> None:
    terminal = Books()
    ask = TraceOrder(replace(BUY, magic=7), "~abcdef", None, 5, 6)
    found = msgspec.msgpack.decode(perform(terminal, "trace", Raw(pack(ask))), type=Trace)
    assert tickets(found) == [[1], [11], [21], [31]]
    assert terminal.asked[0] == (None, None)
    terminal.fail("deals", -10_004)
    with pytest.raises(NotConnected):
        perform(terminal, "trace", Raw(pack(ask)))
    with pytest.raises(InvalidParameters):
        perform(terminal, "trace", Raw(pack({"request": 5})))


def test_whose_it_is_is_asked_and_no_client_can() -> None:
    assert "trace" in VERIFIED
    assert RANKS["trace"] == 1
    with pytest.raises(UnknownMethod):
        decode_params("trace", pack(TraceOrder(BUY, "", None)))


def test_only_the_history_may_take_long() -> None:
    said: list[str] = []
    terminal = Books()
    call = terminal._called

    def called(function: str, *rest: object) -> None:
        said.append(function)
        call(function, *rest)

    terminal._called = called  # type: ignore[method-assign]
    sight = Sight(terminal, lambda: said.append("look"), searching=lambda: said.append("search"))
    trace(sight, TraceOrder(BUY, "", 900))
    pairs = list(zip(said[::2], said[1::2], strict=True))
    assert {function for before, function in pairs if before == "search"} == {"deals", "history_orders"}
    assert {function for before, function in pairs if before == "look"} == {"info", "positions", "orders"}
