"""The generations of the session: each is started with the settings of its time, and none that cannot work is started at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

from bridge.errors import ConfigError
from bridge.session import link
from bridge.session.settings import SessionSettings
from bridge.sessions import Sessions
from bridge.terminal import Credentials
from tests.fake_terminal import FakeTerminal

PATIENCE_S = 20.0
FIRST, SECOND = (Credentials(login=login, password="secret", server="Demo") for login in (1, 2))
opened: list[FakeTerminal] = []


def terminal() -> FakeTerminal:
    """Made by the session itself, as any terminal that a configuration names."""
    opened.append(FakeTerminal())
    return opened[-1]


Begin = Callable[..., Sessions]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Makes sessions in threads whose configuration says one thing after the other."""
    opened.clear()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    made: list[Sessions] = []

    def sessions(*given: Credentials | ConfigError, name: str = "tests.test_bridge_sessions:terminal", **settings: Any) -> Sessions:
        rest = list(given)

        def configured() -> Credentials:
            found = rest.pop(0)
            if isinstance(found, ConfigError):
                raise found
            return found

        settings_now = SessionSettings("", "", name, **settings)
        made.append(Sessions(context, settings_now, thread=True, configured=configured if given else None))
        return made[-1]

    yield sessions
    for some in made:
        some.close()
    context.term()  # ends the threads, which own their sockets


def hear(some: Sessions, kind: type[link.FromSession]) -> link.FromSession:
    """The next message of a kind."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if some.link is not None and some.link.poll(100):
            for frame in some.receive(100):
                message = link.from_session(frame)
                if isinstance(message, kind):
                    return message
    raise AssertionError(f"no {kind.__name__}")


def attach(some: Sessions) -> Credentials:
    """Have the present session attach; what it attached with."""
    hear(some, link.Ready)
    some.send(link.pack(link.Connect(1)))
    hear(some, link.Attached)
    return opened[-1].attached[0]


def test_each_generation_has_the_credentials_of_its_time(begin: Begin) -> None:
    some = begin(FIRST, SECOND)
    assert some.start(1) is None
    assert (attach(some), some.credentials) == (FIRST, FIRST)
    assert some.start(2) is None
    assert (attach(some), some.credentials) == (SECOND, SECOND)


def test_settings_that_are_wrong_start_nothing_and_end_what_was(begin: Begin) -> None:
    some = begin(FIRST, ConfigError("MT5_LOGIN is wrong"), SECOND)
    assert some.start(1) is None
    hear(some, link.Ready)
    with pytest.raises(ConfigError, match="MT5_LOGIN"):
        some.start(2)
    assert some.link is None
    assert some.exited() == []
    some.send(link.pack(link.Stop()))
    some.kill(2)
    assert some.credentials == FIRST, "those of the last one that was started"
    assert some.start(3) is None
    assert attach(some) == SECOND


def test_without_a_configuration_the_credentials_never_change(begin: Begin) -> None:
    some = begin(credentials=FIRST)
    for number in (1, 2):
        assert some.start(number) is None
        assert attach(some) == FIRST


def test_a_terminal_that_cannot_be_opened_is_told_before_the_end(begin: Begin) -> None:
    some = begin(name="no.such.module:terminal")
    assert some.start(1) is None
    message = hear(some, link.Misconfigured)
    assert isinstance(message, link.Misconfigured)
    assert "no.such.module" in message.message
    assert message.next_step
    deadline = time.monotonic() + PATIENCE_S
    while not (ended := some.exited()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert [number for number, _ in ended] == [1]
