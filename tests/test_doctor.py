"""The doctor's own eyes: what it finds out about files, ports and terminals, and a few real processes."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.config import BridgeSection, Mt5Section, Settings
from bridge.doctor import find_terminal, look_at_keys, look_at_port, one_line, password_files, usual_places
from bridge.doctor_facts import KeyRing, PasswordFile, Trouble
from bridge.doctor_look import concluded, settled
from bridge.key_files import ALLOWED, allowed, new_secret, write_allowed
from bridge.origins import Origins
from bridge.replies import ClockOffset, Condition, ConnectionState, Status
from bridge.simulation import SERVER, SimulatedTerminal
from tests.doctor_runs import ROOT, SECRET, account, attached, doctor
from tests.processes import PATIENCE_S

# ---- where a terminal is ---------------------------------------------------------------------------------------------------------


def settings(terminal: str = "metatrader5", path: str | None = None) -> Settings:
    return Settings(BridgeSection(terminal=terminal), Mt5Section(path=path))


def test_a_terminal_that_is_configured(tmp_path: Path) -> None:
    program = tmp_path / "terminal64.exe"
    missing = find_terminal(settings(path=str(program)), "win32", {})
    assert missing.trouble is not None
    assert str(program) in missing.trouble.found
    program.touch()
    assert find_terminal(settings(path=str(program)), "win32", {}).found == (str(program),)


def test_terminals_in_the_usual_folders(tmp_path: Path) -> None:
    programs = tmp_path / "Program Files"
    for broker in ("A", "B"):
        (programs / broker).mkdir(parents=True)
        (programs / broker / "terminal64.exe").touch()
    other = tmp_path / "D" / "Märkte"
    other.mkdir(parents=True)
    (other / "terminal64.exe").touch()
    for number, origin in enumerate((other, programs / "A", tmp_path / "gone")):
        folder = tmp_path / "Roaming" / "MetaQuotes" / "Terminal" / f"{number}"
        folder.mkdir(parents=True)
        (folder / "origin.txt").write_bytes(f"{origin}\r\n".encode("utf-16"))
    environ = {"ProgramFiles": str(programs), "ProgramW6432": str(programs), "APPDATA": str(tmp_path / "Roaming")}
    expected = [str(folder / "terminal64.exe") for folder in (other, programs / "A", programs / "B")]
    assert usual_places(environ) == expected
    assert find_terminal(settings(), "win32", environ).found == tuple(expected)
    assert usual_places({}) == []


def test_a_terminal_where_there_can_be_none() -> None:
    place = find_terminal(settings(path="C:\\x"), "linux", {})
    assert place.trouble is not None
    assert "--terminal simulator" in place.trouble.next_step
    assert find_terminal(settings("mine:terminal"), "linux", {}).kind == "custom"
    assert find_terminal(settings("simulator"), "linux", {}).kind == "own_simulator"


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense"])
def test_a_simulated_terminal_that_is_not_there(address: str) -> None:
    place = find_terminal(settings("simulator", address), "linux", {})
    assert place.trouble is not None
    assert address in place.trouble.found
    assert "mt5bridge terminal" in place.trouble.next_step


# ---- ports and files -------------------------------------------------------------------------------------------------------------


def test_ports() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        endpoint = f"tcp://127.0.0.1:{held.getsockname()[1]}"
        assert look_at_port("requests", endpoint).state == "taken"
    assert look_at_port("requests", endpoint).state == "free"
    assert look_at_port("events", "tcp://127.0.0.1:*").state == "any"
    for wrong in ("tcp://0.0.0.0", "127.0.0.1:5555"):
        port = look_at_port("events", wrong)
        assert port.state == "wrong"
        assert port.trouble is not None
        assert wrong in port.trouble.found


def test_who_may_read_a_password(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.touch()
    found = Origins({}, (path,))
    assert list(password_files(found, "win32")) == [PasswordFile(path, None)]
    if sys.platform != "win32":
        for mode, open_to_others in ((0o600, False), (0o640, True), (0o604, True), (0o400, False)):
            path.chmod(mode)
            assert list(password_files(found, sys.platform)) == [PasswordFile(path, open_to_others)]


def test_a_name_from_othercannot_break_a_line() -> None:
    assert one_line("a\nb\x1b[2Jc\u2028d é") == "a b [2Jc d é"


# ---- when a look is over ---------------------------------------------------------------------------------------------------------


def state(name: Any, **values: Any) -> Status:
    return Status("1", True, 1.0, ConnectionState(name, "", 0, **values), 1, 1, (), (), {})


@pytest.mark.parametrize(
    ("status", "over"),
    [
        (state("starting"), False), (state("connecting"), False), (state("refused"), True), (state("suspended"), True),
        (state("reconnecting", reason="starting"), False), (state("reconnecting", reason="link_lost"), False),
        (state("reconnecting", reason="bad_credentials"), True), (state("reconnecting", reason="wizard"), True),
        (state("reconnecting", reason="no_terminal"), True), (state("reconnecting", reason="busy", attempt=3), False),
        (state("reconnecting", reason="busy", attempt=4), True),
        (state("stopping"), True),
    ],
)  # fmt: skip
def test_a_session_that_will_not_attach(status: Status, over: bool) -> None:
    assert concluded(status) is over


def test_a_session_that_knows_what_it_will_know() -> None:
    known = ClockOffset(0, 1, "low", 1)
    down = Condition("broker_down", "", "", 0, "trading")
    off = Condition("algo_trading_off", "", "", 0, "trading")
    assert settled(state("connected", clock=known))
    assert settled(state("connected", clock=known, conditions=(off,)))
    assert not settled(state("connected"))
    assert not settled(state("degraded", clock=known, conditions=(off, down)))


# ---- real processes --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def terminal() -> Iterator[SimulatedTerminal]:
    running = SimulatedTerminal()
    yield running
    running.close()


def test_a_healthy_terminal_without_a_bridge(tmp_path: Path, terminal: SimulatedTerminal) -> None:
    before = attached(terminal)
    (tmp_path / ".env").write_text(f"MT5_SERVER={SERVER}\n")
    failed, lines = doctor(tmp_path, "--wait", "6", "--symbol", "BTCUSD", **account(terminal, MT5_SERVER=""))
    assert failed == []
    assert f"mt5.server {SERVER} (MT5_SERVER in .env)" in lines["configuration"]["found"]
    for check in ("attached", "trade server", "algo trading", "python api", "trading", "robots", "account"):
        assert lines[check]["verdict"] == "ok", lines[check]
    assert "none runs" in lines["bridge"]["found"]
    assert lines["symbol BTCUSD"]["verdict"] in ("ok", "warn")  # whether it is quoted recently depends on the market
    assert attached(terminal) == before


def test_a_wrong_password(tmp_path: Path, terminal: SimulatedTerminal) -> None:
    failed, lines = doctor(tmp_path, **account(terminal, MT5_PASSWORD=SECRET))
    assert failed == ["attached"]
    assert "[bad_credentials]" in lines["attached"]["found"]
    assert "MT5_PASSWORD" in lines["attached"]["next_step"]


def test_a_session_that_hangs_is_waited_for_so_long(tmp_path: Path) -> None:
    busy = SimulatedTerminal()
    try:
        busy.control("control.fault", "busy", {})
        failed, lines = doctor(tmp_path, "--wait", "1", **account(busy))
        assert failed == ["attached"]
        assert "connecting" in lines["attached"]["found"] or "starting" in lines["attached"]["found"]
        assert lines["attached"]["next_step"]
    finally:
        busy.close()


def test_nothing_runs_and_nothing_can_be_started(tmp_path: Path) -> None:
    failed, lines = doctor(tmp_path, MT5_PATH="tcp://127.0.0.1:1")
    assert failed == ["terminal"]
    assert lines["attached"]["verdict"] == "skip"


def test_settings_that_cannot_be_read(tmp_path: Path) -> None:
    failed, lines = doctor(tmp_path, "--config", "none.toml")
    assert failed == ["configuration"]
    assert "none.toml" in lines["configuration"]["found"]


def test_wrong_usage_is_two() -> None:
    command = [sys.executable, "-m", "bridge", "doctor", "--wait", "0"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=PATIENCE_S, check=False).returncode == 2


def test_keys(tmp_path: Path) -> None:
    def look(**bridge: Any) -> KeyRing | Trouble | None:
        return look_at_keys(Settings(BridgeSection(keys=str(tmp_path), **bridge)))

    assert look() is None
    assert look(requests="tcp://0.0.0.0:5555") == look(require_keys=True) == KeyRing(tmp_path, {})
    keys = [allowed(name, new_secret(name).public, "trader", expires) for name, expires in (("ann", ""), ("bob", "2020-01-01"))]
    write_allowed(tmp_path / ALLOWED, keys)
    assert look(require_keys=True) == KeyRing(tmp_path, {"trader": 1}, ("bob",))
    (tmp_path / ALLOWED).write_text("[[key")
    found = look(require_keys=True)
    assert isinstance(found, Trouble)
    assert "not TOML" in found.found
