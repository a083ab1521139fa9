"""One of several programs that share a bridge: only its own things may ever come back to it.

python one_of_ten.py NUMBER STOP: its number chooses symbol, magic, volume and what it does wrong. Writes a line `round N FAILURES`
after each good round until the file STOP exists; ends with an assertion as soon as anything is not its own.
"""

import os
import sys
import time

import MetaTrader5 as mt5

SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY", "USDCHF", "AUDUSD", "USDCAD", "NZDUSD", "EURGBP", "EURJPY", "GBPJPY")
BROKEN = {-10001, -10002, -10003, -10004, -10005}
FRIDAY = 1772150400

number, stop = int(sys.argv[1]), sys.argv[2]
symbol, magic, volume = SYMBOLS[number], 7000 + number, round(0.01 * (number + 1), 2)
kind = number % 5


class Broken(Exception):
    """The connection, and what the package says of it."""


def good(value):
    """A result, or Broken."""
    code, text = mt5.last_error()
    if value is None or value is False:
        raise Broken(code, text)
    assert (code, text) == (1, "Success")
    return value


def wrong():
    """Something that fails, in one of five ways: (result, result expected, error expected)."""
    if kind == 0:
        return mt5.symbol_info(f"NOSUCH{number}"), None, (-4, "Terminal: Not found")
    if kind == 1:
        return mt5.positions_get(symbol), None, (-2, "Unnamed arguments not allowed")
    if kind == 2:
        return mt5.order_send({"action": 1, "symbol": symbol, "volume": number}), None, (-2, 'Invalid "volume" argument')
    if kind == 3:
        return mt5.symbol_select(f"NOSUCH{number}"), False, (-1, "Terminal: Call failed")
    return mt5.copy_rates_from_pos(symbol, 12345, 0, number), None, (-2, "Terminal: Invalid params")


def deal(side, **more):
    request = {"action": 1, "symbol": symbol, "volume": volume, "type": side, "type_filling": 0, "magic": magic, **more}
    result = good(mt5.order_send({**request, "comment": f"of {number}"}))
    assert result.retcode == 10009, result
    assert (result.request.symbol, result.request.magic, result.request.volume) == (symbol, magic, volume)
    assert result.volume == volume
    return result


def mine():
    positions = [position for position in good(mt5.positions_get(symbol=symbol)) if position.magic == magic]
    assert all(position.volume == volume for position in positions)
    return positions


def flat():
    """Close what an order of unknown outcome may have left."""
    for position in mine():
        deal(1, position=position.ticket)


def one_round():
    returned, expected, error = wrong()
    if mt5.last_error()[0] in BROKEN:
        raise Broken(*mt5.last_error())
    assert returned is expected
    assert mt5.last_error() == error, (mt5.last_error(), error)
    info = good(mt5.symbol_info(symbol))
    assert info.name == symbol
    bars = good(mt5.copy_rates_range(symbol, mt5.TIMEFRAME_H1, FRIDAY, FRIDAY + 3600 * (number + 3)))
    assert len(bars) == number + 4
    assert bars.tobytes() == known.setdefault("bars", bars.tobytes())
    assert mt5.last_error() == (1, "Success")
    price = good(mt5.symbol_info_tick(symbol)).ask
    assert abs(price / bars["close"][-1] - 1) < 0.2
    margin = good(mt5.order_calc_margin(0, symbol, volume, 1.0))
    assert margin > 0.0
    ticks = good(mt5.copy_ticks_from(symbol, FRIDAY, 10 + number, mt5.COPY_TICKS_ALL))
    assert ticks.tobytes() == known.setdefault("ticks", ticks.tobytes())
    opened = deal(0)
    (position,) = good(mt5.positions_get(ticket=opened.order))
    assert (position.symbol, position.magic, position.volume, position.comment) == (symbol, magic, volume, f"of {number}")
    closed = deal(1, position=position.ticket)
    deals = good(mt5.history_deals_get(position=opened.order))
    assert [(one.order, one.magic, one.symbol) for one in deals] == [(opened.order, magic, symbol), (closed.order, magic, symbol)]
    assert not mine()
    returned, expected, error = wrong()
    if mt5.last_error()[0] in BROKEN:
        raise Broken(*mt5.last_error())
    time.sleep(0.002 * kind)
    assert mt5.last_error() == error


known = {}
rounds = failures = 0
lost = True
while not os.path.exists(stop):
    try:
        if lost:
            good(mt5.initialize(timeout=10_000))
            flat()
            lost = False
        one_round()
    except Broken as broken:
        if broken.args[0] not in BROKEN:
            raise
        failures += 1
        lost = True
        time.sleep(0.05)
        continue
    rounds += 1
    print("round", rounds, failures, flush=True)
mt5.shutdown()
