"""Attaching anew because somebody asks for it, or because the settings changed."""

from __future__ import annotations

import pytest
from msgspec import Raw

from bridge import codec
from bridge.conditions import Identity
from bridge.connection import State
from bridge.errors import ConfigError, NotConnected, OutcomeUnknown, Stopping
from bridge.messages import GetAccount, GetSnapshot, Reconnect
from bridge.session import link
from tests.lives import BAD_LOGIN, GOOD, LOST, NOT_READY, READY, bench_in, newest, started, trail
from tests.scripted_session import BUY, DONE, Bench, attached, obliging, ticks

ENDED = "the session process ended with status 0"
WITH_SESSION = [State.STARTING, State.CONNECTING, State.CONNECTED, State.DEGRADED, State.RECONNECTING, State.REFUSED]
WRONG = ConfigError("MT5_LOGIN in .env: Expected `int`", next_step="correct it")


def reconnect(bench: Bench, request_id: str = "1") -> None:
    bench.said.clear()
    bench.ask(Reconnect(), request_id)


@pytest.mark.parametrize("state", WITH_SESSION)
@pytest.mark.parametrize("ends", [True, False])
def test_the_session_is_replaced_whatever_the_state(state: State, ends: bool) -> None:
    bench = bench_in(state)
    generation, known = bench.generation, len(bench.states)
    reconnect(bench)
    assert bench.result(Reconnect) == newest(bench)
    assert (newest(bench).state, newest(bench).reason, newest(bench).attempt) == ("reconnecting", "bridge", 0)
    assert bench.said == [link.Stop()]
    assert bench.generation == generation, "one after the other: they want the same terminal"
    if ends:
        bench.run(0.5)
        bench.exit(ENDED)
        assert bench.kills == []
    else:
        bench.run(2.1)
        assert [kill.reason for kill in bench.kills] == ["the session did not end in time"]
    assert bench.generation == generation + 1
    bench.say(READY, attached())
    assert trail(bench)[known:] == ["reconnecting", "connecting", "connected"], "its end is no news"
    assert newest(bench).generation == generation + 1


def test_out_of_a_suspension_at_once() -> None:
    bench = bench_in(State.SUSPENDED)
    generation = bench.generation
    reconnect(bench)
    assert bench.generation == generation + 1
    assert newest(bench).next_attempt_msc is None
    bench.say(READY, attached())
    assert newest(bench).state == "connected"


def test_not_before_the_next_attempt_but_at_once() -> None:
    bench = Bench().connect()
    for _ in range(12):
        bench.exit("crashed")
        while bench.generation == bench.gateway._supervision.watch.generation and not bench.gateway._supervision.watch.running:
            bench.run(0.05)
    bench.exit("crashed")
    generation = bench.generation
    reconnect(bench)
    assert bench.generation == generation + 1
    bench.run(60.0)
    assert bench.kills[-1].generation == generation + 1, "only one was started"


def test_the_name_of_who_asked_is_the_cause() -> None:
    bench = Bench().connect()
    bench.hello()
    bench.ask(Reconnect(), client="c1")
    assert newest(bench).cause == "strategy asked the bridge to attach anew"
    bench.ask(Reconnect(), "2")
    assert newest(bench).cause == "a client asked the bridge to attach anew"


def test_a_bridge_that_ends_does_not_attach_anew() -> None:
    bench = bench_in(State.STOPPING)
    reconnect(bench)
    assert isinstance(bench.error(), Stopping)
    bench.exit(ENDED)
    reconnect(bench, "2")
    assert isinstance(bench.error("2"), Stopping)
    assert bench.gateway.finished


def test_asked_again_and_again_the_session_gets_no_more_time_to_end() -> None:
    bench = Bench().connect()
    for number in range(4):
        bench.ask(Reconnect(), f"{number}")
        bench.run(0.6)
    assert len(bench.kills) == 1
    assert bench.generation == 2


def test_what_the_old_session_says_at_its_end_changes_nothing() -> None:
    bench = Bench().connect()
    reconnect(bench)
    known = len(bench.states)
    bench.say(GOOD, LOST, NOT_READY, BAD_LOGIN, attached(), link.Gone(["A"]), link.Misconfigured("no", "mend it"), READY)
    assert len(bench.states) == known
    bench.exit(ENDED)
    assert bench.generation == 2


