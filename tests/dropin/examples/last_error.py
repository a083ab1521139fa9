"""last_error() before anything, after good calls, after bad ones; reading does not clear it."""

import MetaTrader5 as mt5

mt5.initialize()
print(mt5.last_error())
print(mt5.symbol_info("NOSUCHTHING"), mt5.last_error(), mt5.last_error())
print(mt5.positions_get("EURUSD"), mt5.last_error())
print(mt5.order_send({"action": mt5.TRADE_ACTION_DEAL, "volume": 1}), mt5.last_error())
print(mt5.symbol_select("NOSUCHTHING"), mt5.last_error())
print(mt5.orders_total() >= 0, mt5.last_error())
mt5.shutdown()
print(mt5.account_info(), mt5.last_error())
