"""The quirks of the MetaTrader5 package, shown by a module that behaves as it does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from bridge.errors import ConfigError
from bridge.mt5api.structs import FIELDS, RATE_DTYPE, TICK_DTYPE, build
from bridge.terminal import Credentials, TerminalError
from bridge.terminal.metatrader import MetaTrader, load_metatrader5, open_terminal
from bridge.ticks import Tick, iter_bars, iter_ticks
from bridge.trading import TradeRequest
from tests.fake_terminal import FakeTerminal

ZERO = {"bool": False, "i32": 0, "u32": 0, "i64": 0, "u64": 0, "f64": 0.0, "str": ""}


def struct(name: str, /, **values: Any) -> Any:
    """One of the package's structs; what is not given is zero."""
    return build(name, [values.get(field, request() if kind == "TradeRequest" else ZERO[kind]) for field, kind in FIELDS[name]])


def request(**values: Any) -> Any:
    return struct("TradeRequest", **values)


class Module:
    """Answers what was scripted, once or for ever, and records the calls; `error` is what `last_error` says."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.error = (1, "Success")
        self._answers: dict[str, list[Any]] = {}

    def answer(self, function: str, *answers: Any) -> None:
        """The last one is repeated; a pair of a failed result and an error sets both."""
        self._answers[function] = list(answers)

    def last_error(self) -> tuple[int, str]:
        return self.error

    def __getattr__(self, function: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.calls.append((function, arguments, options))
            answers = self._answers[function]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, BaseException):
                raise answer
            self.error = (1, "Success")
            if isinstance(answer, Failure):
                self.error = answer.error
                return answer.result
            return answer

        return call


class Failure:
    def __init__(self, code: int, text: str, result: Any = None) -> None:
        self.error = (code, text)
        self.result = result


@pytest.fixture
def module() -> Module:
    return Module()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def terminal(module: Module, waits: list[float]) -> MetaTrader:
    return MetaTrader(module, waits.append)


def refusal(call: Callable[[], object]) -> tuple[str, int, str]:
    with pytest.raises(TerminalError) as caught:
        call()
    return caught.value.function, caught.value.code, caught.value.text


# ---- attaching -------------------------------------------------------------------------------------------------------------------


def test_attach_without_credentials_passes_nothing_that_is_absent(module: Module, terminal: MetaTrader) -> None:
    module.answer("initialize", True)
    terminal.attach(Credentials())
    terminal.attach(Credentials(path="C:\\mt5\\terminal64.exe", timeout_ms=5000, portable=True, password="unused"))
    assert module.calls == [
        ("initialize", (), {"timeout": 60_000, "portable": False}),
        ("initialize", ("C:\\mt5\\terminal64.exe",), {"timeout": 5000, "portable": True}),
    ]


def test_attach_with_credentials(module: Module, terminal: MetaTrader) -> None:
    module.answer("initialize", True)
    module.answer("account_info", struct("AccountInfo", login=7, server="Demo"))
    terminal.attach(Credentials(login=7, password="p", server="Demo"))
    assert module.calls[0] == (
        "initialize", (), {"timeout": 60_000, "portable": False, "login": 7, "password": "p", "server": "Demo"},
    )  # fmt: skip
    assert [name for name, _, _ in module.calls] == ["initialize", "account_info"]


OTHERS = [struct("AccountInfo", login=8, server="Demo"), struct("AccountInfo", login=7, server="Live"), None]


@pytest.mark.parametrize("found", OTHERS)
def test_attach_logs_in_where_the_terminal_has_another_account(module: Module, terminal: MetaTrader, found: Any) -> None:
    module.answer("initialize", True)
    module.answer("account_info", found)
    module.answer("login", True)
    terminal.attach(Credentials(login=7, password="p", server="Demo"))
    assert module.calls[-1] == ("login", (7,), {"timeout": 60_000, "password": "p", "server": "Demo"})


def test_attach_fails(module: Module, terminal: MetaTrader) -> None:
    module.answer("initialize", Failure(-10_003, "IPC initialize failed, MetaTrader 5 x64 not found", False))
    assert refusal(lambda: terminal.attach(Credentials())) == (
        "initialize", -10_003, "IPC initialize failed, MetaTrader 5 x64 not found",
    )  # fmt: skip


def test_a_refused_login_leaves_no_connection_to_another_account(module: Module, terminal: MetaTrader) -> None:
    module.answer("initialize", True)
    module.answer("account_info", struct("AccountInfo", login=8))
    module.answer("login", Failure(-6, "Terminal: Authorization failed", False))
    module.answer("shutdown", True)
    assert refusal(lambda: terminal.attach(Credentials(login=7, password="p"))) == ("login", -6, "Terminal: Authorization failed")
    assert module.calls[-1][0] == "shutdown"


def test_version_of_a_disconnected_package_is_an_error(module: Module, terminal: MetaTrader) -> None:
    module.answer("version", Failure(-10_004, "No IPC connection", (0, 0, "")))
    assert refusal(terminal.version) == ("version", -10_004, "No IPC connection")
    module.answer("version", (500, 2755, "15 Jan 2021"))
    assert terminal.version() == (500, 2755, "15 Jan 2021")


class Readiness:
    """Stands in for `Launch`: says what it was told to."""

    def __init__(self, module: Module, reason: str = "") -> None:
        self.module = module
        self.reason = reason

    def ready(self, path: str, portable: bool) -> None:
        self.module.calls.append(("ready", (path, portable), {}))
        if self.reason:
            raise TerminalError("attach", 0, "not ready", self.reason)


def test_the_package_is_not_let_at_a_terminal_that_is_not_ready(module: Module) -> None:
    module.answer("shutdown", True)
    terminal = MetaTrader(module, launch=Readiness(module, "starting"))  # type: ignore[arg-type]
    with pytest.raises(TerminalError) as caught:
        terminal.attach(Credentials(path="terminal64.exe", portable=True))
    assert (caught.value.reason, caught.value.code, caught.value.text) == ("starting", 0, "not ready")
    assert [(name, given) for name, given, _ in module.calls] == [("shutdown", ()), ("ready", ("terminal64.exe", True))]


def test_the_package_connects_to_a_terminal_that_is_ready(module: Module) -> None:
    module.answer("shutdown", True)
    module.answer("initialize", True)
    terminal = MetaTrader(module, launch=Readiness(module))  # type: ignore[arg-type]
    terminal.attach(Credentials(path="terminal64.exe"))
    assert [name for name, _, _ in module.calls] == ["shutdown", "ready", "initialize"]
    module.calls.clear()
    terminal.attach(Credentials())  # which terminal the package will find is not known before
    assert [name for name, _, _ in module.calls] == ["initialize"]


@pytest.mark.parametrize(
    ("real", "path", "limit_s"),
    [
        (False, None, 13.0),
        (False, "tcp://127.0.0.1:5557", 13.0),
        (True, "terminal64.exe", 13.0),
        (True, None, 113.0),
        (True, "", 113.0),
    ],
)
def test_how_long_an_attach_may_take(module: Module, real: bool, path: str | None, limit_s: float) -> None:
    terminal = MetaTrader(module, launch=Readiness(module) if real else None)  # type: ignore[arg-type]
    assert terminal.attach_limit_s(Credentials(path=path, timeout_ms=3_000)) == limit_s


# ---- failures --------------------------------------------------------------------------------------------------------------------

READS: list[tuple[str, Callable[[MetaTrader], Any]]] = [
    ("account_info", lambda terminal: terminal.account()),
    ("terminal_info", lambda terminal: terminal.info()),
    ("symbols_get", lambda terminal: terminal.symbols()),
    ("symbol_info", lambda terminal: terminal.symbol("EURUSD")),
    ("symbol_info_tick", lambda terminal: terminal.tick("EURUSD")),
    ("copy_ticks_from", lambda terminal: terminal.ticks_from("EURUSD", 5, 5)),
    ("copy_rates_from_pos", lambda terminal: terminal.rates_from_pos("EURUSD", "M1", 0, 5)),
    ("copy_rates_from", lambda terminal: terminal.rates_from("EURUSD", "M1", 5, 5)),
    ("copy_rates_range", lambda terminal: terminal.rates_range("EURUSD", "M1", 5, 6)),
    ("positions_get", lambda terminal: terminal.positions()),
    ("orders_get", lambda terminal: terminal.orders()),
    ("history_orders_get", lambda terminal: terminal.history_orders()),
    ("history_deals_get", lambda terminal: terminal.deals()),
    ("order_check", lambda terminal: terminal.check(TradeRequest())),
    ("order_calc_margin", lambda terminal: terminal.margin(0, "EURUSD", 1, 1)),
    ("order_calc_profit", lambda terminal: terminal.profit(0, "EURUSD", 1, 1, 1)),
]


@pytest.mark.parametrize(("function", "read"), READS, ids=[name for name, _ in READS])
def test_none_is_a_failure_and_never_empty(
    module: Module, terminal: MetaTrader, waits: list[float], function: str, read: Callable[[MetaTrader], Any]
) -> None:
    module.answer(function, Failure(-10_004, "No IPC connection"))
    assert refusal(lambda: read(terminal)) == (function, -10_004, "No IPC connection")
    module.answer(function, None)
    assert refusal(lambda: read(terminal)) == (function, -1, "refused without a reason")
    assert waits == []
    module.answer(function, SystemError("<built-in> returned a result with an exception set"))
    assert refusal(lambda: read(terminal))[:2] == (function, -1)


@pytest.mark.parametrize(("function", "read"), READS, ids=[name for name, _ in READS])
def test_a_read_that_fails_for_a_moment_is_tried_again(
    module: Module, terminal: MetaTrader, waits: list[float], function: str, read: Callable[[MetaTrader], Any]
) -> None:
    module.answer(function, Failure(-1, "Terminal: Call failed"))
    assert refusal(lambda: read(terminal)) == (function, -1, "Terminal: Call failed")
    assert len(module.calls) == 3
    assert len(waits) == 2


def test_a_second_try_succeeds(module: Module, terminal: MetaTrader, waits: list[float]) -> None:
    module.answer("positions_get", Failure(-1, "Terminal: Call failed"), ())
    assert terminal.positions() == []
    assert len(waits) == 1


@pytest.mark.parametrize("code", [-1, -2, -8, -10_001, -10_004])
def test_an_order_is_never_tried_twice(module: Module, terminal: MetaTrader, waits: list[float], code: int) -> None:
    module.answer("order_send", Failure(code, "Terminal: Call failed"))
    assert refusal(lambda: terminal.send(TradeRequest())) == ("order_send", code, "Terminal: Call failed")
    assert (len(module.calls), waits) == (1, [])


def _system_error(cause: BaseException) -> SystemError:
    error = SystemError("<built-in function order_send> returned a result with an exception set")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (_system_error(OverflowError("int too big to convert")), -2), (_system_error(TypeError("an integer is required")), -2),
        (_system_error(MemoryError()), -1), (TypeError("a fault of a module"), -1), (ValueError("?"), -1),
    ],
)  # fmt: skip
def test_only_the_packages_own_conversion_proves_that_nothing_was_sent(
    module: Module, terminal: MetaTrader, raised: Exception, code: int
) -> None:
    module.answer("order_send", raised)
    assert refusal(lambda: terminal.send(TradeRequest()))[:2] == ("order_send", code)


def test_symbols_get_answers_false_for_a_bad_group(module: Module, terminal: MetaTrader) -> None:
    module.answer("symbols_get", Failure(-2, 'Invalid "group" argument', False))
    assert refusal(lambda: terminal.symbols("*"))[1] == -2
    module.answer("symbols_get", ())
    assert terminal.symbols("*") == []


# ---- records ---------------------------------------------------------------------------------------------------------------------


def test_records_have_the_fields_of_the_structs(module: Module, terminal: MetaTrader) -> None:
    for function, name, read in (
        ("account_info", "AccountInfo", terminal.account), ("terminal_info", "TerminalInfo", terminal.info),
        ("symbol_info", "SymbolInfo", lambda: terminal.symbol("X")), ("positions_get", "TradePosition", terminal.positions),
        ("orders_get", "TradeOrder", terminal.orders), ("history_deals_get", "TradeDeal", terminal.deals),
    ):  # fmt: skip
        values = {
            field: {"str": field, "f64": number + 0.5, "bool": number % 2 == 0}.get(kind, number)
            for number, (field, kind) in enumerate(FIELDS[name])
        }
        found = struct(name, **values)
        module.answer(function, found if function.endswith("info") else (found,))
        answer: Any = read()
        if isinstance(answer, list):
            (answer,) = answer
        assert asdict(answer) == values
        assert list(asdict(answer)) == [field for field, _ in FIELDS[name]]


class Loose:
    """A struct of another build: more fields, other types, or a field missing."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def test_other_types_and_more_fields_are_brought_into_order(module: Module, terminal: MetaTrader) -> None:
    values = struct("BookInfo")._asdict() | {"type": np.int64(1), "price": 3, "volume": True, "news": "of build 9999"}
    module.answer("market_book_get", (Loose(**values),))
    (level,) = terminal.book("X")
    assert (level.type, level.price, level.volume) == (1, 3.0, 1)
    assert (type(level.type), type(level.price), type(level.volume)) == (int, float, int)


