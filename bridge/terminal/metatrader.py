"""A terminal behind any module with the API of the MetaTrader5 package; all the quirks of that API are dealt with here.

What the package does and this module hides (source: MQL5 "Python integration" pages and observation of MetaTrader5 5.0.6231):

* a failure is `None` or `False` (`(0, 0, '')` for `version`) and its reason is in the process-wide `last_error()`, which is
  therefore read at once; "nothing found" is `()` or an array without rows;
* argument overflow is a `SystemError` with the real exception as its cause;
* `positions_get` takes keywords only, `symbol_info` positions only, `order_send(request=...)` sends an empty request, and
  `order_send(request, **{})` is refused;
* a `float` field refuses an `int`, an `int` field refuses numpy's integers; a date of 0 means "not given";
* the first read after connecting may fail with `(-1, 'Terminal: Call failed')` and succeed a moment later;
* `initialize` waits much longer than its time limit for a terminal that is not ready, see `launch`.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar, get_args, get_type_hints

import numpy as np

from bridge.errors import ConfigError
from bridge.mt5api.structs import RATE_DTYPE, TICK_DTYPE
from bridge.records import Account, Symbol, TerminalInfo
from bridge.terminal import Credentials, Terminal, TerminalError
from bridge.terminal.launch import MUTE_S, Launch
from bridge.terminal.native import native
from bridge.ticks import TIMEFRAMES, Tick
from bridge.trading import BookLevel, Deal, Order, OrderCheck, OrderResult, Position, TradeRequest

T = TypeVar("T")

_SUCCESS, _FAILED, _INVALID, _NOT_FOUND, _INCOMPATIBLE = 1, -1, -2, -4, -5
_RETRY_WAITS_S = (0.05, 0.2)
_TICK_KINDS = {"all": -1, "info": 1, "trade": 2}
_FIRST_S = 1
"""The earliest time that can be asked for: the package reads 0 as "not given"."""
_LAST_S = 2_145_916_800
"""2038-01-01: the package's times have 32 bits."""
_NO_TICK = Tick(0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0)


