"""history_deals_total() and history_deals_get() by dates, group, ticket and position."""

from datetime import UTC, datetime

import MetaTrader5 as mt5
import pandas as pd

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
start, end = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 4, 11, 30, tzinfo=UTC)
deals = mt5.history_deals_get(start, end)
print("total deals =", mt5.history_deals_total(start, end), len(deals))
assert all(isinstance(deal, mt5.TradeDeal) for deal in deals)
print(deals[0])
frame = pd.DataFrame(list(deals), columns=deals[0]._asdict().keys())
frame["time"] = pd.to_datetime(frame["time"], unit="s")
print(frame[["time", "type", "entry", "volume", "price", "commission", "swap", "profit", "fee", "symbol"]].to_string())
print("all but EUR and GBP:", [deal.symbol for deal in mt5.history_deals_get(start, end, group="*,!*EUR*,!*GBP*")])
position = deals[1].position_id
of_one = mt5.history_deals_get(position=position)
print([(deal.entry, deal.volume, deal.profit) for deal in of_one], all(deal.position_id == position for deal in of_one))
print(mt5.history_deals_get(ticket=deals[1].order) == (deals[1],), mt5.history_deals_get(ticket=1), mt5.last_error())
print(mt5.history_deals_get("yesterday", "today"), mt5.last_error())
mt5.shutdown()
