"""`mt5bridge run`: how a program is started, and that it ends as it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge import program
from bridge.errors import ConfigError
from bridge.terminal.metatrader import load_metatrader5
from clients import mt5
from clients.mt5.folder import FOLDER
from tests.processes import environment


def test_files_modules_code_and_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bot = tmp_path / "my bot.py"
    bot.write_text("")
    assert program.command([str(bot), "-m", "x"]) == [sys.executable, str(bot), "-m", "x"]
    assert program.command(["-m", "bots.trend", "--fast"]) == [sys.executable, "-m", "bots.trend", "--fast"]
    assert program.command(["-c", "pass"]) == [sys.executable, "-c", "pass"]
    script = tmp_path / ("tool.bat" if sys.platform == "win32" else "tool")
    script.write_text("")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program.command(["tool", "a"]) == [str(script), "a"]


@pytest.mark.parametrize("words", [["-m"], ["no-such-program"]])
def test_what_cannot_be_started(words: list[str]) -> None:
    with pytest.raises(ConfigError):
        program.command(words)


def test_our_package_comes_first() -> None:
    assert program.folder() == FOLDER
    assert program.environment({}, None) == {"PYTHONPATH": str(FOLDER)}
    told = program.environment({"PYTHONPATH": "x", "A": "1"}, "tcp://1.2.3.4:5")
    assert told == {"PYTHONPATH": f"{FOLDER}{os.pathsep}x", "A": "1", "MT5BRIDGE_ENDPOINT": "tcp://1.2.3.4:5"}


def test_options_after_the_program_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(sys, "platform", "win32")

    def supervised(words: list[str], variables: dict[str, str]) -> int:
        asked.append([*words, variables["MT5BRIDGE_ENDPOINT"]])
        return 4

    monkeypatch.setattr(program, "supervised", supervised)
    done = CliRunner().invoke(program.run, ["--endpoint", "tcp://h:1", "-m", "bots", "--endpoint", "x", "-h"])
    assert asked == [[sys.executable, "-m", "bots", "--endpoint", "x", "-h", "tcp://h:1"]]
    assert done.exit_code == 4


def test_the_exit_code_is_passed_on() -> None:
    words = [sys.executable, "-c", "import sys, MetaTrader5; sys.exit(7 if MetaTrader5.__file__.startswith(sys.argv[1]) else 1)"]
    assert program.supervised([*words, str(FOLDER)], program.environment(environment(), None)) == 7


def test_run_from_the_command_line(tmp_path: Path) -> None:
    bot = tmp_path / "bot.py"
    bot.write_text("import sys, MetaTrader5 as mt5\nprint(mt5.__version__, sys.argv[1:], mt5.initialize())\nsys.exit(5)\n")
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "run", "--endpoint", "tcp://127.0.0.1:1", str(bot), "--endpoint", "mine"],
        env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert done.stdout.strip() == "5.0.6231 ['--endpoint', 'mine'] False"


def test_a_bridge_does_not_serve_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "MetaTrader5", mt5)
    with pytest.raises(ConfigError, match="goes through a bridge"):
        load_metatrader5()
