"""Whose account it is, asked by the session itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.errors import AccountChanged, NotConnected, TerminalRefused
from bridge.messages import REQUESTS
from bridge.session.owner import OF_ACCOUNT, Owner
from tests.fake_terminal import FakeTerminal


@pytest.mark.parametrize(
    ("login", "server", "owns"),
    [
        (None, None, True), (1, None, True), (None, "Fake", True), (1, "Fake", True),
        (2, None, False), (2, "Fake", False), (1, "Real", False), (None, "Real", False),
    ],
)  # fmt: skip
def test_an_account_is_its_number_and_its_server(login: int | None, server: str | None, owns: bool) -> None:
    owner, terminal = Owner(login, server), FakeTerminal()
    assert owner.owns(terminal.figures) is owns
    if owns:
        owner.verify(terminal)
        return
    with pytest.raises(AccountChanged) as caught:
        owner.verify(terminal)
    assert caught.value.details == {"login": 1, "server": "Fake"}
    assert caught.value.next_step


def test_what_is_not_known_is_taken_from_the_first_account() -> None:
    terminal = FakeTerminal()
    owner = Owner()
    owner.adopt(terminal.figures)
    assert (owner.login, owner.server) == (1, "Fake")
    owner.adopt(replace(terminal.figures, login=2, server="Real"))
    assert (owner.login, owner.server) == (1, "Fake")
    half = Owner(5)
    half.adopt(terminal.figures)
    assert (half.login, half.server) == (5, "Fake")


def test_a_terminal_that_does_not_say_whose_it_is_proves_nothing() -> None:
    terminal = FakeTerminal()
    terminal.fail("account", -10_004, "No IPC connection")
    with pytest.raises(NotConnected) as lost:
        Owner(1).verify(terminal)
    assert lost.value.__cause__ is not None
    terminal.fail("account", -1, "Terminal: Call failed")
    with pytest.raises(TerminalRefused):
        Owner(1).verify(terminal)
    Owner(1).verify(terminal)


def test_the_requests_whose_answers_belong_to_an_account() -> None:
    assert set(REQUESTS) > OF_ACCOUNT
    assert {name for name in REQUESTS if "order" in name or name in ("account", "positions", "deals")} - OF_ACCOUNT == {
        "order", "order_check",
    }  # fmt: skip
