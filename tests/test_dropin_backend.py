"""The drop-in's connection to a bridge that a test scripts: what a program is told when bridge or terminal are not there."""

from __future__ import annotations

import os
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from bridge.errors import (
    AccountChanged,
    BridgeError,
    Busy,
    DeadlinePassed,
    NotConnected,
    OutcomeUnknown,
    TerminalRefused,
    TimedOut,
)
from bridge.messages import CallAccount, CallTerminal, GetSymbols, Hello, SendOrder
from bridge.records import Account, Symbol
from bridge.replies import OrderOutcome, Symbols, TerminalAnswer
from bridge.trading import OrderResult
from clients.mt5 import line, settings
from clients.mt5.backend import BridgeBackend
from clients.mt5.names import names_over
from tests.scripted_bridge import CONNECTED, ScriptedBridge
from tests.stand_in import StandIn, stand_in


def zeros(kind: Any) -> list[Any]:
    """A value for each field of a record."""
    return [{"int": 0, "float": 0.0, "bool": False, "str": ""}[name] for name in kind.__annotations__.values()]


ACCOUNT = replace(Account(*zeros(Account)), login=1, server="S")
BUY = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "price": 1.1}
NO_CONNECTION = (-10004, "No IPC connection")


def called(request: CallTerminal | CallAccount) -> TerminalAnswer:
    if request.function == "version":
        return TerminalAnswer(1, "Success", [500, 5830, "12 Jun 2026"])
    if request.function == "symbol_info_tick":
        return TerminalAnswer(1, "Success", [1, 1.1, 1.2, 0.0, 0, 1000, 6, 0.0])
    if request.function == "positions_total":
        return TerminalAnswer(1, "Success", 3)
    return TerminalAnswer(-4, "Terminal: Not found")


def scripted(epoch: int = 1, login: int = 1) -> ScriptedBridge:
    bridge = ScriptedBridge(epoch, time.monotonic())
    bridge.connection = replace(CONNECTED, login=login)
    bridge.answers |= {
        "account": lambda request: replace(ACCOUNT, login=login),
        "terminal_call": called,
        "account_call": called,
    }
    return bridge


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in(scripted()) as running:
        yield running


@pytest.fixture
def mt5(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("MT5BRIDGE_ENDPOINT", server.endpoint)
    monkeypatch.setattr(line, "PROBE_S", 0.3)
    monkeypatch.setattr(line, "STUCK_S", 0.1)
    module = types.SimpleNamespace(**names_over(BridgeBackend()))
    assert module.initialize() is True
    yield module
    module.shutdown()


def answer(server: StandIn, method: str, reply: Callable[[Any], Any]) -> None:
    server.run(lambda bridge: bridge.answers.update({method: reply}))


def raising(error: BridgeError) -> Callable[[Any], Any]:
    def reply(request: Any) -> Any:
        raise error

    return reply


# ---- initialize ------------------------------------------------------------------------------------------------------------------


def test_ways_to_initialize(mt5: Any, server: StandIn) -> None:
    ways: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        (("",), {}),
        ((server.endpoint,), {}),
        ((), {"path": server.endpoint, "login": 1, "password": "p", "server": "S", "timeout": 5000, "portable": False}),
        ((r"C:\Program Files\MetaTrader 5\terminal64.exe",), {}),
    ]
    for given, named in ways:
        assert mt5.initialize(*given, **named) is True
        assert mt5.version() == (500, 5830, "12 Jun 2026")
    assert mt5.initialize(path=None, timeout=5000) is True
    assert mt5.initialize(path=None, login=2) is False
    assert mt5.last_error() == (-6, "Terminal: Authorization failed")
    server.close()
    assert mt5.initialize(path=None) is False
    assert mt5.last_error() == (-2, 'Invalid "path" argument')  # the package's words