@pytest.mark.parametrize("bad", [{"price": None}, {"price": "high"}])
def test_a_value_of_no_use_is_an_error(module: Module, terminal: MetaTrader, bad: dict[str, Any]) -> None:
    module.answer("market_book_get", (Loose(**(struct("BookInfo")._asdict() | bad)),))
    assert refusal(lambda: terminal.book("X"))[1] == -5


def test_a_missing_field_is_an_error_that_says_what_to_do(module: Module, terminal: MetaTrader) -> None:
    values = struct("TradeDeal")._asdict()
    del values["fee"]
    module.answer("history_deals_get", (Loose(**values),))
    function, code, text = refusal(terminal.deals)
    assert (function, code) == ("history_deals_get", -5)
    assert "fee" in text
    assert "update MetaTrader5" in text


def test_a_result_of_an_order_that_cannot_be_read_does_not_prove_anything(module: Module, terminal: MetaTrader) -> None:
    module.answer("order_send", Loose(retcode=10009))
    assert refusal(lambda: terminal.send(TradeRequest()))[1] == -5


# ---- arrays and ticks ------------------------------------------------------------------------------------------------------------


def test_arrays_become_packed_records(module: Module, terminal: MetaTrader) -> None:
    ticks = np.array([(5, 1.1, 1.2, 0.0, 3, 5001, 134, 0.5)], TICK_DTYPE)
    module.answer("copy_ticks_from", ticks)
    (tick,) = iter_ticks(terminal.ticks_from("EURUSD", 5, 10, "info"))
    assert tick == (5, 1.1, 1.2, 0.0, 3, 5001, 134, 0.5)
    assert module.calls == [("copy_ticks_from", ("EURUSD", 5, 10, 1), {})]
    module.answer("copy_rates_from_pos", np.zeros(0, RATE_DTYPE))
    assert terminal.rates_from_pos("EURUSD", "H1", 0, 10) == b""
    assert module.calls[-1] == ("copy_rates_from_pos", ("EURUSD", 16385, 0, 10), {})


