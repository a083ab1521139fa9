"""The real MetaTrader5 package without a terminal, next to the simulated terminal's module without one.

For pytest on Windows; `tests/windows/run` runs it under Wine.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import MetaTrader5
import pytest

import bridge.terminal.simulator.api as simulated
from bridge.mt5api.constants import CONSTANTS
from bridge.mt5api.functions import FUNCTIONS
from bridge.mt5api.structs import FIELDS
from bridge.terminal import Credentials, TerminalError, metatrader, sent_nothing
from bridge.terminal.metatrader import MetaTrader, load_metatrader5
from bridge.trading import TradeRequest
from tests.test_mt5api_contract import CONTRACT, evaluate

CLOSED = "tcp://127.0.0.1:1"
"""Nothing listens on TCP port service multiplexer here."""
CALLS = [
    pytest.param(function, arguments, id=f"{function}-{number}")
    for function, rows in CONTRACT["calls"].items()
    for number, arguments in enumerate(call for _, calls in rows for call in calls)
]
ZERO = {"bool": False, "i32": 0, "u32": 0, "i64": 0, "u64": 0, "f64": 0.0, "str": ""}
NEVER_CONNECTED = (-10_004, "No IPC connection")


@pytest.fixture(autouse=True)
def _no_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither module finds one, and none has its last error from the test before."""
    monkeypatch.setenv("MT5BRIDGE_TERMINAL", CLOSED)
    for module in (MetaTrader5, simulated):
        module.shutdown()


def outcome(call: Callable[[], Any], last_error: Callable[[], Any]) -> tuple[Any, ...]:
    """What a program can see of a call: the result with its type, or the exception with its cause; and the last error."""
    try:
        result = call()
    except Exception as error:
        seen: tuple[Any, ...] = (type(error).__name__, str(error), type(error.__cause__).__name__)
    else:
        seen = (type(result).__name__, repr(result))
    return *seen, last_error()


# ---- what there is ---------------------------------------------------------------------------------------------------------------


def test_the_package_is_the_one_that_was_recorded() -> None:
    assert (MetaTrader5.__version__, MetaTrader5.__author__) == (simulated.__version__, simulated.__author__)
    assert load_metatrader5() is MetaTrader5


def test_it_has_every_function_that_the_bridge_calls() -> None:
    called = set(re.findall(r'self\._(?:call|read|history|rates)\(\s*"(\w+)"', inspect.getsource(metatrader)))
    assert len(called) > 20
    assert called <= {name for name in FUNCTIONS if callable(getattr(MetaTrader5, name, None))}


def test_it_has_every_public_name_that_the_simulated_one_has() -> None:
    hidden = {"_core"}  # an extension module there, the calling rules here
    ours = {name for name in vars(simulated) if not name.startswith("__")} - hidden
    assert ours <= set(vars(MetaTrader5))


def test_constants() -> None:
    assert {name: getattr(MetaTrader5, name, None) for name in CONSTANTS} == CONSTANTS
    assert {name: type(getattr(MetaTrader5, name)) for name in CONSTANTS} == {
        name: type(value) for name, value in CONSTANTS.items()
    }


def test_the_error_codes_that_the_bridge_acts_on() -> None:
    names = {
        "RES_S_OK": metatrader._SUCCESS,
        "RES_E_FAIL": metatrader._FAILED,
        "RES_E_INVALID_PARAMS": metatrader._INVALID,
        "RES_E_NOT_FOUND": metatrader._NOT_FOUND,
        "RES_E_INVALID_VERSION": metatrader._INCOMPATIBLE,
    }
    assert {name: getattr(MetaTrader5, name) for name in names} == names
    lost = ("FAIL_SEND", "FAIL_RECEIVE", "FAIL_INIT", "FAIL_CONNECT", "FAIL_TIMEOUT")
    codes = [getattr(MetaTrader5, f"RES_E_INTERNAL_{name}") for name in lost]
    assert [TerminalError("any", code, "").link_lost for code in codes] == [True] * 5
    nothing = [MetaTrader5.RES_E_INVALID_PARAMS, MetaTrader5.RES_E_AUTO_TRADING_DISABLED, MetaTrader5.RES_E_INTERNAL_FAIL_CONNECT]
    assert all(sent_nothing(TerminalError("order_send", code, "")) for code in nothing)
    maybe = [MetaTrader5.RES_E_FAIL, MetaTrader5.RES_E_INTERNAL_FAIL_SEND, MetaTrader5.RES_E_INTERNAL_FAIL_RECEIVE]
    assert not any(sent_nothing(TerminalError("order_send", code, "")) for code in maybe)


