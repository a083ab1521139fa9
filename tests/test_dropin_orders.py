"""What a program is told of orders that the bridge or the terminal refused."""

from __future__ import annotations

from typing import Any

import pytest

from bridge import limits
from bridge.errors import (
    AccountChanged,
    BridgeError,
    Busy,
    DeadlinePassed,
    InvalidParameters,
    JournalUnavailable,
    LimitReached,
    NotAllowed,
    NotConnected,
    OrderRejected,
    OutcomeUnknown,
    Stopping,
    TerminalRefused,
    TradingHalted,
    UnknownSymbol,
)
from bridge.mt5api import structs
from bridge.mt5api.arguments import trade_request
from bridge.session import rules
from clients.mt5.orders import FIELD_CODES, RULES, failure_of, request_of

VALUES = trade_request({"action": 1, "symbol": "EURUSD", "volume": 0.1, "comment": "c", "magic": 4})
SILENT = (-10004, "No IPC connection", None)


def told(error: BridgeError, check: tuple[int, str, Any] = SILENT) -> Any:
    code, text, value = failure_of(error, VALUES, "id", lambda: check)
    return structs.build("OrderSendResult", value) if code == 1 else (code, text)


def test_every_rule_has_a_return_code() -> None:
    fielded = {"number", "tick_size", "level_side", "stops_level"}
    assert set(RULES) == (set(rules.RULES) - fielded) | set(limits.RULES)


@pytest.mark.parametrize(
    ("error", "retcode"),
    [
        (TradingHalted("halted by bob: news", rule="halt"), 10027),
        (LimitReached("too many", rule="orders_per_minute"), 10024),
        (LimitReached("too much", rule="net_volume"), 10034),
        (LimitReached("too much", rule="max_volume"), 10014),
        (LimitReached("too many", rule="open_positions"), 10040),
        (LimitReached("read only", rule="read_only"), 10017),
        (LimitReached("no", rule="a rule of tomorrow"), 10013),
        (InvalidParameters("no", rule="volume_step", field="volume"), 10014),
        (InvalidParameters("no", rule="tick_size", field="sl"), 10016),
        (InvalidParameters("no", rule="tick_size", field="price"), 10015),
        (InvalidParameters("no", field="request.volume"), 10014),
        (InvalidParameters("no"), 10013),
        (UnknownSymbol("no", symbol="X"), 10013),
        (NotAllowed("not for a monitor"), 10017),
        (Busy("busy"), 10006),
        (DeadlinePassed("late"), 10006),
        (JournalUnavailable("disk full"), 10006),
        (Stopping("ending"), 10006),
    ],
)
def test_the_bridges_own_refusals(error: BridgeError, retcode: int) -> None:
    result = told(error)
    assert (result.retcode, result.comment) == (retcode, error.message)
    assert (result.deal, result.order, result.volume, result.request.magic) == (0, 0, 0.0, 4)


def test_where_the_terminal_refuses_as_well_it_is_quoted() -> None:
    check = (1, "Success", [10030, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, "Unsupported filling mode", VALUES])
    result = told(InvalidParameters("no", rule="filling_mode", field="type_filling"), check)
    assert (result.retcode, result.comment) == (10030, "Unsupported filling mode")
    passed = (1, "Success", [0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, "Done", VALUES])
    assert told(InvalidParameters("no", rule="comment", field="comment"), passed).retcode == 10013
    assert told(InvalidParameters("no", rule="comment", field="comment"), (-2, "Terminal: Invalid params", None))[0] == -2


def test_the_trade_servers_refusal() -> None:
    result = told(OrderRejected("requote", retcode=10004, comment="Requote", bid=1.1, ask=1.2, retcode_external=-1))
    assert tuple(result)[:10] == (10004, 0, 0, 0.0, 0.0, 1.1, 1.2, "Requote", 0, -1)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OutcomeUnknown("silence"), -10002),
        (OutcomeUnknown("broken", terminal_code=-10001, terminal_text="IPC send failed"), -10001),
        (TerminalRefused("off", terminal_code=-8, terminal_text="Auto-Trading using Python API disabled in Terminal"), -8),
        (InvalidParameters("no", terminal_code=-2, terminal_text='Invalid "comment" argument'), -2),
        (NotConnected("gone", state="reconnecting"), -10004),
        (AccountChanged("another"), -6),
    ],
)
def test_no_result(error: BridgeError, code: int) -> None:
    assert told(error)[0] == code


def test_a_broker_that_is_down() -> None:
    assert told(OutcomeUnknown("late", retcode=10012, comment="Request canceled by timeout")).retcode == 10012
    assert told(NotConnected("down", state="degraded")).retcode == 10031
    assert told(NotConnected("no check", retcode=10031)).retcode == 10031


def test_the_request_as_the_bridge_gets_it() -> None:
    assert request_of(VALUES).type_filling == 0  # not chosen by the bridge: the package sends FOK where none is given
    assert request_of(VALUES).comment == "c"
    assert set(FIELD_CODES) < set(structs.TYPES["TradeRequest"].__match_args__)
