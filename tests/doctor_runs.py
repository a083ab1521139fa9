"""`mt5bridge doctor` as a process, over simulated terminals."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bridge.replies import Status
from bridge.simulation import LOGIN, PASSWORD, SERVER, SimulatedTerminal
from clients import Client
from tests.processes import PATIENCE_S, environment

SECRET = "hush-hush-1234"
ROOT = Path(__file__).resolve().parents[1]


def await_bridge(endpoint: str, wanted: Callable[[Status], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    with Client(endpoint) as client:
        while not wanted(client.status()):
            assert time.monotonic() < deadline, client.status()
            time.sleep(0.02)


def account(terminal: SimulatedTerminal, **changes: str) -> dict[str, str]:
    known = {"MT5_PATH": terminal.address, "MT5_LOGIN": str(LOGIN), "MT5_PASSWORD": PASSWORD, "MT5_SERVER": SERVER}
    return known | changes


def attached(terminal: SimulatedTerminal) -> int:
    """Connections to the terminal, without the one that asks."""
    return int(terminal.control("control.status")["attached"]) - 1


def doctor(folder: Path, *arguments: str, **changes: str) -> tuple[list[str], dict[str, dict[str, str]]]:
    """The checks that failed, and all lines by check. The ports are any free ones, unless an endpoint is given."""
    config = folder / "bridge.toml"
    config.write_text('[bridge]\nrequests = "tcp://127.0.0.1:*"\nevents = "tcp://127.0.0.1:*"\n')
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "doctor", "--terminal", "simulator", "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 3,
        env=environment(**{"PYTHONPATH": str(ROOT), "MT5BRIDGE_CONFIG": str(config)} | changes),
        cwd=folder,
        check=False,
    )
    assert done.stderr == ""
    told = json.loads(done.stdout)
    failed = [line["check"] for line in told["checks"] if line["verdict"] == "FAIL"]
    assert (done.returncode, told["ok"]) == (1 if failed else 0, not failed)
    assert SECRET not in done.stdout
    return failed, {line["check"]: line for line in told["checks"]}
