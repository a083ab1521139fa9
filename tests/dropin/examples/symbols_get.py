"""symbols_total() and symbols_get(), all and by groups."""

import MetaTrader5 as mt5

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
symbols = mt5.symbols_get()
assert mt5.symbols_total() == len(symbols)
print("symbols:", len(symbols))
for count, symbol in enumerate(symbols[:5], 1):
    print(f"{count}. {symbol.name}")
assert all(isinstance(symbol, mt5.SymbolInfo) for symbol in symbols)
for group in ("*RU*", "*USD*,!*EUR*,!*JPY*,!*GBP*", "EURUSD,XAU*", "NOSUCH*"):
    chosen = mt5.symbols_get(group=group)
    print(group, len(chosen), [symbol.name for symbol in chosen])
print(mt5.symbols_get("*,!*USD*")[0].name, mt5.last_error())
mt5.shutdown()
