"""The session's life as the gateway sees it, in virtual time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bridge.connection import State
from bridge.messages import GetStatus
from bridge.session import link
from bridge.supervision import KillSession, StartSession
from tests.lives import BAD_LOGIN, GOOD, LOST, NO_BROKER, NO_TERMINAL, NOT_READY, READY, bench_in, newest, started, trail
from tests.scripted_session import WALL_US, Bench, attached, obliging

# ---- the way up ------------------------------------------------------------------------------------------------------------------


def test_from_the_start_to_a_terminal() -> None:
    bench = started()
    assert bench.actions == [StartSession(1)]
    bench.run(2.0)
    bench.say(READY)
    assert bench.said == [link.Connect(1)]
    bench.run(1.0)
    bench.say(attached())
    assert trail(bench) == ["starting", "connecting", "connected"]
    first, second, third = bench.states
    assert (first.cause, first.since_msc, first.attempt) == ("the bridge starts its session", WALL_US // 1000, 0)
    assert (second.cause, second.since_msc, second.attempt, second.generation) == (
        "attaching to the terminal", WALL_US // 1000 + 2_000, 1, 1,
    )  # fmt: skip
    assert (third.cause, third.since_msc, third.login, third.server) == (
        "attached to Terminal, build 4000", WALL_US // 1000 + 3_000, 5001, "Demo",
    )  # fmt: skip
    bench.check_sequences()


def test_a_terminal_without_a_trade_server_is_degraded_at_once() -> None:
    bench = started()
    bench.say(READY, attached(connected=False))
    assert trail(bench) == ["starting", "connecting", "degraded"]
    assert "internet" in newest(bench).next_step


def test_the_trade_server_goes_and_comes_back() -> None:
    bench = Bench().connect()
    bench.say(GOOD, NO_BROKER, NO_BROKER)
    bench.run(1.0)
    bench.say(GOOD, GOOD)
    assert trail(bench)[-3:] == ["connected", "degraded", "connected"]
    assert newest(bench).since_msc == WALL_US // 1000 + 1_000


# ---- what goes wrong -------------------------------------------------------------------------------------------------------------


def test_a_session_that_does_not_become_ready_is_killed_and_replaced() -> None:
    bench = started()
    bench.run(29.9)
    assert bench.kills == []
    bench.run(0.2)
    assert [kill.generation for kill in bench.kills] == [1]
    assert newest(bench).state == "reconnecting"
    assert newest(bench).next_attempt_msc is not None
    bench.run(0.2)
    assert bench.generation == 2
    assert trail(bench) == ["starting", "reconnecting"]
    bench.say(READY)
    assert newest(bench).state == "connecting"


def test_silence_is_a_hang_unless_a_long_call_was_announced() -> None:
    bench = Bench().connect()
    bench.say(link.Busy("order", 60.0))
    bench.run(59.9)
    assert bench.kills == []
    bench.run(0.2)
    assert bench.kills == [KillSession(1, "the session does not answer: a call to the terminal hangs")]
    assert newest(bench).state == "reconnecting"
    assert "hangs" in newest(bench).cause


def test_silence_of_five_seconds_is_a_hang() -> None:
    bench = Bench().connect()
    bench.run(4.9)
    bench.say(link.Idle())
    bench.run(4.9)
    assert bench.kills == []
    bench.run(0.2)
    assert len(bench.kills) == 1


def test_the_end_of_a_long_call_ends_its_limit() -> None:
    bench = Bench().connect()
    bench.say(link.Busy("order", 60.0), GOOD)
    bench.run(5.1)
    assert len(bench.kills) == 1


def test_a_session_that_ends_is_replaced() -> None:
    bench = Bench().connect()
    bench.run(1.0)
    bench.exit("the session process was killed by signal 9")
    told = newest(bench)
    assert (told.state, told.cause, told.attempt, told.generation) == (
        "reconnecting", "the session process was killed by signal 9", 1, 1,
    )  # fmt: skip
    assert told.next_attempt_msc is not None
    assert 80 <= told.next_attempt_msc - told.since_msc <= 120
    bench.answers = obliging
    bench.run(0.2)
    bench.say(READY)
    assert newest(bench).state == "connected"
    assert newest(bench).generation == 2
    assert bench.gateway.counters["sessions_started"] == 2


def test_news_of_a_former_session_is_none() -> None:
    bench = Bench().connect()
    bench.exit()
    bench.run(0.2)
    before = bench.states
    bench.gateway.session_exited(1, "late news", bench.now)
    bench.take()
    assert bench.states == before


def test_a_crash_loop_is_slowed_down_and_mended_by_what_holds() -> None:
    bench = started()
    starts = [0.0]
    for _ in range(14):
        bench.exit("crashed")
        while bench.generation == len(starts):
            bench.run(0.05)
        starts.append(bench.now)
    waits = [after - before for before, after in pairwise(starts)]
    assert waits[0] < 0.2
    assert waits[5] > 5 * waits[1]
    assert all(24.0 <= wait <= 36.1 for wait in waits[-4:])
    assert newest(bench).attempt == 14
    bench.say(READY, attached())
    bench.healthy()
    bench.run(6.0)
    bench.exit("crashed")
    assert newest(bench).attempt == 1
    bench.run(0.2)
    assert bench.generation == len(starts) + 1


def test_garbage_is_the_end_of_a_session_and_its_last_words_are_not_heard() -> None:
    bench = Bench().connect()
    for frame in (b"garbage", link.pack(READY), link.pack(attached()), link.pack(GOOD), b"\xc1"):
        bench.gateway.receive_link(frame, 0.0)
    bench.take()
    assert len(bench.kills) == 1
    assert "garbage" in bench.kills[0].reason
    assert newest(bench).state == "reconnecting"
    assert bench.said == []
    bench.run(0.2)
    assert bench.generation == 2


def test_what_was_meant_for_a_dead_session_does_not_reach_the_next_one() -> None:
    bench = Bench().connect()
    bench.gateway.receive_subscription(b"\1tick:A\0", 0.0)
    assert bench.gateway.link
    bench.gateway.session_exited(1, "died", 0.0)
    assert bench.gateway.link == []


@pytest.mark.parametrize("failure", [NO_TERMINAL, NOT_READY])
def test_a_terminal_that_is_not_there_is_tried_again_by_the_same_session(failure: link.AttachFailed) -> None:
    bench = started()
    bench.say(READY, failure)
    told = newest(bench)
    assert (told.state, told.cause_code, told.attempt) == ("reconnecting", failure.code, 1)
    assert failure.text in told.cause
    assert told.next_step
    assert told.next_attempt_msc is not None
    for attempt in range(2, 12):
        bench.said.clear()
        while not bench.said:
            bench.say(link.Idle())
            bench.run(0.5)
        assert bench.said == [link.Connect(attempt)]
        bench.say(failure)
    assert bench.generation == 1
    assert bench.kills == []
    bench.run(0.0)
    assert newest(bench).attempt == 11


def test_a_refused_login_is_tried_once_more_and_then_left_to_a_person() -> None:
    bench = started()
    bench.say(READY, BAD_LOGIN)
    assert newest(bench).state == "reconnecting"
    bench.run(0.2)
    bench.say(BAD_LOGIN)
    told = newest(bench)
    assert (told.state, told.cause_code, told.next_attempt_msc) == ("refused", -6, None)
    assert "MT5_PASSWORD" in told.next_step
    bench.said.clear()
    for _ in range(100):
        bench.say(link.Idle())
        bench.run(4.0)
    assert bench.said == []
    assert bench.generation == 1


def test_only_refusals_in_a_row_count() -> None:
    bench = started()
    bench.exit("crashed")
    bench.run(0.2)
    bench.say(READY, BAD_LOGIN)
    assert newest(bench).state == "reconnecting", "a crash before is no refusal"
    bench.run(0.5)
    bench.say(NOT_READY)
    bench.run(1.0)
    bench.say(BAD_LOGIN)
    assert newest(bench).state == "reconnecting"
    bench.run(2.0)
    bench.say(attached(), LOST)
    bench.run(4.0)
    bench.say(BAD_LOGIN)
    assert newest(bench).state == "reconnecting"


@pytest.mark.parametrize("how", ["exit", "hang"])
def test_refused_stays_refused_with_its_cause_when_the_session_goes(how: str) -> None:
    bench = started()
    bench.say(READY, BAD_LOGIN)
    bench.run(0.2)
    bench.say(BAD_LOGIN)
    cause = newest(bench).cause
    if how == "exit":
        bench.exit()
    bench.run(100.0)
    told = newest(bench)
    assert (told.state, told.cause, told.cause_code) == ("refused", cause, -6)
    assert "MT5_PASSWORD" in told.next_step
    assert told.next_attempt_msc is None
    assert bench.generation == 1
    bench.gateway.stop(bench.now)
    assert bench.gateway.finished


def test_a_terminal_that_goes_is_attached_again_by_the_same_session() -> None:
    bench = Bench().connect()
    bench.healthy()
    bench.run(10.0)
    bench.say(LOST)
    told = newest(bench)
    assert (told.state, told.cause_code, told.attempt) == ("reconnecting", -10_004, 1)
    assert "terminal_info" in told.cause
    bench.say(LOST)
    assert newest(bench) == told
    bench.answers = obliging
    bench.run(0.2)
    assert newest(bench).state == "connected"
    assert bench.said == [link.Connect(2, 5001, "Demo")]
    assert bench.generation == 1


def test_a_session_that_dies_while_it_waits_to_attach_again() -> None:
    bench = started()
    bench.say(READY, NOT_READY)
    bench.exit("died")
    assert trail(bench)[-2:] == ["reconnecting", "reconnecting"]
    bench.run(1.0)
    assert bench.generation == 2
    assert bench.said == [link.Connect(1)]


def test_ready_twice_is_not_an_attempt_twice() -> None:
    bench = started()
    bench.say(READY, NOT_READY, READY)
    bench.run(1.0)
    assert bench.said == [link.Connect(1), link.Connect(2)]


@pytest.mark.parametrize(
    "message", [attached(), NO_TERMINAL, BAD_LOGIN, LOST, GOOD, NO_BROKER, link.Idle(), link.Busy("x", 1.0), READY]
)
@pytest.mark.parametrize("state", [state for state in State if state is not State.STOPPED])
def test_no_message_is_impossible_in_any_state(state: State, message: link.FromSession) -> None:
    bench = bench_in(state)
    bench.say(message)
    bench.run(1.0)


# ---- what is told ----------------------------------------------------------------------------------------------------------------


def test_every_change_is_published_with_a_cause_and_a_next_step_where_one_is_needed() -> None:
    bench = Bench().connect()
    bench.say(NO_BROKER, GOOD, LOST)
    bench.run(0.2)
    bench.say(NOT_READY)
    bench.run(0.5)
    bench.say(BAD_LOGIN)
    bench.run(1.0)
    bench.say(BAD_LOGIN)
    bench.gateway.stop(bench.now)
    bench.exit()
    told = bench.states
    assert [state.state for state in told] == [
        "starting", "connecting", "connected", "degraded", "connected", "reconnecting", "connecting", "reconnecting", "connecting",
        "reconnecting", "connecting", "refused", "stopping", "stopped",
    ]  # fmt: skip
    assert all(state.cause for state in told)
    assert all(state.next_step for state in told if state.state in ("degraded", "reconnecting", "refused"))
    assert all((state.next_attempt_msc is not None) == (state.state == "reconnecting") for state in told)
    assert [state.since_msc for state in told] == sorted(state.since_msc for state in told)
    assert [state.attempt for state in told if state.state == "connecting"] == [1, 2, 3, 4]


def test_status_tells_what_is_known() -> None:
    bench = Bench().connect()
    bench.hello()
    bench.healthy()
    bench.subscribe("tick:A\0")
    bench.subscribe("tick:")
    bench.run(1.25)
    bench.ask(GetStatus(), client="c1")
    told = bench.result(GetStatus)
    assert (told.software, told.healthy, told.uptime_s, told.session_pid, told.session_age_ms) == ("1.0", True, 1.25, 77, 250)
    assert told.connection == newest(bench)
    assert [(topic.topic, topic.subscribers, topic.stream) for topic in told.topics] == [
        ("tick:A", 1, "starting"), ("tick:*", 1, "starting"),
    ]  # fmt: skip
    assert [(client.name, client.requests) for client in told.clients] == [("strategy", 1)]
    assert told.counters["sessions_started"] == 1
    bench.exit()
    bench.replies.clear()
    bench.ask(GetStatus())
    told = bench.result(GetStatus)
    assert (told.healthy, told.session_pid, told.session_age_ms) == (False, None, None)
