"""The account at a glance: what it is worth, what is open by symbol, and what was earned today."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from bridge.errors import TryAgain
from bridge.messages import GetAccount, GetDeals, GetPositions
from bridge.records import Account
from bridge.replies import ClockOffset
from bridge.trading import Deal, Position
from clients.moments import Moment, server_msc
from clients.tasks import Steps

DAY_S = 86_400
_TRADES = frozenset({0, 1})
"""`DEAL_TYPE_BUY` and `DEAL_TYPE_SELL`: the others are deposits, credits, corrections."""


class Knowing(Protocol):
    """What a client knows without asking."""

    @property
    def clock(self) -> ClockOffset:
        """Of the trade server."""

    def bridge_msc(self) -> int:
        """The bridge's clock."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """What is open of one symbol: lots bought and sold, their difference, and the floating profit with swap, in the account's
    currency."""

    symbol: str
    positions: int
    bought: float
    sold: float
    net: float
    profit: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The account now, and since `since_s` (server time) what its trades have brought: `realised` is profit with swap, commission
    and fees, `realised_gross` without, of `deals` deals. Deposits and withdrawals do not count."""

    login: int
    server: str
    currency: str
    balance: float
    equity: float
    margin: float
    margin_free: float
    margin_level: float
    floating: float
    exposures: tuple[Exposure, ...]
    since_s: int
    realised: float
    realised_gross: float
    deals: int

    def __str__(self) -> str:
        money = self.currency
        level = f", margin level {self.margin_level:.0f} %" if self.margin else ""
        lines = [
            f"account {self.login} at {self.server}: equity {self.equity:.2f} {money}, balance {self.balance:.2f}, "
            f"free {self.margin_free:.2f}{level}",
            f"realised {self.realised:+.2f} {money} in {self.deals} deals, floating {self.floating:+.2f}",
        ]
        lines += [
            f"  {one.symbol}: {one.net:+g} lots net ({one.bought:g} bought, {one.sold:g} sold), {one.profit:+.2f} {money}"
            for one in self.exposures
        ]
        return "\n".join(lines)


def summary(client: Knowing, since: Moment | None = None) -> Steps[Summary]:
    """The account, what is open, and what its trades have brought `since` a moment of server time, by default since the server's
    day began. Raises `TryAgain` while the server's day is not known, for which its clock has to be measured."""
    since_s = _day_s(client) if since is None else server_msc(since, "since") // 1_000
    account: Account = yield GetAccount()
    positions: tuple[Position, ...] = (yield GetPositions()).positions
    deals: tuple[Deal, ...] = (yield GetDeals(from_s=since_s)).deals
    trades = [deal for deal in deals if deal.type in _TRADES]
    gross = sum(deal.profit for deal in trades)
    costs = sum(deal.swap + deal.commission + deal.fee for deal in trades)
    digits = account.currency_digits
    return Summary(
        login=account.login, server=account.server, currency=account.currency, balance=account.balance, equity=account.equity,
        margin=account.margin, margin_free=account.margin_free, margin_level=account.margin_level,
        floating=round(sum(held.profit + held.swap for held in positions), digits), exposures=exposures(positions, digits),
        since_s=since_s, realised=round(gross + costs, digits), realised_gross=round(gross, digits), deals=len(trades),
    )  # fmt: skip


def exposures(positions: Iterable[Position], digits: int = 2) -> tuple[Exposure, ...]:
    """What is open by symbol, in alphabetical order; money is rounded to so many digits."""
    by_symbol: dict[str, list[Position]] = defaultdict(list)
    for held in positions:
        by_symbol[held.symbol].append(held)
    found = []
    for symbol, group in sorted(by_symbol.items()):
        bought, sold = (round(sum(held.volume for held in group if held.type == side), 8) for side in (0, 1))
        profit = round(sum(held.profit + held.swap for held in group), digits)
        found.append(Exposure(symbol, len(group), bought, sold, round(bought - sold, 8), profit))
    return tuple(found)


def _day_s(client: Knowing) -> int:
    """When the server's day began, in server time."""
    offset_s = client.clock.offset_s
    if offset_s is None:
        raise TryAgain(
            "the trade server's day is not known: its clock is not measured yet",
            next_step="wait until something is quoted, or give since=",
        )
    now_s = client.bridge_msc() // 1_000 + offset_s
    return now_s - now_s % DAY_S
