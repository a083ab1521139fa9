"""order_calc_profit() of 300 points, both ways, in the currency of the account."""

import MetaTrader5 as mt5

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
currency = mt5.account_info().currency
lot, distance = 1.0, 300
for symbol in ("EURUSD", "GBPUSD", "USDJPY"):
    point = mt5.symbol_info(symbol).point
    tick = mt5.symbol_info_tick(symbol)
    bought = mt5.order_calc_profit(mt5.ORDER_TYPE_BUY, symbol, lot, tick.ask, tick.ask + distance * point)
    print(f"   buy {symbol} {lot} lot: profit on {distance} points => {bought} {currency}")
    sold = mt5.order_calc_profit(mt5.ORDER_TYPE_SELL, symbol, lot, tick.bid, tick.bid - distance * point)
    print(f"   sell {symbol} {lot} lot: profit on {distance} points => {sold} {currency}")
print(mt5.order_calc_profit(mt5.ORDER_TYPE_BUY, "NOSUCHTHING", lot, 1.0, 1.1), mt5.last_error()[0])
mt5.shutdown()
