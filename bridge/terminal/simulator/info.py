"""What the terminal tells about symbols: SymbolInfo and the depth of market."""

from __future__ import annotations

from dataclasses import replace

from bridge.mt5api.constants import TIMEFRAME_D1
from bridge.records import Symbol
from bridge.terminal.simulator.enums import SELL
from bridge.terminal.simulator.money import NoRate, round_money, route, tick_value
from bridge.terminal.simulator.quotes import DayPrices, Quote
from bridge.terminal.simulator.server import Server
from bridge.terminal.simulator.symbols import Contract
from bridge.trading import BookLevel

_DAY_MSC = 86_400_000
_NO_QUOTE = Quote(0, 0.0, 0.0, flags=0)


def select(server: Server, symbol: str, enable: bool) -> bool:
    """Show a symbol in Market Watch or take it out.

    The symbols that convert its money are selected with it, without being visible.  False for an unknown symbol, and
    when a symbol with a position or an order is to be taken out.
    """
    contract = server.contracts.get(symbol)
    if contract is None:
        return False
    if not enable:
        books = (server.ledger.positions, server.ledger.orders)
        if any(row.symbol == symbol for book in books for row in book.values()):
            return False
        server.watch.pop(symbol, None)
        return True
    server.watch[symbol] = True
    for currency in (contract.currency_profit, contract.currency_margin):
        for pair in _route(server, currency):
            server.watch.setdefault(pair, False)
    return True


def _route(server: Server, currency: str) -> tuple[str, ...]:
    try:
        return tuple(symbol for symbol, _ in route(currency, server.bank))
    except NoRate:
        return ()


def symbol_record(server: Server, contract: Contract, now_msc: int) -> Symbol:
    """The symbol as SymbolInfo shows it: without prices (0) while it is not in Market Watch.

    Highs, lows and opening price are those of the server's day, `session_close` the last price of the day before,
    `price_change` the bid's change since then in percent.
    """
    watched = contract.name in server.watch
    quote = (server.quotes.get(contract.name) if watched else None) or _NO_QUOTE
    day = _day_prices(server, contract, now_msc) if quote.time_msc else DayPrices()
    bank, get = server.bank, server.quotes.get
    gained = tick_value(contract, bank, get, gained=True)
    return Symbol(
        custom=False,
        chart_mode=contract.chart_mode,
        select=watched,
        visible=server.watch.get(contract.name, False),
        session_deals=0,
        session_buy_orders=0,
        session_sell_orders=0,
        volume=quote.volume,
        volumehigh=0,
        volumelow=0,
        time=quote.time_msc // 1000,
        digits=contract.digits,
        spread=round((quote.ask - quote.bid) / contract.point),
        spread_float=True,
        ticks_bookdepth=contract.bookdepth,
        trade_calc_mode=int(contract.calc_mode),
        trade_mode=int(contract.trade_mode),
        start_time=0,
        expiration_time=0,
        trade_stops_level=contract.stops_level,
        trade_freeze_level=contract.freeze_level,
        trade_exemode=int(contract.exemode),
        swap_mode=int(contract.swap_mode),
        swap_rollover3days=contract.swap_rollover3days,
        margin_hedged_use_leg=contract.margin_hedged_use_leg,
        expiration_mode=contract.expiration_mode,
        filling_mode=contract.filling_mode,
        order_mode=contract.order_mode,
        order_gtc_mode=int(contract.gtc_mode),
        option_mode=0,
        option_right=0,
        bid=quote.bid,
        bidhigh=max(day.high, quote.bid),
        bidlow=min(day.low, quote.bid) if day.low else quote.bid,
        ask=quote.ask,
        askhigh=max(contract.price(day.high + day.spread), quote.ask),
        asklow=min(contract.price(day.low + day.spread), quote.ask) if day.low else quote.ask,
        last=quote.last,
        lasthigh=0.0,
        lastlow=0.0,
        volume_real=quote.volume_real,
        volumehigh_real=0.0,
        volumelow_real=0.0,
        option_strike=0.0,
        point=contract.point,
        trade_tick_value=gained,
        trade_tick_value_profit=gained,
        trade_tick_value_loss=tick_value(contract, bank, get, gained=False),
        trade_tick_size=contract.tick_size,
        trade_contract_size=contract.contract_size,
        trade_accrued_interest=contract.accrued_interest,
        trade_face_value=contract.face_value,
        trade_liquidity_rate=contract.liquidity_rate,
        volume_min=contract.volume_min,
        volume_max=contract.volume_max,
        volume_step=contract.volume_step,
        volume_limit=contract.volume_limit,
        swap_long=contract.swap_long,
        swap_short=contract.swap_short,
        margin_initial=contract.margin_initial,
        margin_maintenance=contract.margin_maintenance,
        session_volume=0.0,
        session_turnover=0.0,
        session_interest=0.0,
        session_buy_orders_volume=0.0,
        session_sell_orders_volume=0.0,
        session_open=day.open,
        session_close=day.close_before,
        session_aw=0.0,
        session_price_settlement=0.0,
        session_price_limit_min=0.0,
        session_price_limit_max=0.0,
        margin_hedged=contract.margin_hedged,
        price_change=_percent(quote.bid, day.close_before),
        price_volatility=0.0,
        price_theoretical=0.0,
        price_greeks_delta=0.0,
        price_greeks_theta=0.0,
        price_greeks_gamma=0.0,
        price_greeks_vega=0.0,
        price_greeks_rho=0.0,
        price_greeks_omega=0.0,
        price_sensitivity=0.0,
        basis="",
        category="",
        currency_base=contract.currency_base,
        currency_profit=contract.currency_profit,
        currency_margin=contract.currency_margin,
        bank="",
        description=contract.description,
        exchange="",
        formula="",
        isin="",
        name=contract.name,
        page="",
        path=contract.path,
    )


