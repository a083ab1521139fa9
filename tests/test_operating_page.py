"""`docs/operating.md` and the code say the same: reasons, settings, checks; its commands are executed."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner

import bridge.serve
from bridge.__main__ import commands
from bridge.advice import advice
from bridge.config import Settings
from bridge.diagnosis import CHECKS
from bridge.origins import NAMES
from bridge.replies import Reason
from clients import Client
from tests.processes import PATIENCE_S, Served, serving

PAGE = (Path(__file__).parents[1] / "docs" / "operating.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) for line in block.splitlines()]


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


def test_every_reason_has_a_row_with_what_to_do() -> None:
    table = rows("reason")
    assert [row[0] for row in table] == [reason for reason in get_args(Reason) if reason]
    for reason, _, meaning, to_do in table:
        assert meaning, reason
        assert to_do, reason


def test_the_codes_of_the_package_lead_to_these_reasons() -> None:
    told = {int(code): reason for reason, codes, *_ in rows("reason") for code in codes.split()}
    assert told == {
        code: advice(code, "not found").reason for code in range(-10_010, 1) if advice(code, "not found").reason != "other"
    }


def test_every_setting_is_in_the_table_with_its_default() -> None:
    settings = Settings()
    told = {row[2]: row[3] for row in rows("flag")}
    assert set(told) == {f"{section}.{name}" for section, name in NAMES}
    for section, name in NAMES:
        default = getattr(getattr(settings, section), name)
        words = "" if default is None or default == () else str(default).lower() if isinstance(default, bool) else str(default)
        assert told[f"{section}.{name}"] == words


def test_every_check_of_the_doctor_is_in_the_table() -> None:
    told = {name.strip() for cell, _ in rows("check") for name in re.split(r", or .*|,", cell) if name.strip()}
    lists = {"symbols", "requests port", "events port"}
    assert told == {entry[0] for entry in CHECKS if isinstance(entry, tuple)} | lists


def test_the_links_inside_the_page_lead_somewhere() -> None:
    titles = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)}
    targets = re.findall(r"\]\(#([^)]+)\)", PAGE)
    assert targets
    assert set(targets) <= titles


# ---- commands --------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as running:
        yield running


@pytest.fixture
def endpoint(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a bridge that is connected, where the commands look for it."""
    for variable in ("MT5_LOGIN", "MT5_PASSWORD", "MT5_SERVER", "MT5_PATH", "MT5BRIDGE_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MT5BRIDGE_ENDPOINT", served.requests)
    monkeypatch.chdir(tmp_path)
    with Client(served.requests) as client:
        deadline = time.monotonic() + PATIENCE_S
        while not client.is_connected:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    return served.requests


@pytest.mark.parametrize("line", dict.fromkeys(COMMANDS))
def test_every_command_can_be_executed(line: str, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []
    monkeypatch.setattr(bridge.serve, "serve", lambda *given: ran.append(given))  # would run until it is stopped
    program, *words = shlex.split(line)
    assert program == "mt5bridge"
    answer = CliRunner().invoke(commands, words)
    assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
    assert answer.exit_code == 0 or (answer.exit_code == 1 and answer.output), answer.output
    assert answer.output or ran


def test_reconnect_prints_where_it_leads_and_history_tells_of_it(endpoint: str) -> None:
    answer = CliRunner().invoke(commands, ["reconnect", "--json"])
    assert answer.exit_code == 0
    assert json.loads(answer.output)["reason"] == "bridge"
    with Client(endpoint) as client:
        deadline = time.monotonic() + PATIENCE_S
        while not client.status().healthy:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    answer = CliRunner().invoke(commands, ["status", "--history", "3", "--json"])
    assert answer.exit_code == 0
    states = [json.loads(line) for line in answer.output.splitlines()]
    assert len(states) == 3
    assert [state["at_msc"] for state in states] == sorted(state["at_msc"] for state in states)
    everything = CliRunner().invoke(commands, ["status", "--history", "1000"]).output.splitlines()
    assert len(everything) > len(states)
    assert any("reconnecting [bridge]" in line for line in everything)
    assert " starting [bridge]: " in everything[0]


@pytest.mark.parametrize("words", [["status", "--history", "0"], ["status", "--history", "1001"], ["reconnect", "now"]])
def test_wrong_usage(words: list[str]) -> None:
    assert CliRunner().invoke(commands, words).exit_code == 2
