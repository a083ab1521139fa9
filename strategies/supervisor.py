"""Which strategies run: the states of each instance, when one is started again, and when one that was told to stop is killed.

No processes and no clock: every event comes with the time, and every method returns what is to be done to the processes. All
transitions are in `TRANSITIONS`. An instance has a process in `starting` (it is being made), `running` and `stopping`, and in no
other state; only the way into `starting` makes one, so there are never two of one instance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

STABLE_S = 60.0
"""An instance that ran for so long did not fail at its start: the next backoff is the first again."""
STOP_S = 5.0
"""Time that a strategy is given to stop; then it is killed."""
WRONG_CALL = 2
"""The exit code of a wrong call or configuration, which the same call will have again."""


class State(StrEnum):
    """Where an instance stands."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    FAILED = "failed"


class Trigger(StrEnum):
    """What moves an instance from state to state."""

    START = "start"
    STOP = "stop"
    POSTPONED = "postponed"
    DUE = "due"
    SPAWNED = "spawned"
    ENDED = "ended"
    CRASHED = "crashed"
    GIVEN_UP = "given_up"


class Restart(StrEnum):
    """When an instance that ended by itself is started again; never after a wrong call."""

    ON_FAILURE = "on-failure"
    ALWAYS = "always"
    NEVER = "never"


TRANSITIONS: Mapping[tuple[State, Trigger], State] = {
    (State.STOPPED, Trigger.START): State.STARTING,
    (State.STOPPED, Trigger.POSTPONED): State.BACKOFF,
    (State.FAILED, Trigger.START): State.STARTING,
    (State.FAILED, Trigger.POSTPONED): State.BACKOFF,
    (State.BACKOFF, Trigger.START): State.STARTING,
    (State.BACKOFF, Trigger.POSTPONED): State.BACKOFF,
    (State.BACKOFF, Trigger.DUE): State.STARTING,
    (State.BACKOFF, Trigger.STOP): State.STOPPED,
    (State.STARTING, Trigger.SPAWNED): State.RUNNING,
    (State.STARTING, Trigger.STOP): State.STOPPING,
    (State.STARTING, Trigger.CRASHED): State.BACKOFF,
    (State.STARTING, Trigger.GIVEN_UP): State.FAILED,
    (State.RUNNING, Trigger.STOP): State.STOPPING,
    (State.RUNNING, Trigger.ENDED): State.STOPPED,
    (State.RUNNING, Trigger.CRASHED): State.BACKOFF,
    (State.RUNNING, Trigger.GIVEN_UP): State.FAILED,
    (State.STOPPING, Trigger.SPAWNED): State.STOPPING,  # told to stop while its process was being made
    (State.STOPPING, Trigger.ENDED): State.STOPPED,
}
"""Every transition that there is. Whoever is to be started while it stops is started from `stopped`, as soon as it is there."""


@dataclass(frozen=True, slots=True)
class Policy:
    """When an instance is started again, and how long after its end: doubled at each failure in a row."""

    restart: Restart = Restart.ON_FAILURE
    backoff_s: float = 1.0
    backoff_most_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Spawn:
    """Make the process of this instance, then call `spawned` or `not_spawned`."""

    instance: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the process of this instance to stop."""

    instance: str


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill the process of this instance: it was asked, and did not stop."""

    instance: str


Action = Spawn | Ask | Kill


