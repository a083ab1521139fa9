"""A program over pymt5adapter: a context that connects and checks, calls that raise, orders and trades as objects."""

from datetime import UTC, datetime

import pymt5adapter as mt5
from pymt5adapter.order import Order
from pymt5adapter.symbol import Symbol
from pymt5adapter.trade import Trade

account = {"login": 5000001, "password": "simulated", "server": "MetaQuotes-Demo"}
with mt5.connected(**account, timeout=10_000, raise_on_errors=True, ensure_trade_enabled=True) as connection:
    print(connection.ping().trade_server)
    print(mt5.account_info().login, mt5.terminal_info().connected, mt5.version())
    rates = mt5.copy_rates_from_pos("EURUSD", mt5.TIMEFRAME.H1, 0, 10)
    print(len(rates), rates.dtype.names[0])
    ticks = mt5.copy_ticks_from("EURUSD", datetime(2026, 3, 4, 11, tzinfo=UTC), 10, mt5.COPY_TICKS.ALL)
    print(len(ticks))
    symbol = Symbol("GBPUSD")
    print(symbol.name, symbol.refresh_rates().tick.ask > symbol.tick.bid)
    result = Order.as_buy(symbol=symbol, volume=0.1, magic=9, comment="adapter", type_filling=mt5.ORDER_FILLING.FOK).send()
    print(mt5.TRADE_RETCODE(result.retcode).name, result.comment, result.request.magic)
    trade = Trade(symbol=symbol, magic=9)
    print(trade.position.ticket == result.order, trade.position.volume, trade.position.comment)
    stop = round(trade.position.price_open - 0.01, 5)
    print(mt5.TRADE_RETCODE(trade.modify_sltp_by_price(sl=stop).retcode).name, trade.refresh().position.sl == stop)
    print([position.symbol for position in mt5.positions_get(function=lambda position: position.magic == 9)])
    print(len(mt5.history_deals_get(position=result.order)))
    try:
        mt5.copy_rates_from_pos("NOSUCHTHING", mt5.TIMEFRAME.H1, 0, 10)
    except mt5.MT5Error as error:
        print(error, error.error_code.value)
    print(mt5.Close("GBPUSD"), mt5.last_error()[0])
print(mt5.terminal_info(), mt5.last_error())
