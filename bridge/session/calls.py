"""Requests of clients, done with a terminal: a literal table from method to function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from bridge.codec import decode_params
from bridge.errors import InvalidParameters, UnknownMethod, UnknownTimeframe
from bridge.messages import (
    MAX_ROWS,
    CalcMargin,
    CalcProfit,
    CallAccount,
    CallHistory,
    CallTerminal,
    CheckOrder,
    FindSymbol,
    GetDeals,
    GetHistoryOrders,
    GetOrders,
    GetPositions,
    GetRates,
    GetSymbol,
    GetSymbols,
    GetTick,
    GetTicks,
    SelectSymbol,
)
from bridge.placement import Placement, TraceOrder
from bridge.records import Account, Symbol, TerminalInfo
from bridge.replies import (
    Deals,
    FoundSymbol,
    LastTick,
    Money,
    OrderOutcome,
    Orders,
    Positions,
    Records,
    Symbols,
    TerminalAnswer,
)
from bridge.session import orders
from bridge.session.evidence import trace
from bridge.session.failures import CALL_FAILED, INVALID_PARAMS, refusal
from bridge.session.link import pack
from bridge.session.resolution import resolve
from bridge.session.sight import Sight
from bridge.terminal import Terminal, TerminalError
from bridge.ticks import RECORD_BYTES, TICK_STRUCT, TIMEFRAMES
from bridge.trading import OrderCheck

MAX_NATIVE_BARS = 250_000
"""Bars in one answer of the terminal's own API (15 MB): a terminal shows 100,000 unless it is told to show more."""


def account(terminal: Terminal, request: Any) -> Account:
    """The account."""
    return terminal.account()


def info(terminal: Terminal, request: Any) -> TerminalInfo:
    """The terminal."""
    return terminal.info()


def symbols(terminal: Terminal, request: GetSymbols) -> Symbols:
    """A part of the list of symbols."""
    found = terminal.symbols(request.group)
    return Symbols(len(found), tuple(found[request.start : request.start + request.count]))


def symbol(terminal: Terminal, request: GetSymbol) -> Symbol:
    """One symbol."""
    return terminal.symbol(request.symbol)


def find_symbol(terminal: Terminal, request: FindSymbol) -> FoundSymbol:
    """The symbol that a name means. The list is read each time, for a broker may rename a symbol at any moment: with 2,000 symbols
    that takes the session some 40 ms, of which the choice takes 7."""
    return resolve(request.name, terminal.symbols(), terminal.account().server)


def tick(terminal: Terminal, request: GetTick) -> LastTick:
    """The last tick, from the terminal."""
    return LastTick(TICK_STRUCT.pack(*terminal.tick(request.symbol)), 0, "terminal")


def check_timeframe(timeframe: str) -> None:
    """Raises `UnknownTimeframe`."""
    if timeframe not in TIMEFRAMES:
        names = " ".join(TIMEFRAMES)
        raise UnknownTimeframe(
            f"no timeframe {timeframe!r}",
            next_step=f"use one of {names}",
            field="timeframe",
            timeframe=timeframe,
            rule=f"one of {names}",
        )


def rates(terminal: Terminal, request: GetRates) -> Records:
    """Bars by position, up to a time, or between two times (then the oldest `count` of them)."""
    check_timeframe(request.timeframe)
    _check_place(request)
    name, timeframe, count, from_s, to_s = request.symbol, request.timeframe, request.count, request.from_s, request.to_s
    if to_s is None:
        if from_s is not None:
            raise InvalidParameters(
                "rates: from_s needs to_s",
                next_step="give both times, or a count only",
                field="to_s",
                value=None,
                rule="given with from_s",
            )
        return _records(terminal.rates_from_pos(name, timeframe, request.start, count))
    if request.start:
        raise InvalidParameters(
            "rates: start counts by position and cannot be used with times", field="start", value=request.start, rule="0 with times"
        )
    if from_s is None:
        return _records(terminal.rates_from(name, timeframe, to_s, count))
    if from_s > to_s:
        raise InvalidParameters("rates: from_s is after to_s", field="from_s", value=from_s, rule="not after to_s")
    return _records(terminal.rates_range(name, timeframe, from_s, to_s)[: count * RECORD_BYTES])


def ticks(terminal: Terminal, request: GetTicks) -> Records:
    """Ticks at and after a second."""
    _check_place(request)
    return _records(terminal.ticks_from(request.symbol, request.from_s, request.count, request.kind))


def _check_place(request: GetRates | GetTicks) -> None:
    """The gateway fills in the place of what is asked for behind another part; here it would be another part's rows."""
    if request.behind is not None:
        raise InvalidParameters(f"{request.method}: its place is not known", field="behind", value=request.behind)


