"""The functions of the MetaTrader5 API as a terminal answers them: one function of ours for each, and the table of
all.

Every function gets the world, the number of the attached program and the arguments that `bridge.mt5api.wire` lists,
already checked for number and type; it returns code and text of last_error and the
value, or raises CallFailed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bridge.mt5api.group import group_match
from bridge.records import TerminalInfo
from bridge.terminal.simulator import history, info
from bridge.terminal.simulator.account import account_record, valued
from bridge.terminal.simulator.enums import OrderType, side_of
from bridge.terminal.simulator.failures import BadParameters, CallFailed, NotAuthorized, NotFound, PythonDisabled
from bridge.terminal.simulator.history import MAX_BARS
from bridge.terminal.simulator.money import NoRate, margin, profit
from bridge.terminal.simulator.quotes import Rows
from bridge.terminal.simulator.rows import row
from bridge.terminal.simulator.server import Server
from bridge.terminal.simulator.symbols import Contract
from bridge.terminal.simulator.trade import order_check, order_send
from bridge.trading import Order, TradeRequest

if TYPE_CHECKING:
    from bridge.terminal.simulator.world import World

Answer = tuple[int, str, Any]
"""Code and text of last_error, and the value."""

BUILD = 5830
VERSION = (500, BUILD, "12 Jun 2026")

OK = (1, "Success")


def _rows(records: Iterable[Any]) -> Answer:
    return (*OK, [row(record) for record in records])


def _contract(world: World, symbol: str) -> Contract:
    contract = world.server.contracts.get(symbol)
    if contract is None:
        raise NotFound
    return contract


def _initialize(
    world: World, _: int, path: str | None, login: int | None, password: str | None, server: str | None, *__: Any
) -> Answer:
    return _login(world, _, login, password, server)


def _login(world: World, _: int, login: int | None, password: str | None, server: str | None, *__: Any) -> Answer:
    """Check credentials; those that are not given are the stored ones."""
    known = world.credentials
    given = (login or known.login, password or known.password, server or known.server)
    if given != (known.login, known.password, known.server):
        raise NotAuthorized
    return (*OK, True)


def _version(world: World, _: int) -> Answer:
    return (*OK, [VERSION[0], world.build, VERSION[2]])


def _terminal_info(world: World, _: int) -> Answer:
    switches, company = world.server.switches, world.server.profile.company
    return (*OK, row(TerminalInfo(
        False, False, switches.connected, False, switches.trade_allowed, switches.tradeapi_disabled, False, False, False, False,
        world.build, MAX_BARS, 0, 42_214, 0.0, 0.0, company, "MetaTrader 5", "English", "C:\\Program Files\\MetaTrader 5",
        "C:\\Program Files\\MetaTrader 5", "C:\\MetaQuotes\\Terminal\\Common",
    )))  # fmt: skip


def _account_info(world: World, _: int) -> Answer:
    return (*OK, row(account_record(world.server, world.credentials.login, world.credentials.server)))


def _symbols_total(world: World, _: int) -> Answer:
    return (*OK, len(world.server.contracts))


def _symbols_get(world: World, _: int, group: str | None) -> Answer:
    chosen = (c for c in world.server.contracts.values() if group is None or group_match(group, c.name))
    return _rows(info.symbol_record(world.server, contract, world.now_msc) for contract in chosen)


def _symbol_info(world: World, _: int, symbol: str) -> Answer:
    return (*OK, row(info.symbol_record(world.server, _contract(world, symbol), world.now_msc)))


def _symbol_info_tick(world: World, _: int, symbol: str) -> Answer:
    """The newest tick; a symbol that is not in Market Watch or was never quoted is not found."""
    quote = world.server.quotes.get(symbol) if symbol in world.server.watch else None
    if quote is None:
        raise NotFound
    time_msc, bid, ask, last, volume, flags, volume_real = quote
    return (*OK, [time_msc // 1000, bid, ask, last, volume, time_msc, flags, volume_real])


def _symbol_select(world: World, _: int, symbol: str, enable: bool) -> Answer:
    if not info.select(world.server, symbol, enable):
        raise CallFailed
    return (*OK, True)


def _market_book_add(world: World, client: int, symbol: str) -> Answer:
    """Subscribe to a depth of market; a refusal leaves no error, as in the package."""
    contract = world.server.contracts.get(symbol)
    if contract is None or not contract.bookdepth:
        return (*OK, False)
    world.server.watch.setdefault(symbol, True)
    world.books.add((client, symbol))
    return (*OK, True)


def _market_book_get(world: World, client: int, symbol: str) -> Answer:
    if (client, symbol) not in world.books:
        raise NotFound
    quote = world.server.quotes.get(symbol)
    return _rows(info.depth(world.server.contracts[symbol], quote) if quote else ())


def _market_book_release(world: World, client: int, symbol: str) -> Answer:
    subscribed = (client, symbol) in world.books
    world.books.discard((client, symbol))
    return (*OK, subscribed)


def _copied(read: Callable[..., Rows]) -> Callable[..., Answer]:
    def answer(world: World, _: int, symbol: str, *args: int) -> Answer:
        name = _contract(world, symbol).name
        if name not in world.server.quotes.known:
            raise NotFound
        return (*OK, read(world.server.market, name, *args, world.now_msc).tobytes())

    return answer


def _orders_total(world: World, _: int) -> Answer:
    return (*OK, len(world.server.ledger.orders))


def _orders_get(world: World, _: int, symbol: str | None, group: str | None, ticket: int | None) -> Answer:
    chosen = _active(world.server.ledger.orders, symbol, group, ticket)
    return _rows(_priced(world.server, order) for order in chosen)


def _priced(server: Server, order: Order) -> Order:
    """An active order with its present price: the ask for buying, the bid for selling."""
    quote = server.quotes.get(order.symbol)
    return replace(order, price_current=quote.side(side_of(order.type))) if quote else order


def _positions_total(world: World, _: int) -> Answer:
    return (*OK, len(world.server.ledger.positions))


def _positions_get(world: World, _: int, symbol: str | None, group: str | None, ticket: int | None) -> Answer:
    chosen = _active(world.server.ledger.positions, symbol, group, ticket)
    return _rows(valued(world.server, position) for position in chosen)


def _active(rows: Mapping[int, Any], symbol: str | None, group: str | None, ticket: int | None) -> list[Any]:
    """By ticket, else by symbol, else by group, else all; an unknown ticket is not found."""
    if ticket is not None:
        if ticket not in rows:
            raise NotFound
        return [rows[ticket]]
    if symbol is not None:
        return [row for row in rows.values() if row.symbol == symbol]
    return [row for row in rows.values() if group is None or group_match(group, row.symbol)]


def _history_orders_total(world: World, _: int, date_from: int, date_to: int) -> Answer:
    return (*OK, len(history.orders_between(world.server.ledger.history.values(), date_from, date_to)))


def _history_deals_total(world: World, _: int, date_from: int, date_to: int) -> Answer:
    return (*OK, len(history.deals_between(world.server.ledger.deals.values(), date_from, date_to)))


def _history_orders_get(world: World, _: int, *args: Any) -> Answer:
    return _past(world.server.ledger.history, history.orders_between, "ticket", *args)


def _history_deals_get(world: World, _: int, *args: Any) -> Answer:
    return _past(world.server.ledger.deals, history.deals_between, "order", *args)


def _past(
    rows: Mapping[int, Any], between: Callable[..., list[Any]], named: str, date_from: int | None, date_to: int | None,
    group: str | None, ticket: int | None, position: int | None,
) -> Answer:  # fmt: skip
    """By both dates, else by the ticket of an order (the field `named`), else by a position; an unknown ticket is not
    found.
    """
    if date_from is not None and date_to is not None:
        chosen = between(rows.values(), date_from, date_to)
        return _rows(r for r in chosen if group is None or group_match(group, r.symbol))
    if ticket is not None:
        found = [record for record in rows.values() if getattr(record, named) == ticket]
        if not found:
            raise NotFound
        return _rows(found)
    if position is None:
        raise BadParameters
    return _rows(history.by_position(rows.values(), position))


def _check_calculation(action: int, volume: float, *prices: float) -> None:
    if action not in range(OrderType.CLOSE_BY) or not all(0 < value < 1e15 for value in (volume, *prices)):
        raise BadParameters


def _order_calc_margin(world: World, _: int, action: int, symbol: str, volume: float, price: float) -> Answer:
    _check_calculation(action, volume, price)
    bank, contract = world.server.bank, _contract(world, symbol)
    try:
        amount = margin(contract, side_of(action), volume, price, bank, world.server.quotes.get)
    except NoRate as error:
        raise CallFailed from error
    return (*OK, bank.round(amount))


def _order_calc_profit(
    world: World, _: int, action: int, symbol: str, volume: float, price_open: float, price_close: float
) -> Answer:
    _check_calculation(action, volume, price_open, price_close)
    bank, contract = world.server.bank, _contract(world, symbol)
    try:
        amount = profit(contract, side_of(action), volume, price_open, price_close, bank, world.server.quotes.get)
    except NoRate as error:
        raise CallFailed from error
    return (*OK, amount)


def _order_check(world: World, _: int, request: list[Any]) -> Answer:
    return (*OK, row(order_check(world.server, _trade_request(request), world.now_msc)))


def _order_send(world: World, _: int, request: list[Any]) -> Answer:
    asked = _trade_request(request)
    if world.server.switches.tradeapi_disabled:
        raise PythonDisabled
    return (*OK, row(order_send(world.server, asked, world.now_msc)))


_REQUEST_KINDS: tuple[type, ...] = (
    int, int, int, str, float, float, float, float, float, int, int, int, int, int, str, int, int,
)  # fmt: skip
"""Types of the 17 fields of a trade request, in order."""


def _trade_request(values: list[Any]) -> TradeRequest:
    if len(values) != len(_REQUEST_KINDS) or any(
        not isinstance(value, kind) for value, kind in zip(values, _REQUEST_KINDS, strict=True)
    ):
        raise BadParameters
    return TradeRequest(*values)


FUNCTIONS: Mapping[str, Callable[..., Answer]] = {
    "initialize": _initialize,
    "login": _login,
    "version": _version,
    "terminal_info": _terminal_info,
    "account_info": _account_info,
    "symbols_total": _symbols_total,
    "symbols_get": _symbols_get,
    "symbol_info": _symbol_info,
    "symbol_info_tick": _symbol_info_tick,
    "symbol_select": _symbol_select,
    "market_book_add": _market_book_add,
    "market_book_get": _market_book_get,
    "market_book_release": _market_book_release,
    "copy_rates_from": _copied(history.rates_from),
    "copy_rates_from_pos": _copied(history.rates_from_pos),
    "copy_rates_range": _copied(history.rates_range),
    "copy_ticks_from": _copied(history.ticks_from),
    "copy_ticks_range": _copied(history.ticks_range),
    "orders_total": _orders_total,
    "orders_get": _orders_get,
    "positions_total": _positions_total,
    "positions_get": _positions_get,
    "history_orders_total": _history_orders_total,
    "history_orders_get": _history_orders_get,
    "history_deals_total": _history_deals_total,
    "history_deals_get": _history_deals_get,
    "order_calc_margin": _order_calc_margin,
    "order_calc_profit": _order_calc_profit,
    "order_check": _order_check,
    "order_send": _order_send,
}
"""Every function of the API that reaches a terminal."""