def test_nobody_listens(mt5: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MT5BRIDGE_ENDPOINT", "tcp://127.0.0.1:1")
    begun_s = time.monotonic()
    assert mt5.initialize() is False
    assert mt5.last_error() == (-10003, "IPC initialize failed, MetaTrader 5 x64 not found")
    assert mt5.initialize("tcp://127.0.0.1:1") is False
    assert mt5.last_error() == (-10003, "IPC initialize failed, Process create failed 'tcp://127.0.0.1:1'")
    assert mt5.initialize("tcp://no-port") is False
    assert time.monotonic() - begun_s < 2.0
    assert mt5.positions_get() is None
    assert mt5.last_error() == NO_CONNECTION


def test_the_terminal_is_not_there_in_time(mt5: Any, server: StandIn) -> None:
    server.run(lambda bridge: setattr(bridge, "connection", replace(CONNECTED, state="connecting")))
    begun_s = time.monotonic()
    assert mt5.initialize(timeout=300) is False
    assert mt5.last_error() == (-10005, "IPC timeout")
    assert 0.25 < time.monotonic() - begun_s < 2.0


def test_the_terminal_comes_while_initialize_waits(mt5: Any, server: StandIn) -> None:
    server.run(lambda bridge: setattr(bridge, "connection", replace(CONNECTED, state="starting")))
    later = threading.Timer(0.2, lambda: server.run(lambda bridge: setattr(bridge, "connection", CONNECTED)))
    later.start()
    assert mt5.initialize() is True
    later.join()


def test_the_account_is_another(mt5: Any, server: StandIn) -> None:
    answer(server, "account", raising(AccountChanged("another")))
    assert mt5.initialize() is False
    assert mt5.last_error() == (-6, "Terminal: Authorization failed")
    server.run(lambda bridge: setattr(bridge, "connection", replace(CONNECTED, state="refused")))
    assert mt5.initialize() is False
    assert mt5.last_error() == (-6, "Terminal: Authorization failed")


@pytest.mark.parametrize("told", ["0", "x", "nan", "1e9"])
def test_a_time_limit_that_is_none(mt5: Any, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.TIMEOUT_VARIABLE, told)
    assert mt5.initialize() is False
    assert mt5.last_error()[0] == -10003
    assert settings.TIMEOUT_VARIABLE in mt5.last_error()[1]


def test_login_keeps_the_connection(mt5: Any) -> None:
    assert mt5.login(1, "x", "S") is True
    assert mt5.login(2) is False
    assert mt5.last_error() == (-6, "Terminal: Authorization failed")
    assert mt5.positions_total() == 3


# ---- calls that fail -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TerminalRefused("no", function="f", terminal_code=-7, terminal_text="Terminal: Unsupported function"), -7),
        (TimedOut("late"), -10005),
        (DeadlinePassed("late"), -10005),
        (AccountChanged("another"), -6),
        (Busy("too many"), -1),
        (NotConnected("not now", state="reconnecting"), -10004),
    ],
)
def test_errors_of_the_bridge(mt5: Any, server: StandIn, error: BridgeError, told: int) -> None:
    answer(server, "account_call", raising(error))
    assert mt5.account_info() is None
    assert mt5.last_error()[0] == told


def test_the_terminal_is_lost_under_a_call(mt5: Any, server: StandIn) -> None:
    answer(server, "account_call", raising(NotConnected("the session was lost")))
    assert mt5.account_info() is None
    assert mt5.last_error() == (-10002, "IPC recv failed")
    assert mt5.account_info() is None
    assert mt5.last_error() == NO_CONNECTION
    answer(server, "account_call", called)
    assert mt5.positions_total() == 3
    assert mt5.last_error() == (1, "Success")


def test_an_old_bridge(mt5: Any, server: StandIn) -> None:
    server.run(lambda bridge: bridge.answers.pop("account_call"))
    assert mt5.positions_get() is None
    assert mt5.last_error()[0] == -5