def test_an_order_under_way_is_waited_for() -> None:
    bench = Bench().connect()
    bench.ask(BUY, "order")
    bench.ask(GetAccount(), "read")
    reconnect(bench)
    bench.say(link.Busy("order", 60.0))
    bench.run(20.0)
    assert bench.said == []
    assert [reply.id for _, reply in bench.replies].count("order") == 0
    bench.ask(BUY, "another")
    assert isinstance(bench.error("another"), NotConnected)
    bench.say(link.Result(1, Raw(codec.pack(DONE))))
    bench.run(0.1)
    assert bench.reply("order").error is None
    assert bench.said == [link.Stop()]
    bench.exit(ENDED)
    assert bench.generation == 2


def test_an_order_whose_session_hangs_is_unknown_and_the_session_replaced() -> None:
    bench = Bench().connect()
    bench.ask(BUY, "order")
    reconnect(bench)
    bench.say(link.Busy("order", 60.0))
    bench.run(60.1)
    assert isinstance(bench.error("order"), OutcomeUnknown)
    assert bench.generation == 2
    assert newest(bench).state == "reconnecting"


def test_streams_go_on_where_they_were() -> None:
    bench = Bench().connect()
    bench.answers = lambda message: [] if isinstance(message, link.Connect) else obliging(message)
    bench.subscribe("tick:A\0")
    bench.say(link.Publish([("tick:A", 0, ticks(1.0))]))
    reconnect(bench)
    bench.ask(GetSnapshot(("tick:A",)), "snapshot")
    assert bench.result(GetSnapshot, "snapshot").topics[0].pending
    bench.exit(ENDED)
    bench.said.clear()
    bench.say(READY, attached())
    assert [message for message in bench.said if isinstance(message, link.StartStream)] == [link.StartStream("tick:A", ticks(1.0))]


def test_refusals_before_do_not_count_after_it() -> None:
    bench = bench_in(State.REFUSED)
    reconnect(bench)
    bench.exit(ENDED)
    bench.say(READY, BAD_LOGIN)
    assert newest(bench).state == "reconnecting", "once may be chance"
    bench.run(0.2)
    bench.say(BAD_LOGIN)
    assert newest(bench).state == "refused"


# ---- settings --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [state for state in State if state not in (State.STOPPED, State.REFUSED)])
def test_settings_that_change_while_it_works_change_nothing(state: State) -> None:
    bench = bench_in(state)
    known, said = len(bench.states), list(bench.said)
    bench.gateway.settings_changed(bench.now)
    bench.take()
    assert (len(bench.states), bench.said) == (known, said)


def test_settings_that_change_while_it_is_refused_are_tried() -> None:
    bench = bench_in(State.REFUSED)
    bench.said.clear()
    bench.gateway.settings_changed(bench.now)
    bench.take()
    assert (newest(bench).state, newest(bench).cause) == ("reconnecting", "the settings changed")
    assert bench.said == [link.Stop()]
    bench.gateway.settings_changed(bench.now)
    bench.take()
    assert bench.said == [link.Stop()]


def test_wrong_settings_are_refused_until_they_change() -> None:
    bench = started()
    bench.gateway.session_misconfigured(1, WRONG, bench.now)
    bench.take()
    assert (newest(bench).state, newest(bench).reason, newest(bench).cause, newest(bench).next_step) == (
        "refused", "settings", WRONG.message, "correct it",
    )  # fmt: skip
    bench.run(10_000.0)
    assert bench.generation == 1
    assert bench.kills == []
    bench.gateway.settings_changed(bench.now)
    bench.take()
    assert bench.generation == 2
    bench.gateway.session_misconfigured(2, WRONG, bench.now)
    bench.take()
    assert newest(bench).state == "refused"
    bench.gateway.settings_changed(bench.now)
    bench.gateway.configured(Identity(7, "Demo"))
    bench.take()
    bench.say(READY, attached(login=7))
    assert (bench.generation, newest(bench).state) == (3, "connected")


def test_news_of_settings_for_a_former_session_are_none() -> None:
    bench = Bench().connect()
    bench.exit()
    bench.run(0.2)
    known = len(bench.states)
    for generation in (1, 3):
        bench.gateway.session_misconfigured(generation, WRONG, bench.now)
    bench.take()
    assert len(bench.states) == known
    bench.exit()
    bench.gateway.session_misconfigured(2, WRONG, bench.now)
    assert newest(bench).reason == "session_exited"


def test_a_session_that_cannot_work_with_its_settings_is_not_started_again() -> None:
    bench = started()
    bench.say(READY, link.Misconfigured("no terminal 'x'", "use another"))
    bench.exit("the session process ended with status 2")
    assert (newest(bench).state, newest(bench).reason, newest(bench).next_step) == ("refused", "settings", "use another")
    assert bench.bodies("log")[-1].message == "the session process ended with status 2"
    bench.run(1_000.0)
    assert bench.generation == 1
