"""Pending orders: placed, listed by orders_total() and orders_get(), changed, removed, and found in the history."""

import MetaTrader5 as mt5
import pandas as pd

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
before = mt5.orders_total()
info = mt5.symbol_info("GBPUSD")
price = round(info.ask * 0.98, info.digits)
placed = mt5.order_send({
    "action": mt5.TRADE_ACTION_PENDING,
    "symbol": "GBPUSD",
    "volume": 0.2,
    "type": mt5.ORDER_TYPE_BUY_LIMIT,
    "price": price,
    "magic": 77,
    "comment": "waiting",
    "type_time": mt5.ORDER_TIME_GTC,
    "type_filling": mt5.ORDER_FILLING_RETURN,
})  # fmt: skip
print(placed.retcode, placed.deal, placed.volume, placed.comment)
print(mt5.orders_total() - before)
orders = mt5.orders_get(symbol="GBPUSD")
print("orders for GBPUSD:", len(orders))
(order,) = mt5.orders_get(ticket=placed.order)
assert isinstance(order, mt5.TradeOrder)
assert order in orders
print(
    order.type,
    order.state,
    order.type_filling,
    order.volume_initial,
    order.volume_current,
    order.magic,
    order.comment,
    order.reason,
)
assert order.price_open == price
assert order.time_done == 0
assert order.position_id == 0
frame = pd.DataFrame(list(orders), columns=orders[0]._asdict().keys())
print(frame.shape, list(frame.columns)[:6])
print(len(mt5.orders_get(group="*GBP*")), mt5.orders_get(group="*CAD*"), mt5.orders_get(ticket=1), mt5.last_error())
lower = round(price - 0.005, info.digits)
moved = mt5.order_send({"action": mt5.TRADE_ACTION_MODIFY, "order": placed.order, "price": lower, "type_time": mt5.ORDER_TIME_GTC})
print(moved.retcode, mt5.orders_get(ticket=placed.order)[0].price_open == lower)
removed = mt5.order_send({"action": mt5.TRADE_ACTION_REMOVE, "order": placed.order})
print(removed.retcode, mt5.orders_get(ticket=placed.order), mt5.orders_total() - before)
(history,) = mt5.history_orders_get(ticket=placed.order)
print(history.state == mt5.ORDER_STATE_CANCELED, history.volume_current, history.comment)
mt5.shutdown()
