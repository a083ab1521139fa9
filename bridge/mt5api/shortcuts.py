"""Buy, Sell and Close, the three trading shortcuts that the MetaTrader5 package adds in Python to its 32 functions.

They deviate from this project's ways on purpose: they retry, ignore the filling mode and raise AttributeError or TypeError
when the terminal does not answer.  They exist because programs written for the package may use them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bridge.mt5api import constants as mt5

ATTEMPTS = 10
DEVIATION_POINTS = 10
_RETRIED = (mt5.TRADE_RETCODE_REQUOTE, mt5.TRADE_RETCODE_PRICE_OFF)
_OPPOSITE = {mt5.POSITION_TYPE_BUY: mt5.ORDER_TYPE_SELL, mt5.POSITION_TYPE_SELL: mt5.ORDER_TYPE_BUY}
_SIDE = {mt5.ORDER_TYPE_BUY: "ask", mt5.ORDER_TYPE_SELL: "bid"}


def shortcuts(functions: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    """The shortcuts over the API functions `order_send`, `positions_get` and `symbol_info_tick`, by their names in the package."""
    order_send, positions_get = functions["order_send"], functions["positions_get"]
    symbol_info_tick = functions["symbol_info_tick"]

    def _RawOrder(  # noqa: N802
        order_type: Any, symbol: Any, volume: Any, price: Any, comment: Any = None, ticket: Any = None
    ) -> Any:
        """Send one market order; what order_send returns."""
        request = {
            "action": mt5.TRADE_ACTION_DEAL,
            "symbol": symbol,
            "volume": volume,
            "type": order_type,
            "price": price,
            "deviation": DEVIATION_POINTS,
        }
        if comment is not None:
            request["comment"] = comment
        if ticket is not None:
            request["position"] = ticket
        return order_send(request)

    def at_market(order_type: int, symbol: Any, volume: Any, comment: Any, ticket: Any) -> Any:
        """Repeat at the current price while the answer is a requote or "no prices"."""
        result = None
        for _ in range(ATTEMPTS):
            price = getattr(symbol_info_tick(symbol), _SIDE[order_type])
            result = _RawOrder(order_type, symbol, volume, price, comment, ticket)
            if result is None or result.retcode not in _RETRIED:
                break
        return result

    def Buy(symbol: Any, volume: Any, price: Any = None, *, comment: Any = None, ticket: Any = None) -> Any:  # noqa: N802
        """Buy at a price, or at the market with up to 10 attempts; an OrderSendResult or None."""
        if price is None:
            return at_market(mt5.ORDER_TYPE_BUY, symbol, volume, comment, ticket)
        return _RawOrder(mt5.ORDER_TYPE_BUY, symbol, volume, price, comment, ticket)

    def Sell(symbol: Any, volume: Any, price: Any = None, *, comment: Any = None, ticket: Any = None) -> Any:  # noqa: N802
        """Sell at a price, or at the market with up to 10 attempts; an OrderSendResult or None."""
        if price is None:
            return at_market(mt5.ORDER_TYPE_SELL, symbol, volume, comment, ticket)
        return _RawOrder(mt5.ORDER_TYPE_SELL, symbol, volume, price, comment, ticket)

    def Close(symbol: Any, *, comment: Any = None, ticket: Any = None) -> Any:  # noqa: N802
        """Close the positions of a symbol, or one ticket: True (all), "Partially", False (none), None (an order got no answer)."""
        positions = positions_get(symbol=symbol) if ticket is None else positions_get(ticket=ticket)
        found = closed = 0
        for position in positions:
            if position.type not in _OPPOSITE:
                continue
            found += 1
            order_type = _OPPOSITE[position.type]
            result = at_market(order_type, symbol, position.volume, comment, position.ticket)
            if result is None:
                return None
            closed += result.retcode == mt5.TRADE_RETCODE_DONE
        if not closed:
            return False
        return True if closed == found else "Partially"

    made: dict[str, Callable[..., Any]] = {"_RawOrder": _RawOrder, "Buy": Buy, "Sell": Sell, "Close": Close}
    for name, function in made.items():
        function.__qualname__, function.__module__ = name, "MetaTrader5"
        function.__annotations__ = {}  # the package's have none, and inspect.signature shows it
    return made
