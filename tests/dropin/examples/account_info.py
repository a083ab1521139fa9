"""account_info() as a tuple of named fields, as a dictionary and as a table."""

import MetaTrader5 as mt5
import pandas as pd

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")
account = mt5.account_info()
assert isinstance(account, mt5.AccountInfo)
fields = account._asdict()
assert list(fields.values()) == list(account)
for name in ("login", "trade_mode", "leverage", "limit_orders", "margin_so_mode", "trade_allowed", "trade_expert", "margin_mode"):
    print(f"  {name}={fields[name]!r}")
print(f"  name={account.name!r} server={account[25]!r} currency={account.currency!r} company={account[-1]!r}")
assert abs(account.equity - (account.balance + account.credit + account.profit)) < 0.005
assert abs(account.margin_free - (account.equity - account.margin)) < 0.005
table = pd.DataFrame(list(fields.items()), columns=["property", "value"])
print(table.shape, list(table.columns), table["property"].iloc[0], table["property"].iloc[27])
mt5.shutdown()
