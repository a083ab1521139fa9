"""What belongs to one simulated trade server: terms, books, prices and the switches that stop trading."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.terminal.simulator.ledger import Ledger
from bridge.terminal.simulator.money import Bank
from bridge.terminal.simulator.profile import Profile
from bridge.terminal.simulator.quotes import DayPrices, Market, Quotes
from bridge.terminal.simulator.symbols import Contract


@dataclass(frozen=True, slots=True)
class Switches:
    """The layers that can forbid trading, from the terminal's button to the server (MetaTrader 5: trade permissions).

    `trade_allowed` is the Algo Trading button, `tradeapi_disabled` the option that shuts out Python programs,
    `connected` the link to the trade server, `account_trade_allowed` is off with an investor password,
    `account_trade_expert` when the server stops robots.
    """

    trade_allowed: bool = True
    tradeapi_disabled: bool = False
    connected: bool = True
    account_trade_allowed: bool = True
    account_trade_expert: bool = True


@dataclass(slots=True)
class Server:
    """One account at one broker; `watch` is Market Watch: symbol to whether it is visible there.

    `days` and `margin_known` (state of the books, margin) remember what was computed last.  `forced` are return codes
    that the next requests get whatever they ask, `sent_msc` the times of the last requests.
    """

    profile: Profile
    market: Market
    bank: Bank
    ledger: Ledger
    quotes: Quotes
    watch: dict[str, bool]
    switches: Switches = field(default_factory=Switches)
    forced: deque[int] = field(default_factory=deque)
    sent_msc: deque[int] = field(default_factory=deque)
    days: dict[str, DayPrices] = field(default_factory=dict)
    margin_known: tuple[int, float] = (-1, 0.0)

    @classmethod
    def opened(cls, profile: Profile, market: Market) -> Server:
        """A server without any position, deal or balance."""
        return cls(
            profile,
            market,
            Bank.of(profile.contracts, profile.currency, profile.currency_digits, profile.leverage),
            Ledger(profile.currency_digits),
            Quotes(market),
            {name: True for name, contract in profile.contracts.items() if contract.selected},
        )

    @property
    def contracts(self) -> Mapping[str, Contract]:
        """The broker's symbols by name."""
        return self.profile.contracts