def test_columns_of_another_build(module: Module, terminal: MetaTrader) -> None:
    wider = np.dtype([("spread", "<i8"), ("swap", "<f8"), *[(name, "<f8") for name in RATE_DTYPE.names or () if name != "spread"]])
    rates = np.zeros(2, wider)
    rates["time"], rates["spread"], rates["close"] = [60, 120], [3, 4], [1.5, 2.5]
    module.answer("copy_rates_range", rates)
    bars = list(iter_bars(terminal.rates_range("EURUSD", "M1", 0, 120)))
    assert [(bar.time, bar.spread, bar.close) for bar in bars] == [(60, 3, 1.5), (120, 4, 2.5)]
    module.answer("copy_rates_range", np.zeros(2, "<f8"))
    assert refusal(lambda: terminal.rates_range("EURUSD", "M1", 0, 120))[1] == -5
    module.answer("copy_rates_range", np.zeros(2, TICK_DTYPE))
    assert refusal(lambda: terminal.rates_range("EURUSD", "M1", 0, 120))[1] == -5


def test_zero_is_not_given_to_a_date(module: Module, terminal: MetaTrader) -> None:
    module.answer("copy_ticks_from", np.zeros(0, TICK_DTYPE))
    module.answer("copy_rates_range", np.zeros(0, RATE_DTYPE))
    module.answer("history_deals_get", ())
    terminal.ticks_from("EURUSD", 0, 1)
    terminal.rates_range("EURUSD", "M1", 0, 0)
    terminal.deals(from_s=0)
    assert [arguments for _, arguments, _ in module.calls] == [("EURUSD", 1, 1, -1), ("EURUSD", 1, 1, 1), (1, 2_145_916_800)]


