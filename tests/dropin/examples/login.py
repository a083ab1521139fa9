"""login() to the account of the terminal, and to another one."""

import MetaTrader5 as mt5

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
print(mt5.login(5000001, password="simulated"), mt5.last_error())
print(mt5.login(5000001, "simulated", "MetaQuotes-Demo", timeout=5_000), mt5.last_error())
for name in ("login", "server", "currency", "leverage"):
    print(f"  {name}={getattr(mt5.account_info(), name)}")
print(mt5.login(4711, password="another"), mt5.last_error())
print(mt5.account_info().login)
mt5.shutdown()
