"""`order_send` through a bridge: what the bridge's outcome is in the terms of the package.

An order that the trade server answered is told as it answered. What the bridge itself refuses becomes a result with the return code
that a terminal would have used, and the reason as its comment. Where it is not known what became of an order there is no result, as
when the package has lost its terminal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from bridge.errors import (
    AccountChanged,
    BridgeError,
    InvalidParameters,
    LimitReached,
    NotAllowed,
    NotConnected,
    OrderRejected,
    OutcomeUnknown,
    TerminalRefused,
    TradingHalted,
    UnknownSymbol,
)
from bridge.mt5api import constants as mt5
from bridge.mt5api.structs import FIELDS
from bridge.replies import OrderOutcome
from bridge.trading import TradeRequest

Answer = tuple[int, str, Any]
_log = logging.getLogger("clients.mt5")

NO_CONNECTION = (-10004, "No IPC connection")
SEND_FAILED = (-10001, "IPC send failed")
RECEIVE_FAILED = (-10002, "IPC recv failed")
NOT_AUTHORIZED = (-6, "Terminal: Authorization failed")
COMMENT_CHARACTERS = 27
"""The longest comment that the bridge sends; what is longer is cut, as brokers do."""

_NAMES = tuple(name for name, _ in FIELDS["TradeRequest"])
_REJECT, _INVALID, _VOLUME, _PRICE = (
    mt5.TRADE_RETCODE_REJECT, mt5.TRADE_RETCODE_INVALID, mt5.TRADE_RETCODE_INVALID_VOLUME, mt5.TRADE_RETCODE_INVALID_PRICE,
)  # fmt: skip
RULES: dict[str, int] = {
    "action": _INVALID, "type": _INVALID, "comment": _INVALID, "symbol_required": _INVALID, "symbol": _INVALID,
    "trade_mode": mt5.TRADE_RETCODE_TRADE_DISABLED, "position": mt5.TRADE_RETCODE_POSITION_CLOSED, "position_side": _INVALID,
    "position_by": _INVALID, "order": _INVALID, "volume_min": _VOLUME, "volume_max": _VOLUME, "volume_step": _VOLUME,
    "volume_position": mt5.TRADE_RETCODE_INVALID_CLOSE_VOLUME, "filling_mode": mt5.TRADE_RETCODE_INVALID_FILL,
    "order_mode": mt5.TRADE_RETCODE_INVALID_ORDER, "expiration_mode": mt5.TRADE_RETCODE_INVALID_EXPIRATION,
    "expiration": mt5.TRADE_RETCODE_INVALID_EXPIRATION, "price_required": _PRICE, "price_side": _PRICE,
    "freeze_level": mt5.TRADE_RETCODE_FROZEN,
    "read_only": mt5.TRADE_RETCODE_TRADE_DISABLED, "symbols": mt5.TRADE_RETCODE_TRADE_DISABLED, "max_volume": _VOLUME,
    "magics": _REJECT, "orders_per_minute": mt5.TRADE_RETCODE_TOO_MANY_REQUESTS, "net_volume": mt5.TRADE_RETCODE_LIMIT_VOLUME,
    "open_positions": mt5.TRADE_RETCODE_LIMIT_POSITIONS, "daily_loss": _REJECT, "halt": mt5.TRADE_RETCODE_CLIENT_DISABLES_AT,
}  # fmt: skip
"""Return code by the name of the bridge's rule; of the others the field decides."""
FIELD_CODES: dict[str, int] = {
    "volume": _VOLUME, "price": _PRICE, "stoplimit": _PRICE,
    "sl": mt5.TRADE_RETCODE_INVALID_STOPS, "tp": mt5.TRADE_RETCODE_INVALID_STOPS,
    "expiration": mt5.TRADE_RETCODE_INVALID_EXPIRATION, "type_filling": mt5.TRADE_RETCODE_INVALID_FILL,
}  # fmt: skip
"""Return code by the field that is wrong."""


