"""Every example of the pages: Python is executed, by the test of its page or here; commands have the options that are shown."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from bridge.__main__ import commands
from clients import Client
from clients.recorder.columns import Arrival
from clients.recorder.disk import Disk
from clients.recorder.layout import Series
from clients.recorder.writing import Writer
from tests.processes import PATIENCE_S, Served, serving
from tests.test_recorder_writing import DAY_S, bar, tick

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
    if "node_modules" not in path.parts
}
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ELSEWHERE = {
    "README.md": "test_readme.py", "docs/clients.md": "test_notebook.py",
    "docs/simulator.md": "test_simulator_page.py", "docs/strategies.md": "test_strategies_page.py",
}  # fmt: skip
"""Pages whose programs are executed by a test of their own."""
HERE = [
    (page, number, block)
    for page, text in PAGES.items()
    if page not in ELSEWHERE
    for number, (language, block) in enumerate(FENCE.findall(text))
    if language.strip() == "python"
]
LANGUAGES = {"", "python", "sh", "console", "text", "json", "toml", "mermaid", "js", "hex request", "hex reply", "hex event"}
SHOWN = [
    (page, line.strip().removeprefix("$ "))
    for page, text in PAGES.items()
    for language, block in FENCE.findall(text)
    if language.strip() in ("", "sh", "console", "text")
    for line in block.splitlines()
    if line.strip().removeprefix("$ ").startswith(("mt5bridge ", "python -m bridge "))
]
IN_TEXT = sorted({
    (page, found)
    for page, text in PAGES.items()
    for found in re.findall(r"`(mt5bridge [^`\n]+)`", FENCE.sub("", text))
    if not re.search(r"[…|\[]", found)
})  # fmt: skip


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as running:
        with Client(running.requests) as client, client.subscribe("tick:BTCUSD") as events:
            assert any(True for _ in events), "it has a tick"
            until_s = time.monotonic() + PATIENCE_S
            while client.status().connection.clock.offset_s is None:
                assert time.monotonic() < until_s, "its server's clock is not measured"
                events.get(0.2)
        yield running


def test_pages_with_programs_are_executed_somewhere() -> None:
    for page, test in ELSEWHERE.items():
        assert "```python" in PAGES[page]
        assert Path(page).name in (ROOT / "tests" / test).read_text(encoding="utf-8")
    assert {language.strip() for text in PAGES.values() for language, _ in FENCE.findall(text)} <= LANGUAGES
    assert len(HERE) >= 3


def recording(folder: Path) -> None:
    """What the page about the recorder reads."""
    for series, row in ((Series("EURUSD"), tick(1, DAY_S)), (Series("EURUSD", "M1"), bar(DAY_S))):
        writer = Writer(folder / "ticks", series, Disk(), {}, print)
        writer.add(Arrival(1, 1, 1, 0, row))
        writer.flush()


@pytest.mark.parametrize(("page", "number", "block"), HERE, ids=lambda value: str(value)[:20].replace("\n", " "))
def test_a_program_of_a_page_runs(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str, number: int, block: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MT5BRIDGE_ENDPOINT", served.requests)
    recording(tmp_path)
    with Client(served.requests) as client, client.subscribe("connection"):
        names: dict[str, Any] = {"__name__": "__main__", "bridge": client, "tick": client.tick("BTCUSD")}
        exec(compile(block.replace("tcp://127.0.0.1:5555", served.requests), f"{page} {number}", "exec"), names)


def parse(words: list[str]) -> None:
    """Have click look at a command, without doing it."""
    group: click.Command = commands
    context = click.Context(commands, info_name="mt5bridge")
    while isinstance(group, click.Group):
        if not words or (group.get_command(context, words[0]) is None and group.invoke_without_command):
            return
        name, found, words = group.resolve_command(context, words)
        assert found is not None
        context = click.Context(found, info_name=name, parent=context)
        group = found
    group.make_context(context.info_name, list(words), parent=context.parent)


@pytest.mark.parametrize(("page", "line"), [*SHOWN, *IN_TEXT])
def test_a_command_has_the_options_that_it_is_shown_with(monkeypatch: pytest.MonkeyPatch, page: str, line: str) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    shown = re.split(r"\s+(?:#|&&|\|)\s*|\s{2,}", line)[0].rstrip("\\")
    words = shlex.split(re.sub(r"[][]", "", shown))
    words = words[1:] if words[0] == "mt5bridge" else words[3:]
    try:
        parse(words)
    except click.exceptions.Exit:
        pass  # --help, --version
    except click.UsageError as error:
        if isinstance(error, click.MissingParameter) and (page, line) in IN_TEXT:
            return  # in a sentence a command may be named without what it needs
        raise AssertionError(f"{page}: {line}: {error.format_message()}") from None
