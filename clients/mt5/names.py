"""The names of the package over a bridge."""

from __future__ import annotations

import atexit
import os
import threading
from typing import Any

from bridge.mt5api.backend import Backend
from bridge.mt5api.calls import Calls
from bridge.mt5api.functions import BuiltinFunction
from bridge.mt5api.namespace import namespace
from clients.mt5.backend import NOBODY, BridgeBackend


def connect() -> dict[str, Any]:
    """The names of the module, over a bridge that is connected to by `initialize`; for the one module of this process."""
    backend = BridgeBackend()
    names = names_over(backend)
    atexit.register(backend.leave)
    if hasattr(os, "register_at_fork"):
        # A lock that another thread held would never be given back in the child.
        os.register_at_fork(after_in_child=lambda: setattr(names["_core"], "_lock", threading.RLock()))
    return names


def names_over(backend: Backend) -> dict[str, Any]:
    """The names of the package over a backend. `initialize(path=None)`, which programs for other systems use, is as without a path;
    only where no bridge answers the package's own words are told, which takes it for a mistake."""
    names = namespace(backend)
    calls: Calls = names["_core"]

    def initialize(function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not args and kwargs.get("path", "") is None:
            done = calls.run(function, args, {name: value for name, value in kwargs.items() if name != "path"})
            if done or calls.error[0] != NOBODY:
                return done
        return calls.run(function, args, kwargs)

    names["initialize"] = BuiltinFunction("initialize", initialize)
    return names
