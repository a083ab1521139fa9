"""The drop-in imported by its own name: what it returns goes where the types of MetaTrader5 are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients import mt5

if TYPE_CHECKING:
    import MetaTrader5


def spread(tick: MetaTrader5.Tick) -> float:
    return tick.ask - tick.bid


def volume(positions: tuple[MetaTrader5.TradePosition, ...]) -> float:
    return sum(position.volume for position in positions)


def main() -> None:
    assert mt5.initialize(), mt5.last_error()
    tick: MetaTrader5.Tick | None = mt5.symbol_info_tick("EURUSD")
    assert tick is not None
    wanted: MetaTrader5.TradeRequest = {
        "action": mt5.TRADE_ACTION_DEAL,
        "symbol": "EURUSD",
        "volume": 0.001,
        "type": mt5.ORDER_TYPE_BUY,
    }
    result: MetaTrader5.OrderSendResult | None = mt5.order_send(wanted)
    assert result is not None
    print(spread(tick) >= 0.0, volume(mt5.positions_get(symbol="EURUSD") or ()), result.retcode == mt5.TRADE_RETCODE_INVALID_VOLUME)
    mt5.shutdown()


if __name__ == "__main__":
    main()
