"""Broker profiles: what an account and its server look like, apart from the market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.terminal.simulator.enums import CalcMode, Execution, MarginMode, StopOutMode
from bridge.terminal.simulator.symbols import CONTRACTS, Contract


@dataclass(frozen=True, slots=True)
class Profile:
    """A broker's terms.

    `commission` is charged per lot and side, in the account's currency, as a positive number.  `liquidity` is the
    volume in lots that one request finds at the present price (None: any volume).  `slippage` is by how many points market
    and stop orders, and stop losses, execute at a worse price than the quote's.  `requests_per_second` above which
    10024 is answered, `limit_positions` above which 10040 is; None means no limit.  `margin_so_call` and
    `margin_so_so` are percents or money, by `margin_so_mode`.
    """

    name: str
    margin_mode: MarginMode
    currency: str = "USD"
    currency_digits: int = 2
    leverage: int = 100
    balance: float = 100_000.0
    limit_orders: int = 200
    limit_positions: int | None = None
    requests_per_second: int | None = None
    fifo_close: bool = False
    hedge_allowed: bool = True
    margin_so_mode: int = StopOutMode.PERCENT
    margin_so_call: float = 100.0
    margin_so_so: float = 50.0
    commission: float = 0.0
    slippage: int = 0
    liquidity: float | None = None
    account_name: str = "Simulated Trader"
    company: str = "Simulated Markets Ltd."
    contracts: Mapping[str, Contract] = field(default_factory=lambda: CONTRACTS)


def _changed(only: frozenset[str] | None, **changes: Any) -> dict[str, Contract]:
    return {
        name: replace(contract, **changes) if only is None or contract.path.split("\\")[0] in only else contract
        for name, contract in CONTRACTS.items()
    }


_SUFFIXES = {"Forex": ".r", "Indices": ".cash", "Stocks": ".US"}
_OWN_NAMES = {"XAUUSD": "GOLD", "XAGUSD": "SILVER", "XTIUSD": "WTI"}


def _renamed() -> dict[str, Contract]:
    """The symbols under the names of a broker that marks its kinds of account and market by suffixes."""
    contracts = {}
    for plain, contract in CONTRACTS.items():
        folder = contract.path.split("\\")[0]
        name = _OWN_NAMES.get(plain, plain + _SUFFIXES.get(folder, ""))
        contracts[name] = replace(contract, name=name, path=f"{folder}\\{name}", shape=plain)
    return contracts


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("hedging-cfd", MarginMode.HEDGING),
        Profile(
            "nolev-darwin", MarginMode.HEDGING, currency="EUR", leverage=200, commission=2.5, margin_so_so=50.0,
            contracts=_changed(frozenset({"Forex"}), calc_mode=CalcMode.FOREX_NO_LEVERAGE, margin_rate=0.0333),
        ),
        Profile("netting", MarginMode.NETTING),
        Profile(
            "netting-exchange", MarginMode.EXCHANGE, liquidity=5.0,
            contracts=_changed(None, exemode=Execution.EXCHANGE, filling_mode=7),
        ),
        Profile("instant", MarginMode.HEDGING, contracts=_changed(None, exemode=Execution.INSTANT, stops_level=10)),
        Profile("suffixed", MarginMode.HEDGING, leverage=30, commission=3.5, contracts=_renamed()),
    )
}  # fmt: skip
"""Profile by name; `hedging-cfd` is the default."""
