"""What clients may trade: settings, and the rules that need no look at the account. No I/O.

```toml
[limits]                              # the bridge as a whole, all clients together
net_volume = 5.0
daily_loss = 1000.0

[clients."grid-*"]                    # each client whose name matches
symbols = ["EURUSD*", "GBPUSD*"]
max_volume = 0.5
orders_per_minute = 20
magics = [7001, 7002]

[clients."*"]                         # all others
read_only = true
```

A client has the section whose pattern says most about its name: the name itself, else the pattern with the most characters that
are no wildcards, else the first in the file. Clients tell their names themselves: this guards against mistakes, not against malice.
`[limits]` holds for everybody, whatever the name. Rules that need a look at the account are in `exposure`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Annotated, Any

from msgspec import Meta, Struct, structs

from bridge.errors import InvalidParameters
from bridge.exposure import ACTIONS, CLOSE_BY, DEAL, PENDING, REMOVE, SLTP, exposure_refusal, reached
from bridge.halt import Halt
from bridge.minutes import Minutes
from bridge.placement import ExposureLimits
from bridge.replies import LimitSection, LimitsInForce
from bridge.trading import TradeRequest

__all__ = ["OPERATOR", "RULES", "ClientLimits", "Limits", "Rules", "exposure_refusal"]

RULES = (
    "halt", "read_only", "symbols", "max_volume", "magics", "orders_per_minute", "net_volume", "open_positions", "daily_loss",
)  # fmt: skip
"""The names of all rules, as `details` of a refusal tell them; `docs/protocol.md` has a row for each."""
OPERATOR = "operator"
"""Name of the client with which a person steers the bridge: no pattern matches it, so that a limit for all clients does not keep
the kill switch from closing what they have open. A section of exactly this name holds."""
RESERVE = 1_000
"""Orders that only close something, of one client in a minute, that are sent although `orders_per_minute` is used up."""
WHOLE = "[limits]"

Pattern = Annotated[str, Meta(min_length=1, max_length=64)]
Lots = Annotated[float, Meta(ge=0, le=1e9)]


class ClientLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """One section; what is not given is without limit. Volumes in lots, money in the account's currency."""

    symbols: tuple[Pattern, ...] | None = None
    max_volume: Lots | None = None
    net_volume: Lots | None = None
    open_positions: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    orders_per_minute: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    daily_loss: Annotated[float, Meta(gt=0, le=1e15)] | None = None
    magics: tuple[Annotated[int, Meta(ge=0, le=2**63 - 1)], ...] | None = None
    read_only: bool = False
    dry_run: bool = False

    def given(self) -> dict[str, Any]:
        """What is limited, by name."""
        return {name: value for name, value in structs.asdict(self).items() if value is not None and value is not False}

    def exposure(self) -> ExposureLimits:
        """What has to be looked at when the order is sent."""
        return ExposureLimits(self.net_volume, self.open_positions, self.daily_loss, self.magics)


NO_LIMITS = ClientLimits()


@dataclass(frozen=True, slots=True)
class Limits:
    """The sections `[limits]` and `[clients."PATTERN"]`."""

    bridge: ClientLimits = NO_LIMITS
    clients: dict[str, ClientLimits] = field(default_factory=dict)

    def section(self, name: str) -> str | None:
        """The pattern whose limits a client of this name has; None: it has none of its own."""
        if name in self.clients:
            return name
        found = [] if name == OPERATOR else [pattern for pattern in self.clients if fnmatchcase(name, pattern)]
        return max(found, key=_literal, default=None)

    def changes(self, newer: Limits) -> str:
        """What is another limit in `newer`, for people; empty when nothing is."""
        told = [_change(WHOLE, self.bridge, newer.bridge)]
        names = dict.fromkeys((*self.clients, *newer.clients))
        told += [_change(_title(name), self.clients.get(name), newer.clients.get(name)) for name in names]
        if not any(told) and list(self.clients) != list(newer.clients):
            return "the order of the sections"
        return "; ".join(filter(None, told))


def _literal(pattern: str) -> int:
    return len(re.sub(r"\[!?.[^\]]*\]|[*?]", "", pattern))


def _title(pattern: str) -> str:
    return f'[clients."{pattern}"]'


def _change(title: str, before: ClientLimits | None, after: ClientLimits | None) -> str:
    if before == after:
        return ""
    if before is None or after is None:
        return f"{title} {'removed' if after is None else 'added'}"
    old, new = before.given(), after.given()
    names = [name for name in structs.asdict(after) if old.get(name) != new.get(name)]
    return f"{title} " + ", ".join(f"{name} {_words(old.get(name))} -> {_words(new.get(name))}" for name in names)


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}"


def closes(request: TradeRequest) -> bool:
    """Whether it looks like an order that only closes something: a removal, or a deal with a position's ticket. Whether that is
    true only the account can tell (`exposure.reduces`)."""
    return request.action in (REMOVE, CLOSE_BY) or (request.action == DEAL and request.position != 0)


