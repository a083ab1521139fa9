"""The stream of the account's figures."""

from __future__ import annotations

from dataclasses import replace

from bridge.session.account import PERIOD_S, AccountStream
from bridge.session.owner import Owner
from tests.fake_terminal import FakeTerminal

OURS = Owner(1, "Fake")


def log_in(terminal: FakeTerminal, login: int, server: str = "Fake") -> None:
    terminal.figures = replace(terminal.figures, login=login, server=server)


def test_the_figures_are_published_when_they_change() -> None:
    terminal, stream = FakeTerminal(), AccountStream(OURS)
    assert [body for _, _, body in stream.poll(terminal, 1.0)] == [terminal.figures]
    assert stream.due == 1.0 + PERIOD_S
    assert stream.poll(terminal, 2.0) == []
    terminal.figures = replace(terminal.figures, balance=50.0)
    assert stream.poll(terminal, 3.0) == [("account", 0, terminal.figures)]


def test_the_figures_of_another_account_are_not() -> None:
    terminal, stream = FakeTerminal(), AccountStream(OURS)
    log_in(terminal, 2)
    assert stream.poll(terminal, 1.0) == []
    assert stream.settled
    assert stream.due == 1.0 + PERIOD_S
    log_in(terminal, 1)
    assert len(stream.poll(terminal, 2.0)) == 1
    log_in(terminal, 1, "Elsewhere")
    assert stream.poll(terminal, 3.0) == []
    log_in(terminal, 1)
    assert stream.poll(terminal, 4.0) == [], "nothing has changed"
