"""The calling rules of MetaTrader5 5.0.6231 over a Backend: what each function asks, returns and leaves in last_error.

Nothing here knows sockets.  Failure is None (False for the functions that answer bool, `(0, 0, '')` for version); nothing found is
`()` or an array of length zero; last_error() is `(1, 'Success')` after every call that did not fail.  The rules were observed by
running the package without a terminal; what needs one (texts of a broken connection, at most one record by ticket) follows from
the inspection of its binary.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from bridge.mt5api import arguments, structs
from bridge.mt5api.arguments import Refused
from bridge.mt5api.backend import Backend, LinkLost, OpenFailed
from bridge.mt5api.group import group_match
from bridge.mt5api.wire import ANSWERS

SUCCESS = (1, "Success")
NOT_CONNECTED = (-10004, "No IPC connection")
SEND_FAILED = (-10001, "IPC send failed")
RECEIVE_FAILED = (-10002, "IPC recv failed")
OLD_BUILD = (-5, "Terminal: Incompatible versions, please install the latest version of Terminal and Python module")
SYMBOLS_BUILD = 2364  # symbols_total and symbols_get want at least this terminal build
DEFAULT_TIMEOUT_MS = 60_000
NOT_FOUND = -4

TERMINAL_TEXTS = {
    -1: "Terminal: Call failed",
    -2: "Terminal: Invalid params",
    -3: "Terminal: Out of memory",
    -4: "Terminal: Not found",
    -5: OLD_BUILD[1],
    -6: "Terminal: Authorization failed",
    -7: "Terminal: Unsupported function",
    -10000: "IPC call failed",
    -10005: "IPC timeout",
}
_NO_OTP = "Unsupported authorization mode, OTP or certificate password needed"
_OWN_TEXTS = {
    ("order_send", -8): "Auto-Trading using Python API disabled in Terminal",
    ("initialize", -7): _NO_OTP,
    ("login", -7): _NO_OTP,
}

# What a function returns when the call fails, and when its arguments are refused; None where it is not listed.
_FAILED: dict[str, Any] = {
    "initialize": False,
    "login": False,
    "version": (0, 0, ""),
    "symbol_select": False,
    "market_book_add": False,
    "market_book_release": False,
}
_REFUSED: dict[str, Any] = {"initialize": False, "login": False, "symbol_select": False, "symbols_get": False}


class Calls:
    """The state behind the functions: one backend, last_error, and the terminal's build.

    Calls are made one at a time: the package holds the interpreter's lock during a call, this class its own, so another thread's
    call (last_error() too) waits, but other threads run on.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.error: tuple[int, str] = (0, "")
        self.build = 0  # remembered across shutdown()
        self.pending: BaseException | None = None  # an exception the extension would leave behind
        self._lock = threading.RLock()

    def run(self, function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make one call of the API with the arguments as the program gave them."""
        with self._lock:
            if function == "last_error":
                return self.error
            self.error, self.pending = SUCCESS, None
            try:
                result = _RULES.get(function, _positional)(self, function, args, kwargs)
            except Refused as refusal:
                self.error = (-2, refusal.text)
                self.pending = refusal.cause
                result = _REFUSED.get(function)
            pending, self.pending = self.pending, None
        if pending is not None:
            problem = f"<built-in function {function}> returned a result with an exception set"
            raise SystemError(problem) from pending
        return result

    def ask(self, function: str, args: list[Any]) -> tuple[bool, Any]:
        """Send a request; `(True, value)`, or `(False, None)` with last_error set."""
        if not self.backend.connected:
            self.error = NOT_CONNECTED
            return False, None
        try:
            code, text, value = self.backend.call(function, args)
        except LinkLost as lost:
            self.error = SEND_FAILED if lost.sending else RECEIVE_FAILED
            return False, None
        if code == SUCCESS[0]:
            return True, value
        self.error = (code, _OWN_TEXTS.get((function, code)) or text or TERMINAL_TEXTS.get(code, TERMINAL_TEXTS[-1]))
        return False, None

    def fetch(self, function: str, args: list[Any]) -> Any:
        """Send a request and decode its answer; the function's failure value when it failed."""
        succeeded, value = self.ask(function, args)
        return decode(function, value) if succeeded else _FAILED.get(function)


def decode(function: str, value: Any) -> Any:
    """A successful answer as the package returns it.  Raises ValueError or TypeError when it is not of the function's kind."""
    kind, struct = ANSWERS[function]
    if kind == "struct":
        return structs.build(str(struct), value)
    if kind == "structs":
        return tuple(structs.build(str(struct), fields) for fields in value)
    if kind == "rates":
        return structs.records(value, structs.RATE_DTYPE)
    if kind == "ticks":
        return structs.records(value, structs.TICK_DTYPE)
    if kind == "version":
        return tuple(value)
    return {"bool": bool, "int": int, "float": float}[kind](value)


def _positional(calls: Calls, function: str, args: tuple[Any, ...], _: dict[str, Any]) -> Any:
    values, calls.pending = arguments.positional(function, args)
    return calls.fetch(function, values)


def _plain(calls: Calls, function: str, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Any:
    return calls.fetch(function, [])


def _symbol_select(calls: Calls, function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return _positional(calls, function, (*args, True) if len(args) == 1 else args, kwargs)


def _market_book(calls: Calls, function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    result = _positional(calls, function, args, kwargs)
    calls.error = SUCCESS  # the package does not record the failure of market_book_add and market_book_release
    return result


def _initialize(calls: Calls, function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    calls.backend.close()  # first of all: whatever fails from here on leaves the process disconnected
    if len(args) > 1:
        raise Refused("Invalid number of arguments")
    path = _given(args, 0, kwargs, "path", arguments.PATH_UNITS)
    login = arguments.uint64(kwargs["login"], '"login" argument') if "login" in kwargs else 0
    password = _given((), 0, kwargs, "password", arguments.PASSWORD_UNITS)
    server = _given((), 0, kwargs, "server", arguments.SERVER_UNITS)
    timeout_ms = _timeout_ms(kwargs)
    try:
        calls.backend.open(path or None)
    except OpenFailed as failure:
        calls.error = (-10003, f"IPC initialize failed, {failure.detail}")
        return False
    portable = bool(kwargs.get("portable", False))
    succeeded, value = calls.ask(function, [path or None, login or None, password, server, timeout_ms, portable])
    if succeeded and value:
        succeeded, version = calls.ask("version", [])
        calls.build = int(version[1]) if succeeded else calls.build
    if not (succeeded and value):
        calls.backend.close()
        return False
    return True


def _login(calls: Calls, function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    if len(args) > 3:
        raise Refused("Invalid number of arguments")
    given, label = (args[0], "1st unnamed argument") if args else (kwargs.get("login"), '"login" argument')
    login = arguments.uint64(given, label)
    if not login:
        raise Refused('Invalid "login" argument')
    password = _given(args, 1, kwargs, "password", arguments.PASSWORD_UNITS)
    server = _given(args, 2, kwargs, "server", arguments.SERVER_UNITS)
    return bool(calls.fetch(function, [login, password, server, _timeout_ms(kwargs)]))


def _given(args: tuple[Any, ...], place: int, kwargs: dict[str, Any], name: str, units: int) -> str | None:
    """A string given by position or by name; None when it is not given."""
    if place < len(args):
        return arguments.text(args[place], units, f"{('1st', '2nd', '3rd')[place]} unnamed argument")
    if name in kwargs:
        return arguments.text(kwargs[name], units, f'"{name}" argument')
    return None


def _timeout_ms(kwargs: dict[str, Any]) -> int:
    if "timeout" not in kwargs:
        return DEFAULT_TIMEOUT_MS
    return arguments.uint32(kwargs["timeout"], '"timeout" argument') or DEFAULT_TIMEOUT_MS


def _shutdown(calls: Calls, _function: str, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> bool:
    calls.backend.close()
    return True


def _symbols(calls: Calls, function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if len(args) > 1:
        raise Refused("Invalid number of arguments")
    sent: list[Any] = []
    if function == "symbols_get":
        sent = [_given(args, 0, kwargs, "group", arguments.GROUP_UNITS)]
    if calls.build < SYMBOLS_BUILD:
        calls.error = OLD_BUILD
        return None
    return calls.fetch(function, sent)


def _active(calls: Calls, function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """positions_get and orders_get: by ticket, else by symbol, else by group, else all."""
    if args:
        raise Refused("Unnamed arguments not allowed")
    if "ticket" in kwargs:
        ticket = arguments.uint64(kwargs["ticket"], '"ticket" argument')
        return _by_ticket(calls, function, [None, None, ticket])
    if "symbol" in kwargs:
        symbol = arguments.text(kwargs["symbol"], arguments.SYMBOL_UNITS, '"symbol" argument')
        return calls.fetch(function, [symbol, None, None])
    group = _given((), 0, kwargs, "group", arguments.GROUP_UNITS)
    return _in_group(calls.fetch(function, [None, None, None]), group)


def _history(calls: Calls, function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """history_orders_get and history_deals_get: by two dates and a group, else by ticket, else by position."""
    if len(args) == 2:
        date_from, pending = arguments.date(args[0])
        date_to, calls.pending = arguments.date(args[1], pending)
        group = _given((), 0, kwargs, "group", arguments.GROUP_UNITS)
        return _in_group(calls.fetch(function, [date_from, date_to, None, None, None]), group)
    if "ticket" not in kwargs and "position" not in kwargs:
        raise Refused
    if args:
        raise Refused("Unnamed arguments not allowed")
    if "ticket" in kwargs:
        ticket = arguments.uint64(kwargs["ticket"], '"ticket" argument')
        return _by_ticket(calls, function, [None, None, None, ticket, None])
    position = arguments.uint64(kwargs["position"], '"position" argument')
    return calls.fetch(function, [None, None, None, None, position])


def _by_ticket(calls: Calls, function: str, sent: list[Any]) -> Any:
    """At most one record; a ticket that does not exist is an empty tuple and a success."""
    found = calls.fetch(function, sent)
    if found is None and calls.error[0] == NOT_FOUND:
        calls.error = SUCCESS
        return ()
    return found if found is None else found[:1]


def _in_group(records: Any, group: str | None) -> Any:
    if records is None or group is None:
        return records
    return tuple(record for record in records if group_match(group, record.symbol))


def _order(calls: Calls, function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """order_check and order_send: one dict, or the fields as keywords; the answer repeats the request as it was sent."""
    if kwargs and args:
        raise Refused("Unnamed arguments not allowed")
    if not kwargs and len(args) != 1:
        raise Refused("Invalid number of arguments")
    fields = kwargs or args[0]
    if not isinstance(fields, dict):
        raise Refused
    request = arguments.trade_request(fields)
    succeeded, answer = calls.ask(function, [request])
    return decode(function, [*answer[:-1], request]) if succeeded else None


_Rule = Callable[[Calls, str, tuple[Any, ...], dict[str, Any]], Any]

# Functions that are not in this table are positional.
_RULES: dict[str, _Rule] = {
    "initialize": _initialize,
    "login": _login,
    "shutdown": _shutdown,
    "version": _plain,
    "terminal_info": _plain,
    "account_info": _plain,
    "symbols_total": _symbols,
    "symbols_get": _symbols,
    "symbol_select": _symbol_select,
    "market_book_add": _market_book,
    "market_book_release": _market_book,
    "orders_total": _plain,
    "orders_get": _active,
    "positions_total": _plain,
    "positions_get": _active,
    "history_orders_get": _history,
    "history_deals_get": _history,
    "order_check": _order,
    "order_send": _order,
}