def _records(packed: bytes) -> Records:
    return Records(len(packed) // RECORD_BYTES, packed)


def positions(terminal: Terminal, request: GetPositions) -> Positions:
    """Open positions."""
    return Positions(tuple(terminal.positions(ticket=request.ticket, symbol=request.symbol, group=request.group)))


def pending_orders(terminal: Terminal, request: GetOrders) -> Orders:
    """Pending orders."""
    return Orders(tuple(terminal.orders(ticket=request.ticket, symbol=request.symbol, group=request.group)))


def history_orders(terminal: Terminal, request: GetHistoryOrders) -> Orders:
    """Orders of the history."""
    return Orders(tuple(terminal.history_orders(from_s=request.from_s, to_s=request.to_s, position=request.position)))


def deals(terminal: Terminal, request: GetDeals) -> Deals:
    """Deals."""
    return Deals(tuple(terminal.deals(from_s=request.from_s, to_s=request.to_s, position=request.position)))


def order_check(sight: Sight, request: CheckOrder) -> OrderCheck:
    """The terminal's own check."""
    return orders.checked(sight, request.request)


def order(sight: Sight, request: Placement) -> OrderOutcome:
    """Send the order, if nothing speaks against it."""
    return orders.place(sight, request)


def margin(terminal: Terminal, request: CalcMargin) -> Money:
    """Margin of a market order."""
    return Money(terminal.margin(request.action, request.symbol, request.volume, request.price))


def profit(terminal: Terminal, request: CalcProfit) -> Money:
    """Profit between two prices."""
    return Money(terminal.profit(request.action, request.symbol, request.volume, request.price_open, request.price_close))


def terminal_call(terminal: Terminal, request: CallTerminal | CallAccount) -> TerminalAnswer:
    """A function of the terminal's API, as it is."""
    return TerminalAnswer(*terminal.native(request.function, request.arguments))


def history_call(terminal: Terminal, request: CallHistory) -> TerminalAnswer:
    """Bars or ticks as the terminal's API gives them, as far as they fit into a reply."""
    code, text, value = terminal.native(request.function, request.arguments)
    most = MAX_NATIVE_BARS if request.function.startswith("copy_rates") else MAX_ROWS
    if isinstance(value, bytes) and len(value) > most * RECORD_BYTES:
        raise InvalidParameters(
            f"{request.function}: {len(value) // RECORD_BYTES} rows do not fit into a reply",
            next_step=f"ask for at most {most} at a time",
            field="arguments",
            rule="rows",
        )
    return TerminalAnswer(code, text, value)


def symbol_select(sight: Sight, request: SelectSymbol) -> TerminalAnswer:
    """Show or hide a symbol; what is streamed stays, as does a symbol with an open chart."""
    if not request.enable and request.symbol in sight.streamed():
        return TerminalAnswer(CALL_FAILED, "Terminal: Call failed")
    return TerminalAnswer(*sight.terminal.native("symbol_select", (request.symbol, request.enable)))


CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "account": account, "terminal": info, "symbols": symbols, "symbol": symbol, "find_symbol": find_symbol, "tick": tick,
    "rates": rates, "ticks": ticks,
    "positions": positions, "orders": pending_orders, "history_orders": history_orders, "deals": deals,
    "order_check": order_check, "order": order, "margin": margin, "profit": profit, "trace": trace,
    "terminal_call": terminal_call, "account_call": terminal_call, "history_call": history_call, "symbol_select": symbol_select,
}  # fmt: skip
"""What a session can do, by method; `trace` is for the gateway alone, no client can ask for it."""

LIMITS_S: dict[str, float] = {
    "rates": 90.0, "ticks": 90.0, "symbols": 60.0, "find_symbol": 60.0, "history_orders": 60.0, "deals": 60.0,
    "history_call": 90.0, "account_call": 60.0,
}  # fmt: skip
"""Methods that may rightly take long (the terminal first downloads what it does not have), and how long."""

_decode_own: dict[str, Callable[[Raw], Any]] = {
    "order": msgspec.msgpack.Decoder(Placement).decode,
    "trace": msgspec.msgpack.Decoder(TraceOrder).decode,
}
"""Parameters that are the gateway's own and not a client's."""
_SIGHTED = frozenset({"order", "order_check", "symbol_select", "trace"})
_OF_ONE_SYMBOL = frozenset({"symbol", "tick", "rates", "ticks", "margin", "profit"})


def perform(terminal: Terminal, method: str, params: Raw, sight: Sight | None = None) -> Raw:
    """Do a request; the result packed. `sight` remembers what orders are judged by. Raises `BridgeError`, whose cause is the
    `TerminalError` that it stems from, if any."""
    call = CALLS.get(method)
    if call is None:
        raise UnknownMethod(f"a session cannot do {method!r}", method=method)
    request = _own(method, params) if method in _decode_own else decode_params(method, params, again=True)
    try:
        return Raw(pack(call((sight or Sight(terminal)) if method in _SIGHTED else terminal, request)))
    except TerminalError as error:
        name = getattr(request, "symbol", None) if method in _OF_ONE_SYMBOL else None
        if name is not None and error.code in (CALL_FAILED, INVALID_PARAMS):
            _check_symbol(terminal, name)
        raise refusal(error, name) from error


def _own(method: str, params: Raw) -> Any:
    try:
        return _decode_own[method](params)
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidParameters(f"{method}: {error}", method=method) from None


def _check_symbol(terminal: Terminal, name: str) -> None:
    """History and calculations do not say "not found" for a symbol that does not exist, so that is asked separately."""
    try:
        terminal.symbol(name)
    except TerminalError as error:
        raise refusal(error, name) from error