class MetaTrader(Terminal):
    """Drives `module`, which has the functions of the MetaTrader5 package; see `Terminal` for the methods.

    `sleep` waits between the tries of a read that failed for a moment. An order is never tried twice. `launch` is given with the
    package itself: it starts the terminal that credentials name, and knows when it can be connected to.
    """

    def __init__(self, module: Any, sleep: Callable[[float], None] = time.sleep, launch: Launch | None = None) -> None:
        self._module = module
        self._sleep = sleep
        self._launch = launch

    # ---- session -----------------------------------------------------------------------------------------------------------------

    def attach(self, credentials: Credentials) -> None:
        """Connect, and log in where credentials name an account that the terminal is not logged in to by then.

        With a `launch` and a path, a terminal that is not ready yet is a `TerminalError` with a reason, at once.
        """
        if self._launch is not None and credentials.path:
            self.detach()  # initialize() does so too; here, an old connection of ours would be taken for another program's
            self._launch.ready(credentials.path, credentials.portable)
        path = (credentials.path,) if credentials.path else ()
        options: dict[str, Any] = {"timeout": int(credentials.timeout_ms), "portable": bool(credentials.portable)}
        account = _login_options(credentials)
        if not self._call("initialize", *path, **options, **account):
            raise self._error("initialize")
        if credentials.login is None:
            return
        found = self._call("account_info")
        if found is not None and found.login == credentials.login and credentials.server in (None, "", found.server):
            return
        if not self._call("login", account.pop("login"), timeout=options["timeout"], **account):
            error = self._error("login")
            self.detach()
            raise error

    def attach_limit_s(self, credentials: Credentials) -> float:
        """How many seconds `attach` may rightly take. Without a path the package finds and starts a terminal by itself, and waits
        for it before its time limit begins."""
        limit_s = super().attach_limit_s(credentials)
        return limit_s if self._launch is None or credentials.path else limit_s + MUTE_S

    def detach(self) -> None:
        """Close the connection; never fails."""
        self._call("shutdown")

    def version(self) -> tuple[int, int, str]:
        """Terminal version, build and release date."""
        found = self._call("version")
        if found is None or found[1] == 0:
            raise self._error("version")
        return int(found[0]), int(found[1]), str(found[2])

    def account(self) -> Account:
        """The account."""
        return _record("account_info", Account, self._read("account_info"))

    def info(self) -> TerminalInfo:
        """The terminal."""
        return _record("terminal_info", TerminalInfo, self._read("terminal_info"))

    # ---- symbols and quotes ------------------------------------------------------------------------------------------------------

    def symbols(self, group: str | None = None) -> list[Symbol]:
        """Symbols, hidden ones too."""
        found = self._read("symbols_get") if group is None else self._read("symbols_get", group)
        return [_record("symbols_get", Symbol, symbol) for symbol in found]

    def symbol(self, name: str) -> Symbol:
        """One symbol; `TerminalError` with code -4 when there is none of that name."""
        return _record("symbol_info", Symbol, self._read("symbol_info", name))

    def select(self, name: str, enable: bool = True) -> None:
        """Show or hide a symbol."""
        if not self._call("symbol_select", name, enable):
            raise self._error("symbol_select")

    def tick(self, name: str) -> Tick:
        """The last tick. The package answers "not found" for a symbol that was never quoted as for one that does not exist."""
        try:
            found = self._read("symbol_info_tick", name)
        except TerminalError as error:
            if error.code != _NOT_FOUND:
                raise
            self.symbol(name)
            return _NO_TICK
        return _tick(found)

    def ticks_from(self, name: str, from_s: int, count: int, kind: str = "all") -> bytes:
        """Packed tick records."""
        rows = self._read("copy_ticks_from", name, max(int(from_s), _FIRST_S), int(count), _TICK_KINDS[kind])
        return _packed("copy_ticks_from", rows, TICK_DTYPE)

    def rates_from_pos(self, name: str, timeframe: str, start: int, count: int) -> bytes:
        """Packed bar records."""
        return self._rates("copy_rates_from_pos", name, timeframe, int(start), int(count))

    def rates_from(self, name: str, timeframe: str, from_s: int, count: int) -> bytes:
        """Packed bar records."""
        return self._rates("copy_rates_from", name, timeframe, max(int(from_s), _FIRST_S), int(count))

    def rates_range(self, name: str, timeframe: str, from_s: int, to_s: int) -> bytes:
        """Packed bar records."""
        return self._rates("copy_rates_range", name, timeframe, max(int(from_s), _FIRST_S), max(int(to_s), _FIRST_S))

    def _rates(self, function: str, name: str, timeframe: str, *arguments: int) -> bytes:
        number = TIMEFRAMES.get(timeframe)
        if number is None:
            raise TerminalError(function, _INVALID, f"no timeframe {timeframe!r}")
        return _packed(function, self._read(function, name, number, *arguments), RATE_DTYPE)

    # ---- depth of market ---------------------------------------------------------------------------------------------------------

    def book_open(self, name: str) -> None:
        """Subscribe; the package gives no reason when it refuses."""
        if not self._call("market_book_add", name):
            raise self._error("market_book_add")

    def book(self, name: str) -> list[BookLevel]:
        """The levels; the package answers `None` without an error before the first update."""
        found = self._call("market_book_get", name)
        if found is None:
            error = self._error("market_book_get", unexplained=_SUCCESS)
            if error.code != _SUCCESS:
                raise error
            return []
        return [_record("market_book_get", BookLevel, level) for level in found]

    def book_close(self, name: str) -> None:
        """Unsubscribe."""
        if not self._call("market_book_release", name):
            raise self._error("market_book_release")

    # ---- trading -----------------------------------------------------------------------------------------------------------------

    def positions(self, *, ticket: int | None = None, symbol: str | None = None, group: str | None = None) -> list[Position]:
        """Open positions."""
        found = self._read("positions_get", **_filter(ticket, symbol, group))
        return [_record("positions_get", Position, position) for position in found]

    def orders(self, *, ticket: int | None = None, symbol: str | None = None, group: str | None = None) -> list[Order]:
        """Pending orders."""
        return [_record("orders_get", Order, order) for order in self._read("orders_get", **_filter(ticket, symbol, group))]

    def history_orders(self, *, from_s: int | None = None, to_s: int | None = None, position: int | None = None) -> list[Order]:
        """Orders of the history."""
        found = self._history("history_orders_get", from_s, to_s, position)
        return [_record("history_orders_get", Order, order) for order in found]

    def deals(self, *, from_s: int | None = None, to_s: int | None = None, position: int | None = None) -> list[Deal]:
        """Deals."""
        found = self._history("history_deals_get", from_s, to_s, position)
        return [_record("history_deals_get", Deal, deal) for deal in found]

    def _history(self, function: str, from_s: int | None, to_s: int | None, position: int | None) -> Any:
        if position is not None:
            return self._read(function, position=int(position))
        first = _FIRST_S if from_s is None else max(int(from_s), _FIRST_S)
        last = _LAST_S if to_s is None else max(int(to_s), _FIRST_S)
        return self._read(function, first, last)

    def check(self, request: TradeRequest) -> OrderCheck:
        """Would it be accepted?"""
        return _record("order_check", OrderCheck, self._read("order_check", _order(request)))

    def send(self, request: TradeRequest) -> OrderResult:
        """Send it, once. An answer that cannot be read is an error that does not prove that nothing was sent."""
        found = self._call("order_send", _order(request))
        if found is None:
            raise self._error("order_send")
        return _record("order_send", OrderResult, found)

    def margin(self, action: int, symbol: str, volume: float, price: float) -> float:
        """Margin of a market order."""
        return float(self._read("order_calc_margin", int(action), symbol, float(volume), float(price)))

    def profit(self, action: int, symbol: str, volume: float, price_open: float, price_close: float) -> float:
        """Profit between two prices."""
        return float(self._read("order_calc_profit", int(action), symbol, float(volume), float(price_open), float(price_close)))

    def native(self, function: str, arguments: Sequence[Any]) -> tuple[int, str, Any]:
        """A function as it is, once."""
        return native(self._call, self._module.last_error, _packed, function, arguments)

    # ---- the call itself ---------------------------------------------------------------------------------------------------------

    def _call(self, function: str, *arguments: Any, **options: Any) -> Any:
        """One call as it is; an exception out of the package becomes a `TerminalError`."""
        try:
            call = getattr(self._module, function)
            # Without options there must be no `**`: the package takes even an empty dict of them for a call by keywords.
            return call(*arguments, **options) if options else call(*arguments)
        except Exception as error:
            # Only the package's own argument conversion proves that nothing reached the terminal.
            refused = isinstance(error, SystemError) and isinstance(error.__cause__, OverflowError | TypeError)
            cause = error.__cause__ or error
            text = f"{type(cause).__name__}: {cause}"
            raise TerminalError(function, _INVALID if refused else _FAILED, text) from error

    def _read(self, function: str, *arguments: Any, **options: Any) -> Any:
        """A call that changes nothing, tried again when it failed for a moment; never `None` or `False`."""
        for wait_s in (*_RETRY_WAITS_S, None):
            found = self._call(function, *arguments, **options)
            if found is not None and found is not False:
                return found
            error = self._error(function)
            if wait_s is None or error.code != _FAILED or not error.text.endswith("Call failed"):
                raise error
            self._sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    def _error(self, function: str, unexplained: int = _FAILED) -> TerminalError:
        """The reason of a failure that has just been returned; the package does not record one for every function."""
        code, text = self._module.last_error()
        if code in (_SUCCESS, 0):
            return TerminalError(function, unexplained, "refused without a reason")
        return TerminalError(function, int(code), str(text))


