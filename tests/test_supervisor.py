"""The supervisor's core in virtual time: every transition, the backoff, and that no instance ever has two processes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.supervisor import (
    STABLE_S,
    STOP_S,
    TRANSITIONS,
    Action,
    Ask,
    Kill,
    Policy,
    Restart,
    Spawn,
    State,
    Supervisor,
    Trigger,
)

A = "a"


def supervisor(restart: Restart = Restart.ON_FAILURE, *, backoff_s: float = 1.0, most_s: float = 60.0) -> Supervisor:
    return Supervisor({A: Policy(restart, backoff_s, most_s)}, 0.0)


def running(restart: Restart = Restart.ON_FAILURE, *, most_s: float = 60.0) -> Supervisor:
    core = supervisor(restart, most_s=most_s)
    assert core.start([A], 0.0) == [Spawn(A)]
    assert core.spawned(A, 1, 0.0) == []
    return core


def state(core: Supervisor) -> State:
    return core.charges[A].state


def test_a_strategy_is_started_and_stopped() -> None:
    core = supervisor()
    assert state(core) is State.STOPPED
    assert core.start([A], 1.0) == [Spawn(A)]
    assert state(core) is State.STARTING
    assert core.start([A], 1.0) == []
    core.spawned(A, 7, 1.5)
    assert (state(core), core.charges[A].pid, core.charges[A].since_s) == (State.RUNNING, 7, 1.5)
    assert core.start([A], 2.0) == []
    assert core.stop([A], 3.0) == [Ask(A)]
    assert state(core) is State.STOPPING
    assert core.stop([A], 3.1) == []
    assert core.has_processes
    assert core.exited(A, 0, 4.0) == []
    assert (state(core), core.charges[A].pid, core.charges[A].last_exit) == (State.STOPPED, None, 0)
    assert not core.has_processes
    assert core.stop([A], 5.0) == []
    assert core.tick(1e6) == []


def test_one_that_does_not_stop_is_killed_once() -> None:
    core = running()
    core.stop([A], 10.0)
    assert core.tick(10.0 + STOP_S - 0.01) == []
    assert core.tick(10.0 + STOP_S) == [Kill(A)]
    assert core.tick(100.0) == []
    assert core.exited(A, -9, 100.0) == []
    assert state(core) is State.STOPPED


def test_the_backoff_doubles_up_to_the_most() -> None:
    core = running(most_s=10.0)
    now, waits = 0.0, []
    for _ in range(6):
        assert core.exited(A, 1, now) == []
        assert state(core) is State.BACKOFF
        due_s = core.charges[A].due_s
        assert due_s is not None
        waits.append(due_s - now)
        assert core.tick(due_s - 0.01) == []
        assert core.tick(due_s) == [Spawn(A)]
        core.spawned(A, 1, due_s)
        now = due_s
    assert waits == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert core.charges[A].restarts == 6


def test_the_backoff_begins_anew_after_a_stable_run() -> None:
    core = running()
    for now, ran_s, wait_s in ((0.0, 1.0, 1.0), (10.0, STABLE_S - 0.1, 2.0), (100.0, STABLE_S, 1.0)):
        core.exited(A, 1, now + ran_s)
        assert core.charges[A].due_s == pytest.approx(now + ran_s + wait_s)
        next_s = {0.0: 10.0, 10.0: 100.0}.get(now, 1000.0)
        assert core.tick(next_s) == [Spawn(A)]
        core.spawned(A, 1, next_s)


@pytest.mark.parametrize(
    ("restart", "code", "then"),
    [
        (Restart.ON_FAILURE, 0, State.STOPPED),
        (Restart.ON_FAILURE, 1, State.BACKOFF),
        (Restart.ON_FAILURE, -9, State.BACKOFF),
        (Restart.ON_FAILURE, 2, State.FAILED),
        (Restart.ALWAYS, 0, State.BACKOFF),
        (Restart.ALWAYS, 1, State.BACKOFF),
        (Restart.ALWAYS, 2, State.FAILED),
        (Restart.NEVER, 0, State.STOPPED),
        (Restart.NEVER, 1, State.FAILED),
        (Restart.NEVER, 2, State.FAILED),
    ],
)
def test_what_an_end_means(restart: Restart, code: int, then: State) -> None:
    core = running(restart)
    assert core.exited(A, code, 5.0) == []
    assert state(core) is then


def test_a_failed_one_is_started_by_hand() -> None:
    core = running()
    core.exited(A, 2, 1.0)
    assert core.tick(1e6) == []
    assert core.stop([A], 2.0) == []
    assert state(core) is State.FAILED
    assert core.start([A], 3.0) == [Spawn(A)]


def test_a_backoff_is_cut_short_by_a_start_and_ended_by_a_stop() -> None:
    core = running()
    core.exited(A, 1, 1.0)
    assert core.start([A], 1.1) == [Spawn(A)]
    core.spawned(A, 2, 1.1)
    core.exited(A, 1, 2.0)
    assert core.charges[A].due_s == 3.0, "somebody who starts it by hand has seen to it"
    assert core.stop([A], 2.1) == []
    assert state(core) is State.STOPPED
    assert core.tick(100.0) == []


def test_a_process_that_cannot_be_made() -> None:
    core = supervisor()
    core.start([A], 0.0)
    assert core.not_spawned(A, 0.0) == []
    assert state(core) is State.BACKOFF
    core = supervisor(Restart.NEVER)
    core.start([A], 0.0)
    core.not_spawned(A, 0.0)
    assert state(core) is State.FAILED


def test_a_stop_while_the_process_is_being_made() -> None:
    core = supervisor()
    core.start([A], 0.0)
    assert core.stop([A], 1.0) == []
    assert state(core) is State.STOPPING
    assert core.tick(1.0 + STOP_S) == [], "there is nothing to kill yet"
    assert core.spawned(A, 3, 8.0) == [Ask(A)]
    assert core.tick(8.1) == [Kill(A)]
    core.exited(A, -9, 8.2)
    assert state(core) is State.STOPPED
    core.start([A], 9.0)
    core.stop([A], 9.0)
    assert core.not_spawned(A, 9.1) == []
    assert state(core) is State.STOPPED


def test_a_restart_waits_for_the_end_and_counts_as_no_failure() -> None:
    core = running()
    assert core.restart([A], 1.0) == [Ask(A)]
    assert core.exited(A, 1, 2.0) == [Spawn(A)]
    core.spawned(A, 2, 2.0)
    assert state(core) is State.RUNNING
    assert core.charges[A].restarts == 0
    core.restart([A], 3.0)
    core.stop([A], 3.1)
    assert core.exited(A, 0, 3.2) == [], "the stop came last"
    assert core.restart([A], 4.0) == [Spawn(A)]


def test_after_a_kill_of_the_former_supervisor_nothing_is_started_too_soon() -> None:
    core = Supervisor({A: Policy()}, 0.0, 5.0)
    assert core.start([A], 0.0) == []
    assert core.start([A], 1.0) == []
    assert core.restart([A], 2.0) == []
    assert core.tick(4.9) == []
    assert core.tick(5.0) == [Spawn(A)]
    assert core.charges[A].restarts == 0
    core.spawned(A, 1, 5.0)
    core.exited(A, 2, 5.1)
    early = Supervisor({A: Policy()}, 0.0, 5.0)
    early.charges[A].state = State.FAILED
    assert early.start([A], 0.0) == []
    assert early.charges[A].state is State.BACKOFF


def test_a_supervisor_that_stops_starts_nothing() -> None:
    core = running()
    core.restart([A], 1.0)
    assert core.close(1.1) == []
    assert core.start([A], 1.2) == []
    assert core.restart([A], 1.2) == []
    assert core.exited(A, 0, 1.3) == []
    assert not core.has_processes


def test_one_that_fails_leaves_the_others_alone() -> None:
    core = Supervisor({"a": Policy(), "b": Policy()}, 0.0)
    assert core.start(["a", "b"], 0.0) == [Spawn("a"), Spawn("b")]
    core.spawned("a", 1, 0.0)
    core.spawned("b", 2, 0.0)
    core.exited("a", 1, 0.5)
    assert core.charges["b"].state is State.RUNNING
    assert core.tick(1.5) == [Spawn("a")]


# ---- whatever happens ------------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "stop", "restart", "exit", "made", "not_made", "wait", "close"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from([0, 1, 2, -9]),
        st.floats(0.0, 40.0),
    ),
    max_size=60,
)
POLICIES = st.builds(Policy, st.sampled_from(list(Restart)), st.floats(0.1, 5.0), st.floats(5.0, 60.0))


class World:
    """What the operating system would do."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = {"a": 0, "b": 0}
        self.processes: dict[str, int] = {"a": 0, "b": 0}

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            name = action.instance
            if isinstance(action, Spawn):
                assert not self.processes[name], "two processes"
                assert not self.asked[name], "two processes being made"
                self.asked[name] += 1
            else:
                assert self.processes[name], "no process to ask or kill"


