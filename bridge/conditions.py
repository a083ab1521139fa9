"""What is not as it should be while the terminal answers: the account, the permissions to trade, the trade server. No I/O.

The terminal's own words are in `TerminalInfo` and `Account` (MQL5: TERMINAL_TRADE_ALLOWED, TERMINAL_CONNECTED,
ACCOUNT_TRADE_ALLOWED, ACCOUNT_TRADE_EXPERT; `tradeapi_disabled` is the option of the Python interface).
"""

from __future__ import annotations

import ntpath
from collections.abc import Iterable
from dataclasses import dataclass

from bridge.errors import BridgeError
from bridge.halt import RESUME, words
from bridge.replies import Condition, Reason, TradingState
from bridge.session.link import Standing
from bridge.terminal import Credentials

DEGRADING: tuple[Reason, ...] = ("wrong_account", "broker_down")
"""Conditions with which the connection is degraded; the first of them is its cause."""
_EXPERTS = "in the terminal, Tools > Options > Expert Advisors"


@dataclass(frozen=True, slots=True)
class Identity:
    """The account that the bridge serves; `path` is the configured `terminal64.exe`, where there is one."""

    login: int | None = None
    server: str | None = None
    path: str | None = None

    @classmethod
    def of(cls, credentials: Credentials) -> Identity:
        """The account that a configuration names; the address of a simulated terminal is no path."""
        path = credentials.path if credentials.path and credentials.path.lower().endswith(".exe") else None
        return cls(credentials.login, credentials.server if credentials.login is not None else None, path)

    def mismatch(self, found: Standing) -> str | None:
        """How what the terminal says differs, in words; None when it is the one."""
        if self.login is not None and found.login != self.login:
            return f"the terminal is logged in to account {found.login} at {found.server}, the bridge serves {self.login}"
        if self.server and found.server != self.server:
            return f"the terminal is logged in at {found.server}, the bridge serves {self.server}"
        if self.path and found.path and _folder(self.path) != _normal(found.path):
            return f"the terminal that answers is in {found.path}, the configured one is {self.path}"
        return None


def _normal(path: str) -> str:
    return ntpath.normcase(ntpath.normpath(path))


def _folder(path: str) -> str:
    return ntpath.dirname(_normal(path))


@dataclass(frozen=True, slots=True)
class _Finding:
    reason: Reason
    message: str
    next_step: str
    stops_trading: bool = True


class Conditions:
    """What is wrong at present, each thing with the time at which it was first seen."""

    def __init__(self, now: tuple[Condition, ...] = ()) -> None:
        self.now = now

    def update(self, findings: Iterable[_Finding], now_msc: int) -> bool:
        """Take in what was found now; whether it differs from what was known."""
        known = {(condition.reason, condition.message): condition.since_msc for condition in self.now}
        found = tuple(
            Condition(
                finding.reason,
                finding.message,
                finding.next_step,
                known.get((finding.reason, finding.message), now_msc),
                "trading" if finding.stops_trading else "nothing",
            )
            for finding in findings
        )
        changed = found != self.now
        self.now = found
        return changed

    def clear(self) -> None:
        """The terminal cannot be asked any more."""
        self.now = ()

    def beyond(self, others: Iterable[Condition]) -> list[Condition]:
        """Those that are not among the others."""
        known = {(condition.reason, condition.message) for condition in others}
        return [condition for condition in self.now if (condition.reason, condition.message) not in known]

    @property
    def stopping(self) -> Condition | None:
        """The first condition that keeps orders from being executed, if there is one."""
        return next((condition for condition in self.now if condition.stops == "trading"), None)

    @property
    def degrading(self) -> Condition | None:
        """The condition that degrades the connection, if there is one."""
        found = {condition.reason: condition for condition in self.now}
        return next((found[reason] for reason in DEGRADING if reason in found), None)


def findings(
    standing: Standing,
    identity: Identity,
    *,
    connected: bool,
    clock_known: bool,
    gone: Iterable[str] = (),
    journal: BridgeError | None = None,
    trading: TradingState | None = None,
) -> list[_Finding]:
    """Everything that is wrong, what matters most first."""
    found: list[_Finding] = []
    mismatch = identity.mismatch(standing)
    if mismatch is not None:
        step = "log the terminal in to the bridge's account again, or accept the other one: settings, then `mt5bridge reconnect`"
        found.append(_Finding("wrong_account", mismatch, step))
    if not connected:
        step = "check the internet connection of the terminal's machine; the terminal reconnects by itself"
        found.append(_Finding("broker_down", "the terminal has no connection to the trade server", step))
    if not standing.terminal_trade_allowed:
        step = "press the button Algo Trading in the terminal's toolbar"
        found.append(_Finding("algo_trading_off", "algorithmic trading is switched off in the terminal", step))
    if standing.api_disabled:
        step = f"{_EXPERTS}: remove the tick at disabling trading through the external Python API"
        found.append(_Finding("api_disabled", "the terminal does not let Python trade", step))
    if not standing.account_trade_allowed:
        step = "log in with the account's own password, or ask the broker why it may not trade"
        found.append(_Finding("investor", "the account may not trade: logged in with the investor's password, or disabled", step))
    elif not standing.account_trade_expert:
        found.append(_Finding("robots_off", "the trade server does not let robots trade on this account", "ask the broker"))
    if journal is not None:
        found.append(_Finding("journal", f"no orders are taken: {journal.message}", journal.next_step))
    if trading is not None and trading.halted:
        found.append(_Finding("halted", words(trading), RESUME))
    found += [
        _Finding("symbol_gone", f"the symbol {symbol} is not there any more", "use its successor's name", stops_trading=False)
        for symbol in gone
    ]
    if not clock_known:
        step = "none: it is measured as soon as something is quoted; until then times cannot be converted to UTC"
        found.append(_Finding("clock_unknown", "the offset of the trade server's clock is not known", step, stops_trading=False))
    return found
