"""What stands behind the drop-in module: a bridge, as a `Backend` of the calling rules.

A call is one request to the bridge, in most cases the function of the terminal's own API with the arguments as they are. Only
orders go another way (`orders`), and what a shared terminal cannot leave to each program: books (`books`), long histories
(`histories`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from bridge.errors import (
    AccountChanged,
    BridgeError,
    BridgeUnreachable,
    ConfigError,
    DeadlinePassed,
    InvalidParameters,
    NotAllowed,
    NotConnected,
    TerminalRefused,
    TimedOut,
    UnknownMethod,
)
from bridge.messages import (
    GetAccount,
    GetSymbols,
    Ping,
    SendOrder,
)
from bridge.mt5api.backend import LinkLost, OpenFailed
from bridge.mt5api.structs import FIELDS
from clients.mt5 import histories
from clients.mt5.books import Books
from clients.mt5.line import Gone, Line, open_line
from clients.mt5.orders import NO_CONNECTION, NOT_AUTHORIZED, failure_of, request_of, result_of
from clients.mt5.passage import passed, without_tokens
from clients.mt5.settings import call_timeout_s, endpoint_of
from clients.mt5.text import plain, text

Answer = tuple[int, str, Any]

NOBODY = -10003
FAILED = (-1, "Terminal: Call failed")
OLD = (-5, "Terminal: Incompatible versions, please install the latest version of Terminal and Python module")
TIMEOUT = (-10005, "IPC timeout")
AGAIN_S = 1.0
"""How long a call tries to reach a bridge that went away."""
POLL_S = 0.1
"""Time between two looks whether the terminal can be asked, while `initialize` waits for it."""
ORDER_VALID_S = 10.0
"""An order that the bridge could not begin by then is refused."""
READY = ("connected", "degraded")
_log = logging.getLogger("clients.mt5")

_SYMBOL_FIELDS = tuple(name for name, _ in FIELDS["SymbolInfo"])


class BridgeBackend:
    """One connection to one bridge, made anew where the bridge was restarted or the process has forked."""

    def __init__(self) -> None:
        self._endpoint: str | None = None
        self._line: Line | None = None
        self._books: Books | None = None
        self._account: tuple[int, str] | None = None
        self._asked = True
        self._timeout_s = 0.0
        self._pid = os.getpid()
        self._kept: list[Any] = []
        self._own: dict[str, Callable[[Line, str, list[Any]], Answer]] = {
            "login": lambda line, _, args: self._login(line, args[0], args[2], args[3] / 1e3),
            "symbols_get": lambda line, _, args: self._symbols(line, args[0]),
            "copy_ticks_from": self._ticks,
            "copy_ticks_range": self._ticks,
            "market_book_add": self._book,
            "market_book_get": self._book,
            "market_book_release": self._book,
            "order_send": lambda line, _, args: self._order(line, args[0]),
        }

    # ---- the connection ----------------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether `initialize` has succeeded, and `shutdown` was not called; the bridge may be gone meanwhile."""
        return self._endpoint is not None

    def open(self, path: str | None) -> None:
        """Note where the bridge is; `initialize` follows, with its time limit. Raises OpenFailed."""
        self._forked()
        try:
            self._timeout_s = call_timeout_s()
        except ConfigError as error:
            raise OpenFailed(str(error)) from error
        self._endpoint = endpoint_of(path)

    def close(self) -> None:
        """End the connection; bridge and terminal go on."""
        self._forked()
        books, self._books = self._books, None
        if books is not None:
            books.close()
        self._hang_up()
        self._endpoint = self._account = None

    def leave(self) -> None:
        """The program ends."""
        with contextlib.suppress(Exception):  # nobody is left to be told
            self.close()

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.leave()

    def _forked(self) -> None:
        """What was made before a fork is the parent's: it is kept as it is, and never used or closed here."""
        if self._pid != os.getpid():
            self._kept += [self._line, self._books]
            self._line = self._books = None
            self._pid = os.getpid()

    def _reach(self) -> Line | None:
        """The line; a new one where there is none any more. None: no bridge is there, or another account's."""
        if self._line is None and self._endpoint is not None:
            try:
                line = open_line(self._endpoint, AGAIN_S)
            except BridgeError as error:
                _log.debug("%s", error)
                return None
            told = line.session.connection
            if self._account and told and told.login and (told.login, told.server) != self._account:
                _log.warning("the bridge at %s now serves account %s at %s", self._endpoint, told.login, told.server)
                line.leave()
                return None
            self._line = line
        return self._line

    # ---- calls -------------------------------------------------------------------------------------------------------------------

    def call(self, function: str, args: list[Any]) -> Answer:
        """Ask the bridge and wait for its answer, at most for the time that is set. Raises LinkLost."""
        self._forked()
        if function == "initialize":
            return self._initialize(*args)
        line = self._reach()
        if line is None:
            return (*NO_CONNECTION, None)
        try:
            return self._answer(line, function, args)
        except Gone as gone:
            self._hang_up()
            raise LinkLost(sending=not gone.sent) from gone

    def _answer(self, line: Line, function: str, args: list[Any]) -> Answer:
        own = self._own.get(function)
        try:
            return self._native(line, function, plain(args)) if own is None else own(line, function, args)
        except BridgeError as error:
            return self._failure(error)

    def _native(self, line: Line, function: str, args: list[Any]) -> Answer:
        """The terminal's own function."""
        try:
            found = line.ask(passed(function, args), self._timeout_s)
        except InvalidParameters as error:
            if error.details.get("rule") == "rows":
                return (*histories.TOO_MANY, None)
            raise
        self._asked = True
        return found.code, found.text, without_tokens(function, found.value)

    def _failure(self, error: BridgeError) -> Answer:
        """What the package would tell of a call that failed. Raises LinkLost where the terminal was lost under it."""
        _log.info("%s", error)
        details = error.details
        if isinstance(error, NotConnected):
            lost, self._asked = self._asked, False
            if lost and "state" not in details:
                raise LinkLost(sending=False) from error
            return (*NO_CONNECTION, None)
        if isinstance(error, TerminalRefused):
            return int(details["terminal_code"]), str(details["terminal_text"]), None
        if isinstance(error, TimedOut | DeadlinePassed):
            return (*TIMEOUT, None)
        if isinstance(error, BridgeUnreachable):
            raise Gone(sent=False) from error
        known = {AccountChanged: NOT_AUTHORIZED, UnknownMethod: OLD}.get(type(error), FAILED)
        return (*known, None)

    # ---- the account -------------------------------------------------------------------------------------------------------------

    def _initialize(
        self, path: str | None, login: int | None, _password: str | None, server: str | None, timeout_ms: int, _portable: bool
    ) -> Answer:
        timeout_s, endpoint = timeout_ms / 1e3, self._endpoint or ""
        self._account = None
        until_s = time.monotonic() + timeout_s
        try:
            self._line = line = open_line(endpoint, timeout_s)
            return self._login(line, login, server, until_s - time.monotonic())
        except NotAllowed as error:
            _log.warning("initialize: %s", error)
            return (*NOT_AUTHORIZED, None)
        except (BridgeError, Gone) as error:
            _log.warning("initialize: %s", error if isinstance(error, BridgeError) else f"the bridge at {endpoint} went away")
            detail = f"Process create failed '{path}'" if path else "MetaTrader 5 x64 not found"  # the texts of the package
            return NOBODY, f"IPC initialize failed, {detail}", None

    def _login(self, line: Line, login: int | None, server: str | None, timeout_s: float) -> Answer:
        """Whether the bridge's account is the one that is meant; waits until the terminal can be asked."""
        until_s = time.monotonic() + timeout_s
        while True:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return (*TIMEOUT, None)
            try:
                state = line.ask(Ping(), left_s).state
                if state == "refused":
                    return (*NOT_AUTHORIZED, None)
                if state in READY:
                    account = line.ask(GetAccount(), left_s)
                    break
            except (NotConnected, DeadlinePassed, TimedOut):
                pass
            except (AccountChanged, NotAllowed) as error:
                _log.warning("%s", error)
                return (*NOT_AUTHORIZED, None)
            except BridgeError as error:
                return self._failure(error)
            time.sleep(min(POLL_S, max(until_s - time.monotonic(), 0.0)))
        if login not in (None, account.login) or server not in (None, "", account.server):
            return (*NOT_AUTHORIZED, None)
        self._account = account.login, account.server
        self._asked = True
        return 1, "Success", True

    # ---- what is not one function of the terminal --------------------------------------------------------------------------------

    def _symbols(self, line: Line, group: str | None) -> Answer:
        """All symbols of a group, in parts."""
        found: list[list[Any]] = []
        total = None
        while total is None or len(found) < total:
            part = line.ask(GetSymbols(group=text(group), start=len(found)), self._timeout_s)
            total = part.total if part.symbols else len(found)
            found += [[getattr(symbol, name) for name in _SYMBOL_FIELDS] for symbol in part.symbols]
        return 1, "Success", found

    def _ticks(self, line: Line, function: str, args: list[Any]) -> Answer:
        return histories.ticks(function, plain(args), lambda name, values: self._native(line, name, values))

    def _book(self, line: Line, function: str, args: list[Any]) -> Answer:
        """Books are held by subscriptions; what is in one is asked of the terminal."""
        symbol = str(text(args[0]))
        if self._books is None:
            self._books = Books(self._endpoint or "", self._timeout_s)
        if function == "market_book_get":
            if not self._books.holds(symbol):
                return -4, "Terminal: Not found", None
            return self._native(line, function, [symbol])
        try:
            done = self._books.add(symbol) if function == "market_book_add" else self._books.release(symbol)
        except (BridgeError, TimeoutError) as error:
            _log.info("%s: %s", function, error)
            done = False
        return 1, "Success", done

    def _order(self, line: Line, values: list[Any]) -> Answer:
        """Send an order, once, with an id of its own."""
        order_id = uuid4().hex
        request = SendOrder(request_of(plain(values)))
        try:
            outcome = line.ask(request, self._timeout_s, order_id, min(ORDER_VALID_S, 0.9 * self._timeout_s))
        except Gone as gone:
            if gone.sent:
                _log.warning("order_send: the bridge is gone, outcome unknown, order id %s", order_id, extra={"order_id": order_id})
            raise
        except BridgeUnreachable as error:
            raise Gone(sent=False) from error
        except BridgeError as error:
            return failure_of(error, values, order_id, lambda: self._answer(line, "order_check", [values]))
        self._asked = True
        return result_of(outcome, values)
