"""positions_total() and positions_get() by symbol, group and ticket; stop levels changed; closed again."""

import MetaTrader5 as mt5
import pandas as pd

if not mt5.initialize():
    raise SystemExit(f"initialize() failed, error code = {mt5.last_error()}")


def deal(symbol, side, **more):
    tick = mt5.symbol_info_tick(symbol)
    result = mt5.order_send({
        "action": mt5.TRADE_ACTION_DEAL,
        "symbol": symbol,
        "volume": 0.1,
        "type": side,
        "price": tick.ask if side == mt5.ORDER_TYPE_BUY else tick.bid,
        "type_filling": mt5.ORDER_FILLING_FOK,
        **more,
    })  # fmt: skip
    assert result.retcode == mt5.TRADE_RETCODE_DONE, result
    return result


total = mt5.positions_total()
opened = [
    deal("USDCAD", mt5.ORDER_TYPE_BUY).order,
    deal("USDCAD", mt5.ORDER_TYPE_SELL).order,
    deal("NZDUSD", mt5.ORDER_TYPE_BUY).order,
]
print("total positions", mt5.positions_total() - total)
positions = mt5.positions_get(symbol="USDCAD")
print(
    "positions on USDCAD =", len(positions), [position.type for position in positions], [p.ticket for p in positions] == opened[:2]
)
by_group = mt5.positions_get(group="*USD*,!*JPY*")
frame = pd.DataFrame(list(by_group), columns=by_group[0]._asdict().keys())
frame["time"] = pd.to_datetime(frame["time"], unit="s")
frame = frame.drop(["time_update", "time_msc", "time_update_msc", "external_id"], axis=1)
print(
    frame[frame["ticket"].isin(opened)][["type", "magic", "volume", "sl", "tp", "swap", "symbol", "comment"]]
    .reset_index(drop=True)
    .to_string()
)
print(list(frame.columns))
print(
    mt5.positions_get(symbol="AUDCHF"),
    mt5.positions_get(ticket=1),
    mt5.positions_get(ticket=0) == mt5.positions_get(),
    mt5.last_error(),
)
(position,) = mt5.positions_get(ticket=opened[0])
stop = round(position.price_open - 0.01, 5)
levels = mt5.order_send({"action": mt5.TRADE_ACTION_SLTP, "symbol": "USDCAD", "position": opened[0], "sl": stop, "tp": 0.0})
print(levels.retcode, levels.deal, levels.order, mt5.positions_get(ticket=opened[0])[0].sl == stop)
both = mt5.order_send({"action": mt5.TRADE_ACTION_CLOSE_BY, "position": opened[0], "position_by": opened[1]})
print(both.retcode, mt5.positions_get(symbol="USDCAD"))
deal("NZDUSD", mt5.ORDER_TYPE_SELL, position=opened[2])
print(mt5.positions_total() - total)
mt5.shutdown()