@pytest.mark.parametrize("name", FIELDS)
def test_structs(name: str) -> None:
    real = getattr(MetaTrader5, name)
    assert real.__match_args__ == tuple(field for field, _ in FIELDS[name])
    assert (real.n_fields, real.n_sequence_fields) == (len(FIELDS[name]),) * 2


def struct(name: str) -> Any:
    """One of the real package's, with zeros."""
    return getattr(MetaTrader5, name)([struct(kind) if kind in FIELDS else ZERO[kind] for _, kind in FIELDS[name]])


READ: list[tuple[str, str, bool, Callable[[MetaTrader], Any]]] = [
    ("account_info", "AccountInfo", False, lambda terminal: terminal.account()),
    ("terminal_info", "TerminalInfo", False, lambda terminal: terminal.info()),
    ("symbol_info", "SymbolInfo", False, lambda terminal: terminal.symbol("EURUSD")),
    ("symbols_get", "SymbolInfo", True, lambda terminal: terminal.symbols()),
    ("symbol_info_tick", "Tick", False, lambda terminal: terminal.tick("EURUSD")),
    ("market_book_get", "BookInfo", True, lambda terminal: terminal.book("EURUSD")),
    ("positions_get", "TradePosition", True, lambda terminal: terminal.positions()),
    ("orders_get", "TradeOrder", True, lambda terminal: terminal.orders()),
    ("history_orders_get", "TradeOrder", True, lambda terminal: terminal.history_orders()),
    ("history_deals_get", "TradeDeal", True, lambda terminal: terminal.deals()),
    ("order_check", "OrderCheckResult", False, lambda terminal: terminal.check(TradeRequest())),
    ("order_send", "OrderSendResult", False, lambda terminal: terminal.send(TradeRequest())),
]


@pytest.mark.parametrize(("function", "name", "several", "read"), READ, ids=[row[0] for row in READ])
def test_the_bridge_reads_the_real_structs(function: str, name: str, several: bool, read: Callable[[MetaTrader], Any]) -> None:
    answer = (struct(name),) if several else struct(name)
    module = SimpleNamespace(**{function: lambda *_, **__: answer}, last_error=lambda: (1, "Success"))
    found = read(MetaTrader(module))
    record = found[0] if several else found
    fields = {field for field, _ in FIELDS[name]}
    assert set(getattr(record, "_fields", None) or record.__slots__) <= fields


# ---- what it does ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("function", "arguments"), CALLS)
def test_every_recorded_call_does_the_same_in_both(function: str, arguments: str) -> None:
    expression = f"mt5.{function}({arguments})"
    real = outcome(lambda: evaluate(MetaTrader5, expression), MetaTrader5.last_error)
    assert outcome(lambda: evaluate(simulated, expression), simulated.last_error) == real, expression


