"""What became of an order, judged by what the terminal shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from bridge.candidates import Verdict
from bridge.placement import Trace
from bridge.reconcile import judge
from bridge.trading import Deal, Order, Position, TradeRequest
from tests.fake_terminal import record

TOKEN, OTHERS = "~abc234", "~zzz777"
BUY = TradeRequest(action=1, symbol="A", volume=0.3, type=0, magic=7, comment="scalp")
LIMIT = TradeRequest(action=5, symbol="A", volume=0.3, type=2, price=1.5, magic=7, comment="scalp")
OURS: dict[str, Any] = {"symbol": "A", "magic": 7, "reason": 3, "comment": "scalp" + TOKEN}
FILLED = record(Order, ticket=50, state=4, time_setup=1000, volume_initial=0.3, position_id=50, **OURS)
MADE = record(Deal, ticket=70, order=50, time=1000, volume=0.3, price=1.2, position_id=50, **OURS)
HELD = record(Position, ticket=50, identifier=50, time=1000, volume=0.3, price_open=1.2, **OURS)
OPEN = replace(FILLED, state=1, type=2, price_open=1.5, volume_current=0.3, position_id=0)


def shown(*items: Position | Order | Deal, pending: Iterable[Order] = ()) -> Trace:
    return Trace(
        tuple(item for item in items if isinstance(item, Position)), tuple(pending),
        tuple(item for item in items if isinstance(item, Order)), tuple(item for item in items if isinstance(item, Deal)), True,
    )  # fmt: skip


def verdict(sent: TradeRequest, *items: Any, pending: Iterable[Order] = (), claimed: Iterable[int] = (), **known: Any) -> Verdict:
    return judge(sent, known.pop("token", TOKEN), shown(*items, pending=pending), set(claimed), 900, **known)


def kind(sent: TradeRequest, *items: Any, **known: Any) -> str:
    return verdict(sent, *items, **known).kind


def stripped(item: Any) -> Any:
    return replace(item, comment="")


# ---- market orders ---------------------------------------------------------------------------------------------------------------


def test_whatever_shows_the_token_first() -> None:
    for items in ([FILLED, MADE, HELD], [MADE], [HELD], [FILLED], [MADE, HELD], [FILLED, HELD]):
        found = verdict(BUY, *items)
        assert (found.kind, found.sure) == ("done", True), items
        assert found.whole == (MADE in items)
        assert found.result is not None
        assert (found.result.order, found.result.deal, found.result.volume) == (50, 70 * (MADE in items), 0.3)
        assert str(50) in found.evidence
    assert kind(BUY) == "nothing"


def test_several_deals_have_the_price_of_their_volumes() -> None:
    found = verdict(BUY, FILLED, replace(MADE, volume=0.1, price=1.0), replace(MADE, ticket=71, volume=0.2, price=1.3, time_msc=9))
    assert found.result is not None
    assert (found.kind, found.result.deal, found.result.volume) == ("done", 71, 0.3)
    assert found.result.price == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("order", "deals", "expected", "whole"),
    [
        (replace(FILLED, state=2, volume_current=0.2), 0.1, "partial", True),
        (replace(FILLED, state=2, volume_current=0.2), 0.0, "partial", False),
        (replace(FILLED, state=2, volume_current=0.3), 0.0, "nothing", True),
        (replace(FILLED, state=5, volume_current=0.3), 0.0, "nothing", True),
        (FILLED, 0.1, "done", False),
    ],
)
def test_an_order_that_was_not_filled_whole(order: Order, deals: float, expected: str, whole: bool) -> None:
    made = [replace(MADE, volume=deals)] if deals else []
    found = verdict(BUY, order, *made)
    assert (found.kind, found.whole) == (expected, whole)


def test_an_open_rest_is_not_the_end() -> None:
    rest = replace(FILLED, state=3, volume_current=0.2)
    assert (verdict(BUY, replace(MADE, volume=0.1), pending=[rest]).kind, verdict(BUY, pending=[rest]).kind) == (
        "partial",
        "placed",
    )
    assert not verdict(BUY, pending=[rest]).whole


@pytest.mark.parametrize(
    "change",
    [{"symbol": "B"}, {"magic": 8}, {"comment": "scalp" + OTHERS}, {"reason": 4}, {"reason": 7}],
    ids=str,
)
def test_what_is_not_ours_without_its_token(change: dict[str, Any]) -> None:
    items = [replace(stripped(item), **change) for item in (FILLED, MADE)]
    assert kind(BUY, *items) == "nothing"
    assert kind(BUY, stripped(FILLED), stripped(MADE)) == "done"


@pytest.mark.parametrize("change", [{"type": 1}, {"time_setup": 800}, {"volume_initial": 0.2}])
def test_an_order_that_differs(change: dict[str, Any]) -> None:
    assert kind(BUY, stripped(replace(FILLED, **change))) == "nothing"


def test_a_token_does_not_make_the_other_side_ours() -> None:
    close = replace(FILLED, ticket=51, type=1, position_id=50)
    assert kind(BUY, close, replace(MADE, order=51, type=1, entry=1)) == "nothing", "a broker copies the comment to the close"
    assert kind(BUY, replace(FILLED, reason=7), replace(MADE, reason=7)) == "nothing", "opened again over night"
    assert verdict(BUY, FILLED, MADE, close).result == verdict(BUY, FILLED, MADE).result


def test_without_its_comment_it_is_ours_only_if_nothing_else_is_likely() -> None:
    lone = [stripped(FILLED), stripped(MADE)]
    twin = replace(stripped(FILLED), ticket=51)
    found = verdict(BUY, *lone)
    assert (found.kind, found.sure) == ("done", False)
    assert kind(BUY, *lone, twin) == "ambiguous"
    assert kind(BUY, *lone, twin, claimed=[51]) == "done"
    assert kind(BUY, *lone, claimed=[50]) == "nothing"
    assert kind(replace(BUY, magic=0), *(replace(item, magic=0) for item in lone)) == "ambiguous"
    assert kind(BUY, replace(lone[0], reason=0), replace(lone[1], reason=0)) == "ambiguous", "a person, or a broker that says so"
    assert kind(BUY, *lone, comments_kept=True) == "ambiguous", "this broker would have left the token"
    assert kind(BUY, *lone, replace(twin, comment="x" + OTHERS)) == "ambiguous"
    assert kind(BUY, *lone, to_s=950) == "nothing"


def test_without_room_for_a_token_the_comment_is_it() -> None:
    same = [replace(item, comment="scalp") for item in (FILLED, MADE)]
    assert kind(BUY, *same, token="") == "done"
    assert kind(BUY, *same, replace(same[0], ticket=51), token="") == "ambiguous"
    assert kind(BUY, *same, replace(same[0], ticket=51, comment="other"), token="") == "done"
    assert kind(BUY, FILLED, MADE, token="") == "nothing", "another order of the bridge"


def test_a_token_that_belongs_to_another_request_is_never_overlooked() -> None:
    assert kind(BUY, FILLED, MADE, claimed=[50]) == "ambiguous"
    assert kind(BUY, FILLED, replace(FILLED, ticket=51)) == "ambiguous"


def test_a_ticket_that_is_known_needs_no_token() -> None:
    assert verdict(BUY, stripped(FILLED), stripped(MADE), order=50).sure
    assert verdict(BUY, stripped(FILLED), stripped(MADE), deal=70).sure


def test_a_close_is_of_its_position() -> None:
    sell = replace(BUY, type=1, position=40)
    items = [stripped(replace(FILLED, type=1, position_id=40)), stripped(replace(MADE, type=1, entry=1, position_id=40))]
    assert kind(sell, *items) == "done"
    assert kind(replace(sell, position=41), *items) == "ambiguous"
    netted = replace(HELD, ticket=41, identifier=40, comment="")
    assert kind(replace(sell, position=41), *items, netted) == "done", "its ticket is that of the order that turned it"


# ---- pending orders --------------------------------------------------------------------------------------------------------------


def test_a_pending_order() -> None:
    assert kind(LIMIT, pending=[OPEN]) == "placed"
    assert kind(LIMIT, pending=[stripped(OPEN)]) == "placed"
    assert kind(LIMIT, pending=[replace(stripped(OPEN), price_open=1.6)]) == "nothing"
    assert kind(LIMIT, replace(OPEN, state=4, volume_current=0.0), MADE) == "done"
    gone = verdict(LIMIT, replace(OPEN, state=6))
    assert (gone.kind, "expired since" in gone.evidence) == ("placed", True)
    assert kind(LIMIT, replace(OPEN, state=5)) == "nothing"
    assert kind(LIMIT, replace(MADE, volume=0.1), pending=[replace(OPEN, state=3, volume_current=0.2)]) == "partial"


def test_a_stop_limit_order_becomes_a_limit_order() -> None:
    sent = replace(LIMIT, type=6, price=1.6, stoplimit=1.5)
    assert kind(sent, pending=[stripped(OPEN)]) == "placed"
    assert kind(sent, pending=[replace(stripped(OPEN), type=6, price_open=1.6)]) == "placed"
    assert kind(sent, pending=[replace(stripped(OPEN), price_open=1.4)]) == "nothing"


# ---- changes ---------------------------------------------------------------------------------------------------------------------

STOPS = TradeRequest(action=6, symbol="A", position=50, sl=1.1, tp=1.3)


def test_stops() -> None:
    assert kind(STOPS, replace(HELD, sl=1.1, tp=1.3)) == "done"
    assert kind(STOPS, replace(HELD, sl=1.1)) == "nothing"
    assert kind(STOPS) == "ambiguous"
    assert kind(replace(STOPS, position=0), replace(HELD, sl=1.1, tp=1.3)) == "done"


def test_prices_of_an_order() -> None:
    sent = TradeRequest(action=7, order=50, price=1.5, sl=1.2)
    asked = replace(OPEN, sl=1.2)
    assert kind(sent, pending=[asked]) == "done"
    assert kind(sent, pending=[OPEN]) == "nothing"
    assert kind(sent, replace(asked, state=4)) == "done"
    assert kind(sent, replace(OPEN, state=2)) == "nothing"
    assert kind(sent) == "ambiguous"
    until = replace(sent, type_time=2, expiration=5000)
    assert kind(until, pending=[asked]) == "nothing"
    assert kind(until, pending=[replace(asked, type_time=2, time_expiration=5000)]) == "done"
    assert kind(replace(sent, stoplimit=1.5, price=1.7), pending=[asked]) == "done", "its stop price was reached"
    assert kind(replace(sent, stoplimit=1.4), pending=[replace(asked, type=6, price_stoplimit=1.45)]) == "nothing"


@pytest.mark.parametrize(("state", "expected"), [(2, "done"), (4, "nothing"), (6, "nothing"), (5, "nothing")])
def test_a_removal(state: int, expected: str) -> None:
    sent = TradeRequest(action=8, order=50)
    assert kind(sent, pending=[OPEN]) == "nothing"
    assert kind(sent, replace(OPEN, state=state), pending=[OPEN]) == expected
    assert kind(sent) == "ambiguous"


def test_a_close_by() -> None:
    sent = TradeRequest(action=10, position=40, position_by=41)
    order = replace(FILLED, type=8, position_id=40, position_by_id=41, comment="#40 by #41")
    deals = [replace(MADE, entry=3, position_id=40, type=1), replace(MADE, ticket=71, entry=3, position_id=41)]
    found = verdict(sent, order, *deals)
    assert (found.kind, found.whole) == ("done", True)
    assert found.result is not None
    assert (found.result.order, found.result.deal, found.result.volume) == (50, 70, 0.3)
    assert verdict(sent, *deals).whole
    assert not verdict(sent, order).whole
    assert kind(sent, order, *deals, claimed=[50]) == "nothing"
    assert kind(sent, replace(order, time_setup=1)) == "nothing"
    assert kind(sent, order, *deals, *(replace(item, order=52) for item in deals)) == "ambiguous"
    assert kind(sent) == "nothing"
