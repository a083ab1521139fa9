"""What a call of the MetaTrader5 API sends to a terminal: the arguments of each function, in order, and its answer.

The calling rules (`calls.py`) have already been applied: dates are whole seconds of server time (int32), strings have
passed their length checks, a trade request is a list of the 17 fields of `TradeRequest`, in order.  `None` means "not given".
"""

from __future__ import annotations

from typing import Literal

Answer = Literal["bool", "int", "float", "version", "struct", "structs", "rates", "ticks"]

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "initialize": ("path", "login", "password", "server", "timeout_ms", "portable"),
    "login": ("login", "password", "server", "timeout_ms"),
    "version": (),
    "terminal_info": (),
    "account_info": (),
    "symbols_total": (),
    "symbols_get": ("group",),
    "symbol_info": ("symbol",),
    "symbol_info_tick": ("symbol",),
    "symbol_select": ("symbol", "enable"),
    "market_book_add": ("symbol",),
    "market_book_get": ("symbol",),
    "market_book_release": ("symbol",),
    "copy_rates_from": ("symbol", "timeframe", "date_from", "count"),
    "copy_rates_from_pos": ("symbol", "timeframe", "start_pos", "count"),
    "copy_rates_range": ("symbol", "timeframe", "date_from", "date_to"),
    "copy_ticks_from": ("symbol", "date_from", "count", "flags"),
    "copy_ticks_range": ("symbol", "date_from", "date_to", "flags"),
    "orders_total": (),
    # At most one of the three is not None.  A group is never sent: the package filters what it receives.
    "orders_get": ("symbol", "group", "ticket"),
    "positions_total": (),
    "positions_get": ("symbol", "group", "ticket"),
    "history_orders_total": ("date_from", "date_to"),
    # Either both dates, or ticket, or position.  A group is never sent.
    "history_orders_get": ("date_from", "date_to", "group", "ticket", "position"),
    "history_deals_total": ("date_from", "date_to"),
    "history_deals_get": ("date_from", "date_to", "group", "ticket", "position"),
    "order_calc_margin": ("action", "symbol", "volume", "price"),
    "order_calc_profit": ("action", "symbol", "volume", "price_open", "price_close"),
    "order_check": ("request",),
    "order_send": ("request",),
}
"""Names of the arguments of each function that reaches the terminal, in the order in which they are sent.

`shutdown` sends nothing: it closes the connection.  `last_error` never leaves the process.
"""

ANSWERS: dict[str, tuple[Answer, str | None]] = {
    "initialize": ("bool", None),
    "login": ("bool", None),
    "version": ("version", None),
    "terminal_info": ("struct", "TerminalInfo"),
    "account_info": ("struct", "AccountInfo"),
    "symbols_total": ("int", None),
    "symbols_get": ("structs", "SymbolInfo"),
    "symbol_info": ("struct", "SymbolInfo"),
    "symbol_info_tick": ("struct", "Tick"),
    "symbol_select": ("bool", None),
    "market_book_add": ("bool", None),
    "market_book_get": ("structs", "BookInfo"),
    "market_book_release": ("bool", None),
    "copy_rates_from": ("rates", None),
    "copy_rates_from_pos": ("rates", None),
    "copy_rates_range": ("rates", None),
    "copy_ticks_from": ("ticks", None),
    "copy_ticks_range": ("ticks", None),
    "orders_total": ("int", None),
    "orders_get": ("structs", "TradeOrder"),
    "positions_total": ("int", None),
    "positions_get": ("structs", "TradePosition"),
    "history_orders_total": ("int", None),
    "history_orders_get": ("structs", "TradeOrder"),
    "history_deals_total": ("int", None),
    "history_deals_get": ("structs", "TradeDeal"),
    "order_calc_margin": ("float", None),
    "order_calc_profit": ("float", None),
    "order_check": ("struct", "OrderCheckResult"),
    "order_send": ("struct", "OrderSendResult"),
}
"""Kind of value in a successful answer (code 1), and the struct type it is made of.

A struct travels as the list of its fields (a nested `TradeRequest` likewise), `structs` as a list of those, `rates` and `ticks` as
the bytes of packed 60-byte records, `version` as `[500, build, "DD Mon YYYY"]`.
"""
