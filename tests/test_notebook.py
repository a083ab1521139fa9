"""The page about the clients is true: its programs run, and its notebook does, cell by cell in one loop, as Jupyter runs them."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients import Client
from tests.processes import Served, serving

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "clients.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def is_cell(block: str) -> bool:
    """Whether a block is a cell of the notebook: the connection in the first is used by the others."""
    return "asyncio.run" not in block and "await " in block


CELLS = [block for block in BLOCKS if is_cell(block)]
PROGRAMS = [block for block in BLOCKS if not is_cell(block)]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as running:
        with Client(running.requests) as client, client.subscribe("connection") as events:
            while client.connection().state != "connected":
                events.get(1.0)
        yield running


def here(block: str, served: Served) -> str:
    """The block with this bridge, and a symbol that is quoted on every day of the week."""
    return block.replace("tcp://127.0.0.1:5555", served.requests).replace("EURUSD", "BTCUSD")


def test_the_page_has_programs_and_a_notebook() -> None:
    assert (len(CELLS), len(PROGRAMS)) == (4, 7)
    assert "Client(" in PROGRAMS[0]
    assert "AsyncClient(" in PROGRAMS[1]


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_a_program_runs(served: Served, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    code = here(PROGRAMS[number], served)
    exec(compile(code, f"program {number}", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()


def test_the_notebook_runs(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}

    async def run(cell: str) -> Any:
        """A cell, and the value of its last line."""
        tree = ast.parse(here(cell, served))
        last = tree.body[-1]
        parts: list[ast.Module | ast.Expression] = [tree]
        if isinstance(last, ast.Expr):
            parts = [ast.Module(tree.body[:-1], []), ast.Expression(last.value)]
        value = None
        for part in parts:
            value = eval(compile(part, "cell", "exec" if isinstance(part, ast.Module) else "eval", flags=FLAGS), namespace)
            value = await value if inspect.iscoroutine(value) else value
        return value

    async def notebook() -> list[Any]:
        shown = [await run(cell) for cell in CELLS]
        assert {task.get_name() for task in asyncio.all_tasks()} == {asyncio.current_task().get_name()}  # type: ignore[union-attr]
        return shown

    client, frame, _, _ = asyncio.run(notebook())
    assert repr(client).startswith("<AsyncClient 'notebook' at tcp://127.0.0.1:")
    assert repr(client).endswith("closed>")
    assert list(frame.columns) == ["open", "high", "low", "close"]
    assert len(frame) == 3
    bid, ask, queued, _ = capsys.readouterr().out.split()
    assert 0 < float(bid) <= float(ask)
    assert int(queued) >= 0


def test_the_blocking_client_runs_in_a_cell(served: Served) -> None:
    async def cell() -> float:
        with Client(served.requests) as bridge:
            return bridge.account().balance

    assert asyncio.run(cell()) > 0
