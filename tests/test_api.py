"""The simulator's MetaTrader5 module over a real socket, with a scripted terminal at the other end."""

from __future__ import annotations

import importlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from bridge.mt5api.structs import TICK_DTYPE
from bridge.terminal.simulator.link import ADDRESS_VARIABLE, FrameReader, send_message

ANSWERS: dict[str, Any] = {
    "initialize": [1, "Success", True],
    "version": [1, "Success", [500, 5260, "05 Sep 2025"]],
    "symbol_info_tick": [1, "Success", [1, 1.1, 1.2, 0.0, 0, 1000, 6, 0.0]],
    "copy_ticks_from": [1, "Success", np.ones(3, TICK_DTYPE).tobytes()],
    "positions_total": [1, "Success", 0],
    "symbol_select": [-1, "Terminal: Call failed", None],
}


class Terminal:
    """Accepts one connection after the other; a request for `die` is not answered, the connection ends."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.requests: list[Any] = []
        self.die = ""
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            with connection:
                reader = FrameReader()
                while data := connection.recv(65536):
                    for request in reader.feed(data):
                        if request[0] == "control.stop":
                            return
                        self.requests.append(request)
                        if request[0] == self.die:
                            break
                        send_message(connection, ANSWERS[request[0]])
                    else:
                        continue
                    break

    def stop(self) -> None:
        with socket.create_connection(self.listener.getsockname()) as connection:
            send_message(connection, ["control.stop", []])
            self.thread.join(10)
        self.listener.close()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    running = Terminal()
    yield running
    running.stop()


@pytest.fixture
def mt5() -> Iterator[Any]:
    module = importlib.import_module("bridge.terminal.simulator.api")
    fresh = importlib.reload(module)
    yield fresh
    fresh.shutdown()


def test_session(terminal: Terminal, mt5: Any) -> None:
    assert mt5.last_error() == (0, "")
    assert mt5.initialize(terminal.address, login=5, password="p", server="s") is True
    assert mt5.last_error() == (1, "Success")
    assert mt5.version() == (500, 5260, "05 Sep 2025")
    assert mt5.symbol_info_tick("EURUSD") == mt5.Tick((1, 1.1, 1.2, 0.0, 0, 1000, 6, 0.0))
    assert mt5.copy_ticks_from("EURUSD", 1, 3, mt5.COPY_TICKS_ALL).dtype == TICK_DTYPE
    assert mt5.symbol_select("NOPE") is False
    assert mt5.last_error() == (-1, "Terminal: Call failed")
    assert mt5.positions_total() == 0
    assert mt5.shutdown() is True
    assert mt5.positions_total() is None
    assert mt5.last_error() == (-10004, "No IPC connection")
    assert terminal.requests[0] == ["initialize", [terminal.address, 5, "p", "s", 60000, False]]


def test_terminal_dies_in_a_call(terminal: Terminal, mt5: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS_VARIABLE, terminal.address)
    assert mt5.initialize() is True
    terminal.die = "positions_total"
    assert mt5.positions_total() is None
    assert mt5.last_error() == (-10002, "IPC recv failed")
    assert mt5.positions_total() is None
    assert mt5.last_error() == (-10004, "No IPC connection")
    terminal.die = ""
    assert mt5.initialize() is True
    assert mt5.positions_total() == 0


def test_terminal_that_closes_at_once(terminal: Terminal, mt5: Any) -> None:
    terminal.die = "initialize"
    assert mt5.initialize(terminal.address) is False
    assert mt5.last_error() == (-10002, "IPC recv failed")
    assert mt5.account_info() is None
    assert mt5.last_error() == (-10004, "No IPC connection")


def test_module_shows_the_packages_names_only(mt5: Any) -> None:
    shown = [name for name in dir(mt5) if not name.isupper() and not name.startswith("__")]
    assert len(shown) == 11 + 32 + 4 + 1  # structs, functions, shortcuts, _core
    assert sum(name.isupper() for name in dir(mt5)) == 223
    assert not hasattr(mt5, "__all__")
    assert mt5.Buy.__module__ == "MetaTrader5"


def test_import_connects_nothing() -> None:
    program = (
        "import socket\n"
        "def refuse(*args, **kwargs): raise AssertionError('connected')\n"
        "socket.create_connection = refuse\n"
        "import bridge.terminal.simulator.api as mt5\n"
        "assert mt5.account_info() is None and mt5.last_error()[0] == -10004\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
