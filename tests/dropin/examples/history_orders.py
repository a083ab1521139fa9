"""history_orders_total() and history_orders_get() by dates, group, ticket and position."""

from datetime import UTC, datetime

import MetaTrader5 as mt5
import pandas as pd

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
start, end = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 4, 11, 30, tzinfo=UTC)
total = mt5.history_orders_total(start, end)
orders = mt5.history_orders_get(start, end)
print("total history orders =", total, len(orders))
assert all(isinstance(order, mt5.TradeOrder) for order in orders)
frame = pd.DataFrame(list(orders), columns=orders[0]._asdict().keys())
frame["time_setup"] = pd.to_datetime(frame["time_setup"], unit="s")
frame["time_done"] = pd.to_datetime(frame["time_done"], unit="s")
print(frame[["time_setup", "time_done", "type", "state", "volume_initial", "volume_current", "price_open", "symbol"]].to_string())
print("GBP:", [order.symbol for order in mt5.history_orders_get(start, end, group="*GBP*")])
first = orders[0]
print(mt5.history_orders_get(ticket=first.ticket) == (first,), len(mt5.history_orders_get(position=first.position_id)))
print(mt5.history_orders_get(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)), mt5.last_error())
print(mt5.history_orders_get(start), mt5.last_error())
mt5.shutdown()
