"""Which account a symbol was chosen for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from bridge.errors import UnknownSymbol
from bridge.replies import Condition, ConnectionState, FoundSymbol
from clients.blocking import Client
from strategies.choice import Choice, served

AT_A = ConnectionState("connected", "attached", 0, login=1, server="A")
WRONG = Condition("wrong_account", "another account", "log in", 0, "trading")


class Bridge:
    """The two things that a choice needs of a client."""

    def __init__(self, known: ConnectionState | None) -> None:
        self.known_connection = known
        self.asked: list[str] = []
        self.after: ConnectionState | None = known

    def find_symbol(self, name: str) -> FoundSymbol:
        self.asked.append(name)
        self.known_connection = self.after
        if name == "nothing":
            raise UnknownSymbol("nothing")
        return FoundSymbol("X", "alias", "")


def choice(bridge: Bridge, asked: str = "gold") -> Choice:
    return Choice(asked, cast(Client, bridge))


@pytest.mark.parametrize(
    ("changes", "account"),
    [
        ({}, (1, "A")), ({"state": "degraded", "reason": "broker_down"}, (1, "A")), ({"state": "reconnecting"}, None),
        ({"state": "suspended"}, None), ({"login": None}, None), ({"server": None}, None), ({"reason": "wrong_account"}, None),
        ({"state": "degraded", "conditions": (WRONG,)}, None), ({"conditions": (replace(WRONG, reason="investor"),)}, (1, "A")),
    ],
)  # fmt: skip
def test_whose_account_is_served(changes: dict[str, Any], account: tuple[int, str] | None) -> None:
    assert served(replace(AT_A, **changes)) == account
    assert served(None) is None


def test_it_is_outdated_by_another_account_only() -> None:
    made = choice(Bridge(AT_A))
    assert made.is_outdated(AT_A)
    assert made.make().symbol == "X"
    assert not made.is_outdated(AT_A)
    assert not made.is_outdated(replace(AT_A, state="reconnecting", login=2))
    assert made.is_outdated(replace(AT_A, login=2))
    assert made.is_outdated(replace(AT_A, server="B"))


def test_a_doubt_lasts_until_the_next_choice() -> None:
    made = choice(Bridge(AT_A))
    made.make()
    made.doubt()
    assert made.is_outdated(AT_A)
    assert not made.is_of_another(AT_A)
    assert not made.is_outdated(replace(AT_A, state="reconnecting"))
    made.make()
    assert not made.is_outdated(AT_A)
    assert made.is_of_another(replace(AT_A, login=2))
    assert not made.is_of_another(replace(AT_A, login=2, state="connecting"))


def test_the_server_alone_makes_another_place() -> None:
    bridge = Bridge(AT_A)
    made = choice(bridge)
    made.make()
    assert not made.is_elsewhere((2, "A"))
    assert made.is_elsewhere((1, "B"))
    assert not made.is_elsewhere(None)


def test_an_account_that_changes_while_it_asks_outdates_the_answer() -> None:
    bridge = Bridge(AT_A)
    bridge.after = replace(AT_A, server="B")
    made = choice(bridge)
    made.make()
    assert made.is_outdated(bridge.known_connection)


def test_a_name_that_means_nothing_there_is_not_asked_for_again() -> None:
    made = choice(Bridge(AT_A), "nothing")
    with pytest.raises(UnknownSymbol):
        made.make()
    assert not made.is_outdated(AT_A)