def _login_options(credentials: Credentials) -> dict[str, Any]:
    """What is not given must not be passed: the package refuses `None`."""
    given: dict[str, Any] = {}
    if credentials.login is not None:
        given["login"] = int(credentials.login)
        if credentials.password is not None:
            given["password"] = str(credentials.password)
        if credentials.server:
            given["server"] = str(credentials.server)
    return given


def _filter(ticket: int | None, symbol: str | None, group: str | None) -> dict[str, Any]:
    if ticket is not None:
        return {"ticket": int(ticket)}
    if symbol is not None:
        return {"symbol": symbol}
    return {} if group is None else {"group": group}


@cache
def _layout(kind: type) -> tuple[Callable[[Any], tuple[Any, ...]], tuple[type, ...]]:
    """How to take a record's fields out of the package's struct, and their types."""
    hints = get_type_hints(kind)
    return attrgetter(*hints), tuple(_plain(hint) for hint in hints.values())


def _plain(hint: Any) -> Any:
    """The type of a field that the terminal always fills in, also where a client may leave it out."""
    return next((kind for kind in get_args(hint) if kind is not type(None)), hint)


def _record(function: str, kind: type[T], struct: Any) -> T:
    """A struct of the package as a record of ours, by field names: fields that a newer build added are passed over."""
    getter, types = _layout(kind)  # type: ignore[arg-type]
    try:
        values = zip(getter(struct), types, strict=True)
        return kind(*[value if type(value) is wanted else _coerce(function, wanted, value) for value, wanted in values])
    except (AttributeError, TypeError, ValueError) as error:
        text = f"its answer is not a {kind.__name__} ({error}): update MetaTrader5"
        raise TerminalError(function, _INCOMPATIBLE, text) from error


