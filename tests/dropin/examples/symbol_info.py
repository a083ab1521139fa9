"""symbol_info() of a symbol of Market Watch, one that is hidden and one that does not exist; as a dictionary."""

import MetaTrader5 as mt5

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
symbol = mt5.symbol_info("EURJPY")
assert isinstance(symbol, mt5.SymbolInfo)
print(f"EURJPY: spread={symbol.spread} digits={symbol.digits} point={symbol.point} path={symbol.path!r}")
assert symbol.spread == round((symbol.ask - symbol.bid) / symbol.point)
fields = symbol._asdict()
print(len(fields))
for name in ("volume_min", "volume_max", "volume_step", "trade_contract_size", "filling_mode", "order_mode", "trade_exemode",
             "trade_mode", "currency_base", "currency_profit", "currency_margin", "description", "name"):  # fmt: skip
    print(f"  {name}={fields[name]!r}")
print(mt5.symbol_info("AUDNZD").name)
print(mt5.symbol_info("NO SUCH SYMBOL"), mt5.last_error())
mt5.shutdown()