class Rules:
    """Decides about orders by the limits and the kill switch. What is refused changes nothing here."""

    def __init__(self, limits: Limits | None = None, halt: Halt | None = None) -> None:
        self.limits = limits or Limits()
        self.halt = Halt() if halt is None else halt
        self._minutes = Minutes()

    def adopt(self, limits: Limits) -> str:
        """Other limits hold from the next order on; what has changed, in one line, empty when nothing has. Orders of the last
        minute still count."""
        changes = self.limits.changes(limits)
        self.limits = limits
        return changes

    def dry_run(self, client_name: str) -> bool:
        """Whether the client's orders are only checked, and never sent."""
        return any(section.dry_run for _, section in self._sections(client_name))

    def judge(self, request: TradeRequest, client_name: str, client_id: str | None, now: float) -> ExposureLimits:
        """Accept an order: what has to hold when it is sent. `client_name` is what the client called itself, empty when it did not
        say; all without a name count as one, as do those of the same name. `now` in monotonic seconds.

        An order that looks as if it only reduced exposure passes the halt, `symbols`, `max_volume` and `orders_per_minute`; then
        `reducing_only` has the session refuse it if that is not true. Raises `LimitReached`, `TradingHalted`, `InvalidParameters`.
        """
        sections = self._sections(client_name)
        if not sections and not self.halt:
            self._minutes.count(client_name, reserve=False, now=now)
            return ExposureLimits()
        if request.action not in ACTIONS:
            raise InvalidParameters(
                f"there is no trade action {request.action}", next_step=f"use one of {sorted(ACTIONS)}",
                rule="action", field="action", value=request.action,
            )  # fmt: skip
        closing = closes(request)
        passed = self._halted(request, closing)
        for title, section in sections:
            _read_only(title, section)
            _magic(request, title, section)
            passed = passed or _symbol(request, title, section, closing) or _volume(request, title, section, closing)
        reserve = self._rate(client_name, client_id, sections, closing, now)
        self._minutes.count(client_name, reserve=reserve, now=now)
        own = next((section.exposure() for title, section in sections if title != WHOLE), None)
        return replace(
            self.limits.bridge.exposure(),
            reducing_only=passed or ("orders_per_minute" if reserve else ""),
            own=own or None,
        )

    def in_force(self, client_name: str, now: float) -> LimitsInForce:
        """What holds for a client, and what of it is used up."""
        sections = tuple(LimitSection(title, section.given()) for title, section in self._sections(client_name))
        orders = self._minutes.of(client_name)[0].count(now)
        return LimitsInForce(client_name, sections, orders, self._minutes.everybody.count(now), self.halt.state)

    # ---- the rules -----------------------------------------------------------------------------------------------------------

    def _sections(self, client_name: str) -> list[tuple[str, ClientLimits]]:
        """The sections that hold for a client and that limit anything, with their titles."""
        found = [] if self.limits.bridge == NO_LIMITS else [(WHOLE, self.limits.bridge)]
        pattern = self.limits.section(client_name)
        if pattern is not None and self.limits.clients[pattern] != NO_LIMITS:
            found.append((_title(pattern), self.limits.clients[pattern]))
        return found

    def _halted(self, request: TradeRequest, closing: bool) -> str:
        if not self.halt:
            return ""
        if not closing and request.action != SLTP:
            self.halt.check()
        return "halt"

    def _rate(self, name: str, client_id: str | None, sections: list[tuple[str, ClientLimits]], closing: bool, now: float) -> bool:
        """Whether an order passes by the client's reserve only."""
        orders, reserve = self._minutes.of(name)
        used_up = False
        for title, section in sections:
            limit, minute = section.orders_per_minute, self._minutes.everybody if title == WHOLE else orders
            if limit is None or minute.count(now) < limit:
                continue
            used_up = True
            if closing:
                if reserve.count(now) < RESERVE:
                    continue
                limit, minute = RESERVE, reserve
            wait_s = round(minute.wait_s(limit, now), 3)
            who = "all clients together have" if title == WHOLE else f"{name or client_id or 'clients without a name'} has"
            raise reached(
                f"{title}: {who} sent {minute.count(now)} orders within a minute; orders_per_minute allows {limit}",
                f"wait {wait_s:g} s",
                rule="orders_per_minute", section=title, value=minute.count(now) + 1, limit=limit, wait_s=wait_s,
            )  # fmt: skip
        return used_up


def _read_only(title: str, section: ClientLimits) -> None:
    if section.read_only:
        raise reached(
            f"{title}: read_only forbids all orders", "have an operator change the limits",
            rule="read_only", section=title, value=False, limit=True,
        )  # fmt: skip


def _magic(request: TradeRequest, title: str, section: ClientLimits) -> None:
    """The number that a deal or a pending order would carry; whose positions and orders are touched is looked at by the session."""
    magics = section.magics
    if magics is None or request.action not in (DEAL, PENDING) or request.magic in magics:
        return
    nearest = min(magics, key=lambda magic: abs(magic - request.magic), default=None)
    raise reached(
        f"{title}: the magic number {request.magic} is none of {_words(magics)}",
        "have an operator add one to magics" if nearest is None else f"use {nearest}",
        rule="magics", section=title, field="magic", value=request.magic, limit=list(magics), nearest=nearest,
    )  # fmt: skip


def _symbol(request: TradeRequest, title: str, section: ClientLimits, closing: bool) -> str:
    patterns = section.symbols
    if patterns is None or any(fnmatchcase(request.symbol, pattern) for pattern in patterns):
        return ""
    if closing or request.action == SLTP:
        return "symbols"
    raise reached(
        f"{title}: the symbol {request.symbol!r} matches none of {_words(patterns)}",
        "trade another symbol, or have an operator add it to symbols",
        rule="symbols", section=title, field="symbol", value=request.symbol, limit=list(patterns),
    )  # fmt: skip


def _volume(request: TradeRequest, title: str, section: ClientLimits, closing: bool) -> str:
    limit = section.max_volume
    if limit is None or request.action not in (DEAL, PENDING) or request.volume <= limit + 1e-9:
        return ""
    if closing:
        return "max_volume"
    raise reached(
        f"{title}: {request.volume:g} lots are more than max_volume, which is {limit:g}",
        f"use a volume of at most {limit:g}" if limit > 0 else "have an operator change the limit",
        rule="max_volume", section=title, field="volume", value=request.volume, limit=limit, nearest=limit or None,
    )  # fmt: skip
