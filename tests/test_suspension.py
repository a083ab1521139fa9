"""A session that does not hold is not replaced for ever."""

from __future__ import annotations

from bridge.connection import State
from bridge.errors import NotConnected
from bridge.messages import GetAccount, Reconnect
from bridge.session import link
from bridge.watch import WatchSettings
from tests.lives import READY, newest, trail
from tests.scripted_session import Bench, attached

HOUR_S = 3_600.0


def bench_of(restarts_per_hour: int) -> Bench:
    bench = Bench(watch=WatchSettings(restarts_per_hour=restarts_per_hour))
    bench.gateway.start(0.0)
    bench.take()
    return bench


def crash(bench: Bench) -> None:
    """The session ends, and as much time passes as it takes until there is another."""
    generation = bench.generation
    bench.exit("the session process ended with status 70")
    while bench.gateway.connection.state is State.RECONNECTING and bench.generation == generation:
        bench.run(0.05)


def test_after_so_many_replacements_in_an_hour_the_bridge_waits() -> None:
    bench = bench_of(3)
    for number in range(3):
        crash(bench)
        assert bench.generation == number + 2
    crash(bench)
    state = newest(bench)
    assert (state.state, state.reason, state.trading) == ("suspended", "too_many_restarts", False)
    assert "status 70" in state.cause
    assert "mt5bridge reconnect" in state.next_step
    assert state.next_attempt_msc == bench.gateway.time_msc(HOUR_S), "the oldest of them is an hour old then"
    assert not bench.gateway._supervision.watch.running
    bench.run(HOUR_S - bench.now - 0.01)
    assert bench.generation == 4
    known = len(bench.states)
    bench.run(0.02)
    assert bench.generation == 5
    assert trail(bench)[known:] == ["reconnecting"]
    bench.say(READY, attached())
    assert newest(bench).state == "connected"


def test_hangs_and_ends_count_alike_and_what_holds_between_them_does_not_help() -> None:
    bench = bench_of(2)
    bench.say(READY, attached())
    bench.run(5.1)
    assert len(bench.kills) == 1
    bench.run(0.2)
    bench.say(READY, attached())
    bench.healthy()
    bench.run(100.0)
    crash(bench)
    bench.silence()
    bench.say(READY, attached())
    bench.gateway.receive_link(b"\xc1", bench.now)
    bench.take()
    assert newest(bench).state == "suspended"
    assert len(bench.kills) == 2


def test_an_hour_that_passes_meanwhile_is_forgotten() -> None:
    bench = bench_of(2)
    for _ in range(6):
        crash(bench)
        bench.say(READY, attached())
        bench.healthy(every_s=4.0)
        bench.run(HOUR_S / 2)
        bench.silence()
    assert "suspended" not in trail(bench)


def test_losses_of_the_terminal_are_no_replacements() -> None:
    bench = bench_of(1)
    bench.answers = lambda message: [attached()] if isinstance(message, link.Connect) else []
    bench.say(READY)
    for _ in range(20):
        bench.say(link.Lost("terminal_info", -10_004, "No IPC connection"))
        bench.run(4.0)
    assert "suspended" not in trail(bench)
    assert bench.generation == 1


def test_replacements_that_somebody_asked_for_do_not_count() -> None:
    bench = bench_of(1)
    for number in range(5):
        bench.ask(Reconnect(), f"{number}")
        bench.exit("the session process ended with status 0")
    crash(bench)
    assert newest(bench).state == "reconnecting"


def test_meanwhile_nothing_is_tried_and_requests_are_told_why() -> None:
    bench = bench_of(1)
    crash(bench)
    crash(bench)
    generation, known = bench.generation, len(bench.states)
    bench.ask(GetAccount())
    error = bench.error()
    assert isinstance(error, NotConnected)
    assert error.details["state"] == "suspended"
    assert "too often" in error.message
    bench.say(READY, attached())
    bench.exit()
    bench.run(600.0)
    assert (bench.generation, len(bench.states)) == (generation, known)
    assert bench.kills == []
    assert bench.heartbeat().state == "suspended"


def test_one_that_fails_again_after_the_pause_leads_into_the_next() -> None:
    bench = bench_of(2)
    crash(bench)
    bench.run(20.0)
    crash(bench)
    crash(bench)
    assert newest(bench).next_attempt_msc == bench.gateway.time_msc(HOUR_S)
    bench.run(HOUR_S - bench.now + 0.1)
    crash(bench)
    assert newest(bench).state == "reconnecting", "one of them is older than an hour"
    crash(bench)
    assert newest(bench).state == "suspended"
    assert (newest(bench).next_attempt_msc or 0) > bench.gateway.time_msc(HOUR_S + 20.0)
    bench.check_sequences()


def test_who_asked_for_a_new_attempt_begins_a_new_count() -> None:
    bench = Bench(watch=WatchSettings(restarts_per_hour=2)).connect()
    while bench.gateway.connection.state is not State.SUSPENDED:
        bench.exit("crashed")
        bench.run(40.0 if bench.gateway.connection.state is State.RECONNECTING else 0.0)
    bench.ask(Reconnect())
    crash(bench)
    crash(bench)
    assert newest(bench).state == "reconnecting"
    crash(bench)
    assert newest(bench).state == "suspended"
