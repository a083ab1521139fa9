"""Many orders in one task: each is tried and told, and nothing is repeated under the same id."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.errors import BridgeUnreachable, InvalidParameters, OrderRejected, OutcomeUnknown
from bridge.messages import SendOrder
from bridge.replies import OrderOutcome, Orders, Positions
from bridge.trading import OrderResult, TradeRequest
from clients import bulk
from clients.tasks import Ask, run
from tests.records import filled, order, position

HELD = [
    position(1, symbol="A", type=0, volume=0.1, magic=7),
    position(2, symbol="A", type=1, volume=0.2, magic=8),
    position(3, symbol="B", type=0, volume=0.3, magic=7),
    position(4, symbol="B", type=1, volume=0.4),
]
WAITING = [order(11, symbol="A", magic=7), order(12, symbol="B", magic=8)]


class Broker:
    """Refuses, loses and cuts the orders about certain tickets; an id is served once."""

    def __init__(self, *, hedging: bool = True, errors: dict[int, Any] | None = None, outcome: Any = "done") -> None:
        self.margin_mode = 2 if hedging else 0
        self.errors = errors or {}
        self.outcome = outcome
        self.sent: list[tuple[str | None, TradeRequest]] = []
        self.asked: list[Ask] = []

    def __call__(self, ask: Ask) -> Any:
        self.asked.append(ask)
        match ask.request.method:
            case "positions":
                wanted = ask.request
                return Positions(
                    tuple(
                        held
                        for held in HELD
                        if wanted.ticket in (None, held.ticket) and wanted.symbol in (None, held.symbol)  # type: ignore[attr-defined]
                    )
                )
            case "orders":
                return Orders(tuple(WAITING))
            case "account":
                from bridge.records import Account  # noqa: PLC0415

                return filled(Account, margin_mode=self.margin_mode)
        assert isinstance(ask.request, SendOrder)
        trade = ask.request.request
        self.sent.append((ask.request_id, trade))
        error = self.errors.get(trade.position or trade.order)
        if error is not None:
            raise error
        return OrderOutcome(self.outcome, OrderResult(10009, 1, 1, trade.volume, 1.0, 1.0, 1.0, "", 1, 0, trade))


def test_all_are_tried_whatever_becomes_of_some() -> None:
    errors = {1: OrderRejected("no", retcode=10018), 2: OutcomeUnknown("?"), 3: BridgeUnreachable("gone")}
    broker = Broker(errors=errors)
    report = run(bulk.close_all(comment="out", deviation=5), broker)
    assert [part.ticket for part in report.done] == [4]
    assert [(part.ticket, part.error) for part in report.failed] == [(1, errors[1]), (3, errors[3])]
    assert [(part.ticket, part.symbol, part.error) for part in report.unknown] == [(2, "A", errors[2])]
    assert (len(report), report.complete, [part.ticket for part in report]) == (4, False, [4, 1, 3, 2])
    assert [trade.position for _, trade in broker.sent] == [1, 2, 3, 4]
    assert broker.sent[0][1] == TradeRequest(
        action=1, symbol="A", type=1, volume=0.1, position=1, magic=7, comment="out", deviation=5
    )


@pytest.mark.parametrize(
    ("chosen", "tickets"),
    [({}, [1, 2, 3, 4]), ({"symbol": "A"}, [1, 2]), ({"magic": 7}, [1, 3]), ({"symbol": "B", "magic": 0}, [4]), ({"magic": 9}, [])],
)
def test_some_of_them(chosen: dict[str, Any], tickets: list[int]) -> None:
    report = run(bulk.close_all(**chosen), Broker())
    assert [part.ticket for part in report.done] == tickets
    assert report.complete


@pytest.mark.parametrize("outcome", ["partial", "placed", "dry_run"])
def test_what_is_not_done_in_full_is_not_complete(outcome: str) -> None:
    assert not run(bulk.close_all(), Broker(outcome=outcome)).complete


def test_each_order_has_an_id_of_its_own() -> None:
    broker = Broker()
    run(bulk.close_all(request_id="night", valid_for_s=2.0, timeout_s=4.0), broker)
    assert [order_id for order_id, _ in broker.sent] == ["night/1", "night/2", "night/3", "night/4"]
    assert (broker.asked[-1].valid_for_s, broker.asked[-1].timeout_s) == (2.0, 4.0)
    broker = Broker()
    run(bulk.cancel_all("A", request_id="night"), broker)
    assert broker.sent == [("night/11", TradeRequest(action=8, order=11, symbol="A"))]
    with pytest.raises(InvalidParameters) as caught:
        run(bulk.close_all(request_id="x" * 64), broker)
    assert caught.value.details["field"] == "request_id"
    assert len(broker.sent) == 1


def test_orders_are_removed() -> None:
    report = run(bulk.cancel_all(magic=8), Broker(errors={12: OutcomeUnknown("?")}))
    assert ([part.ticket for part in report.unknown], report.complete) == ([12], False)


def test_what_is_unknown_is_refused() -> None:
    with pytest.raises(InvalidParameters, match="did you mean 'comment'"):
        run(bulk.close_all(coment="x"), Broker())  # type: ignore[call-arg]
    with pytest.raises(InvalidParameters):
        run(bulk.cancel_all(comment="x"), Broker())  # type: ignore[call-arg]


def test_a_netting_position_is_reversed_by_one_order() -> None:
    broker = Broker(hedging=False)
    report = run(bulk.reverse(3, request_id="turn"), broker)
    assert report.complete
    assert broker.sent == [("turn/1", TradeRequest(action=1, symbol="B", type=1, volume=0.6, magic=7))]


def test_a_hedging_position_is_closed_and_then_opened() -> None:
    broker = Broker()
    assert run(bulk.reverse(2, request_id="turn", magic=5), broker).complete
    assert broker.sent == [
        ("turn/1", TradeRequest(action=1, symbol="A", type=0, volume=0.2, position=2, magic=5)),
        ("turn/2", TradeRequest(action=1, symbol="A", type=0, volume=0.2, magic=5)),
    ]


@pytest.mark.parametrize("error", [OrderRejected("no"), OutcomeUnknown("?")])
def test_nothing_is_opened_before_the_closing_is_certain(error: Any) -> None:
    broker = Broker(errors={2: error})
    report = run(bulk.reverse(2), broker)
    assert len(broker.sent) == len(report) == 1
    assert not report.complete
    broker = Broker(outcome="partial")
    assert len(run(bulk.reverse(2), broker)) == len(broker.sent) == 1
