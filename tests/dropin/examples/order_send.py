"""order_send(): buy, look at the position, close it; positions_total(), positions_get() and the deals of the history."""

from datetime import UTC, datetime, timedelta

import MetaTrader5 as mt5

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
symbol, lot = "USDCHF", 0.1
if mt5.symbol_info(symbol) is None:
    raise SystemExit(f"{symbol} not found, cannot call order_check()")
before = mt5.positions_total()
point = mt5.symbol_info(symbol).point
price = mt5.symbol_info_tick(symbol).ask
request = {
    "action": mt5.TRADE_ACTION_DEAL,
    "symbol": symbol,
    "volume": lot,
    "type": mt5.ORDER_TYPE_BUY,
    "price": price,
    "sl": price - 1000 * point,
    "tp": price + 1000 * point,
    "deviation": 20,
    "magic": 234000,
    "comment": "python script open",
    "type_time": mt5.ORDER_TIME_GTC,
    "type_filling": mt5.ORDER_FILLING_IOC,
}
result = mt5.order_send(request)
assert isinstance(result, mt5.OrderSendResult), mt5.last_error()
assert isinstance(result.request, mt5.TradeRequest)
print(f"order_send(): by {symbol} {lot} lots")
print("retcode", result.retcode, result.retcode == mt5.TRADE_RETCODE_DONE, result.comment)
assert result.deal > 0
assert result.order > 0
assert result.request_id > 0
print(result.volume, result.price == price, result.bid < result.ask, result.retcode_external)
for name, value in result.request._asdict().items():
    print(f"       traderequest: {name}={'as asked' if isinstance(value, float) and value > 1e-9 else repr(value)}")
    assert request.get(name, value) == value

assert mt5.positions_total() == before + 1
(position,) = mt5.positions_get(ticket=result.order)
assert isinstance(position, mt5.TradePosition)
assert position.ticket == position.identifier == result.order
print(position.symbol, position.type, position.volume, position.magic, position.comment, position.reason)
assert (position.price_open, position.sl, position.tp) == (result.price, request["sl"], request["tp"])
closing = mt5.order_send({
    "action": mt5.TRADE_ACTION_DEAL,
    "symbol": symbol,
    "volume": lot,
    "type": mt5.ORDER_TYPE_SELL,
    "position": position.ticket,
    "price": mt5.symbol_info_tick(symbol).bid,
    "deviation": 20,
    "magic": 234000,
    "comment": "python script close",
    "type_time": mt5.ORDER_TIME_GTC,
    "type_filling": mt5.ORDER_FILLING_IOC,
})  # fmt: skip
print(closing.retcode, closing.comment, closing.volume)
print(mt5.positions_get(ticket=position.ticket), mt5.positions_total() - before)
deals = mt5.history_deals_get(position=position.ticket)
print([(deal.entry, deal.type, deal.volume, deal.magic, deal.comment) for deal in deals])
assert [deal.order for deal in deals] == [result.order, closing.order]
now = datetime.fromtimestamp(deals[-1].time, tz=UTC)
assert deals[-1] in mt5.history_deals_get(now - timedelta(days=1), now + timedelta(days=1), group="*CHF*")
mt5.shutdown()
