"""initialize(), and version() and terminal_info() right after it; then shutdown()."""

import MetaTrader5 as mt5

print("package author:", mt5.__author__)
print("package version:", mt5.__version__)
if not mt5.initialize():
    print("initialize() failed, error code =", mt5.last_error())
    raise SystemExit(1)
terminal = mt5.terminal_info()
print(terminal.connected, terminal.name, terminal.trade_allowed)
print(mt5.version())
print(mt5.shutdown())
print(mt5.version(), mt5.last_error())
print(mt5.initialize(""), mt5.last_error())
print(mt5.initialize("C:\\Program Files\\MetaTrader 5\\terminal64.exe", timeout=10_000, portable=False), mt5.last_error())
print(mt5.initialize(login=5000001, server="MetaQuotes-Demo", password="simulated"), mt5.last_error())
print(mt5.initialize(login=4711, server="MetaQuotes-Demo", password="another"), mt5.last_error())
mt5.shutdown()
