"""The calling rules with a terminal that answers, refuses, or breaks off."""

from __future__ import annotations

import threading
import types
from typing import Any

import numpy as np
import pytest

from bridge.mt5api import structs
from bridge.mt5api.backend import LinkLost
from bridge.mt5api.functions import FUNCTIONS
from bridge.mt5api.namespace import namespace
from tests.scripted_backend import ScriptedBackend

POSITION = [7, 1, 1000, 1, 1000, 0, 0, 7, 3, 0.1, 1.1, 0.0, 0.0, 1.2, 0.0, 1.0, "EURUSD", "c", ""]
IN_JPY = [*POSITION[:16], "USDJPY", "c", ""]
DEAL = [9, 7, 1, 1000, 0, 0, 0, 7, 3, 0.1, 1.1, 0.0, 0.0, 0.0, 0.0, "EURUSD", "c", ""]
REQUEST = [1, 0, 0, "EURUSD", 0.1, 1.1, 0.0, 0.0, 0.0, 0, 0, 0, 0, 0, "", 0, 0]
SUCCESS = (1, "Success")

# Arguments that each function accepts, used where any call will do.
VALID: dict[str, tuple[Any, ...]] = {
    "login": (1,),
    "symbol_info": ("EURUSD",),
    "symbol_info_tick": ("EURUSD",),
    "symbol_select": ("EURUSD",),
    "market_book_add": ("EURUSD",),
    "market_book_get": ("EURUSD",),
    "market_book_release": ("EURUSD",),
    "copy_rates_from": ("EURUSD", 1, 1, 1),
    "copy_rates_from_pos": ("EURUSD", 1, 0, 1),
    "copy_rates_range": ("EURUSD", 1, 1, 2),
    "copy_ticks_from": ("EURUSD", 1, 1, -1),
    "copy_ticks_range": ("EURUSD", 1, 2, -1),
    "history_orders_total": (1, 2),
    "history_orders_get": (1, 2),
    "history_deals_total": (1, 2),
    "history_deals_get": (1, 2),
    "order_calc_margin": (0, "EURUSD", 0.1, 1.1),
    "order_calc_profit": (0, "EURUSD", 0.1, 1.1, 1.2),
    "order_check": ({},),
    "order_send": ({},),
}
ASKING = [name for name in FUNCTIONS if name not in ("initialize", "shutdown", "last_error")]
FALSE_ON_FAILURE = {"login", "symbol_select", "market_book_add", "market_book_release"}


def attached(answers: dict[str, Any] | None = None) -> tuple[Any, ScriptedBackend]:
    backend = ScriptedBackend(answers)
    mt5 = types.SimpleNamespace(**namespace(backend))
    assert mt5.initialize() is True
    backend.asked.clear()
    return mt5, backend


def failure_value(name: str) -> Any:
    return False if name in FALSE_ON_FAILURE else (0, 0, "") if name == "version" else None


def test_nothing_is_known_before_the_first_call() -> None:
    mt5 = types.SimpleNamespace(**namespace(ScriptedBackend()))
    assert mt5.last_error() == (0, "")


def test_initialize_sends_credentials_and_remembers_the_build() -> None:
    backend = ScriptedBackend({"symbols_total": (1, "Success", 3)})
    mt5 = types.SimpleNamespace(**namespace(backend))
    assert mt5.symbols_total() is None
    assert mt5.last_error()[0] == -5
    assert mt5.initialize("tcp://127.0.0.1:1", login=5, password="p", server="s", timeout=10, portable=1) is True
    assert backend.asked == [("initialize", ["tcp://127.0.0.1:1", 5, "p", "s", 10, True]), ("version", [])]
    assert mt5.last_error() == SUCCESS
    assert mt5.symbols_total() == 3
    assert mt5.shutdown() is True
    assert mt5.symbols_total() is None
    assert mt5.last_error()[0] == -10004


def test_initialize_defaults() -> None:
    backend = ScriptedBackend()
    mt5 = types.SimpleNamespace(**namespace(backend))
    assert mt5.initialize(login=0, timeout=0) is True
    assert backend.asked[0] == ("initialize", [None, None, None, None, 60000, False])


def test_failed_initialize_leaves_the_process_disconnected() -> None:
    mt5, backend = attached({"initialize": (1, "Success", True)})
    backend.answers["initialize"] = (-6, "", None)
    assert mt5.initialize() is False
    assert mt5.last_error() == (-6, "Terminal: Authorization failed")
    assert not backend.connected
    mt5, backend = attached()
    assert mt5.initialize(login="1") is False
    assert mt5.account_info() is None
    assert mt5.last_error() == (-10004, "No IPC connection")


