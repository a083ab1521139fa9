"""The recorded behaviour of the real package without a terminal, against the calling rules."""

from __future__ import annotations

import collections
import datetime
import decimal
import json
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.mt5api import structs
from bridge.mt5api.constants import CONSTANTS
from bridge.mt5api.functions import FUNCTIONS
from bridge.mt5api.namespace import namespace
from bridge.mt5api.wire import ANSWERS, ARGUMENTS
from tests.scripted_backend import ScriptedBackend

CONTRACT = json.loads(Path(__file__).with_name("mt5_contract.json").read_text(encoding="utf-8"))
OUTCOMES = [
    pytest.param(function, outcome, calls, id=f"{function}-{place}")
    for function, rows in CONTRACT["calls"].items()
    for place, (outcome, calls) in enumerate(rows)
]


class Sub(dict[str, Any]):
    pass


class Mapp(collections.UserDict[str, Any]):
    pass


class Obj:
    pass


NT = collections.namedtuple("NT", "action symbol volume type price")


@pytest.fixture
def mt5() -> Any:
    return types.SimpleNamespace(**namespace(ScriptedBackend(reachable=False)))


def evaluate(mt5: Any, expression: str) -> Any:
    base = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "price": 1.1}
    scope: dict[str, Any] = {
        "mt5": mt5, "np": np, "DT": datetime.datetime, "TZ": datetime.timezone, "TD": datetime.timedelta, "D": datetime.date,
        "decimal": decimal, "collections": collections, "types": types, "NT": NT,
        "Sub": Sub, "Mapp": Mapp, "Obj": Obj, "BASE": base,
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(expression, scope)


@pytest.mark.parametrize(("function", "outcome", "calls"), OUTCOMES)
def test_recorded_calls(mt5: Any, function: str, outcome: list[Any], calls: list[str]) -> None:
    kind, wanted, *error = outcome
    for arguments in calls:
        before = mt5.last_error()
        expression = f"mt5.{function}({arguments})"
        if kind == "TypeError":
            with pytest.raises(TypeError) as raised:
                evaluate(mt5, expression)
            assert str(raised.value) == wanted
            assert mt5.last_error() == before, expression
            continue
        if kind == "SystemError":
            with pytest.raises(SystemError) as failed:
                evaluate(mt5, expression)
            assert str(failed.value) == f"<built-in function {function}> returned a result with an exception set"
            assert type(failed.value.__cause__).__name__ == wanted, expression
        else:
            returned = evaluate(mt5, expression)
            shown = repr(returned) if isinstance(returned, tuple) else returned
            assert shown == wanted, expression
            assert type(shown) is type(wanted), expression
        assert mt5.last_error() == tuple(error), expression


def test_selection_covers_every_function_but_last_error() -> None:
    assert set(CONTRACT["calls"]) == set(FUNCTIONS) - {"last_error"}
    assert len(FUNCTIONS) == 32
    assert set(ARGUMENTS) == set(ANSWERS) == set(FUNCTIONS) - {"last_error", "shutdown"}


def test_constants() -> None:
    recorded = {name: value for group in CONTRACT["constants"].values() for name, value in group.items()}
    assert len(recorded) == 223
    assert list(CONSTANTS.items()) == list(recorded.items())


def test_struct_fields() -> None:
    shown = {name: " ".join(f"{field}:{kind}" for field, kind in fields) for name, fields in structs.FIELDS.items()}
    assert shown == CONTRACT["structs"]


@pytest.mark.parametrize(("name", "dtype"), [("rates", structs.RATE_DTYPE), ("ticks", structs.TICK_DTYPE)])
def test_record_types(name: str, dtype: np.dtype[np.void]) -> None:
    assert " ".join(f"{field}:{dtype[field].str}" for field in dtype.names or ()) == CONTRACT[name]
    assert dtype.itemsize == 60


def test_namespace_is_the_packages(mt5: Any) -> None:
    extra = {"__version__", "__author__", "_core", "Buy", "Sell", "Close", "_RawOrder"}
    assert set(vars(mt5)) == set(CONSTANTS) | set(structs.TYPES) | set(FUNCTIONS) | extra
    assert (mt5.__version__, mt5.__author__) == ("5.0.6231", "MetaQuotes Ltd.")
