"""order_check(): what a trade request would need, and what is wrong with it."""

import MetaTrader5 as mt5

FIGURES = ("balance", "equity", "margin", "margin_free", "margin_level")

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
point = mt5.symbol_info("USDJPY").point
ask = mt5.symbol_info_tick("USDJPY").ask
request = {
    "action": mt5.TRADE_ACTION_DEAL,
    "symbol": "USDJPY",
    "volume": 1.0,
    "type": mt5.ORDER_TYPE_BUY,
    "price": ask,
    "sl": ask - 100 * point,
    "tp": ask + 100 * point,
    "deviation": 10,
    "magic": 234000,
    "comment": "python script",
    "type_time": mt5.ORDER_TIME_GTC,
    "type_filling": mt5.ORDER_FILLING_FOK,
}
result = mt5.order_check(request)
assert isinstance(result, mt5.OrderCheckResult)
for name, value in result._asdict().items():
    if name == "request":
        for field, sent in value._asdict().items():
            print(f"       traderequest: {field}={sent!r}")
    else:
        print(f"   {name}={'a figure' if name in FIGURES else repr(value)}")
account = mt5.account_info()
assert (result.balance, result.equity, result.profit) == (account.balance, account.equity, account.profit)
assert result.margin_free == round(account.equity - result.margin, 2)
assert result.margin_level == result.equity / result.margin * 100
print("needs", round(result.margin - account.margin, 2))
for change in (
    {"volume": 0.001},
    {"symbol": "NOSUCHTHING"},
    {"volume": 400.0},
    {"sl": ask + 1.0},
    {"type_filling": mt5.ORDER_FILLING_RETURN},
):
    wrong = mt5.order_check(request | change)
    print(list(change), wrong.retcode, wrong.comment)
print(mt5.order_check({**request, "volume": 1}), mt5.last_error())
mt5.shutdown()
