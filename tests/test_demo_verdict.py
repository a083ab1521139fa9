"""The demo's judgement can fail: a tick too few, another value, a gap, an idle part."""

from __future__ import annotations

from typing import Any, cast

import pytest

from bridge.demo import Scene
from bridge.demo_verdict import Verdict, compare_with_terminal
from bridge.replies import ClientStatus, ConnectionState, Status
from bridge.simulation import SimulatedTerminal
from bridge.ticks import TICK_STRUCT
from clients import Client

CONNECTED = ConnectionState("connected", "fine", 0)


def tick(second: int, bid: float = 1.0) -> bytes:
    return TICK_STRUCT.pack(second, bid, bid, 0.0, 0, second * 1_000, 6, 0.0)


class History:
    """A client whose history is given."""

    def __init__(self, records: bytes) -> None:
        self.records = records

    def do(self, steps: Any) -> list[bytes]:
        steps.close()
        return [self.records]


class Told:
    """A terminal that says how much it has replayed."""

    def __init__(self, emitted: int) -> None:
        self.emitted = emitted

    def control(self, function: str) -> dict[str, Any]:
        return {"symbols": {"EURUSD": {"emitted": self.emitted}}}


def scene(received: bytes) -> Scene:
    made = Scene(("EURUSD",), ticks={"EURUSD": bytearray(received)}, ticks_by_symbol={"EURUSD": len(received) // 60})
    client = ClientStatus("s", 1, "h", True, 0, 1, orders_done=1, orders_failed=0)
    made.status = Status("1", True, 1.0, CONNECTED, 0, 1, (client,), (), {})
    made.bars = 1
    return made


def verdict(received: bytes, history: bytes, *, emitted: int | None = None) -> Verdict:
    made = Verdict()
    client, terminal = cast(Client, History(history)), cast(SimulatedTerminal, Told(emitted or 0))
    compare_with_terminal(client, terminal, scene(received), made, replayed=emitted is not None)
    return made


THREE = tick(1) + tick(2) + tick(3)


def test_the_same_ticks_are_right() -> None:
    assert verdict(THREE, THREE, emitted=3).compared == {"EURUSD": 3}
    assert verdict(THREE, tick(0) + THREE).ok, "what was before the first one received was before the subscription"


@pytest.mark.parametrize(
    "received",
    [tick(1) + tick(3), tick(1) + tick(2), tick(1) + tick(2) + tick(3, 1.1), tick(1) + tick(3) + tick(2), THREE + tick(3), tick(9)],
    ids=["one missing", "tail missing", "other value", "other order", "one doubled", "none of them"],
)
def test_any_difference_is_an_error(received: bytes) -> None:
    assert not verdict(received, THREE).ok


def test_fewer_than_were_replayed_is_an_error() -> None:
    assert not verdict(THREE, THREE, emitted=4).ok


def test_what_did_nothing_has_not_worked() -> None:
    def judged(**changes: Any) -> list[str]:
        made, seen = Verdict(), scene(THREE)
        for name, value in changes.items():
            setattr(seen, name, value)
        made.finish(seen, needs_bars=True, seconds=60.0, speed=60.0)
        return made.errors

    assert judged() == []
    assert judged(bars=0)
    assert judged(ticks_by_symbol={"EURUSD": 0})
    assert judged(errors=["gap in tick:EURUSD"])
    idle = ClientStatus("s", 1, "h", True, 0, 1, orders_done=0, orders_failed=0)
    failed = ClientStatus("s", 1, "h", True, 0, 1, orders_done=1, orders_failed=1)
    for client in (idle, failed):
        assert judged(status=Status("1", True, 1.0, CONNECTED, 0, 1, (client,), (), {}))
    assert judged(status=Status("1", False, 1.0, CONNECTED, 0, 1, (failed,), (), {}))
