"""How a bridge ends: it says so, clients may still read, orders under way come to their end, and then the session ends."""

from __future__ import annotations

import pytest
from msgspec import Raw

from bridge import codec
from bridge.connection import State
from bridge.errors import ConfigError, NotConnected, OutcomeUnknown, Stopping
from bridge.messages import GetAccount, GetConnectionHistory, GetSnapshot, GetStatus, Ping, Reconnect
from bridge.session import link
from tests.fake_scribe import FakeScribe
from tests.lives import GOOD, LOST, READY, bench_in, trail
from tests.scripted_session import BUY, DONE, Bench, attached, obliging


@pytest.mark.parametrize("state", [state for state in State if state not in (State.STOPPED, State.STOPPING, State.SUSPENDED)])
@pytest.mark.parametrize("ends", [True, False])
def test_stop_in_every_state(state: State, ends: bool) -> None:
    bench = bench_in(state)
    bench.said.clear()
    bench.gateway.stop(bench.now)
    bench.gateway.stop(bench.now)
    bench.take()
    assert bench.said == [link.Stop()]
    assert not bench.gateway.finished
    if ends:
        bench.run(0.5)
        bench.exit("the session process ended with status 0")
        assert bench.kills == []
    else:
        bench.run(1.9)
        assert not bench.gateway.finished
        bench.run(0.2)
        assert [kill.reason for kill in bench.kills] == ["the session did not end in time"]
    assert bench.gateway.finished
    assert trail(bench)[-2:] == ["stopping", "stopped"]
    bench.run(100.0)
    assert bench.generation == 1


def test_a_session_that_only_talks_is_ended_all_the_same() -> None:
    bench = Bench().connect()
    bench.healthy(0.5)
    bench.gateway.stop(bench.now)
    bench.run(2.1)
    assert len(bench.kills) == 1
    assert bench.gateway.finished


def test_stop_without_a_session_is_the_end_at_once() -> None:
    bench = Bench().connect()
    bench.exit()
    bench.gateway.stop(bench.now)
    assert bench.gateway.finished
    bench.run(10.0)
    assert bench.generation == 1


def test_before_the_start_nothing_is_finished_and_stop_means_nothing() -> None:
    bench = Bench()
    assert not bench.gateway.finished
    bench.gateway.stop(0.0)
    assert not bench.gateway.finished


def test_what_happens_after_the_end_changes_nothing() -> None:
    bench = Bench().connect()
    bench.gateway.stop(bench.now)
    bench.exit()
    before = bench.states
    bench.say(READY, GOOD, attached())
    bench.exit()
    bench.gateway.stop(bench.now)
    bench.run(10.0)
    assert bench.states == before


# ---- clients ---------------------------------------------------------------------------------------------------------------------


def with_client(grace_s: float = 1.0) -> Bench:
    bench = Bench(stop_grace_s=grace_s).connect()
    bench.hello()
    bench.subscribe("client:c1\0")
    return bench


def stop(bench: Bench) -> None:
    bench.gateway.stop(bench.now)
    bench.take()


def test_it_says_so_before_it_does_so() -> None:
    bench = with_client()
    bench.healthy()
    stop(bench)
    state = bench.states[-1]
    assert (state.state, state.reason, state.trading) == ("stopping", "bridge", False)
    assert state.next_step
    bench.run(0.9)
    assert bench.said == []
    bench.run(0.2)
    assert bench.said == [link.Stop()]
    assert bench.states[-1].state == "stopping"
    bench.exit("the session process ended with status 0")
    assert bench.states[-1].state == "stopped"
    assert bench.gateway.finished


def test_reads_are_answered_and_orders_refused_meanwhile() -> None:
    bench = with_client()
    bench.answers = lambda message: [] if isinstance(message, link.Stop) else obliging(message)
    stop(bench)
    for request in (GetAccount(), GetStatus(), Ping(), GetConnectionHistory(), GetSnapshot(("tick:A",))):
        bench.ask(request, request.method)
        assert bench.reply(request.method).error is None, request
    bench.ask(BUY, "order")
    assert isinstance(bench.error("order"), Stopping)
    assert bench.calls("order") == []
    bench.run(1.1)
    bench.ask(GetAccount(), "late")
    assert isinstance(bench.error("late"), Stopping)
    bench.ask(Ping(), "again")
    assert bench.result(Ping, "again").state == "stopping"


def test_an_order_that_was_sent_before_can_still_be_asked_for() -> None:
    bench = with_client()
    bench.ask(BUY, "order")
    bench.say(link.Result(1, Raw(codec.pack(DONE))))
    bench.replies.clear()
    stop(bench)
    bench.ask(BUY, "order")
    assert bench.reply("order").error is None
    assert len(bench.calls("order")) == 1


def test_who_has_left_is_not_waited_for() -> None:
    bench = with_client(grace_s=60.0)
    stop(bench)
    bench.run(0.3)
    assert bench.said == []
    bench.unsubscribe("client:c1\0")
    bench.run(0.1)
    assert bench.said == [link.Stop()]


