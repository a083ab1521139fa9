"""Whose account this is: no order, no figures and no positions of another one.

A person can log the terminal in to another account at any time (`login()` of another program does it, too), and every answer then
is that account's. So it is asked whose they are: before an order, and after what was read.
"""

from __future__ import annotations

from bridge.errors import AccountChanged
from bridge.records import Account
from bridge.session.failures import refusal
from bridge.terminal import Terminal, TerminalError

OF_ACCOUNT = frozenset({"account", "positions", "orders", "history_orders", "deals", "find_symbol", "account_call"})
"""Methods whose answers belong to an account, or to its broker."""
VERIFIED = OF_ACCOUNT | {"trace"}
"""Calls before and after which the session asks whose account it is; the gateway alone traces orders."""


class Owner:
    """The account that the session serves; not known (`login` is None) before the first attach."""

    def __init__(self, login: int | None = None, server: str | None = None) -> None:
        self.login = login
        self.server = server

    def adopt(self, account: Account) -> None:
        """What is not known yet is this account's."""
        self.login = account.login if self.login is None else self.login
        self.server = account.server if self.server is None else self.server

    def owns(self, account: Account) -> bool:
        """Whether this is the account."""
        return self.login in (None, account.login) and self.server in (None, account.server)

    def verify(self, terminal: Terminal) -> Account:
        """The account. Raises `AccountChanged` when the terminal is logged in to another one now, or what it said instead."""
        try:
            account = terminal.account()
        except TerminalError as error:
            raise refusal(error) from error
        if not self.owns(account):
            raise AccountChanged(
                f"the terminal is logged in to account {account.login} at {account.server}, not to {self.login} at {self.server}",
                next_step="log the terminal in to the bridge's account again, or accept the other one with `mt5bridge reconnect`",
                login=account.login,
                server=account.server,
            )
        return account
