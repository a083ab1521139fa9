"""What is in an account, as records and as DataFrames."""

from __future__ import annotations

from typing import Any, get_type_hints

import numpy as np
import pytest

from bridge.replies import Deals, Orders, Positions
from bridge.trading import Deal, Order, Position
from clients import holdings
from clients.tasks import Ask, run
from tests.records import filled, order, position

HELD = (position(5, symbol="X", volume=0.1, comment="c"), position(6, symbol="Y", magic=2**62))
ANSWERS: dict[str, Any] = {
    "positions": Positions(HELD), "orders": Orders((order(7),)), "deals": Deals((filled(Deal, ticket=8),)),
    "history_orders": Orders((order(9),)),
}  # fmt: skip
NOTHING: dict[str, Any] = {"positions": Positions(()), "orders": Orders(()), "deals": Deals(()), "history_orders": Orders(())}


def test_records_and_frames() -> None:
    asked: list[Ask] = []

    def call(ask: Ask) -> Any:
        asked.append(ask)
        return ANSWERS[ask.request.method]

    assert run(holdings.positions("X"), call) == HELD
    frame = run(holdings.positions_frame(ticket=5), call)
    assert list(frame.index) == [5, 6]
    assert (frame.loc[5, "symbol"], frame.loc[5, "volume"], frame.loc[6, "magic"]) == ("X", 0.1, 2**62)
    assert run(holdings.deals(10, 20.5), call) == ANSWERS["deals"].deals
    assert (asked[-1].request.from_s, asked[-1].request.to_s) == (10, 21)  # type: ignore[attr-defined]
    assert list(run(holdings.deals_frame(position=3), call).index) == [8]
    assert asked[-1].request.position == 3  # type: ignore[attr-defined]
    assert list(run(holdings.orders_frame(), call).index) == [7]
    assert list(run(holdings.history_orders_frame(), call).index) == [9]


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        (holdings.positions_frame, Position), (holdings.orders_frame, Order), (holdings.deals_frame, Deal),
        (holdings.history_orders_frame, Order),
    ],
)  # fmt: skip
def test_an_empty_frame_has_its_columns(steps: Any, kind: type[Any]) -> None:
    empty = run(steps(), lambda ask: NOTHING[ask.request.method])
    full = run(steps(), lambda ask: ANSWERS[ask.request.method])
    assert list(empty.columns) == [name for name in get_type_hints(kind) if name != "ticket"]
    assert empty.index.name == "ticket"
    assert (empty.dtypes == full.dtypes).all()
    assert empty.index.dtype == np.int64