LONG, HALF = "X" * 40, "\ud800"
ORDER = TradeRequest(action=1, symbol="EURUSD", volume=0.1, price=1.1)
METHODS: list[tuple[str, Callable[[MetaTrader], Any]]] = [
    ("attach", lambda terminal: terminal.attach(Credentials(timeout_ms=1_000))),
    ("attach to an account", lambda terminal: terminal.attach(Credentials(login=1, password="p", server="s", timeout_ms=1_000))),
    ("attach, too long a password", lambda terminal: terminal.attach(Credentials(login=1, password=LONG * 200, timeout_ms=1_000))),
    ("attach, too long a time", lambda terminal: terminal.attach(Credentials(timeout_ms=2**32))),
    ("attach, no such login", lambda terminal: terminal.attach(Credentials(login=-1, timeout_ms=1_000))),
    ("attach, wrong path", lambda terminal: terminal.attach(Credentials(path="C:\\nowhere\\terminal64.exe", timeout_ms=1_000))),
    ("detach", lambda terminal: terminal.detach()),
    ("version", lambda terminal: terminal.version()),
    ("account", lambda terminal: terminal.account()),
    ("info", lambda terminal: terminal.info()),
    ("symbols", lambda terminal: terminal.symbols()),
    ("symbols of a group", lambda terminal: terminal.symbols("*USD*")),
    ("symbol", lambda terminal: terminal.symbol("EURUSD")),
    ("symbol, too long", lambda terminal: terminal.symbol(LONG)),
    ("symbol, half a character", lambda terminal: terminal.symbol(HALF)),
    ("select", lambda terminal: terminal.select("EURUSD")),
    ("select, too long", lambda terminal: terminal.select(LONG, False)),
    ("tick", lambda terminal: terminal.tick("EURUSD")),
    ("ticks_from", lambda terminal: terminal.ticks_from("EURUSD", 1_700_000_000, 10)),
    ("ticks_from, no time", lambda terminal: terminal.ticks_from("EURUSD", 0, 10, "trade")),
    ("ticks_from, too late", lambda terminal: terminal.ticks_from("EURUSD", 2**40, 10, "info")),
    ("ticks_from, fewer than none", lambda terminal: terminal.ticks_from("EURUSD", 1, -1)),
    ("ticks_from, too many", lambda terminal: terminal.ticks_from("EURUSD", 1, 2**40)),
    ("rates_from_pos", lambda terminal: terminal.rates_from_pos("EURUSD", "M1", 0, 10)),
    ("rates_from_pos, fewer than none", lambda terminal: terminal.rates_from_pos("EURUSD", "M1", -1, 10)),
    ("rates_from", lambda terminal: terminal.rates_from("EURUSD", "MN1", 1_700_000_000, 10)),
    ("rates_from, too late", lambda terminal: terminal.rates_from("EURUSD", "H1", 2**70, 10)),
    ("rates_range", lambda terminal: terminal.rates_range("EURUSD", "D1", 1_600_000_000, 1_700_000_000)),
    ("rates_range, no such timeframe", lambda terminal: terminal.rates_range("EURUSD", "M7", 1, 2)),
    ("book_open", lambda terminal: terminal.book_open("EURUSD")),
    ("book", lambda terminal: terminal.book("EURUSD")),
    ("book_close", lambda terminal: terminal.book_close("EURUSD")),
    ("positions", lambda terminal: terminal.positions()),
    ("positions of a ticket", lambda terminal: terminal.positions(ticket=1)),
    ("positions of an impossible ticket", lambda terminal: terminal.positions(ticket=-1)),
    ("positions of a symbol", lambda terminal: terminal.positions(symbol="EURUSD")),
    ("positions of a group", lambda terminal: terminal.positions(group="*,!EUR*")),
    ("orders", lambda terminal: terminal.orders()),
    ("orders of a ticket", lambda terminal: terminal.orders(ticket=2**64)),
    ("history_orders", lambda terminal: terminal.history_orders()),
    ("history_orders of a position", lambda terminal: terminal.history_orders(position=1)),
    ("history_orders of a time", lambda terminal: terminal.history_orders(from_s=0, to_s=2**40)),
    ("deals", lambda terminal: terminal.deals()),
    ("deals of a position", lambda terminal: terminal.deals(position=-1)),
    ("deals of a time", lambda terminal: terminal.deals(from_s=1_700_000_000, to_s=1_600_000_000)),
    ("check", lambda terminal: terminal.check(ORDER)),
    ("check, too long a comment", lambda terminal: terminal.check(TradeRequest(comment=LONG))),
    ("check, impossible magic", lambda terminal: terminal.check(TradeRequest(magic=-1))),
    ("send", lambda terminal: terminal.send(ORDER)),
    ("send, too long a symbol", lambda terminal: terminal.send(TradeRequest(symbol=LONG))),
    ("send, impossible ticket", lambda terminal: terminal.send(TradeRequest(position=2**64))),
    ("margin", lambda terminal: terminal.margin(0, "EURUSD", 0.1, 1.1)),
    ("margin, impossible side", lambda terminal: terminal.margin(-1, "EURUSD", 0.1, 1.1)),
    ("profit", lambda terminal: terminal.profit(1, "EURUSD", 0.1, 1.1, 1.2)),
    ("profit, too long", lambda terminal: terminal.profit(1, LONG, 0.1, 1.1, 1.2)),
]


@pytest.mark.parametrize("method", [method for _, method in METHODS], ids=[name for name, _ in METHODS])
def test_the_bridges_terminal_does_the_same_over_both(method: Callable[[MetaTrader], Any]) -> None:
    def seen(module: Any) -> tuple[Any, ...]:
        waits: list[float] = []
        terminal = MetaTrader(module, waits.append)
        try:
            result = method(terminal)
        except TerminalError as error:
            return error.function, error.code, error.text, sent_nothing(error), waits
        return type(result).__name__, result, waits

    assert seen(simulated) == seen(MetaTrader5)


def test_an_order_without_a_terminal_was_surely_not_sent() -> None:
    with pytest.raises(TerminalError) as caught:
        MetaTrader(MetaTrader5).send(ORDER)
    assert (caught.value.code, caught.value.text) == NEVER_CONNECTED
    assert sent_nothing(caught.value)


def test_the_two_modules_do_not_share_their_last_error() -> None:
    assert importlib.import_module("MetaTrader5") is not simulated
    vars(MetaTrader5)["symbol_info"](1)
    assert MetaTrader5.last_error()[0] == metatrader._INVALID
    assert simulated.last_error() != MetaTrader5.last_error()