@given(STEPS, POLICIES, POLICIES)
def test_never_two_processes_and_none_after_a_stop(steps: list[tuple[str, str, int, float]], one: Policy, other: Policy) -> None:
    core, world, now = Supervisor({"a": one, "b": other}, 0.0), World(), 0.0
    unwanted, closed, seen = {"a", "b"}, False, set[tuple[State, State]]()
    for step, name, code, wait_s in steps:
        before = {each: charge.state for each, charge in core.charges.items()}
        actions: list[Action] = []
        match step:
            case "start":
                actions = core.start([name], now)
                unwanted -= set() if closed else {name}
            case "restart":
                actions = core.restart([name], now)
                unwanted -= set() if closed else {name}
            case "stop":
                actions = core.stop([name], now)
                unwanted |= {name}
            case "close":
                actions, closed = core.close(now), True
                unwanted = {"a", "b"}
            case "made" if world.asked[name]:
                world.asked[name], world.processes[name] = 0, 1
                actions = core.spawned(name, 5, now)
            case "not_made" if world.asked[name]:
                world.asked[name] = 0
                actions = core.not_spawned(name, now)
            case "exit" if world.processes[name]:
                world.processes[name] = 0
                actions = core.exited(name, code, now)
            case "wait":
                now += wait_s
                actions = core.tick(now)
        assert not {action.instance for action in actions if isinstance(action, Spawn)} & unwanted
        world.do(actions)
        seen |= {(before[each], charge.state) for each, charge in core.charges.items()}
        for each, charge in core.charges.items():
            busy = charge.state in (State.STARTING, State.RUNNING, State.STOPPING)
            assert busy == bool(world.asked[each] or world.processes[each])
            assert (charge.pid is not None) == bool(world.processes[each])
            if each in unwanted:
                assert charge.state in (State.STOPPED, State.STOPPING, State.FAILED)
        assert core.has_processes == any(world.asked[each] or world.processes[each] for each in world.asked)
    # A restart is two transitions in one step.
    table = {(source, target) for (source, _), target in TRANSITIONS.items()} | {(each, each) for each in State}
    twice = {(one_, last) for one_, middle in table for source, last in table if source is middle}
    assert seen <= table | twice


