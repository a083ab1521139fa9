"""copy_ticks_from() and copy_ticks_range() as arrays and as DataFrames."""

from datetime import UTC, datetime

import MetaTrader5 as mt5
import pandas as pd

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
start = datetime(2026, 3, 4, 10, tzinfo=UTC)
ticks = mt5.copy_ticks_from("EURUSD", start, 100_000, mt5.COPY_TICKS_ALL)
print("ticks received:", len(ticks), ticks.dtype.names)
for tick in ticks[:3]:
    print(tick)
frame = pd.DataFrame(ticks)
frame["time"] = pd.to_datetime(frame["time"], unit="s")
print(frame.head(10).to_string())
some = mt5.copy_ticks_from("EURUSD", start, 100, mt5.COPY_TICKS_INFO)
print(
    len(some), (some["time"] >= int(start.timestamp())).all(), (some["flags"] & (mt5.TICK_FLAG_BID | mt5.TICK_FLAG_ASK) > 0).all()
)
end = datetime(2026, 3, 4, 10, 1, tzinfo=UTC)
minute = mt5.copy_ticks_range("AUDUSD", start, end, mt5.COPY_TICKS_ALL)
print(len(minute), (minute["time_msc"] <= int(end.timestamp()) * 1000).all(), (minute["time_msc"] // 1000 == minute["time"]).all())
print(pd.DataFrame(minute)[["bid", "ask", "time_msc"]].head(3).to_string())
print(len(mt5.copy_ticks_range("AUDUSD", start, end, mt5.COPY_TICKS_TRADE)), mt5.last_error())
print(mt5.copy_ticks_from("NOSUCHTHING", start, 10, mt5.COPY_TICKS_ALL) is None, mt5.last_error()[0])
mt5.shutdown()
