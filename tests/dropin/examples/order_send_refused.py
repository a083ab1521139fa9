"""order_send(): requests that are refused have a return code and a reason; requests that cannot be sent are None."""

import MetaTrader5 as mt5

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
ask = mt5.symbol_info_tick("EURUSD").ask
good = {
    "action": mt5.TRADE_ACTION_DEAL,
    "symbol": "EURUSD",
    "volume": 0.1,
    "type": mt5.ORDER_TYPE_BUY,
    "price": ask,
    "type_filling": mt5.ORDER_FILLING_FOK,
}
for change in (
    {"symbol": "NOSUCHTHING"},
    {"volume": 0.001},
    {"volume": 0.015},
    {"sl": ask + 1.0},
    {"type_filling": mt5.ORDER_FILLING_RETURN},
    {"volume": 400.0},
    {"position": 1, "type": mt5.ORDER_TYPE_SELL},
    {"action": mt5.TRADE_ACTION_REMOVE, "order": 1},
    {"type": mt5.ORDER_TYPE_BUY_LIMIT},
):
    result = mt5.order_send(good | change)
    print(change if "sl" not in change else "sl", result.retcode, result.deal, result.order, result.volume, result.price)
    assert result.comment, change
for change in ({"volume": 1}, {"type": "BUY"}, {"comment": 5}):
    print(change, mt5.order_send(good | change), mt5.last_error())
print(mt5.order_send(), mt5.last_error())
print(mt5.positions_get(symbol="EURUSD"), mt5.last_error())
mt5.shutdown()
