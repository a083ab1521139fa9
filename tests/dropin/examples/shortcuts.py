"""Buy(), Sell() and Close() of the package, and everything imported by a star."""

# ruff: noqa: F403, F405

from MetaTrader5 import *

if not initialize():
    raise SystemExit(f"initialize() failed, error code = {last_error()}")
bought = Buy("AUDUSD", 0.3)
print(bought.retcode == TRADE_RETCODE_DONE, bought.volume, positions_get(symbol="AUDUSD")[0].type == POSITION_TYPE_BUY)
print(Close("AUDUSD"), positions_get(symbol="AUDUSD"))
sold = Sell("AUDUSD", 0.1, comment="by hand")
print(sold.retcode, sold.request.comment, positions_get(symbol="AUDUSD")[0].type == POSITION_TYPE_SELL)
print(Close("AUDUSD", ticket=sold.order), Close("AUDUSD"), positions_get(symbol="AUDUSD"))
shutdown()
