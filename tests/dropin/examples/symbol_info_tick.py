"""symbol_info_tick(): the last quote, as a tuple and as a dictionary."""

import MetaTrader5 as mt5

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
print(mt5.symbol_select("GBPUSD", True))
tick = mt5.symbol_info_tick("GBPUSD")
print(tick)
assert isinstance(tick, mt5.Tick)
assert tick.time_msc // 1000 == tick.time
assert tick.ask >= tick.bid > 0.0
for name, value in tick._asdict().items():
    print(f"  {name}={value}")
print(mt5.symbol_info_tick("NOSUCHTHING"), mt5.last_error())
mt5.shutdown()