def test_an_unknown_timeframe_is_refused_here(module: Module, terminal: MetaTrader) -> None:
    assert refusal(lambda: terminal.rates_from("EURUSD", "M7", 5, 5))[1] == -2
    assert module.calls == []


def test_the_last_tick_of_a_symbol_that_was_never_quoted(module: Module, terminal: MetaTrader) -> None:
    module.answer("symbol_info_tick", Failure(-4, "Terminal: Not found"))
    module.answer("symbol_info", struct("SymbolInfo", name="NEW"))
    assert terminal.tick("NEW") == Tick(0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0)
    module.answer("symbol_info", Failure(-4, "Terminal: Not found"))
    assert refusal(lambda: terminal.tick("NOPE")) == ("symbol_info", -4, "Terminal: Not found")
    module.answer("symbol_info_tick", struct("Tick", time=5, bid=1.5, time_msc=5001, flags=1030))
    assert terminal.tick("EURUSD") == Tick(5, 1.5, 0.0, 0.0, 0, 5001, 1030, 0.0)


# ---- filters, book and orders ----------------------------------------------------------------------------------------------------


def test_filters_are_keywords_and_only_one(module: Module, terminal: MetaTrader) -> None:
    module.answer("positions_get", ())
    module.answer("orders_get", ())
    module.answer("history_orders_get", ())
    terminal.positions(ticket=5, symbol="X", group="*")
    terminal.positions(symbol="X", group="*")
    terminal.orders(group="*")
    terminal.orders()
    terminal.history_orders(position=9, from_s=1, to_s=2)
    terminal.history_orders(from_s=1, to_s=2)
    assert [(arguments, options) for _, arguments, options in module.calls] == [
        ((), {"ticket": 5}), ((), {"symbol": "X"}), ((), {"group": "*"}), ((), {}), ((), {"position": 9}), ((1, 2), {}),
    ]  # fmt: skip