def request_of(values: list[Any]) -> TradeRequest:
    """The 17 values of a request as the bridge takes them: the filling mode is the program's own, also where it gave none."""
    named = dict(zip(_NAMES, values, strict=True))
    named["comment"] = named["comment"][:COMMENT_CHARACTERS]
    return TradeRequest(**named)


def result_of(outcome: OrderOutcome, values: list[Any]) -> Answer:
    """The result of an order that was accepted."""
    found = outcome.result
    return 1, "Success", [
        found.retcode, found.deal, found.order, found.volume, found.price, found.bid, found.ask, found.comment, found.request_id,
        found.retcode_external, values,
    ]  # fmt: skip


def failure_of(  # noqa: PLR0911 - one row of a table each
    error: BridgeError, values: list[Any], order_id: str, check: Callable[[], Answer]
) -> Answer:
    """What the package would tell of an order that failed. `check` asks the terminal itself what it thinks of the request."""
    details = error.details
    if isinstance(error, OutcomeUnknown):
        _log.warning("order_send: outcome unknown, order id %s: %s", order_id, error, extra={"order_id": order_id})
        if "retcode" in details:
            return _told(details, values)
        known = "terminal_code" in details
        return (int(details["terminal_code"]), str(details["terminal_text"]), None) if known else (*RECEIVE_FAILED, None)
    if "terminal_code" in details and isinstance(error, TerminalRefused | InvalidParameters):
        return int(details["terminal_code"]), str(details["terminal_text"]), None
    if isinstance(error, OrderRejected) and "retcode" in details:
        return _told(details, values)
    _log.info("order_send: %s", error)
    if isinstance(error, NotConnected):
        if "retcode" in details:
            return _result(int(details["retcode"]), error.message, values)
        degraded = details.get("state") == "degraded"
        return _result(mt5.TRADE_RETCODE_CONNECTION, "No connection", values) if degraded else (*NO_CONNECTION, None)
    if isinstance(error, AccountChanged):
        return (*NOT_AUTHORIZED, None)
    if isinstance(error, InvalidParameters | UnknownSymbol) and "limit" not in details:
        code, text, found = check()
        if code == 1 and found[0] not in (0, mt5.TRADE_RETCODE_DONE, mt5.TRADE_RETCODE_PLACED):
            return _result(int(found[0]), str(found[7]), values)
        if code not in (1, *range(-10_010, -9_999)):
            return code, text, None
    return _result(_retcode(error), error.message, values)


def _retcode(error: BridgeError) -> int:
    """The return code for what the bridge refuses by itself."""
    details = error.details
    if isinstance(error, TradingHalted):
        return mt5.TRADE_RETCODE_CLIENT_DISABLES_AT
    if isinstance(error, NotAllowed):
        return mt5.TRADE_RETCODE_TRADE_DISABLED
    if isinstance(error, InvalidParameters | LimitReached):
        field = str(details.get("field", "")).rpartition(".")[2]
        return RULES.get(str(details.get("rule")), FIELD_CODES.get(field, _INVALID))
    return _INVALID if isinstance(error, UnknownSymbol) else _REJECT


def _told(details: dict[str, Any], values: list[Any]) -> Answer:
    """The trade server's own answer."""
    return _result(
        int(details["retcode"]),
        str(details.get("comment", "")),
        values,
        bid=float(details.get("bid", 0.0)),
        ask=float(details.get("ask", 0.0)),
        deal=int(details.get("deal", 0)),
        order=int(details.get("order", 0)),
        request_id=int(details.get("server_request_id", 0)),
        external=int(details.get("retcode_external", 0)),
    )


def _result(
    retcode: int, comment: str, values: list[Any], *, bid: float = 0.0, ask: float = 0.0, deal: int = 0, order: int = 0,
    request_id: int = 0, external: int = 0,
) -> Answer:  # fmt: skip
    return 1, "Success", [retcode, deal, order, 0.0, 0.0, bid, ask, comment, request_id, external, values]
