"""The calls of one client: what goes out, and what is asked again."""

from __future__ import annotations

from itertools import count

from bridge.messages import Ping, SendOrder
from bridge.trading import TradeRequest
from clients.exchange import Exchange

ORDER = SendOrder(TradeRequest(1, symbol="EURUSD", volume=0.1))


def exchange() -> Exchange:
    ids = count(1)
    return Exchange("tcp://127.0.0.1:5555", "c1", lambda: f"r{next(ids)}")


def outgoing(calls: Exchange, now: float) -> list[str]:
    found = []
    while (call := calls.next_outgoing()) is not None:
        calls.sent(call, now)
        found.append(call.id)
    return found


def test_orders_without_an_answer_are_asked_for_again_at_another_bridge_and_reads_are_not() -> None:
    calls = exchange()
    order = calls.call(ORDER, 0.0, 10.0, None, "o1", None)
    calls.call(Ping(), 0.0, 10.0, None, None, None)
    assert outgoing(calls, 0.1) == ["o1", "r1"]
    calls.call(ORDER, 0.2, 10.0, None, "o2", None)
    calls.repeat_orders()
    assert outgoing(calls, 1.0) == ["o2", "o1"], "each once, with its own id"
    calls.on_time(10.5)
    assert order.done, "its time is what it was"
    calls.repeat_orders()
    assert "o1" not in outgoing(calls, 11.0)
