"""The documented examples of the 32 functions, and programs typed against the stubs: unmodified, and sharing one bridge.

Here many run in one process, which is cheap; `python -m tests.dropin` runs each in a process of its own.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.mt5api.functions import FUNCTIONS
from tests.dropin.stage import examples, expected, run, stage

DROPIN = Path(__file__).with_name("dropin")
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a bridge whose terminal's clock stands, so that each example has one right output."""
    with stage(tmp_path_factory.mktemp("examples"), "--held") as (_, bridge):
        yield bridge.requests


@pytest.fixture(scope="module")
def printed(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each example printed."""
    told = run([sys.executable, DROPIN / "together.py", *examples()], endpoint, tmp_path_factory.mktemp("together"))
    return {Path(path).stem: text for path, text in json.loads(told).items()}


def test_each_function_has_an_example() -> None:
    called: set[str] = set()
    for path in examples():
        called |= {
            node.func.attr
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "mt5"
        }
    assert set(FUNCTIONS) <= called


@pytest.mark.parametrize("path", examples(), ids=lambda path: path.stem)
def test_an_example_prints_what_the_documentation_shows(path: Path, printed: dict[str, str]) -> None:
    assert printed[path.stem] == expected(path)


def test_an_example_in_a_process_of_its_own(endpoint: str, tmp_path: Path) -> None:
    path = DROPIN / "examples" / "positions_get.py"
    assert run([sys.executable, path], endpoint, tmp_path) == expected(path)


def test_an_example_by_the_command_that_runs_programs(endpoint: str, tmp_path: Path) -> None:
    path = DROPIN / "examples" / "symbols_get.py"
    words: list[str | Path] = [sys.executable, "-m", "bridge", "run", "--endpoint", endpoint, path]
    assert run(words, "tcp://127.0.0.1:9", tmp_path, PYTHONPATH=str(ROOT)) == expected(path)


def test_typed_programs(endpoint: str, tmp_path: Path) -> None:
    told = run([sys.executable, DROPIN / "together.py", *sorted((DROPIN / "typed").glob("[!_]*.py"))], endpoint, tmp_path)
    assert {Path(path).stem: text for path, text in json.loads(told).items()} == {
        "chosen": "True 0 True\n",
        "follower": "True True 31 0.1 None True\n",
    }
