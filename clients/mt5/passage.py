"""The functions that are the terminal's own: the request of each, and what of its answer the program does not see."""

from __future__ import annotations

import re
from typing import Any, get_args, get_type_hints

from bridge.messages import CallAccount, CallHistory, CallTerminal, Request, SelectSymbol
from bridge.mt5api.structs import FIELDS
from bridge.mt5api.wire import ANSWERS
from bridge.replies import TerminalAnswer

TOKEN = re.compile(r"~[a-z2-7]{6}\Z")
"""What the bridge puts behind the comments of its orders."""

_KINDS: dict[str, type[CallTerminal | CallHistory | CallAccount]] = {
    function: kind for kind in (CallTerminal, CallHistory, CallAccount) for function in get_args(get_type_hints(kind)["function"])
}
_COMMENTS: dict[str, int] = {
    struct: [name for name, _ in FIELDS[struct]].index("comment") for struct in ("TradePosition", "TradeOrder", "TradeDeal")
}
"""The place of the comment in each struct that has one of an order."""


def passed(function: str, args: list[Any]) -> Request[TerminalAnswer]:
    """The request by which a function is called as it is."""
    if function == "symbol_select":
        return SelectSymbol(*args)
    if function == "order_check":
        return CallAccount("order_check", tuple(args[0]))
    return _KINDS[function](function, tuple(args))  # type: ignore[arg-type]


def without_tokens(function: str, value: Any) -> Any:
    """An answer with the comments as the program gave them."""
    place = _COMMENTS.get(ANSWERS[function][1] or "")
    if place is not None and value is not None:
        for record in value:
            record[place] = TOKEN.sub("", record[place])
    return value
