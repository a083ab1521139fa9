"""A module with the MetaTrader5 5.0.6231 API, attached to a simulated terminal process.

Use it as the package: `import bridge.terminal.simulator.api as mt5`.  Importing connects nothing.  `mt5.initialize(path)` takes the
terminal's address, `tcp://HOST:PORT`; without one the environment variable MT5BRIDGE_TERMINAL is used, else
`tcp://127.0.0.1:5557`.  All rules are in `bridge.mt5api`, the connection in `bridge.terminal.simulator.link`.

The real package keeps Python's global lock while it waits for the terminal.  With MT5BRIDGE_HOLD_GIL=1 in the environment at
initialize() this module does too, so that a terminal that hangs stops every thread of the program.
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

if _TYPE_CHECKING:
    from typing import Any

    def __getattr__(name: str) -> Any: ...


def _fill() -> None:
    from bridge.mt5api.namespace import namespace  # noqa: PLC0415  the module shows the package's names only
    from bridge.terminal.simulator.link import SocketBackend  # noqa: PLC0415

    globals().update(namespace(SocketBackend()))


_fill()
del _fill, _TYPE_CHECKING
