"""What an account is worth: floating profit, margin, equity, and the AccountInfo and position rows that show them.

Identities (MQL5, AccountInfo*): equity = balance + credit + profit; margin_free = equity - margin;
margin_level = equity / margin * 100, unrounded, and 0.0 while no margin is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bridge.records import Account
from bridge.terminal.simulator.enums import BUY, SELL, MarginMode, StopOutMode
from bridge.terminal.simulator.money import NoRate, margin, profit, round_money
from bridge.terminal.simulator.server import Server
from bridge.terminal.simulator.symbols import Contract
from bridge.trading import Order, Position


@dataclass(frozen=True, slots=True)
class Valuation:
    """The account's money at one moment, in its own currency."""

    balance: float
    credit: float
    profit: float
    margin: float
    digits: int = 2

    @property
    def equity(self) -> float:
        """What the account would be worth if all positions were closed now, commissions and swaps apart."""
        return round_money(self.balance + self.credit + self.profit, self.digits)

    @property
    def margin_free(self) -> float:
        """Equity that is not tied up as margin."""
        return round_money(self.equity - self.margin, self.digits)

    @property
    def margin_level(self) -> float:
        """Equity in percent of the margin, 0.0 without margin."""
        return self.equity / self.margin * 100 if self.margin else 0.0


@dataclass(frozen=True, slots=True)
class Exposure:
    """A volume held, or to be held, at a price: what margin is computed from."""

    symbol: str
    side: int
    volume: float
    price: float


def close_price(server: Server, position: Position) -> float:
    """The price at which the position would close now: the bid of a long one, the ask of a short one."""
    quote = server.quotes.get(position.symbol)
    return position.price_open if quote is None else quote.side(1 - position.type)


def floating(server: Server, position: Position, price: float) -> float:
    """Profit of the position if it were closed at `price`; 0.0 while it cannot be converted."""
    contract = server.contracts[position.symbol]
    try:
        return profit(
            contract, position.type, position.volume, position.price_open, price, server.bank, server.quotes.get
        )  # fmt: skip
    except NoRate:
        return 0.0


def valued(server: Server, position: Position) -> Position:
    """The position with its present price and floating profit."""
    price = close_price(server, position)
    return replace(position, price_current=price, profit=floating(server, position, price))


def exposures(positions: Iterable[Position]) -> list[Exposure]:
    """The exposures of open positions."""
    return [Exposure(p.symbol, p.type, p.volume, p.price_open) for p in positions]


def margin_used(server: Server, held: Iterable[Exposure]) -> float:
    """Margin of all exposures and of the pending orders that reserve some, rounded to the currency's digits."""
    by_symbol: dict[str, list[Exposure]] = {}
    for exposure in held:
        by_symbol.setdefault(exposure.symbol, []).append(exposure)
    total = sum(_symbol_margin(server, server.contracts[symbol], group) for symbol, group in by_symbol.items())
    total += sum(pending_margin(server, order) for order in server.ledger.orders.values())
    return server.bank.round(total)


def pending_margin(server: Server, order: Order) -> float:
    """Margin that an active order reserves; nothing with the usual pending margin rate of 0."""
    contract = server.contracts[order.symbol]
    share = contract.pending_margin_rate
    if not share:
        return 0.0
    return share * _margin(server, contract, order.type & 1, order.volume_current, order.price_open)


def _margin(server: Server, contract: Contract, side: int, volume: float, price: float) -> float:
    try:
        return margin(contract, side, volume, price, server.bank, server.quotes.get)
    except NoRate:
        return 0.0


def _symbol_margin(server: Server, contract: Contract, group: list[Exposure]) -> float:
    buys, sells = _leg(group, BUY), _leg(group, SELL)
    if contract.margin_hedged_use_leg:
        return max(_margin(server, contract, side, *leg) for side, leg in ((BUY, buys), (SELL, sells)))
    if server.profile.margin_mode != MarginMode.HEDGING or not (buys[0] and sells[0]):
        return sum(_margin(server, contract, side, *leg) for side, leg in ((BUY, buys), (SELL, sells)))
    # Hedging, both sides held (MetaTrader 5 help, "Margin calculation: retail Forex, CFD hedging"): the part that is not
    # matched costs the usual margin, the matched part is charged per lot with the contract size `margin_hedged`.
    side, leg = (BUY, buys) if buys[0] >= sells[0] else (SELL, sells)
    matched = min(buys[0], sells[0])
    average = (buys[0] * buys[1] + sells[0] * sells[1]) / (buys[0] + sells[0])
    open_part = _margin(server, contract, side, leg[0] - matched, leg[1])
    if contract.margin_initial:
        return open_part + matched * contract.margin_hedged
    hedged = replace(contract, contract_size=contract.margin_hedged)
    return open_part + _margin(server, hedged, side, matched, average)


def _leg(group: list[Exposure], side: int) -> tuple[float, float]:
    """Volume and volume-weighted average price of one side."""
    held = [(e.volume, e.price) for e in group if e.side == side]
    volume = sum(v for v, _ in held)
    return (volume, sum(v * p for v, p in held) / volume) if volume else (0.0, 0.0)


def floating_profit(server: Server) -> float:
    """The floating profit of all positions."""
    positions = server.ledger.positions.values()
    return server.bank.round(sum(floating(server, position, close_price(server, position)) for position in positions))


def valuation(server: Server) -> Valuation:
    """The account's money at the quotes' present moment."""
    ledger = server.ledger
    used = margin_used(server, exposures(ledger.positions.values())) if ledger.positions or ledger.orders else 0.0
    return Valuation(ledger.balance, ledger.credit, floating_profit(server), used, server.bank.digits)


def is_safe(server: Server) -> bool:
    """Whether the stop-out level is out of reach: a cheap answer for every tick; False means that it must be
    computed.

    The margin of unchanged books moves with conversion rates only; half as much again is more than they can move.
    """
    ledger, profile = server.ledger, server.profile
    equity = ledger.balance + ledger.credit + floating_profit(server)
    if profile.margin_so_mode == StopOutMode.MONEY:
        return equity > profile.margin_so_so
    if server.margin_known[0] != ledger.version:
        server.margin_known = (ledger.version, valuation(server).margin)
    return equity * 100 > profile.margin_so_so * server.margin_known[1] * 1.5


def account_record(server: Server, login: int, server_name: str) -> Account:
    """The account as AccountInfo shows it."""
    value, profile, switches = valuation(server), server.profile, server.switches
    return Account(
        login=login,
        trade_mode=0,
        leverage=profile.leverage,
        limit_orders=profile.limit_orders,
        margin_so_mode=int(profile.margin_so_mode),
        trade_allowed=switches.account_trade_allowed,
        trade_expert=switches.account_trade_expert,
        margin_mode=int(profile.margin_mode),
        currency_digits=profile.currency_digits,
        fifo_close=profile.fifo_close,
        balance=value.balance,
        credit=value.credit,
        profit=value.profit,
        equity=value.equity,
        margin=value.margin,
        margin_free=value.margin_free,
        margin_level=value.margin_level,
        margin_so_call=profile.margin_so_call,
        margin_so_so=profile.margin_so_so,
        margin_initial=0.0,
        margin_maintenance=0.0,
        assets=0.0,
        liabilities=0.0,
        commission_blocked=0.0,
        name=profile.account_name,
        server=server_name,
        currency=profile.currency,
        company=profile.company,
    )
