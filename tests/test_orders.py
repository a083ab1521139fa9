"""What an order goes through in the session, and from return codes to what the client is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bridge.errors import (
    BridgeError,
    InvalidParameters,
    LimitReached,
    NotConnected,
    OrderRejected,
    OutcomeUnknown,
    TerminalRefused,
)
from bridge.mt5api.constants import CONSTANTS
from bridge.placement import ExposureLimits, Placement
from bridge.replies import OrderOutcome
from bridge.session.orders import ACCEPTED, REJECTIONS, UNKNOWN, checked, judge, place, send
from bridge.session.sight import Sight
from bridge.terminal.simulator.server import Switches
from bridge.trading import OrderResult, TradeRequest
from tests.fake_terminal import FakeTerminal, record
from tests.order_stage import Stage

REQUEST = TradeRequest(action=1, symbol="EURUSD", volume=0.1)
RESULT = record(OrderResult, comment="words", request=REQUEST)


@pytest.mark.parametrize(("retcode", "outcome"), ACCEPTED.items())
def test_success(retcode: int, outcome: str) -> None:
    result = replace(RESULT, retcode=retcode, order=11)
    assert judge(result, REQUEST).outcome == outcome
    assert judge(result, REQUEST).result is result


@pytest.mark.parametrize("retcode", UNKNOWN)
def test_unknown(retcode: int) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        judge(replace(RESULT, retcode=retcode), REQUEST)
    assert caught.value.details["retcode"] == retcode


@pytest.mark.parametrize("retcode", REJECTIONS)
def test_rejected(retcode: int) -> None:
    with pytest.raises(OrderRejected) as caught:
        judge(replace(RESULT, retcode=retcode, bid=1.5), REQUEST)
    error = caught.value
    assert (error.details["retcode"], error.details["comment"], error.details["bid"]) == (retcode, "words", 1.5)
    assert "words" in error.message
    assert error.next_step


def test_the_tables_have_all_return_codes() -> None:
    """10046 is documented and missing in the package."""
    named = {value: name.removeprefix("TRADE_RETCODE_") for name, value in CONSTANTS.items() if name.startswith("TRADE_RETCODE_")}
    assert ACCEPTED.keys() | UNKNOWN.keys() | REJECTIONS.keys() == named.keys() | {10046}
    assert len(ACCEPTED) + len(UNKNOWN) + len(REJECTIONS) == len(named) + 1
    assert {code: name for code, (name, _) in REJECTIONS.items() if code != 10046}.items() <= named.items()


def test_a_code_of_a_newer_terminal() -> None:
    with pytest.raises(OrderRejected):
        judge(replace(RESULT, retcode=10099), REQUEST)
    with pytest.raises(OutcomeUnknown):
        judge(replace(RESULT, retcode=10099, deal=5), REQUEST)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-1, OutcomeUnknown), (-5, OutcomeUnknown), (-10_000, OutcomeUnknown), (-10_001, OutcomeUnknown), (-10_002, OutcomeUnknown),
        (-10_005, OutcomeUnknown), (-10_003, NotConnected), (-10_004, NotConnected), (-2, InvalidParameters), (-8, TerminalRefused),
    ],
)  # fmt: skip
def test_no_answer(code: int, kind: type[BridgeError]) -> None:
    terminal = FakeTerminal()
    terminal.fail("send", code)
    with pytest.raises(BridgeError) as caught:
        send(terminal, REQUEST)
    assert type(caught.value) is kind
    assert caught.value.details["terminal_code"] == code
    assert terminal.calls == ["send"]


@pytest.mark.parametrize(
    ("action", "retcode", "order", "deal", "known"),
    [
        (1, 10008, 0, 0, False), (1, 10008, 0, 6, False), (1, 10008, 5, 0, True), (1, 10009, 0, 0, False), (1, 10010, 0, 0, False),
        (1, 10009, 5, 0, True), (1, 10009, 0, 6, True), (5, 10009, 0, 0, False), (5, 10008, 0, 0, False), (5, 10008, 5, 0, True),
        (10, 10009, 0, 0, False), (6, 10009, 0, 0, True), (7, 10009, 0, 0, True), (8, 10008, 0, 0, True),
    ],
)  # fmt: skip
def test_an_acceptance_without_a_ticket_where_there_must_be_one(
    action: int, retcode: int, order: int, deal: int, known: bool
) -> None:
    result = replace(RESULT, retcode=retcode, order=order, deal=deal)
    if known:
        assert judge(result, TradeRequest(action=action)).result is result
        return
    with pytest.raises(OutcomeUnknown) as caught:
        judge(result, TradeRequest(action=action))
    assert caught.value.details["retcode"] == retcode


# ---- on the way to the terminal --------------------------------------------------------------------------------------------------


def placed(
    placement: Placement, prepare: Callable[[Stage], None] = lambda stage: None, **contract: Any
) -> tuple[Stage, OrderOutcome]:
    stage = Stage()
    prepare(stage)
    return stage, place(stage.sight, placement)


def test_the_token_goes_behind_the_comment() -> None:
    stage, outcome = placed(Placement(replace(REQUEST, comment="swing"), "~abc234"))
    assert outcome.result.request.comment == "swing~abc234"
    assert outcome.result.request.type_filling == 0
    (position,) = stage.desk.positions
    assert position.comment == "swing~abc234"
    levels = TradeRequest(action=6, position=position.ticket, sl=1.0)
    assert place(stage.sight, Placement(levels, "~abc234")).result.request.comment == ""


def test_a_check_that_has_to_pass() -> None:
    stage, outcome = placed(Placement(REQUEST, check=True))
    assert outcome.outcome == "done"
    with pytest.raises(OrderRejected, match="not sent") as caught:
        place(stage.sight, Placement(replace(REQUEST, volume=500.0), check=True))
    assert caught.value.details["retcode"] == 10019
    assert stage.desk.world.server.ledger.requests == 1


def test_a_dry_run_sends_nothing() -> None:
    stage, outcome = placed(Placement(REQUEST, "~abc234", dry_run=True))
    assert outcome.outcome == "dry_run"
    assert outcome.check is not None
    assert (outcome.check.retcode, outcome.check.margin, outcome.result.order, outcome.result.deal) == (0, 110.02, 0, 0)
    assert outcome.result.request.comment.endswith("~abc234")
    with pytest.raises(OrderRejected):
        place(stage.sight, Placement(replace(REQUEST, volume=500.0), dry_run=True))
    assert stage.desk.positions == []
    assert "order_send" not in stage.calls


def test_a_check_without_a_connection_is_to_be_tried_again() -> None:
    def offline(stage: Stage) -> None:
        stage.desk.world.server.switches = Switches(connected=False)

    with pytest.raises(NotConnected):
        placed(Placement(REQUEST, check=True), offline)


def test_limits_of_exposure() -> None:
    limits = ExposureLimits(net_volume=0.15)
    stage, _ = placed(Placement(REQUEST, limits=limits))
    with pytest.raises(LimitReached):
        place(stage.sight, Placement(REQUEST, limits=limits))
    assert len(stage.desk.positions) == 1
    close = replace(REQUEST, type=1, position=stage.desk.positions[0].ticket)
    assert place(stage.sight, Placement(close, limits=limits)).outcome == "done"


def test_the_loss_of_today_and_not_of_yesterday() -> None:
    def lose(stage: Stage) -> None:
        for _ in range(5):
            stage.desk.sell(0.1, position=stage.desk.buy(0.1).order)  # 2 each

    limits = ExposureLimits(daily_loss=9.0)
    with pytest.raises(LimitReached):
        placed(Placement(REQUEST, limits=limits), lose)
    stage = Stage()
    lose(stage)
    stage.desk.wait(86_400_000)
    stage.desk.buy(0.01)  # the day after has begun
    place(stage.sight, Placement(REQUEST, limits=limits))


def test_limits_that_cannot_be_looked_at_refuse_the_order() -> None:
    terminal = FakeTerminal()
    terminal.fail("orders", -1)
    with pytest.raises(TerminalRefused):
        place(Sight(terminal), Placement(REQUEST, limits=ExposureLimits(net_volume=1.0)))
    assert terminal.sent == []


def test_a_look_that_fails_lets_the_terminal_decide_and_a_lost_link_does_not() -> None:
    terminal = FakeTerminal()
    terminal.fail("symbol", -1)
    place(Sight(terminal), Placement(REQUEST))
    assert terminal.sent == [replace(REQUEST, type_filling=0)]
    terminal.fail("symbol", -10_004)
    with pytest.raises(NotConnected):
        place(Sight(terminal), Placement(REQUEST))
    assert len(terminal.sent) == 1


@pytest.mark.parametrize("retcode", [*REJECTIONS, *UNKNOWN])
def test_every_code_out_of_the_simulated_terminal(retcode: int) -> None:
    def force(stage: Stage) -> None:
        stage.desk.world.server.forced.append(retcode)

    with pytest.raises(BridgeError) as caught:
        placed(Placement(REQUEST), force)
    assert type(caught.value) is (OutcomeUnknown if retcode in UNKNOWN else OrderRejected)
    assert caught.value.details["retcode"] == retcode
    assert caught.value.next_step


def test_a_check_chooses_the_filling_mode() -> None:
    stage = Stage(filling_mode=2)
    assert checked(stage.sight, REQUEST).request.type_filling == 1
    assert checked(stage.sight, replace(REQUEST, type_filling=0)).retcode == 10030
