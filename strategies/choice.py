"""Which symbol a strategy trades: what its plain name means at the broker that the bridge serves now."""

from __future__ import annotations

from bridge.replies import ConnectionState, FoundSymbol
from clients.blocking import Client

READABLE = ("connected", "degraded")
"""States of the connection in which the terminal can be asked."""


class Choice:
    """`asked` is the name as the user wrote it; it is what is asked for again wherever the bridge serves another account."""

    def __init__(self, asked: str, client: Client) -> None:
        self.asked = asked
        self.account: tuple[int, str] | None = None
        """Login and server of the account for which was chosen last; None when they were not known."""
        self._client = client
        self._doubted = False

    def make(self) -> FoundSymbol:
        """Ask the bridge. Raises `BridgeError`."""
        self._doubted = False
        self.account = served(self._client.known_connection)  # read before: should it change meanwhile, this is outdated at once
        return self._client.find_symbol(self.asked)

    def doubt(self) -> None:
        """The bridge was started anew: the account may look the same, and the broker's symbols not."""
        self._doubted = True

    def is_outdated(self, connection: ConnectionState | None) -> bool:
        """Whether to choose again: the bridge serves another account than the one for which was chosen, or there is a doubt."""
        account = served(connection)
        return account is not None and (self._doubted or account != self.account)

    def is_of_another(self, connection: ConnectionState) -> bool:
        """Whether the bridge certainly serves another account."""
        return self.account is not None and served(connection) not in (None, self.account)

    def is_elsewhere(self, before: tuple[int, str] | None) -> bool:
        """Whether the server is another one than `before`: another history then, on another clock."""
        return before is not None and self.account is not None and before[1] != self.account[1]


def served(connection: ConnectionState | None) -> tuple[int, str] | None:
    """Login and server of the account that the bridge serves, where its terminal can be asked and is logged in to that account."""
    if connection is None or connection.state not in READABLE or connection.login is None or connection.server is None:
        return None
    reasons = {connection.reason, *(condition.reason for condition in connection.conditions)}
    return None if "wrong_account" in reasons else (connection.login, connection.server)
