"""The drop-in module without a bridge: the recorded behaviour of the real package without a terminal, and the names it shows."""

from __future__ import annotations

import importlib.metadata
import pickle
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.mt5api.constants import CONSTANTS
from bridge.mt5api.functions import FUNCTIONS
from bridge.mt5api.structs import TYPES
from clients import mt5
from clients.mt5.backend import BridgeBackend
from clients.mt5.folder import FOLDER
from clients.mt5.names import names_over
from tests import test_mt5api_contract as contract
from tests.processes import environment

CLOSED = "tcp://127.0.0.1:1"


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MT5BRIDGE_ENDPOINT", CLOSED)
    yield
    mt5.shutdown()


@pytest.fixture(scope="module")
def unused() -> Any:
    """A copy of the module that nobody has called yet."""
    return types.SimpleNamespace(**names_over(BridgeBackend()))


@pytest.mark.parametrize(("function", "outcome", "calls"), contract.OUTCOMES)
def test_recorded_calls(unused: Any, function: str, outcome: list[Any], calls: list[str]) -> None:
    contract.test_recorded_calls(unused, function, outcome, calls)


NAMES = {*CONSTANTS, *FUNCTIONS, *TYPES, "Buy", "Sell", "Close", "_RawOrder", "_core"}


def test_only_the_packages_names_are_shown() -> None:
    shown = {name for name, value in vars(mt5).items() if not name.startswith("__") and not isinstance(value, types.ModuleType)}
    assert shown == NAMES
    assert mt5.__version__ == "5.0.6231"
    assert mt5.__author__ == "MetaQuotes Ltd."
    assert not hasattr(mt5, "isinitialize")  # programs that ask for it fail with the package, too


def test_a_result_is_not_pickled() -> None:
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(mt5.Tick((0,) * 8))


def test_the_folder_holds_the_package_with_its_version() -> None:
    assert (FOLDER / "MetaTrader5" / "__init__.py").is_file()
    [found] = importlib.metadata.distributions(name="MetaTrader5", path=[str(FOLDER)])
    assert found.version == mt5.__version__


def test_a_program_with_packages_that_are_called_like_ours(tmp_path: Path) -> None:
    for name in ("clients", "bridge"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"mine = '{name}'\n")
    program = tmp_path / "program.py"
    program.write_text(
        "import clients\n"
        "from MetaTrader5 import *\n"
        "import MetaTrader5, bridge, sys\n"
        "assert orders_total() is None and last_error() == (-10004, 'No IPC connection'), last_error()\n"
        "assert MetaTrader5.TIMEFRAME_D1 == TIMEFRAME_D1 == 16408\n"
        "print(clients.mine, bridge.mine, len([name for name in vars(MetaTrader5) if not name.startswith('__')]))\n"
    )
    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path, env=environment(PYTHONPATH=str(FOLDER)), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["clients", "bridge", str(len(NAMES))], done
