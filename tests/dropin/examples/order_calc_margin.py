"""order_calc_margin() for 0.1 lot of several symbols, in the currency of the account."""

import MetaTrader5 as mt5

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
currency = mt5.account_info().currency
for symbol in ("EURUSD", "GBPUSD", "USDJPY", "USDCHF", "EURJPY", "GBPJPY", "NOSUCHTHING"):
    if mt5.symbol_info(symbol) is None:
        print(symbol, "not found, skipped")
        continue
    ask = mt5.symbol_info_tick(symbol).ask
    margin = mt5.order_calc_margin(mt5.ORDER_TYPE_BUY, symbol, 0.1, ask)
    print(f"   {symbol} buy 0.1 lot margin: {margin} {currency}")
print(mt5.order_calc_margin(mt5.ORDER_TYPE_BUY, "NOSUCHTHING", 0.1, 1.0), mt5.last_error()[0])
mt5.shutdown()
