"""`docs/simulator.md` and the simulated terminal say the same."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bridge.__main__ import commands
from bridge.simulation import SimulatedTerminal
from bridge.simulator_settings import PROFILES
from bridge.terminal.simulator import process
from bridge.terminal.simulator.enums import MarginMode
from bridge.terminal.simulator.profile import PROFILES as BROKERS
from bridge.terminal.simulator.retcodes import Retcode
from bridge.terminal.simulator.settings import TerminalSettings
from bridge.terminal.simulator.symbols import CONTRACTS
from tests.test_trade import FAULTS

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "simulator.md").read_text(encoding="utf-8")
ACCOUNTING = {"hedging": MarginMode.HEDGING, "netting": MarginMode.NETTING, "exchange": MarginMode.EXCHANGE}
QUOTED = {
    "Monday 00:00 to Friday 24:00": {"forex"}, "workdays 01:00 to 24:00": {"metals", "index"}, "always": {"always"},
    "workdays 16:30 to 23:00": {"stocks"},
}  # fmt: skip


def rows(first: str) -> list[list[str]]:
    """The table whose header begins with this cell, without backticks."""
    lines = PAGE.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first} |"))
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    return found


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@cache
def tree(file: str) -> ast.Module:
    return ast.parse((TESTS / file).read_text(encoding="utf-8"))


def source(file: str, function: str) -> str:
    """A test's function with its decorators."""
    (found,) = (node for node in tree(file).body if isinstance(node, ast.FunctionDef) and node.name == function)
    return "\n".join(ast.unparse(node) for node in (*found.decorator_list, found))


# ---- return codes ----------------------------------------------------------------------------------------------------------------


def test_every_return_code_has_one_row() -> None:
    assert [(int(code), name) for code, name, *_ in rows("retcode")] == [(int(code), code.name) for code in Retcode if code]


@pytest.mark.parametrize("row", rows("retcode"), ids=lambda row: str(row[0]))
def test_the_named_test_reaches_the_return_code(row: list[str]) -> None:
    code, _, here, test = row
    file, function = test.split("::")
    text = source(file, function)
    if function == "test_every_return_code_can_be_forced":
        assert "set(Retcode)" in text
        assert here.startswith("on demand")
    elif function == "test_a_single_fault":
        assert int(code) in {fault[0] for fault in FAULTS}
    else:
        assert code in text


def test_every_return_code_that_a_single_fault_gives_is_told_with_it() -> None:
    told = {int(code) for code, _, _, test in rows("retcode") if test.endswith("::test_a_single_fault")}
    assert {fault[0] for fault in FAULTS} == told


def test_on_demand_are_those_that_the_server_never_gives() -> None:
    folder = Path(process.__file__).parent
    given: set[str] = set()
    for file in ("trade", "checks", "limits", "positions", "pending"):
        given |= set(re.findall(r"Retcode\.([A-Z_]+)", (folder / f"{file}.py").read_text(encoding="utf-8")))
    on_demand = {name for _, name, here, _ in rows("retcode") if here.startswith("on demand")}
    assert on_demand == {code.name for code in Retcode if code} - given


# ---- tables ----------------------------------------------------------------------------------------------------------------------


def test_the_options_are_those_of_the_command() -> None:
    options = [option for option in commands.commands["terminal"].params if option.name != "help"]
    told = {name: default for name, default, _ in rows("option")}
    assert list(told) == [option.opts[0] for option in options]
    for option in options:
        if option.default in ("127.0.0.1:5557", 1.0, 1, "hedging", "America/New_York+7") and not isinstance(option.default, bool):
            assert told[option.opts[0]] == str(option.default)
        else:  # none, in one of the ways of click's versions
            assert told[option.opts[0]] in ("", "false"), option.opts[0]


def test_the_profiles() -> None:
    table = rows("profile")
    assert [row[0] for row in table] == list(PROFILES)
    for name, accounting, currency, leverage, commission, _ in table:
        broker = BROKERS[PROFILES[name]]
        assert broker.margin_mode == ACCOUNTING[accounting]
        assert (broker.currency, str(broker.leverage), str(broker.commission)) == (currency, leverage, commission)


def test_the_symbols() -> None:
    told = [(symbol, group.split(",")[0], quoted) for group, symbols, quoted in rows("group") for symbol in symbols.split()]
    assert sorted(symbol for symbol, *_ in told) == sorted(CONTRACTS)
    for symbol, group, quoted in told:
        assert CONTRACTS[symbol].path == f"{group}\\{symbol}"
        assert CONTRACTS[symbol].schedule in QUOTED[quoted]


def test_every_deviation_has_a_reason() -> None:
    for what, here, why in rows("what"):
        assert what, here
        assert here, what
        assert why, what


# ---- examples --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [line for block in blocks("console") for line in block.splitlines()])
def test_every_command_is_understood(line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given: list[Any] = []

    def run(settings: TerminalSettings) -> int:
        given.append(settings)
        return 0

    monkeypatch.setattr(process, "run", run)
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(line)
    assert program == "mt5bridge"
    answer = CliRunner().invoke(commands, words)
    assert answer.exit_code == 0, answer.output
    assert isinstance(given[0], TerminalSettings)


def test_the_program_runs() -> None:
    terminal = SimulatedTerminal(["--start", "2026-03-04 12:00:00"])
    try:
        (program,) = blocks("python")
        script = f"TERMINAL = {terminal.address!r}\n{program}"
        environment = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    finally:
        terminal.close()