def test_every_state_and_trigger_is_in_the_table() -> None:
    assert {trigger for _, trigger in TRANSITIONS} == set(Trigger)
    assert {source for source, _ in TRANSITIONS} == set(State) == set(TRANSITIONS.values())


def test_every_transition_of_the_table_happens() -> None:
    """Each by the events of the tests above, so that no row is there for nothing."""

    class Told(dict[tuple[State, Trigger], State]):
        def __init__(self) -> None:
            super().__init__(TRANSITIONS)
            self.used: set[tuple[State, Trigger]] = set()

        def __getitem__(self, key: tuple[State, Trigger]) -> State:
            self.used.add(key)
            return super().__getitem__(key)

    table = Told()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("strategies.supervisor.TRANSITIONS", table)
        test_a_strategy_is_started_and_stopped()
        test_what_an_end_means(Restart.ON_FAILURE, 0, State.STOPPED)
        test_a_failed_one_is_started_by_hand()
        test_a_backoff_is_cut_short_by_a_start_and_ended_by_a_stop()
        test_a_process_that_cannot_be_made()
        test_a_stop_while_the_process_is_being_made()
        test_the_backoff_doubles_up_to_the_most()
        test_after_a_kill_of_the_former_supervisor_nothing_is_started_too_soon()
    assert table.used == set(TRANSITIONS)
