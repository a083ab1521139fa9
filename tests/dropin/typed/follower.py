"""A typed program for MetaTrader5: follows a price, places an order, looks at what came of it and closes the position again."""

from __future__ import annotations

import MetaTrader5 as mt5
import numpy as np


def attach() -> None:
    if not mt5.initialize(login=5000001, password="simulated", server="MetaQuotes-Demo", timeout=10_000):
        code, text = mt5.last_error()
        raise SystemExit(f"initialize: {code} {text}")


def average(symbol: str, count: int) -> float:
    rates: np.ndarray | None = mt5.copy_rates_from_pos(symbol, mt5.TIMEFRAME_H1, 0, count)
    assert rates is not None, mt5.last_error()
    return float(rates["close"].mean())


def last(symbol: str) -> mt5.Tick:
    assert mt5.symbol_select(symbol, True), mt5.last_error()
    tick = mt5.symbol_info_tick(symbol)
    assert tick is not None, mt5.last_error()
    return tick


def send(request: mt5.TradeRequest) -> mt5.OrderSendResult:
    result = mt5.order_send(request)
    assert result is not None, mt5.last_error()
    assert result.retcode == mt5.TRADE_RETCODE_DONE, result.comment
    return result


def request(symbol: str, side: int, price: float, position: mt5.TradePosition | None = None) -> mt5.TradeRequest:
    made: mt5.TradeRequest = {
        "action": mt5.TRADE_ACTION_DEAL,
        "symbol": symbol,
        "volume": 0.1,
        "type": side,
        "price": price,
        "magic": 31,
        "type_filling": mt5.ORDER_FILLING_IOC,
    }
    if position is not None:
        made["position"] = position.ticket
    return made


def of(ticket: int) -> mt5.TradePosition | None:
    positions: tuple[mt5.TradePosition, ...] | None = mt5.positions_get(ticket=ticket)
    assert positions is not None, mt5.last_error()
    return positions[0] if positions else None


def main() -> None:
    attach()
    terminal: mt5.TerminalInfo | None = mt5.terminal_info()
    assert terminal is not None
    assert terminal.connected
    tick = last("EURGBP")
    margin: float | None = mt5.order_calc_margin(mt5.ORDER_TYPE_BUY, "EURGBP", 0.1, tick.ask)
    assert margin is not None
    opened = send(request("EURGBP", mt5.ORDER_TYPE_BUY, tick.ask))
    position = of(opened.order)
    assert position is not None
    closed = send(request("EURGBP", mt5.ORDER_TYPE_SELL, last("EURGBP").bid, position))
    orders: tuple[mt5.TradeOrder, ...] | None = mt5.orders_get(group="*EUR*")
    print(average("EURGBP", 24) > 0.0, margin > 0.0, position.magic, closed.volume, of(opened.order), orders is not None)
    mt5.shutdown()


if __name__ == "__main__":
    main()
