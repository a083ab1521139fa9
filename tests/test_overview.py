"""The reply to `status`: each link on the way from the trade server to the client, with its evidence."""

from __future__ import annotations

import pytest

from bridge.messages import GetStatus
from bridge.replies import LinkStatus, Status
from bridge.session import link
from tests.scripted_session import Bench, attached, health, obliging

READY = link.Ready("token", 77)
LOST = link.Lost("terminal_info", -10_004, "No IPC connection")
LINKS = ["broker_terminal", "terminal_session", "session_gateway", "gateway_client"]


def status(bench: Bench, client: str | None = "c1") -> Status:
    bench.replies.clear()
    bench.ask(GetStatus(), client=client)
    return bench.result(GetStatus)


def links(bench: Bench, client: str | None = "c1") -> dict[str, LinkStatus]:
    found = status(bench, client).links
    assert [each.link for each in found] == LINKS
    return {each.link: each for each in found}


def up(bench: Bench) -> list[bool | None]:
    return [each.up for each in links(bench).values()][:3]


def ready() -> Bench:
    bench = Bench().connect()
    bench.hello()
    return bench


def test_everything_works() -> None:
    bench = ready()
    bench.run(1.0)
    bench.say(health())
    bench.run(0.25)
    found = links(bench)
    assert [each.up for each in found.values()] == [True] * 4
    assert [each.age_ms for each in found.values()] == [250, 250, 250, 0]
    assert [each.detail for each in found.values()] == [
        "Demo, ping 0 ms", "real calls", "process 77, generation 1", "strategy, without event connection",
    ]  # fmt: skip
    bench.subscribe("client:c1\0")
    assert links(bench)["gateway_client"].detail == "strategy"


def test_before_the_start() -> None:
    bench = Bench()
    bench.hello()
    assert up(bench) == [None, False, False]
    assert [each.age_ms for each in links(bench).values()] == [None, None, None, 0]
    assert links(bench)["session_gateway"].detail == "no session runs"
    assert not status(bench).healthy


def test_a_session_that_is_not_ready_is_no_link() -> None:
    bench = ready()
    bench.exit()
    bench.run(0.2)
    assert up(bench) == [None, False, False]
    bench.say(READY)
    assert up(bench) == [None, False, True]
    bench.say(attached(connected=False))
    assert up(bench) == [False, True, True]
    assert links(bench)["broker_terminal"].detail == "the terminal is offline"


def test_a_terminal_that_went_leaves_the_age_of_what_was_last_seen() -> None:
    bench = ready()
    bench.say(health(), LOST)
    bench.run(0.5)
    found = links(bench)
    assert (found["broker_terminal"].up, found["broker_terminal"].age_ms) == (None, 500)
    assert (found["terminal_session"].up, found["terminal_session"].age_ms) == (False, 500)
    assert found["session_gateway"].up


def test_a_session_that_is_silent_for_too_long_is_no_link_any_more() -> None:
    bench = ready()
    bench.say(health())
    bench.now = 5.1  # nothing was done about it yet
    assert up(bench) == [True, False, False]
    assert not status(bench).healthy
    assert status(bench).session_age_ms == 5_100


def test_a_client_that_did_not_say_hello_is_not_known() -> None:
    bench = ready()
    for client in (None, "c2"):
        found = links(bench, client)["gateway_client"]
        assert (found.up, found.age_ms) == (None, None)
        assert "hello" in found.detail


@pytest.mark.parametrize(
    ("look", "healthy"),
    [
        (health(), True),
        (health(connected=False), False),
        (health(login=7), False),
        (health(api_disabled=True), False),
        (link.Gone(["A"]), True),
        (link.Idle(), True),
        (LOST, False),
    ],
)
def test_healthy_means_that_trading_and_data_work(look: link.FromSession, healthy: bool) -> None:
    bench = ready()
    bench.say(look)
    assert status(bench).healthy is healthy


def test_the_topics_that_somebody_wants_are_listed_and_proofs_are_not() -> None:
    bench = ready()
    bench.answers = obliging
    for wire in ("client:c1\0", "tick:A\0", "tick:A\0", "tick:EUR", "bar:A:M1\0", "connection\0"):
        bench.subscribe(wire)
    bench.unsubscribe("bar:A:M1\0")
    found = status(bench).topics
    assert [(topic.topic, topic.subscribers, topic.stream) for topic in found] == [
        ("connection", 1, "idle"), ("tick:A", 2, "live"), ("tick:EUR*", 1, "live"),
    ]  # fmt: skip
    assert found[0].sequence == len(bench.states)
