"""What the README says is true: its Python runs, its commands exist, its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.__main__ import commands
from bridge.config import load
from strategies.commands import commands as strategy_commands
from tests.processes import PATIENCE_S, environment, serving

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_two_commands_stand_as_they_are_promised() -> None:
    plain = [block.strip() for block in blocks(README, "")]
    assert "python -m pip install -e . && python -m bridge demo" in plain
    assert 'python -m pip install -e ".[dev]" && python -m pytest' in plain


@pytest.mark.parametrize("text", [README, OPERATING], ids=["README", "operating"])
def test_the_commands_that_are_shown_exist(text: str) -> None:
    shown = set(re.findall(r"mt5bridge ([a-z]+)", text))
    assert shown
    assert shown <= set(commands.commands), shown
    assert set(re.findall(r"python -m strategies ([a-z]+)", text)) <= set(strategy_commands.commands)


def test_the_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_python_of_the_readme_runs() -> None:
    (block,) = blocks(README, "python")
    with serving() as served:  # BTCUSD is quoted on every day of the week
        code = block.replace("tcp://127.0.0.1:5555", served.requests).replace("EURUSD", "BTCUSD")
        waits = f"from clients import Client\nwith Client({served.requests!r}) as c:\n    while not c.is_connected: pass\n"
        done = subprocess.run(
            [sys.executable, "-c", waits + code],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            env=environment(),
            check=False,
        )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert float(lines[0]) > 0
    assert lines[-1] in ("tick:BTCUSD", "connection")


def test_the_example_of_the_settings_is_accepted(tmp_path: Path) -> None:
    block, *others = (block for block in blocks(OPERATING, "toml") if "[strategy." not in block)  # a roster: see test_roster
    file = tmp_path / "bridge.toml"
    for other in others:
        file.write_text(other, encoding="utf-8")
        load({}, config=file, environ={}, folder=tmp_path)
    file.write_text(block, encoding="utf-8")
    settings = load({}, config=file, environ={}, folder=tmp_path)
    assert settings.bridge.terminal == "simulator"
    assert settings.mt5.login == 5_000_001
