"""Whose keys are allowed, and what their roles may do. No I/O: `key_files` reads and writes.

| role | may |
|---|---|
| monitor | read market data, the connection and the bridge's own state; nothing of the account |
| trader | the same, and read the account and trade, within its limits |
| admin | everything: also reconnect, halt and resume, and the journal of orders |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["monitor", "trader", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

MARKET = frozenset({
    "hello", "goodbye", "ping", "status", "connection_history", "snapshot", "replay", "terminal", "symbols", "symbol",
    "find_symbol", "tick", "rates", "ticks", "terminal_call", "history_call",
})  # fmt: skip
ACCOUNT = frozenset({"account", "positions", "orders", "history_orders", "deals", "limits", "account_call"})
TRADING = frozenset({"order", "order_check", "margin", "profit", "symbol_select"})
STEERING = frozenset({"reconnect", "halt", "resume", "journal"})
METHODS: Mapping[Role, frozenset[str]] = {
    "monitor": MARKET,
    "trader": MARKET | ACCOUNT | TRADING,
    "admin": MARKET | ACCOUNT | TRADING | STEERING,
}
"""What each role may ask for; what is not named is for nobody."""
PRIVATE = ("account\0", "trade\0", "log\0")
"""Topics that tell of the account."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """A key that is allowed. `public` is the key in z85, `id` the same in hexadecimal, by which it is looked up; `expires` its
    last day as an ISO date, or empty, and `expires_us` when that is over, in microseconds since 1970, or 0."""

    id: str
    public: str
    name: str
    role: Role
    expires: str = ""
    expires_us: int = 0

    def expired(self, time_us: int) -> bool:
        """Whether it counts no more."""
        return 0 < self.expires_us <= time_us

    def may(self, method: str) -> bool:
        """Whether it may ask for this."""
        return method in METHODS[self.role]

    def may_follow(self, wire: str) -> bool:
        """Whether it may have the events, the state or the past of a topic (with its NUL) or of a prefix of topics: not of one
        that covers what it must not see."""
        return self.role != "monitor" or not any(topic.startswith(wire) or wire.startswith(topic) for topic in PRIVATE)


class Access:
    """The keys that are allowed now."""

    def __init__(self, keys: Iterable[Allowed] = ()) -> None:
        self._by_id: dict[str, Allowed] = {key.id: key for key in keys}

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, key_id: str) -> Allowed | None:
        """Whose key that is; None for one that is not allowed."""
        return self._by_id.get(key_id)

    def replace(self, keys: Iterable[Allowed]) -> list[Allowed]:
        """From now on these are allowed. Returns which of the former ones are not any more, or for less: what they follow has to
        be cut."""
        before, self._by_id = self._by_id, {key.id: key for key in keys}
        return [key for key in before.values() if _less(key, self._by_id.get(key.id))]


def _less(before: Allowed, now: Allowed | None) -> bool:
    return now is None or now.name != before.name or ROLES.index(now.role) < ROLES.index(before.role)
