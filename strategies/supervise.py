"""The supervisor as a process: it does what its core says to the strategies' processes, and answers whoever steers it."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from bridge.errors import ConfigError
from strategies.child import Child, Voice
from strategies.control import Answer, Control, Question, Row
from strategies.roster import Roster, read_roster
from strategies.signals import ORPHAN_S
from strategies.supervisor import STOP_S, Action, Ask, Kill, Spawn, State, Supervisor
from strategies.wanted import Wanted, hold, read_wanted, write_wanted

TURN_S = 0.1
"""How long after its end a process is noticed, at most."""
LAST_LINES_S = 0.5
"""How long the last lines of a process that ended are waited for."""
STOP_LIMIT_S = STOP_S + 0.7
"""How long a supervisor takes to stop at most: what has not ended after it was killed is left to the operating system."""

log = logging.getLogger("strategies.supervisor")


class Fleet:
    """A roster's processes, and the core that decides about them."""

    def __init__(self, roster: Roster, wanted: Wanted, control: Control, *, after_a_kill: bool) -> None:
        self._roster = roster
        self._control = control
        self._stopped = set(wanted.stopped)  # also of instances that are not in the file now: they may come back
        now = time.monotonic()
        # Strategies of a supervisor that was killed end by themselves, within this time. Two of one instance would both trade.
        not_before_s = now + ORPHAN_S + TURN_S if after_a_kill else now
        policies = {instance: entry.policy for instance, entry in roster.entries.items()}
        self._core = Supervisor(policies, now, not_before_s)
        self._children: dict[str, Child] = {}
        _make_folder(roster)
        self._voices = {instance: Voice(instance, roster.log_folder) for instance in roster.entries}
        self._states = dict.fromkeys(roster.entries, State.STOPPED)

    def save(self, *, running: bool = True) -> None:
        """Write down what is wanted, and how we are reached while we run. Raises `ConfigError`."""
        reached = (os.getpid(), self._control.port, self._control.token) if running else (0, 0, "")
        write_wanted(self._roster.path, Wanted(sorted(self._stopped), *reached))

    def run(self, stop_reason: Callable[[], str | None]) -> None:
        """Run until told to stop, then stop every strategy."""
        wanted = [name for name, entry in self._roster.entries.items() if entry.enabled and name not in self._stopped]
        self._do(self._core.start(wanted, time.monotonic()))
        try:
            while stop_reason() is None:
                self._turn()
            log.info("stopping all strategies: %s", stop_reason())
        finally:
            self._do(self._core.close(time.monotonic()))
            until_s = time.monotonic() + STOP_LIMIT_S
            while self._core.has_processes and time.monotonic() < until_s:
                self._turn()
            for voice in self._voices.values():
                voice.close()

    def _turn(self) -> None:
        question = self._control.take(TURN_S)
        if question is not None:
            self._control.answer(self._answer(question))
        for instance, child in list(self._children.items()):
            code = child.exit_code()
            if code is not None:
                del self._children[instance]
                child.forget(LAST_LINES_S)
                self._do(self._core.exited(instance, code, time.monotonic()))
        self._do(self._core.tick(time.monotonic()))

    def _do(self, actions: Iterable[Action]) -> None:
        todo = deque(actions)
        while todo:
            match todo.popleft():
                case Spawn(instance):
                    todo += self._spawn(instance)
                case Ask(instance):
                    self._children[instance].ask()
                case Kill(instance):
                    log.warning("%s did not stop in time and is killed", instance)
                    self._children[instance].kill()
        self._tell()

    def _spawn(self, instance: str) -> list[Action]:
        try:
            child = Child(self._roster.command(instance), self._voices[instance])
        except OSError as error:
            log.error("%s cannot be started: %s", instance, error)
            return self._core.not_spawned(instance, time.monotonic())
        self._children[instance] = child
        return self._core.spawned(instance, child.pid, time.monotonic())

    def _tell(self) -> None:
        """Log what changed."""
        for instance, charge in self._core.charges.items():
            if charge.state is self._states[instance]:
                continue
            self._states[instance] = charge.state
            words = [f"{instance} {charge.state}"]
            if charge.pid is not None:
                words.append(f"pid={charge.pid}")
            elif charge.last_exit is not None:
                words.append(f"exit={charge.last_exit}")
            if charge.due_s is not None and charge.state is State.BACKOFF:
                words.append(f"again_in_s={charge.due_s - time.monotonic():.1f}")
            log.log(logging.ERROR if charge.state is State.FAILED else logging.INFO, " ".join(words))

    # ---- steering ----------------------------------------------------------------------------------------------------------------

    def _answer(self, question: Question) -> Answer:
        entries = self._roster.entries
        unknown = [name for name in question.names if name not in entries]
        if unknown:
            return Answer(error=f"no strategy {unknown[0]!r} in {self._roster.path}", next_step=f"there are: {', '.join(entries)}")
        disabled = [name for name in question.names if not entries[name].enabled]
        if disabled and question.do in ("start", "restart"):
            return Answer(
                error=f"{disabled[0]} is not enabled in {self._roster.path}",
                next_step="set enabled = true there, and start the supervisor again",
            )
        names = question.names or [name for name in entries if entries[name].enabled or question.do in ("status", "stop")]
        if question.do != "status":
            try:
                self._steer(question.do, names)
            except ConfigError as error:
                return Answer(error=error.message, next_step=error.next_step)
        return Answer([self._row(name) for name in names])

    def _steer(self, do: str, names: list[str]) -> None:
        """Written down before it is done: a supervisor that is killed in between has not forgotten it."""
        before = set(self._stopped)
        self._stopped = before | set(names) if do == "stop" else before - set(names)
        if self._stopped != before:
            try:
                self.save()
            except ConfigError:
                self._stopped = before
                raise
        log.info("asked to %s %s", do, ", ".join(names))
        step = {"start": self._core.start, "stop": self._core.stop, "restart": self._core.restart}[do]
        self._do(step(names, time.monotonic()))

    def _row(self, instance: str) -> Row:
        entry, charge = self._roster.entries[instance], self._core.charges[instance]
        ago_s = time.monotonic() - charge.since_s
        return Row(
            instance=instance,
            strategy=entry.strategy,
            symbol=entry.symbol,
            timeframe=entry.timeframe,
            state=charge.state,
            enabled=entry.enabled,
            wanted=entry.enabled and instance not in self._stopped,
            pid=charge.pid,
            restarts=charge.restarts,
            since_msc=int((time.time() - ago_s) * 1000),
            last_exit=charge.last_exit,
            last_line=self._voices[instance].last_line,
        )


def _make_folder(roster: Roster) -> None:
    if roster.log_folder is None:
        return
    try:
        roster.log_folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{roster.path}: log_folder: {error}", next_step="name a folder that can be made") from None


def supervise(path: Path, stop_reason: Callable[[], str | None]) -> None:
    """Run the strategies of a file until told to stop. Raises `ConfigError` before anything is started."""
    roster = read_roster(path)
    with hold(path), contextlib.closing(Control()) as control:
        wanted = read_wanted(path)
        after_a_kill = wanted.port != 0
        fleet = Fleet(roster, wanted, control, after_a_kill=after_a_kill)
        fleet.save()
        log.info("supervises %d strategies of %s", len(roster.entries), path)
        if after_a_kill:
            log.warning("the last supervisor was killed: strategies are started in %g s, when its own have ended", ORPHAN_S)
        fleet.run(stop_reason)
        fleet.save(running=False)
        log.info("stopped")
