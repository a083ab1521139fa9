"""copy_rates_from(), copy_rates_from_pos() and copy_rates_range() as arrays and as DataFrames."""

from datetime import UTC, datetime

import MetaTrader5 as mt5
import numpy as np
import pandas as pd

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
wednesday = datetime(2026, 3, 4, 9, tzinfo=UTC)


def shown(rates):
    frame = pd.DataFrame(rates)
    frame["time"] = pd.to_datetime(frame["time"], unit="s")
    return frame.to_string()


rates = mt5.copy_rates_from("EURUSD", mt5.TIMEFRAME_H4, wednesday, 10)
print(rates.dtype.names, rates.shape, rates.flags.writeable)
for rate in rates[-2:]:
    print(rate)
print(shown(rates))
print(shown(mt5.copy_rates_from_pos("GBPUSD", mt5.TIMEFRAME_D1, 0, 10)))
print(mt5.copy_rates_from_pos("USDJPY", mt5.TIMEFRAME_W1, 1, 2))
day = mt5.copy_rates_range("USDJPY", mt5.TIMEFRAME_M5, datetime(2026, 3, 3, tzinfo=UTC), datetime(2026, 3, 3, 13, tzinfo=UTC))
print(shown(day[:10]))
print(len(day), day["time"][0], day["time"][-1], np.all(day["high"] >= day["low"]))
print(mt5.copy_rates_from_pos("EURUSD", np.int64(mt5.TIMEFRAME_M1), np.int32(0), np.int16(3))["time"])
weekend = mt5.copy_rates_range("EURUSD", mt5.TIMEFRAME_H1, datetime(2026, 2, 28, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
print(weekend.shape, mt5.last_error())
print(mt5.copy_rates_from("NOSUCHTHING", mt5.TIMEFRAME_H1, wednesday, 10) is None, mt5.last_error()[0])
mt5.shutdown()