def test_without_a_client_nobody_is_waited_for() -> None:
    bench = Bench(stop_grace_s=60.0).connect()
    bench.hello()
    stop(bench)
    assert bench.said == [link.Stop()]


# ---- orders under way ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", [True, False])
def test_an_order_under_way_comes_to_its_end_first(client: bool) -> None:
    bench = with_client() if client else Bench().connect()
    bench.ask(BUY, "order")
    bench.said.clear()
    bench.say(link.Busy("order", 60.0))
    stop(bench)
    bench.run(20.0)
    assert bench.said == []
    assert not bench.gateway.finished
    bench.say(link.Result(1, Raw(codec.pack(DONE))))
    bench.run(0.1)
    assert bench.reply("order").error is None
    assert bench.said == [link.Stop()]


def test_an_order_that_is_unknown_to_its_client_is_still_waited_for() -> None:
    bench = Bench().connect()
    bench.ask(BUY, "order", deadline_s=1.0)
    bench.say(link.Busy("order", 60.0))
    bench.said.clear()
    stop(bench)
    bench.run(5.0)
    assert isinstance(bench.error("order"), OutcomeUnknown)
    assert bench.said == []
    bench.say(link.Result(1, Raw(codec.pack(DONE))))
    bench.run(0.1)
    assert bench.said == [link.Stop()]


def test_an_order_that_hangs_ends_with_its_session() -> None:
    bench = Bench().connect()
    bench.ask(BUY, "order")
    bench.say(link.Busy("order", 60.0))
    stop(bench)
    bench.run(60.1)
    assert isinstance(bench.error("order"), OutcomeUnknown)
    assert len(bench.kills) == 1
    assert bench.gateway.finished


def test_reads_under_way_do_not_hold_it_up() -> None:
    bench = Bench().connect()
    bench.ask(GetAccount())
    bench.said.clear()
    stop(bench)
    assert bench.said == [link.Stop()]
    bench.exit("the session process ended with status 0")
    assert isinstance(bench.error(), NotConnected)


# ---- what else may happen meanwhile ----------------------------------------------------------------------------------------------


def test_a_terminal_that_goes_meanwhile_is_not_attached_again() -> None:
    bench = with_client()
    bench.answers = obliging
    stop(bench)
    bench.say(LOST)
    bench.ask(GetAccount())
    assert isinstance(bench.error(), Stopping)
    bench.run(0.9)
    assert bench.said == []
    assert bench.states[-1].state == "stopping"
    bench.run(0.2)
    assert bench.said == [link.Stop()]


def test_a_session_that_dies_meanwhile_is_the_end() -> None:
    bench = with_client(grace_s=60.0)
    stop(bench)
    bench.exit()
    assert bench.gateway.finished
    assert bench.generation == 1


def test_a_session_that_is_on_its_way_is_not_attached() -> None:
    bench = with_client()
    bench.exit()
    bench.run(0.2)
    stop(bench)
    bench.say(READY)
    assert bench.said == []
    bench.run(1.1)
    assert bench.said == [link.Stop()]


def test_while_the_session_is_being_replaced() -> None:
    bench = with_client()
    bench.ask(Reconnect())
    stop(bench)
    bench.run(0.5)
    bench.exit("the session process ended with status 0")
    assert bench.gateway.finished
    assert bench.generation == 1


def test_settings_that_are_wrong_at_that_moment_do_not_hold_it_up() -> None:
    bench = Bench().connect()
    bench.ask(Reconnect())
    bench.gateway.session_exited(1, "the session process ended with status 0", bench.now)
    bench.gateway.stop(bench.now)  # before the loop has started the next one
    bench.gateway.session_misconfigured(2, ConfigError("MT5_LOGIN is wrong"), bench.now)
    bench.run(5.0)
    assert bench.gateway.finished
    assert trail(bench)[-2:] == ["stopping", "stopped"]


@pytest.mark.parametrize("state", [State.REFUSED, State.SUSPENDED, State.RECONNECTING])
def test_nothing_is_tried_any_more(state: State) -> None:
    bench = bench_in(state)
    generation, known = bench.generation, len(bench.states)
    stop(bench)
    bench.run(5_000.0)
    assert bench.generation == generation
    assert trail(bench)[known:] == ["stopping", "stopped"]


def test_a_second_bridge_of_an_account_ends_in_good_order_though_it_was_attached_and_has_a_client() -> None:
    scribe = FakeScribe()
    scribe.held = True
    scribe.failing = ConfigError("another bridge serves the account")
    bench = Bench(scribe, stop_grace_s=1.0).connect()
    bench.healthy()
    bench.hello("c1")
    bench.subscribe("client:c1\0")
    scribe.held = False
    bench.take()
    assert bench.gateway.failure is scribe.failing
    bench.healthy()
    assert bench.states[-1].state == "stopping"
    bench.run(1.1)
    bench.exit("the session process ended with status 0")
    assert bench.gateway.finished
