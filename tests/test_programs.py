"""Unmodified programs of the package index that need MetaTrader5: mt5cli (a command) and pymt5adapter (a wrapper).

Both are MIT licensed. Where one is not installed its tests are skipped; `.ci/run` installs both.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.dropin.stage import PROGRAMS, run, stage

ROOT = Path(__file__).resolve().parent.parent
DIRECT = [sys.executable, "-m", "mt5cli"]
needs_mt5cli = pytest.mark.skipif(find_spec("mt5cli") is None, reason="mt5cli is not installed; the extra `dev` has it")
needs_adapter = pytest.mark.skipif(find_spec("pymt5adapter") is None, reason="not installed: pip install --no-deps pymt5adapter")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stage(tmp_path_factory.mktemp("programs"), "--held") as (_, bridge):
        yield bridge.requests


def exported(arguments: list[str], endpoint: str, folder: Path, words: list[str] | None = None, **changes: str) -> Any:
    """What mt5cli wrote into its file, whose name comes first in the arguments."""
    run([*(words or DIRECT), "-o", *arguments], endpoint, folder, **changes)
    with (folder / arguments[0]).open(encoding="utf-8", newline="") as file:
        return json.load(file) if arguments[0].endswith(".json") else list(csv.reader(file))


@needs_mt5cli
def test_a_command_exports_bars(endpoint: str, tmp_path: Path) -> None:
    rows = exported(
        ["bars.csv", "rates-from-pos", "--symbol", "EURUSD", "--timeframe", "H1", "--start-pos", "0", "--count", "3"],
        endpoint,
        tmp_path,
    )
    assert rows == [
        ["time", "open", "high", "low", "close", "tick_volume", "spread", "real_volume"],
        ["2026-03-04 09:00:00", "1.27215", "1.27605", "1.2721", "1.27524", "3098", "2", "0"],
        ["2026-03-04 10:00:00", "1.27523", "1.27636", "1.27452", "1.27538", "3662", "2", "0"],
        ["2026-03-04 11:00:00", "1.27543", "1.27698", "1.2741", "1.27591", "3949", "2", "0"],
    ]


@needs_mt5cli
def test_a_command_trades(endpoint: str, tmp_path: Path) -> None:
    request = {
        "action": 1,
        "symbol": "USDCHF",
        "volume": 0.1,
        "type": 0,
        "type_filling": 0,
        "magic": 12,
        "comment": "from a command",
    }
    (sent,) = exported(["sent.json", "order-send", "--yes", "--request", json.dumps(request)], endpoint, tmp_path)
    assert (sent["retcode"], sent["volume"], sent["comment"]) == (10009, 0.1, "Request executed")
    assert {name: sent[f"request_{name}"] for name in request} == request
    # The command through the command that runs programs, and the account of its environment.
    account = {"MT5_LOGIN": "5000001", "MT5_PASSWORD": "simulated", "MT5_SERVER": "MetaQuotes-Demo", "PYTHONPATH": str(ROOT)}
    through = [sys.executable, "-m", "bridge", "run", "--endpoint", endpoint, "-m", "mt5cli"]
    closing = ["closed.json", "close-positions", "--ticket", str(sent["order"]), "--yes"]
    (closed,) = exported(closing, "tcp://127.0.0.1:9", tmp_path, through, **account)
    assert closed["retcode"] == 10009, closed
    deals = exported(["deals.csv", "history-deals", "--position", str(sent["order"])], endpoint, tmp_path)
    places = [deals[0].index(name) for name in ("entry", "volume", "magic", "symbol", "comment")]
    assert [deals[1][place] for place in places] == ["0", "0.1", "12", "USDCHF", "from a command"]
    assert [deals[2][place] for place in places[:2]] == ["1", "0.1"]


@needs_adapter
def test_a_wrapper_reads_and_trades(endpoint: str, tmp_path: Path) -> None:
    assert run([sys.executable, PROGRAMS / "adapter.py"], endpoint, tmp_path).splitlines() == [
        "42214",
        "5000001 True (500, 5830, '12 Jun 2026')",
        "10 time",
        "10",
        "GBPUSD True",
        "DONE Request executed 9",
        "True 0.1 adapter",
        "DONE True",
        "['GBPUSD']",
        "1",
        "NOT_FOUND: Terminal: Not found -4",
        "True 1",
        "None (-10004, 'No IPC connection')",
    ]
