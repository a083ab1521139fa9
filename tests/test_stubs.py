"""The stubs of MetaTrader5 from the package index against the drop-in; `python -m mypy.stubtest` goes further and takes longer."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
TYPED = Path(__file__).with_name("dropin") / "typed"


def stubs() -> Path:
    """The stub file; a test is skipped where it is not installed."""
    found = next((path for folder in sys.path if (path := Path(folder, "MetaTrader5-stubs", "__init__.pyi")).is_file()), None)
    if found is None:
        pytest.skip("metatrader5-stubs is not installed; the extra `dev` has it")
    return found


@pytest.fixture(scope="module")
def body() -> list[ast.stmt]:
    return ast.parse(stubs().read_text(encoding="utf-8")).body


@pytest.fixture(scope="module")
def mt5() -> Any:
    return importlib.import_module("clients.mt5")


def test_every_constant_has_its_value(body: list[ast.stmt], mt5: Any) -> None:
    constants = {
        node.target.id: node.value for node in body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    values = {name: eval(compile(ast.Expression(value), name, "eval")) for name, value in constants.items() if value is not None}
    assert len(values) > 200
    del values["__version__"]  # the stubs are of an older one
    assert {name: getattr(mt5, name) for name in values} == values


def test_every_function_is_there(body: list[ast.stmt], mt5: Any) -> None:
    names = [node.name for node in body if isinstance(node, ast.FunctionDef)]
    assert len(names) > 10
    assert all(callable(getattr(mt5, name)) for name in names)


def test_every_structure_has_its_fields_in_order(body: list[ast.stmt], mt5: Any) -> None:
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    assert len(classes) > 5
    for node in classes:
        fields = [line.target.id for line in node.body if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)]
        assert list(getattr(mt5, node.name).__match_args__) == fields, node.name


def test_programs_typed_against_the_stubs_pass_strictly() -> None:
    stubs()
    pytest.importorskip("mypy", reason="mypy is not installed; the extra `dev` has it")
    told = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *map(str, sorted(TYPED.glob("*.py")))],
        check=False, capture_output=True, text=True, cwd=ROOT, timeout=120,
    )  # fmt: skip
    assert told.stdout.startswith("Success"), told.stdout + told.stderr


def test_a_program_that_is_wrong_by_the_stubs_does_not_pass(tmp_path: Path) -> None:
    stubs()
    pytest.importorskip("mypy", reason="mypy is not installed; the extra `dev` has it")
    right = (TYPED / "follower.py").read_text(encoding="utf-8")
    wrong = right.replace('"volume": 0.1', '"volume": "0.1"')
    assert wrong != right
    (tmp_path / "wrong.py").write_text(wrong, encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(tmp_path / "wrong.py")],
        check=False, capture_output=True, text=True, cwd=ROOT, timeout=120,
    )  # fmt: skip
    assert 'Incompatible types (expression has type "str", TypedDict item "volume" has type "float")' in told.stdout, told.stdout