def test_no_answer_within_the_limit(mt5: Any, server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.TIMEOUT_VARIABLE, "200")
    assert mt5.initialize() is True
    answer(server, "account_call", lambda request: None)
    begun_s = time.monotonic()
    assert mt5.positions_get() is None
    assert mt5.last_error() == (-10005, "IPC timeout")
    assert time.monotonic() - begun_s < 1.5


def test_the_bridge_dies_and_comes_back(mt5: Any, server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "UNSENT_S", 0.3)
    answer(server, "account_call", lambda request: None)
    threading.Timer(0.2, server.close).start()
    assert mt5.positions_total() is None
    assert mt5.last_error() in ((-10001, "IPC send failed"), (-10002, "IPC recv failed"))
    assert mt5.positions_total() is None
    assert mt5.last_error() == NO_CONNECTION
    with stand_in(scripted(epoch=2), server.endpoint):
        assert mt5.positions_total() == 3
        assert mt5.last_error() == (1, "Success")


def test_a_read_that_the_bridge_took_with_it_is_asked_again(mt5: Any, server: StandIn) -> None:
    answer(server, "account_call", lambda request: None)
    running: list[StandIn] = []

    def restart() -> None:
        server.close()
        running.append(StandIn(scripted(epoch=2), server.endpoint))

    timer = threading.Timer(0.1, restart)
    timer.start()
    assert mt5.positions_total() == 3
    timer.join()
    running[0].close()


def test_another_accounts_bridge_at_the_endpoint(mt5: Any, server: StandIn) -> None:
    server.close()
    assert mt5.positions_total() is None
    with stand_in(scripted(epoch=2, login=2), server.endpoint):
        assert mt5.positions_total() is None
        assert mt5.last_error() == NO_CONNECTION
        assert mt5.initialize() is True
        assert mt5.positions_total() == 3


def test_nothing_after_shutdown(mt5: Any) -> None:
    assert mt5.shutdown() is True
    assert mt5.symbol_info_tick("EURUSD") is None
    assert mt5.last_error() == NO_CONNECTION
    assert mt5.shutdown() is True
    assert mt5.initialize() is True
    assert mt5.symbol_info_tick("EURUSD").ask == 1.2


# ---- threads and processes -------------------------------------------------------------------------------------------------------


