"""The 32 functions of MetaTrader5 5.0.6231 as objects: calling style, documentation string, and their likeness to built-ins."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Literal

Style = Literal["no arguments", "positional", "keywords"]
Run = Callable[[str, tuple[Any, ...], dict[str, Any]], Any]

_MODULE = "MetaTrader5._core"

_HISTORY = '_get([date_from, date_to, [group="GROUP"]],[position=POSITION],[ticket=TICKET])'
_ACTIVE = '_get([symbol="SYMBOL"],[ticket=TICKET],[group="GROUP"])'

FUNCTIONS: dict[str, tuple[Style, str]] = {
    "initialize": (
        "keywords",
        'initialize([path],[server="SERVER"],[login=LOGIN],[password="PASSWORD"])\n\nEstablish connection to MetaTrader 5 terminal',
    ),
    "login": (
        "keywords",
        'login(login,[server="SERVER"],[password="PASSWORD"])\n\nLog in to specific account',
    ),
    "shutdown": ("no arguments", "shutdown()\n\nDisconnect from MetaTrader 5 terminal"),
    "version": ("no arguments", "version()\n\nGet MetaTrader 5 terminal version"),
    "last_error": ("no arguments", "last_error()\n\nReturn last error code and description"),
    "account_info": ("no arguments", "account_info()\n\nReturn information on the current account"),
    "terminal_info": ("no arguments", "terminal_info()\n\nGet parameters of MetaTrader 5 terminal"),
    "symbols_total": ("no arguments", "symbols_total()\n\nReturn the number of all available symbols"),
    "symbols_get": (
        "keywords",
        'symbols_get([group="GROUP"])\n\nReturn all available symbols or filtred by group',
    ),
    "symbol_info": (
        "positional",
        "symbol_info(symbol)\n\nReturn full information for specified symbol",
    ),
    "symbol_info_tick": (
        "positional",
        "symbol_info_tick(symbol)\n\nReturn current prices of specified symbol",
    ),
    "symbol_select": (
        "positional",
        "symbol_select(symbol,[enable])\n\nSelect symbol in Market Watch window or remove symbol from the window",
    ),
    "market_book_add": (
        "positional",
        "market_book_add(symbol)\n\nOpens Depth of Market for a selected symbol",
    ),
    "market_book_get": (
        "positional",
        "market_book_get(symbol)\n\nReturns Depth of Market structures of a specified symbol",
    ),
    "market_book_release": (
        "positional",
        "market_book_release(symbol)\n\nCloses Depth of Market for a selected symbol",
    ),
    "copy_rates_from": (
        "positional",
        "copy_rates_from(symbol, timeframe, date_from, count)\n\nGet bars starting from specific date",
    ),
    "copy_rates_from_pos": (
        "positional",
        "copy_rates_from_pos(symbol, timeframe, start_pos, count)\n\nGet bars starting from specified position",
    ),
    "copy_rates_range": (
        "positional",
        "copy_rates_range(symbol, timeframe, date_from, date_to)\n\nGet bars from specified period",
    ),
    "copy_ticks_from": (
        "positional",
        "copy_ticks_from(symbol, date_from, count, flags)\n\nGet ticks starting from specific date",
    ),
    "copy_ticks_range": (
        "positional",
        "copy_ticks_range(symbol, date_from, date_to, flags)\n\nGet ticks from specified period",
    ),
    "orders_total": ("no arguments", "orders_total()\n\nReturn the number of orders"),
    "orders_get": (
        "keywords",
        f"orders{_ACTIVE}\n\nReturn all orders, can be filtered by symbol, group or ticket",
    ),
    "positions_total": ("no arguments", "positions_total()\n\nReturn the number of open positions"),
    "positions_get": (
        "keywords",
        f"positions{_ACTIVE}\n\nReturn all open positions, can be filtered by symbol, group or ticket",
    ),
    "history_orders_total": (
        "positional",
        "history_orders_total(date_from, date_to)\n\nReturn the number of orders in selected range from history",
    ),
    "history_orders_get": (
        "keywords",
        f"history_orders{_HISTORY}\n\nReturn orders in selected range from history or filtered by position id, ticket",
    ),
    "history_deals_total": (
        "positional",
        "history_deals_total(date_from, date_to)\n\nReturn the number of deals in selected range from history",
    ),
    "history_deals_get": (
        "keywords",
        f"history_deals{_HISTORY}\n\nReturn deals in selected range from history or filtered by position id, ticket",
    ),
    "order_calc_margin": (
        "positional",
        "order_calc_margin(action, symbol, volume, price,)\n\nCalculate margin required for specified order",
    ),
    "order_calc_profit": (
        "positional",
        "order_calc_profit(action, symbol, volume, price_open, price_close)\n\n"
        "Calculate profit for the current account in the current market conditions based on parameters passed",
    ),
    "order_check": (
        "keywords",
        "order_check(request)\n\nCheck if there are enough funds to execute required trading operation",
    ),
    "order_send": ("keywords", "order_send(request)\n\nSend trading requests to server"),
}
"""Function to its calling style and its documentation string, as the package shows them."""


class BuiltinFunction:
    """A function of the package: looks and refuses arguments like a compiled one.

    Arguments that CPython itself would refuse raise TypeError before anything else happens (last_error stays as it was); all
    others go to `run(name, args, kwargs)`.
    """

    def __init__(self, name: str, run: Run) -> None:
        self._style, self.__doc__ = FUNCTIONS[name]
        self._run = run
        self.__name__ = self.__qualname__ = name
        self.__module__ = _MODULE
        self.__text_signature__ = None  # inspect.signature() refuses it, as for a compiled function

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # isinstance() and inspect ask this
        return types.BuiltinFunctionType

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Make the call; raises TypeError for arguments that CPython refuses, SystemError as described in `arguments`."""
        name = self.__name__
        if self._style == "no arguments":
            if kwargs:
                raise TypeError(f"{_MODULE}.{name}() takes no keyword arguments")
            if args:
                raise TypeError(f"{_MODULE}.{name}() takes no arguments ({len(args)} given)")
        elif kwargs and self._style == "positional":
            raise TypeError(f"{name}() takes no keyword arguments")
        return self._run(name, args, kwargs)

    def __repr__(self) -> str:
        return f"<built-in function {self.__name__}>"

    def __reduce__(self) -> str:
        return self.__qualname__