def test_unreachable_terminal() -> None:
    mt5 = types.SimpleNamespace(**namespace(ScriptedBackend(reachable=False)))
    assert mt5.initialize() is False
    assert mt5.last_error() == (-10003, "IPC initialize failed, MetaTrader 5 x64 not found")
    assert mt5.initialize("x") is False
    assert mt5.last_error() == (-10003, "IPC initialize failed, Process create failed 'x'")


def test_failed_login_keeps_the_connection() -> None:
    mt5, backend = attached({"login": (-7, "", None)})
    assert mt5.login(1, "p", "s") is False
    assert mt5.last_error() == (-7, "Unsupported authorization mode, OTP or certificate password needed")
    assert backend.connected
    assert backend.asked == [("login", [1, "p", "s", 60000])]


@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize(("sending", "error"), [(True, (-10001, "IPC send failed")), (False, (-10002, "IPC recv failed"))])
def test_lost_link_is_reported_once(name: str, sending: bool, error: tuple[int, str]) -> None:
    mt5, backend = attached()
    backend.answers[name] = LinkLost(sending=sending)
    unrecorded = name in ("market_book_add", "market_book_release")
    for wanted in (error, (-10004, "No IPC connection"), (-10004, "No IPC connection")):
        assert getattr(mt5, name)(*VALID.get(name, ())) == failure_value(name)
        assert mt5.last_error() == (SUCCESS if unrecorded else wanted)
    assert mt5.initialize() is (name != "version")  # version is asked by initialize() itself


@pytest.mark.parametrize("name", ASKING)
def test_terminal_errors(name: str) -> None:
    mt5, backend = attached({})
    backend.answers[name] = (-1, "Terminal: Call failed", None)
    result = getattr(mt5, name)(*VALID.get(name, ()))
    assert result == failure_value(name)
    assert type(result) is type(failure_value(name))
    if name not in ("market_book_add", "market_book_release"):
        assert mt5.last_error() == (-1, "Terminal: Call failed")


@pytest.mark.parametrize(
    ("name", "value", "returned"),
    [
        ("account_info", [*range(24), "n", "s", "USD", "c"], structs.build("AccountInfo", [*range(24), "n", "s", "USD", "c"])),
        ("symbol_select", True, True),
        ("symbol_select", False, False),
        ("market_book_add", True, True),
        ("orders_total", 0, 0),
        ("order_calc_margin", 109.91, 109.91),
        ("market_book_get", [[1, 1.2, 5, 5.0]], (structs.BookInfo((1, 1.2, 5, 5.0)),)),
        ("market_book_get", [], ()),
        ("positions_get", [], ()),
        ("positions_get", [POSITION], (structs.TradePosition(tuple(POSITION)),)),
        ("history_deals_get", [DEAL], (structs.TradeDeal(tuple(DEAL)),)),
        ("version", [500, 5260, "05 Sep 2025"], (500, 5260, "05 Sep 2025")),
    ],
)
def test_answers(name: str, value: Any, returned: Any) -> None:
    mt5, _ = attached({name: (1, "Success", value)})
    result = getattr(mt5, name)(*VALID.get(name, ()))
    assert result == returned
    assert repr(result) == repr(returned)
    assert mt5.last_error() == SUCCESS


@pytest.mark.parametrize(("name", "dtype"), [("copy_rates_from", structs.RATE_DTYPE), ("copy_ticks_range", structs.TICK_DTYPE)])
@pytest.mark.parametrize("rows", [0, 2])
def test_arrays(name: str, dtype: np.dtype[np.void], rows: int) -> None:
    mt5, _ = attached({name: (1, "Success", np.ones(rows, dtype).tobytes())})
    result = getattr(mt5, name)(*VALID[name])
    assert (result == np.ones(rows, dtype)).all()
    assert result.shape == (rows,)
    assert not result.flags.writeable
    assert result.flags.owndata


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "sent"),
    [
        ("symbol_select", ("EURUSD",), {}, ["EURUSD", True]),
        ("symbol_select", ("EURUSD", None), {}, ["EURUSD", False]),
        ("symbols_get", (), {"group": "*USD*"}, ["*USD*"]),
        ("symbols_get", ("*USD*",), {}, ["*USD*"]),
        ("symbols_get", (), {"symbol": "EURUSD"}, [None]),
        ("positions_get", (), {}, [None, None, None]),
        ("positions_get", (), {"symbol": "EURUSD"}, ["EURUSD", None, None]),
        ("positions_get", (), {"symbol": "EURUSD", "ticket": 7}, [None, None, 7]),
        ("positions_get", (), {"symbol": "EURUSD", "group": "*"}, ["EURUSD", None, None]),
        ("orders_get", (), {"group": "*"}, [None, None, None]),
        ("orders_get", (), {"symbl": "EURUSD"}, [None, None, None]),
        ("history_orders_get", (1.9, 2), {"ticket": 7}, [1, 2, None, None, None]),
        ("history_orders_get", (), {"ticket": 7, "position": 8}, [None, None, None, 7, None]),
        ("history_deals_get", (), {"position": 8}, [None, None, None, None, 8]),
        ("history_deals_total", (1.9, True), {}, [1, 1]),
        ("copy_ticks_from", ("EURUSD", 1704067200.9, np.int64(5), -1), {}, ["EURUSD", 1704067200, 5, -1]),
        ("copy_rates_from_pos", ("EURUSD", True, 0, 10), {}, ["EURUSD", 1, 0, 10]),
        ("order_calc_margin", (-1, "EURUSD", 1, np.float32(0.5)), {}, [2**32 - 1, "EURUSD", 1.0, 0.5]),
    ],
)
def test_what_is_sent(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], sent: list[Any]) -> None:
    mt5, backend = attached({name: (-1, "", None)})
    assert getattr(mt5, name)(*args, **kwargs) in (None, False)
    assert backend.asked == [(name, sent)]


