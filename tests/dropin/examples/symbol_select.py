"""symbol_select(): into Market Watch; what does not exist cannot be selected."""

import MetaTrader5 as mt5

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
if not mt5.symbol_select("EURCAD", True):
    raise SystemExit(f"symbol_select(EURCAD) failed, error code = {mt5.last_error()}")
info = mt5.symbol_info("EURCAD")
print(info.name, info.select, info.visible, mt5.symbol_info_tick("EURCAD").bid > 0.0)
print(mt5.symbol_select("EURCAD"), mt5.last_error())
print(mt5.symbol_select("NOSUCHTHING", True), mt5.last_error())
print(mt5.symbol_select("EURUSD", False), "the account has an order for it")
mt5.shutdown()
