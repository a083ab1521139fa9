"""Everything that a module with the MetaTrader5 API holds, made over a Backend."""

from __future__ import annotations

from typing import Any

from bridge.mt5api.backend import Backend
from bridge.mt5api.calls import Calls
from bridge.mt5api.constants import CONSTANTS
from bridge.mt5api.functions import FUNCTIONS, BuiltinFunction
from bridge.mt5api.shortcuts import shortcuts
from bridge.mt5api.structs import TYPES

VERSION = "5.0.6231"
AUTHOR = "MetaQuotes Ltd."


def namespace(backend: Backend) -> dict[str, Any]:
    """The 32 functions, 223 constants, 11 struct types, 4 shortcuts, `__version__` and `__author__`; `_core` is their Calls.

    Each call makes an independent API with its own connection and last_error.  Nothing is connected until initialize().
    """
    calls = Calls(backend)
    functions = {name: BuiltinFunction(name, calls.run) for name in FUNCTIONS}
    return {
        "__version__": VERSION,
        "__author__": AUTHOR,
        "_core": calls,
        **CONSTANTS,
        **TYPES,
        **functions,
        **shortcuts(functions),
    }