def test_the_book(module: Module, terminal: MetaTrader) -> None:
    module.answer("market_book_add", False)
    assert refusal(lambda: terminal.book_open("X")) == ("market_book_add", -1, "refused without a reason")
    module.answer("market_book_get", None)
    assert terminal.book("X") == []
    module.answer("market_book_get", Failure(-10_004, "No IPC connection"))
    assert refusal(lambda: terminal.book("X"))[1] == -10_004
    module.answer("market_book_release", True)
    terminal.book_close("X")


def test_selecting(module: Module, terminal: MetaTrader) -> None:
    module.answer("symbol_select", True, Failure(-1, "Terminal: Call failed", False))
    terminal.select("X")
    assert refusal(lambda: terminal.select("NOPE", False)) == ("symbol_select", -1, "Terminal: Call failed")
    assert [arguments for _, arguments, _ in module.calls] == [("X", True), ("NOPE", False)]


def test_an_order_is_one_dict_of_the_right_types(module: Module, terminal: MetaTrader) -> None:
    sent = TradeRequest(action=1, symbol="EURUSD", volume=1, price=1, deviation=np.int64(5), type_filling=True)  # type: ignore[arg-type]
    echo = request(action=1, symbol="EURUSD", volume=1.0)
    module.answer("order_send", struct("OrderSendResult", retcode=10046, order=12, comment="odd", request=echo))
    result = terminal.send(sent)
    ((function, (passed,), options),) = module.calls
    assert (function, options) == ("order_send", {})
    assert set(map(type, (passed["volume"], passed["price"], passed["sl"]))) == {float}
    assert set(map(type, (passed["action"], passed["deviation"], passed["type_filling"], passed["expiration"]))) == {int}
    assert list(passed) == [field for field, _ in FIELDS["TradeRequest"]]
    told = TradeRequest(action=1, symbol="EURUSD", volume=1.0, type_filling=0)
    assert (result.retcode, result.order, result.request) == (10046, 12, told)
    terminal.send(TradeRequest())
    assert module.calls[-1][1][0]["type_filling"] == 0
    module.answer("order_check", struct("OrderCheckResult", retcode=0, comment="Done", margin=5.0))
    assert terminal.check(sent).margin == 5.0


def test_calculations(module: Module, terminal: MetaTrader) -> None:
    module.answer("order_calc_margin", 109.91)
    module.answer("order_calc_profit", 0.0)
    assert terminal.margin(0, "EURUSD", 1, 1) == 109.91
    assert terminal.profit(1, "EURUSD", 1, 1, 2) == 0.0
    assert module.calls[1] == ("order_calc_profit", (1, "EURUSD", 1.0, 1.0, 2.0), {})


# ---- which terminal --------------------------------------------------------------------------------------------------------------


def test_terminals_by_name() -> None:
    assert isinstance(open_terminal("tests.fake_terminal:FakeTerminal"), FakeTerminal)
    for name in ("nonsense", "no_such_module:thing", "fake_terminal:nothing", ":x", "x:"):
        with pytest.raises(ConfigError) as caught:
            open_terminal(name)
        assert caught.value.next_step


@pytest.mark.skipif(sys.platform == "win32", reason="the package exists there")
def test_without_the_package_there_is_a_next_step() -> None:
    with pytest.raises(ConfigError, match="simulator"):
        load_metatrader5()


def test_the_package_is_imported_by_nothing_else() -> None:
    code = "import sys, bridge.session.child, bridge.terminal.metatrader; print('MetaTrader5' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "False"
