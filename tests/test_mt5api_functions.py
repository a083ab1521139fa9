from __future__ import annotations

import inspect
import types
from typing import Any

import pytest

from bridge.mt5api.functions import FUNCTIONS, BuiltinFunction


def echo(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return name, args, kwargs


@pytest.mark.parametrize("name", FUNCTIONS)
def test_looks_like_a_builtin(name: str) -> None:
    function: Any = BuiltinFunction(name, echo)
    assert repr(function) == f"<built-in function {name}>"
    assert function.__name__ == function.__qualname__ == name
    assert isinstance(function, types.BuiltinFunctionType)
    assert inspect.isbuiltin(function)
    assert str(function.__doc__).startswith(f"{name}(")
    with pytest.raises(ValueError, match=f"no signature found for builtin <built-in function {name}>"):
        inspect.signature(function)


def test_hands_on_what_the_calling_style_allows() -> None:
    assert BuiltinFunction("version", echo)() == ("version", (), {})
    assert BuiltinFunction("symbol_info", echo)(1, 2) == ("symbol_info", (1, 2), {})
    assert BuiltinFunction("positions_get", echo)(1, self=2) == ("positions_get", (1,), {"self": 2})


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "message"),
    [
        ("version", (1, 2), {}, "MetaTrader5._core.version() takes no arguments (2 given)"),
        ("version", (1,), {"x": 1}, "MetaTrader5._core.version() takes no keyword arguments"),
        ("symbol_info", ("EURUSD",), {"x": 1}, "symbol_info() takes no keyword arguments"),
    ],
)
def test_refuses_what_the_interpreter_would(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError) as raised:
        BuiltinFunction(name, echo)(*args, **kwargs)
    assert str(raised.value) == message