def _coerce(function: str, wanted: type, value: Any) -> Any:
    if wanted is TradeRequest:
        return _record(function, TradeRequest, value)
    if value is None:
        raise TypeError(f"None instead of {wanted.__name__}")
    return wanted(value)


_tick_fields = attrgetter(*Tick._fields)


def _tick(struct: Any) -> Tick:
    try:
        return Tick._make(_tick_fields(struct))
    except AttributeError as error:
        raise TerminalError("symbol_info_tick", _INCOMPATIBLE, f"its answer is not a tick ({error}): update MetaTrader5") from error


@cache
def _order_types() -> dict[str, type]:
    return {name: _plain(hint) for name, hint in get_type_hints(TradeRequest).items()}


def _order(request: TradeRequest) -> dict[str, Any]:
    """The request as the one dict that `order_send` takes, each value of exactly the type that the package accepts; what is left
    out is 0, as for the package."""
    types = _order_types()
    return {name: types[name](0 if value is None else value) for name, value in asdict(request).items()}


def _packed(function: str, rows: Any, dtype: np.dtype[np.void]) -> bytes:
    """The rows as packed 60-byte records; columns in another order, or more of them, are brought into ours."""
    found = getattr(rows, "dtype", None)
    if found is None or found.names is None or not set(dtype.names or ()) <= set(found.names):
        raise TerminalError(function, _INCOMPATIBLE, "its answer has not the expected columns: update MetaTrader5")
    if found != dtype:
        ours = np.empty(len(rows), dtype)
        try:
            for name in dtype.names or ():
                ours[name] = rows[name]
        except (TypeError, ValueError, OverflowError) as error:
            raise TerminalError(function, _INCOMPATIBLE, f"its answer has a value that is none: {error}") from error
        rows = ours
    packed: bytes = rows.tobytes()
    return packed


# ---- which terminal --------------------------------------------------------------------------------------------------------------


def load_metatrader5() -> Any:
    """The MetaTrader5 package. Raises `ConfigError` where it is not installed; it exists for 64-bit Python on Windows only."""
    try:
        import MetaTrader5  # noqa: PLC0415 - the package exists on Windows only
    except ImportError as error:
        raise ConfigError(
            f"the MetaTrader5 package cannot be imported ({error})",
            next_step="on Windows: pip install MetaTrader5, in 64-bit Python; elsewhere use the terminal 'simulator'",
        ) from error
    if type(getattr(MetaTrader5, "_core", None)).__module__ == "bridge.mt5api.calls":
        raise ConfigError(
            "the MetaTrader5 that is imported here is the one that goes through a bridge",
            next_step="take its folder out of PYTHONPATH where the bridge itself is started",
        )
    return MetaTrader5


def open_terminal(name: str) -> Terminal:
    """The terminal of a configuration: `metatrader5`, `simulator`, or `module:attribute` of a function that makes a `Terminal`.

    Raises `ConfigError` when there is no such terminal.
    """
    if name == "metatrader5":
        return MetaTrader(load_metatrader5(), launch=Launch() if sys.platform == "win32" else None)
    if name == "simulator":
        return MetaTrader(importlib.import_module("bridge.terminal.simulator.api"))
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ConfigError(f"no terminal {name!r}", next_step="use metatrader5, simulator or module:attribute")
    try:
        factory = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"terminal {name!r}: {error}", next_step="check the name, and that the module can be imported") from error
    terminal: Terminal = factory()
    return terminal