class Charge:
    """One instance in the supervisor's charge."""

    def __init__(self, instance: str, policy: Policy, now: float) -> None:
        self.instance = instance
        self.policy = policy
        self.state = State.STOPPED
        self.since_s = now
        self.pid: int | None = None
        self.restarts = 0
        """How often it was started again after it had ended by itself."""
        self.last_exit: int | None = None
        """The exit code of its last process, negative for a signal; None before the first ended."""
        self.due_s: float | None = None
        """When a state with a limit ends: the backoff, or the time to stop."""
        self.failures = 0
        self._again = False  # start as soon as it has stopped

    def is_settled(self) -> bool:
        """Whether it has no process, or one that is meant to stay."""
        return self.state not in (State.STARTING, State.STOPPING)

    def _move(self, trigger: Trigger, now: float) -> None:
        self.state = TRANSITIONS[self.state, trigger]
        self.since_s = now
        self.due_s = None

    def start(self, now: float, not_before_s: float) -> list[Action]:
        """Somebody wants it to run."""
        if self.state in (State.STARTING, State.RUNNING):
            return []
        if self.state is State.STOPPING:
            self._again = True
            return []
        self.failures = 0
        if now < not_before_s:
            self._move(Trigger.POSTPONED, now)
            self.due_s = not_before_s
            return []
        self._move(Trigger.START, now)
        return [Spawn(self.instance)]

    def stop(self, now: float) -> list[Action]:
        """Somebody wants it not to run."""
        self._again = False
        if (self.state, Trigger.STOP) not in TRANSITIONS:
            return []
        had_process = self.state is State.RUNNING
        self._move(Trigger.STOP, now)
        if self.state is State.STOPPING:
            self.due_s = now + STOP_S
        return [Ask(self.instance)] if had_process else []

    def spawned(self, pid: int, now: float) -> list[Action]:
        """Its process was made."""
        self.pid = pid
        asked = self.state is State.STOPPING
        due_s = self.due_s
        self._move(Trigger.SPAWNED, now)
        if asked:
            self.due_s = due_s
        return [Ask(self.instance)] if asked else []

    def not_spawned(self, now: float) -> list[Action]:
        """Its process could not be made."""
        return self._gone(Trigger.GIVEN_UP if self.policy.restart is Restart.NEVER else Trigger.CRASHED, now)

    def exited(self, code: int, now: float) -> list[Action]:
        """Its process ended."""
        self.pid = None
        self.last_exit = code
        return self._gone(self._verdict(code), now)

    def _verdict(self, code: int) -> Trigger:
        """What the end of a process that nobody told to stop means."""
        if code == WRONG_CALL:
            return Trigger.GIVEN_UP
        if self.policy.restart is Restart.ALWAYS:
            return Trigger.CRASHED
        if code == 0:
            return Trigger.ENDED
        return Trigger.CRASHED if self.policy.restart is Restart.ON_FAILURE else Trigger.GIVEN_UP

    def _gone(self, trigger: Trigger, now: float) -> list[Action]:
        if self.state is State.STOPPING:
            self._move(Trigger.ENDED, now)
            again, self._again = self._again, False
            return self.start(now, now) if again else []
        if now - self.since_s >= STABLE_S:
            self.failures = 0
        self._move(trigger, now)
        if self.state is State.BACKOFF:
            # 2**30 seconds are longer than any most; a larger power would only overflow.
            wait_s = self.policy.backoff_s * 2.0 ** min(self.failures, 30)
            self.due_s = now + min(wait_s, self.policy.backoff_most_s)
            self.failures += 1
        return []

    def tick(self, now: float) -> list[Action]:
        """Time passed."""
        if self.due_s is None or now < self.due_s:
            return []
        if self.state is State.BACKOFF:
            self.restarts += self.failures > 0
            self._move(Trigger.DUE, now)
            return [Spawn(self.instance)]
        if self.pid is None:
            return []  # its process is still being made: the next tick kills it
        self.due_s = None
        return [Kill(self.instance)]


class Supervisor:
    """All instances. Before `not_before_s` none is started: those of a supervisor that was killed may still be ending."""

    def __init__(self, policies: Mapping[str, Policy], now: float, not_before_s: float = float("-inf")) -> None:
        self.charges = {instance: Charge(instance, policy, now) for instance, policy in policies.items()}
        self._not_before_s = not_before_s
        self._closing = False

    def start(self, instances: Iterable[str], now: float) -> list[Action]:
        """Let these run; none is started any more once the supervisor stops."""
        if self._closing:
            return []
        return self._each(instances, lambda charge: charge.start(now, self._not_before_s))

    def stop(self, instances: Iterable[str], now: float) -> list[Action]:
        """Let these stop."""
        return self._each(instances, lambda charge: charge.stop(now))

    def restart(self, instances: Iterable[str], now: float) -> list[Action]:
        """Let these stop and start; those that do not run are started."""
        names = list(instances)
        return self.stop(names, now) + self.start(names, now)

    def close(self, now: float) -> list[Action]:
        """The supervisor stops: everything stops, and nothing is started."""
        self._closing = True
        return self.stop(self.charges, now)

    def spawned(self, instance: str, pid: int, now: float) -> list[Action]:
        """The process was made."""
        return self.charges[instance].spawned(pid, now)

    def not_spawned(self, instance: str, now: float) -> list[Action]:
        """The process could not be made."""
        return self.charges[instance].not_spawned(now)

    def exited(self, instance: str, code: int, now: float) -> list[Action]:
        """The process ended."""
        return self.charges[instance].exited(code, now)

    def tick(self, now: float) -> list[Action]:
        """Time passed."""
        return self._each(self.charges, lambda charge: charge.tick(now))

    @property
    def has_processes(self) -> bool:
        """Whether any instance has a process, or is about to."""
        return any(charge.state in (State.STARTING, State.RUNNING, State.STOPPING) for charge in self.charges.values())

    def _each(self, instances: Iterable[str], step: Callable[[Charge], list[Action]]) -> list[Action]:
        return [action for instance in instances for action in step(self.charges[instance])]
