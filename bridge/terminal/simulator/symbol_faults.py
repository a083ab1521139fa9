"""Faults of symbols and their history: another name, none at all, or data that are not downloaded yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from bridge.mt5api.group import group_match
from bridge.mt5api.structs import RATE_DTYPE
from bridge.mt5api.wire import ANSWERS, ARGUMENTS
from bridge.records import Symbol
from bridge.terminal.simulator.answers import OK, Answer
from bridge.terminal.simulator.failures import CallFailed
from bridge.terminal.simulator.fault import Fault, FaultRefused
from bridge.terminal.simulator.terminal_faults import check_range
from bridge.trading import Deal, Order, Position, TradeRequest

if TYPE_CHECKING:
    from bridge.terminal.simulator.fault import Proceed
    from bridge.terminal.simulator.world import World


def _place(record: type[Any], field: str) -> int:
    return list(record.__slots__).index(field)


_NAME_AT = {
    "SymbolInfo": _place(Symbol, "name"),
    "TradePosition": _place(Position, "symbol"),
    "TradeOrder": _place(Order, "symbol"),
    "TradeDeal": _place(Deal, "symbol"),
}
"""Where the records of an answer name their symbol."""
_PATH_AT = _place(Symbol, "path")
_REQUESTED_AT = _place(TradeRequest, "symbol")
_NOBODY = ""
_RECORD_BYTES = RATE_DTYPE.itemsize


def check_symbol(world: World, symbol: str) -> None:
    """Refuse a symbol that the broker does not have."""
    if symbol not in world.server.contracts:
        raise FaultRefused(f"symbol: the broker has no symbol {symbol!r}")


def symbol_renamed(symbol: str = "EURUSD", to: str = "EURUSD.r") -> Fault:
    """The broker calls a symbol by another name, in what was before too."""
    if not to:
        raise FaultRefused("to: the new name is empty")

    def start(world: World) -> None:
        check_symbol(world, symbol)
        if to in world.server.contracts:
            raise FaultRefused(f"to: the broker has a symbol {to!r} already")

    def change(_: World, function: str, args: list[Any], proceed: Proceed) -> Answer:
        sent, group = _with_names(function, args, {symbol: _NOBODY, to: symbol})
        code, text, value = proceed(function, sent)
        return (code, text, _in_group(_renamed(function, value, symbol, to), group)) if code == OK[0] else (code, text, value)

    return Fault(start=start, change=change)


def symbol_gone(symbol: str = "EURUSD") -> Fault:
    """The broker no longer has the symbol; positions, orders and deals of it are still shown."""

    def start(world: World) -> None:
        check_symbol(world, symbol)

    def change(_: World, function: str, args: list[Any], proceed: Proceed) -> Answer:
        sent, group = _with_names(function, args, {symbol: _NOBODY})
        code, text, value = proceed(function, args if function in ("positions_get", "orders_get") else sent)
        if code == OK[0] and function == "symbols_total":
            value -= 1
        if code == OK[0] and function == "symbols_get":
            value = _in_group([row for row in value if row[_NAME_AT["SymbolInfo"]] != symbol], group)
        return code, text, value

    return Fault(start=start, change=change)


def _with_names(function: str, args: list[Any], names: dict[str, str]) -> tuple[list[Any], str | None]:
    """The arguments with other names of symbols, and the group of symbols_get, which is to be applied to new names."""
    if function == "symbols_get":
        return [None], args[0]
    sent = [
        names.get(value, value) if name == "symbol" and value else value
        for name, value in zip(ARGUMENTS[function], args, strict=True)
    ]
    if ARGUMENTS[function] == ("request",) and len(sent[0]) > _REQUESTED_AT:
        request = list(sent[0])
        if isinstance(request[_REQUESTED_AT], str):
            request[_REQUESTED_AT] = names.get(request[_REQUESTED_AT], request[_REQUESTED_AT])
        sent = [request]
    return sent, None


def _in_group(rows: Any, group: str | None) -> Any:
    return rows if group is None else [row for row in rows if group_match(group, row[_NAME_AT["SymbolInfo"]])]


def _renamed(function: str, value: Any, before: str, after: str) -> Any:
    kind, record = ANSWERS[function]
    if record in ("OrderSendResult", "OrderCheckResult"):
        return [*value[:-1], _row_renamed(value[-1], _REQUESTED_AT, before, after)]
    if record not in _NAME_AT:
        return value
    place = _NAME_AT[record]
    rows = [_row_renamed(row, place, before, after) for row in ([value] if kind == "struct" else value)]
    if record == "SymbolInfo":
        for row in rows:
            if row[place] == after:
                row[_PATH_AT] = row[_PATH_AT].removesuffix(before) + after
    return rows[0] if kind == "struct" else rows


def _row_renamed(row: list[Any], place: int, before: str, after: str) -> list[Any]:
    return [after if at == place and value == before else value for at, value in enumerate(row)]


def history_missing(answer: Literal["short", "empty", "failed"] = "short", count: int = 2, symbol: str = "") -> Fault:
    """Bars and ticks are not downloaded yet: for each symbol (empty: any) and timeframe the first `count` answers have
    the newest tenth of the rows, none, or fail (None, -1).
    """
    check_range("count", count, 1, 1_000)
    asked: dict[tuple[Any, ...], int] = {}

    def start(world: World) -> None:
        if symbol:
            check_symbol(world, symbol)

    def change(_: World, function: str, args: list[Any], proceed: Proceed) -> Answer:
        usual = proceed(function, args)
        if not function.startswith("copy_") or symbol not in ("", args[0]) or usual[0] != OK[0]:
            return usual
        key = (args[0], args[1] if function.startswith("copy_rates") else "ticks")
        asked[key] = asked.get(key, 0) + 1
        if asked[key] > count:
            return usual
        if answer == "failed":
            return (*CallFailed.error, None)
        rows = len(usual[2]) // _RECORD_BYTES
        kept = max(1, rows // 10) if answer == "short" and rows > 1 else 0
        return (*OK, usual[2][(rows - kept) * _RECORD_BYTES :])

    return Fault(start=start, change=change)
