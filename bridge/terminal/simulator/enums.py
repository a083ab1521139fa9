"""Enumerations of the trading model, with the numbers of the MetaTrader5 package (MQL5: ENUM_ORDER_TYPE and so
on).
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Action(IntEnum):
    """What a trade request asks for (ENUM_TRADE_REQUEST_ACTIONS)."""

    DEAL = 1
    PENDING = 5
    SLTP = 6
    MODIFY = 7
    REMOVE = 8
    CLOSE_BY = 10


class OrderType(IntEnum):
    """ENUM_ORDER_TYPE; even numbers buy, odd ones sell (CLOSE_BY apart)."""

    BUY = 0
    SELL = 1
    BUY_LIMIT = 2
    SELL_LIMIT = 3
    BUY_STOP = 4
    SELL_STOP = 5
    BUY_STOP_LIMIT = 6
    SELL_STOP_LIMIT = 7
    CLOSE_BY = 8


BUY = 0
"""The buying side: of an order, a deal or a position."""
SELL = 1
"""The selling side: of an order, a deal or a position."""

LIMITS = (OrderType.BUY_LIMIT, OrderType.SELL_LIMIT)
STOPS = (OrderType.BUY_STOP, OrderType.SELL_STOP)
STOP_LIMITS = (OrderType.BUY_STOP_LIMIT, OrderType.SELL_STOP_LIMIT)


class OrderMode(IntFlag):
    """Kinds of orders a symbol allows (SYMBOL_ORDER_MODE)."""

    MARKET = 1
    LIMIT = 2
    STOP = 4
    STOP_LIMIT = 8
    SL = 16
    TP = 32
    CLOSE_BY = 64


ORDER_MODES: dict[int, OrderMode] = {
    OrderType.BUY: OrderMode.MARKET,
    OrderType.SELL: OrderMode.MARKET,
    OrderType.BUY_LIMIT: OrderMode.LIMIT,
    OrderType.SELL_LIMIT: OrderMode.LIMIT,
    OrderType.BUY_STOP: OrderMode.STOP,
    OrderType.SELL_STOP: OrderMode.STOP,
    OrderType.BUY_STOP_LIMIT: OrderMode.STOP_LIMIT,
    OrderType.SELL_STOP_LIMIT: OrderMode.STOP_LIMIT,
    OrderType.CLOSE_BY: OrderMode.CLOSE_BY,
}
"""The bit of SYMBOL_ORDER_MODE that permits an order type."""


class OrderState(IntEnum):
    """ENUM_ORDER_STATE, those that a simulated order can be seen in."""

    STARTED = 0
    PLACED = 1
    CANCELED = 2
    PARTIAL = 3
    FILLED = 4
    REJECTED = 5
    EXPIRED = 6


class Filling(IntEnum):
    """ENUM_ORDER_TYPE_FILLING."""

    FOK = 0
    IOC = 1
    RETURN = 2
    BOC = 3


class Lifetime(IntEnum):
    """ENUM_ORDER_TYPE_TIME."""

    GTC = 0
    DAY = 1
    SPECIFIED = 2
    SPECIFIED_DAY = 3


class Reason(IntEnum):
    """ENUM_ORDER_REASON and ENUM_DEAL_REASON; requests through the Python package are EXPERT."""

    CLIENT = 0
    EXPERT = 3
    SL = 4
    TP = 5
    SO = 6
    ROLLOVER = 7


class DealType(IntEnum):
    """ENUM_DEAL_TYPE, those that the simulator makes."""

    BUY = 0
    SELL = 1
    BALANCE = 2


class Entry(IntEnum):
    """ENUM_DEAL_ENTRY."""

    IN = 0
    OUT = 1
    INOUT = 2
    OUT_BY = 3


class Execution(IntEnum):
    """ENUM_SYMBOL_TRADE_EXECUTION."""

    REQUEST = 0
    INSTANT = 1
    MARKET = 2
    EXCHANGE = 3


class TradeMode(IntEnum):
    """ENUM_SYMBOL_TRADE_MODE."""

    DISABLED = 0
    LONG_ONLY = 1
    SHORT_ONLY = 2
    CLOSE_ONLY = 3
    FULL = 4


class MarginMode(IntEnum):
    """ENUM_ACCOUNT_MARGIN_MODE."""

    NETTING = 0
    EXCHANGE = 1
    HEDGING = 2


class StopOutMode(IntEnum):
    """ENUM_ACCOUNT_STOPOUT_MODE."""

    PERCENT = 0
    MONEY = 1


class CalcMode(IntEnum):
    """ENUM_SYMBOL_CALC_MODE."""

    FOREX = 0
    FUTURES = 1
    CFD = 2
    CFD_INDEX = 3
    CFD_LEVERAGE = 4
    FOREX_NO_LEVERAGE = 5
    EXCH_STOCKS = 32
    EXCH_FUTURES = 33
    EXCH_OPTIONS = 34
    EXCH_OPTIONS_MARGIN = 36
    EXCH_BONDS = 37
    EXCH_STOCKS_MOEX = 38
    EXCH_BONDS_MOEX = 39
    SERV_COLLATERAL = 64


class SwapMode(IntEnum):
    """ENUM_SYMBOL_SWAP_MODE."""

    DISABLED = 0
    POINTS = 1
    CURRENCY_SYMBOL = 2
    CURRENCY_MARGIN = 3
    CURRENCY_DEPOSIT = 4
    INTEREST_CURRENT = 5
    INTEREST_OPEN = 6
    REOPEN_CURRENT = 7
    REOPEN_BID = 8


class GtcMode(IntEnum):
    """ENUM_SYMBOL_ORDER_GTC_MODE."""

    GTC = 0
    DAILY = 1
    DAILY_NO_STOPS = 2


def side_of(order_type: int) -> int:
    """BUY or SELL for any of the eight order types that have a side."""
    return order_type & 1