def test_group_is_applied_to_what_the_terminal_returned() -> None:
    mt5, _ = attached({"positions_get": (1, "Success", [POSITION, IN_JPY])})
    assert [position.symbol for position in mt5.positions_get(group="*,!*JPY*")] == ["EURUSD"]
    assert mt5.positions_get(group="!*JPY*") == ()
    assert mt5.last_error() == SUCCESS


@pytest.mark.parametrize("name", ["positions_get", "orders_get", "history_orders_get", "history_deals_get"])
def test_unknown_ticket_is_empty_and_a_success(name: str) -> None:
    mt5, _ = attached({name: (-4, "Terminal: Not found", None)})
    assert getattr(mt5, name)(ticket=5) == ()
    assert mt5.last_error() == SUCCESS


def test_ticket_returns_one_record_at_most() -> None:
    mt5, _ = attached({"history_deals_get": (1, "Success", [DEAL, DEAL])})
    assert len(mt5.history_deals_get(ticket=7)) == 1
    assert len(mt5.history_deals_get(position=7)) == 2


def test_order_result_repeats_the_request_as_sent() -> None:
    answer = [10009, 1, 2, 0.1, 1.1, 1.0, 1.2, "Request executed", 3, 0, [0] * 17]
    mt5, backend = attached({"order_send": (1, "Success", answer)})
    result = mt5.order_send({"action": 1, "symbol": "EURUSD", "volume": 0.1, "price": 1.1})
    assert backend.asked == [("order_send", [REQUEST])]
    assert result.request == structs.TradeRequest(tuple(REQUEST))
    assert type(result.request) is structs.TradeRequest
    assert result.retcode == 10009
    assert mt5.order_send(request={"action": 1}).request == structs.TradeRequest(
        tuple([0] * 3 + [""] + [0.0] * 5 + [0] * 5 + ["", 0, 0])
    )


def test_python_api_disabled() -> None:
    mt5, _ = attached({"order_send": (-8, "", None)})
    assert mt5.order_send({}) is None
    assert mt5.last_error() == (-8, "Auto-Trading using Python API disabled in Terminal")


def test_a_call_with_an_exception_left_behind_is_made_nevertheless() -> None:
    mt5, backend = attached({"history_deals_total": (1, "Success", 4)})
    with pytest.raises(SystemError) as raised:
        mt5.history_deals_total(0, 2**31)
    assert isinstance(raised.value.__cause__, OverflowError)
    assert backend.asked == [("history_deals_total", [0, -1])]
    assert mt5.last_error() == SUCCESS
    assert mt5.history_deals_total(0, 1) == 4


def test_an_answer_of_another_kind_is_not_hidden() -> None:
    mt5, _ = attached({"symbol_info_tick": (1, "Success", [1, 2])})
    with pytest.raises(ValueError, match="Tick has 8 fields, the terminal sent 2"):
        mt5.symbol_info_tick("EURUSD")


def test_two_namespaces_share_nothing() -> None:
    first, _ = attached()
    second, _ = attached()
    assert first.positions_get("x") is None
    assert first.last_error()[0] == -2
    assert second.last_error() == SUCCESS


def test_calls_are_made_one_at_a_time() -> None:
    entered, released = threading.Event(), threading.Event()

    class Slow(ScriptedBackend):
        def call(self, function: str, args: list[Any]) -> tuple[int, str, Any]:
            entered.set()
            assert released.wait(10)
            return -1, "", None

    mt5 = types.SimpleNamespace(**namespace(Slow(connected=True)))
    seen: list[tuple[int, str]] = []
    blocked = threading.Thread(target=mt5.orders_total)
    blocked.start()
    assert entered.wait(10)
    reader = threading.Thread(target=lambda: seen.append(mt5.last_error()))
    reader.start()
    reader.join(0.05)
    assert not seen  # last_error() waits for the call under way
    released.set()
    blocked.join(10)
    reader.join(10)
    assert seen == [(-1, "Terminal: Call failed")]
