"""From return codes to what the client is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.errors import BridgeError, InvalidParameters, NotConnected, OrderRejected, OutcomeUnknown, TerminalRefused
from bridge.mt5api.constants import CONSTANTS
from bridge.session.orders import ACCEPTED, REJECTIONS, UNKNOWN, judge, send
from bridge.trading import OrderResult, TradeRequest
from tests.fake_terminal import FakeTerminal, record

REQUEST = TradeRequest(action=1, symbol="EURUSD", volume=0.1)
RESULT = record(OrderResult, comment="words", request=REQUEST)


@pytest.mark.parametrize(("retcode", "outcome"), ACCEPTED.items())
def test_success(retcode: int, outcome: str) -> None:
    result = replace(RESULT, retcode=retcode)
    assert judge(result).outcome == outcome
    assert judge(result).result is result


@pytest.mark.parametrize("retcode", UNKNOWN)
def test_unknown(retcode: int) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        judge(replace(RESULT, retcode=retcode))
    assert caught.value.details["retcode"] == retcode


@pytest.mark.parametrize("retcode", REJECTIONS)
def test_rejected(retcode: int) -> None:
    with pytest.raises(OrderRejected) as caught:
        judge(replace(RESULT, retcode=retcode, bid=1.5))
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
        judge(replace(RESULT, retcode=10099))
    with pytest.raises(OutcomeUnknown):
        judge(replace(RESULT, retcode=10099, deal=5))


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