def test_any_thread_may_call_while_others_run(mt5: Any, server: StandIn) -> None:
    counted, told = 0, []
    answer(server, "terminal_call", lambda request: time.sleep(0.05) or called(request))  # type: ignore[func-returns-value]
    threads = [threading.Thread(target=lambda: told.append(mt5.symbol_info_tick("EURUSD").bid)) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        counted += 1
        time.sleep(0.001)
    assert told == [1.1] * 4
    assert counted > 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_has_a_connection_of_its_own(mt5: Any, server: StandIn) -> None:
    script = (
        "import os, sys, types\n"
        "from clients import mt5\n"
        "assert mt5.initialize()\n"
        "assert mt5.positions_get() is None and mt5.last_error()[0] == -4\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    code = 1\n"
        "    try:\n"
        "        told = mt5.last_error()[0], mt5.positions_total(), mt5.last_error()[0]\n"
        "        code = 0 if told == (-4, 3, 1) else 2\n"
        "    finally:\n"
        "        os._exit(code)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
        "assert mt5.last_error()[0] == -4 and mt5.positions_total() == 3\n"
    )
    import subprocess  # noqa: PLC0415 - this test alone

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    hellos = [request.client_id for _, request, _ in server.bridge.seen if isinstance(request, Hello)]
    assert len(set(hellos)) == len(hellos) >= 3


# ---- what is made of the answers -------------------------------------------------------------------------------------------------


def test_symbols_come_in_parts(mt5: Any, server: StandIn) -> None:
    symbol = Symbol(*zeros(Symbol))
    every = tuple(replace(symbol, name=f"S{number}") for number in range(600))

    def part(request: GetSymbols) -> Symbols:
        return Symbols(len(every), every[request.start : request.start + request.count])

    answer(server, "symbols", part)
    assert [found.name for found in mt5.symbols_get()] == [f"S{number}" for number in range(600)]


def test_the_bridges_mark_in_a_comment_is_not_seen(mt5: Any, server: StandIn) -> None:
    comments = ["bot~abc234", "~abc234", "bot~abc2345", "bot~ABC234", "bot"]

    def positions(request: CallAccount) -> TerminalAnswer:
        return TerminalAnswer(1, "Success", [[*[0] * 9, *[0.0] * 7, "EURUSD", comment, ""] for comment in comments])

    answer(server, "account_call", positions)
    assert [position.comment for position in mt5.positions_get()] == ["bot", "", "bot~abc2345", "bot~ABC234", "bot"]


def test_half_a_surrogate_pair_is_no_name(mt5: Any) -> None:
    assert mt5.symbol_info("\ud800") is None
    assert mt5.last_error() == (-4, "Terminal: Not found")


# ---- orders ----------------------------------------------------------------------------------------------------------------------


def done(request: SendOrder) -> OrderOutcome:
    return OrderOutcome("done", OrderResult(10009, 7, 8, 0.1, 1.1, 1.0, 1.1, "Request executed", 5, 0, request.request))


def orders(server: StandIn) -> list[Any]:
    return [request.request for _, request, _ in server.bridge.seen if isinstance(request, SendOrder)]


def test_an_order_as_the_program_gave_it(mt5: Any, server: StandIn) -> None:
    answer(server, "order", done)
    comment = "a comment of 29 characters ..."[:29]
    result = mt5.order_send({**BUY, "comment": comment, "magic": 3})
    assert mt5.last_error() == (1, "Success")
    assert (result.retcode, result.deal, result.order, result.request_id) == (10009, 7, 8, 5)
    assert result.request.comment == comment
    [sent] = orders(server)
    assert (sent.type_filling, sent.magic, sent.comment) == (0, 3, comment[:27])


def test_each_order_has_an_id_of_its_own(mt5: Any, server: StandIn) -> None:
    ids: list[str] = []
    receive = server.bridge.receive_request

    def noting(identity: bytes, frame: bytes, now: float) -> None:
        from bridge import codec  # noqa: PLC0415

        message = codec.decode_request(frame)
        if message.method == "order":
            ids.append(message.id)
        receive(identity, frame, now)

    server.bridge.receive_request = noting  # type: ignore[method-assign]
    answer(server, "order", done)
    mt5.order_send(BUY)
    mt5.order_send(BUY)
    assert len(set(ids)) == 2


def test_an_unknown_outcome_is_no_result(mt5: Any, server: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    answer(server, "order", raising(OutcomeUnknown("nobody knows")))
    assert mt5.order_send(BUY) is None
    assert mt5.last_error() == (-10002, "IPC recv failed")
    [record] = [record for record in caplog.records if record.name == "clients.mt5"]
    assert len(record.order_id) == 32  # type: ignore[attr-defined]
    assert record.order_id in record.getMessage()  # type: ignore[attr-defined]


def test_the_bridge_dies_with_an_order(
    mt5: Any, server: StandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(line, "OUTCOME_S", 0.8)
    answer(server, "order", lambda request: None)
    threading.Timer(0.2, server.close).start()
    assert mt5.order_send(BUY) is None
    assert mt5.last_error() == (-10002, "IPC recv failed")
    assert len(orders(server)) == 1
    assert "outcome unknown, order id" in caplog.text


def test_the_bridge_comes_back_and_knows_the_order(mt5: Any, server: StandIn) -> None:
    answer(server, "order", lambda request: None)
    successor = scripted(epoch=2)
    successor.answers["order"] = done
    running: list[StandIn] = []

    def restart() -> None:
        server.close()
        running.append(StandIn(successor, server.endpoint))

    timer = threading.Timer(0.2, restart)
    timer.start()
    result = mt5.order_send(BUY)
    timer.join()
    running[0].close()
    assert result.retcode == 10009
    assert orders(server) == orders(running[0])
