"""A module with the API of MetaTrader5 5.0.6231, served by a bridge: `from clients import mt5`.

Importing connects nothing; `mt5.initialize()` connects to the bridge of MT5BRIDGE_ENDPOINT, or `tcp://127.0.0.1:5555`.  The module
shows the package's names and no others.  `docs/drop-in.md` says how to run unmodified programs, and what differs.
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

if _TYPE_CHECKING:
    from typing import Any

    def __getattr__(name: str) -> Any: ...


def _fill() -> None:
    from clients.mt5.names import connect  # noqa: PLC0415  the module shows the package's names only

    shown = globals()
    for name in ("backend", "books", "histories", "line", "names", "orders", "passage", "settings", "text"):
        shown.pop(name, None)  # modules of ours; they can be imported all the same
    shown.update(connect())


_fill()
del _fill, _TYPE_CHECKING