def _day_prices(server: Server, contract: Contract, now_msc: int) -> DayPrices:
    """The day's prices, carried on from the last time they were asked for on the same day."""
    known = server.days.get(contract.name)
    if known is not None and known.day == now_msc // _DAY_MSC and known.until_msc <= now_msc:
        ticks = server.market.ticks(contract.name, known.until_msc, now_msc)
        bids = ticks["bid"][ticks["bid"] > 0]
        high, low = float(bids.max(initial=known.high)), float(bids.min(initial=known.low))
        prices = replace(known, until_msc=now_msc, high=high, low=low)
    else:
        prices = _whole_day(server, contract, now_msc)
    server.days[contract.name] = prices
    return prices


def _whole_day(server: Server, contract: Contract, now_msc: int) -> DayPrices:
    bars = server.market.last_rates(contract.name, TIMEFRAME_D1, 0, 2, now_msc)
    if not len(bars):
        return DayPrices()
    time_s, opened, high, low, _, _, spread, _ = bars[-1].item()
    close_before = float(bars[0]["close"]) if len(bars) > 1 else 0.0
    return DayPrices(time_s * 1000 // _DAY_MSC, now_msc, opened, high, low, spread * contract.point, close_before)


def _percent(price: float, before: float) -> float:
    return round_money((price - before) / before * 100, 4) if before and price else 0.0


def depth(contract: Contract, quote: Quote) -> list[BookLevel]:
    """A depth of market around a quote: `bookdepth` levels a side, prices descending, sells first.

    Each level's volume is a fixed mix of the tick's time and the level, so that the same moment always shows the same
    book.
    """
    levels = []
    for rank in range(-contract.bookdepth, contract.bookdepth):
        side = SELL if rank < 0 else 0
        away = -rank - 1 if rank < 0 else rank
        price = quote.ask + away * contract.tick_size if rank < 0 else quote.bid - away * contract.tick_size
        volume = 1 + (quote.time_msc * 2_654_435_761 + away * 40_503 + side * 97) % 977 % (20 * (away + 1))
        # BOOK_TYPE_SELL is 1, BOOK_TYPE_BUY is 2.
        levels.append(BookLevel(1 if rank < 0 else 2, contract.price(price), volume, float(volume)))
    return levels
