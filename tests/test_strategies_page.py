"""The tutorial of strategies: its file is run as it stands, over recorded data and on a bridge."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from strategies.commands import names
from strategies.strategy import Strategy
from tests.processes import PATIENCE_S, serving
from tests.test_bar_market import recorded

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "strategies.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(python|sh)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tutorial")
    (program,) = (block for language, block in BLOCKS if language == "python")
    (made / "cross.py").write_text(program, encoding="utf-8")
    pd.DataFrame(recorded(4, 1_200).rows).to_csv(made / "EURUSD_H1.csv", index=False)
    pd.DataFrame(recorded(4, 1_200).rows).to_csv(made / "EURUSD_H1.csv.gz", index=False)
    return made


def shown(words: str) -> list[str]:
    """The command that begins with these words."""
    (line,) = (line for language, block in BLOCKS if language == "sh" for line in block.splitlines() if line.startswith(words))
    return [sys.executable, *line.split()[1:]]


def test_the_file_over_recorded_data(folder: Path) -> None:
    command = shown("python cross.py replay")
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert "net_profit" in done.stdout
    deals = pd.read_csv(folder / "deals.csv")
    assert set(deals.side[deals.entry == "in"]) == {"buy"}
    assert len(pd.read_csv(folder / "equity.csv")) == 1_199 - 200


def test_a_packaged_strategy_over_recorded_data(folder: Path) -> None:
    command = shown("python -m strategies replay")
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert json.loads(done.stdout)["orders"] > 10


@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to one process there")
def test_the_file_on_a_bridge(folder: Path) -> None:
    with serving() as served:
        command = shown("python cross.py --endpoint")
        command[command.index("--endpoint") + 1] = served.requests
        process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        try:
            deadline, lines = time.monotonic() + PATIENCE_S, ""
            while "live after 200 bars" not in lines and time.monotonic() < deadline:
                lines += process.stderr.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0, lines
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
    assert "live after 200 bars" in lines


def test_the_callbacks_are_those_of_the_class() -> None:
    told = set(re.findall(r"^\| `(on_\w+)\(", PAGE, re.MULTILINE))
    assert told == {name for name in vars(Strategy) if name.startswith("on_")}
    assert "ma_crossover" in names()
