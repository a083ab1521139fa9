"""What the gateway does about its session: start it, attach, replace it when it ends or hangs, end it. No I/O.

Part of the gateway, kept apart because it is a subject of its own: the connection's table (`connection`), the watch (`watch`) and
the session's messages (`session.link`) meet here. What the session says about a terminal that answers is in `standing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.advice import AGAIN, advice
from bridge.connection import State, Trigger
from bridge.errors import BridgeError, Stopping
from bridge.replies import ConnectionState
from bridge.session import link
from bridge.standing import Standing
from bridge.watch import Watch

if TYPE_CHECKING:
    from random import Random

    from bridge.gateway import Gateway, GatewaySettings


@dataclass(frozen=True, slots=True)
class StartSession:
    """The loop is to start a session of this generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class KillSession:
    """The loop is to kill the session of this generation, if it still runs."""

    generation: int
    reason: str


class Supervision:
    """The session's life, seen from the gateway. `attached` is true while the terminal can be asked."""

    def __init__(self, gateway: Gateway, settings: GatewaySettings, random: Random) -> None:
        self._gateway = gateway
        self._grace_s = settings.stop_grace_s
        self.watch = Watch(settings.watch, random)
        self.standing = Standing(gateway, settings.identity)
        self.begun = False
        self.session_pid: int | None = None
        self.attached = False
        self._refusals = 0
        self._leave_from_s: float | None = None

    # ---- life ----------------------------------------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """The bridge starts."""
        self.begun = True
        self._gateway.transition(Trigger.START, now, cause="the bridge starts its session", reason="bridge")
        self._spawn(now)

    def _spawn(self, now: float) -> None:
        generation = self.watch.started(now)
        self._gateway.counters["sessions_started"] += 1
        self._gateway.actions.append(StartSession(generation))

    def stop(self, now: float) -> None:
        """The bridge is to end: it says so, leaves clients a moment to end before it, and lets orders under way come to an end."""
        if not self._gateway.connection.accepts(Trigger.STOP):
            return
        step = "none: connect again when the bridge has been started anew"
        self._gateway.transition(Trigger.STOP, now, cause="the bridge is shutting down", reason="bridge", next_step=step)
        self.watch.start_at_s = self.watch.attempt_at_s = None
        self._leave_from_s = now + self._grace_s
        self._leave(now)

    def reconnect(self, cause: str, now: float, *, accept: bool) -> ConnectionState:
        """Replace the session, for somebody who wants that: whatever it was that kept the bridge from trying is forgotten. With
        `accept` the account that the terminal is logged in to is served from then on, unless the settings name one."""
        gateway = self._gateway
        if not gateway.connection.accepts(Trigger.RETRY):
            raise Stopping("the bridge is shutting down", next_step="start the bridge again")
        gateway.transition(Trigger.RETRY, now, cause=cause, reason="bridge", next_step=AGAIN, attempt=0)
        self._refusals = 0
        if accept:
            self.standing.forget()
        self._detached(now)
        self.watch.forget_restarts()
        self.watch.resume_at(now)
        self.watch.start_at_s = self.watch.attempt_at_s = None
        if self.watch.running:
            self._leave_from_s = now
            self._leave(now)
        else:
            self._spawn(now)
        return gateway.connection.now

    @property
    def _leaving(self) -> bool:
        """Whether the present session is the last of the bridge, or about to be replaced: what it says changes nothing any more."""
        return self._leave_from_s is not None or self.watch.ending

    def _leave(self, now: float) -> None:
        """Tell the session to end, when nothing has to be waited for any more."""
        if self._leave_from_s is None or self._gateway.orders_under_way:
            return
        stopping = self._gateway.connection.state is State.STOPPING
        if stopping and now < self._leave_from_s and self.watch.running and self._gateway.has_subscribers:
            return
        self._leave_from_s = None
        if self.watch.running:
            self._detached(now)
            self.watch.stopping(now)
            self._gateway.link.append(link.pack(link.Stop()))
        elif stopping:
            self._stopped(now)

    def _stopped(self, now: float) -> None:
        self._leave_from_s = None
        cause = "the bridge has stopped"
        self._gateway.transition(Trigger.STOPPED, now, cause=cause, reason="bridge", next_step="start the bridge")

    def _detached(self, now: float) -> None:
        """The terminal cannot be asked any more."""
        if self.attached:
            self.attached = False
            self.standing.ended()
            self._gateway.streams_paused(now)

    def exited(self, generation: int, cause: str, now: float) -> None:
        """The session's process has ended."""
        if generation != self.watch.generation or not self.watch.running:
            return
        self._replace(Trigger.SESSION_EXITED, cause, now)

    def misconfigured(self, generation: int, error: BridgeError, now: float) -> None:
        """A session could not be started with these settings."""
        if generation != self.watch.generation or not self.watch.running:
            return
        if not self._gateway.connection.accepts(Trigger.REFUSED):
            self.exited(generation, error.message, now)
            return
        self.watch.ended()
        self._refuse(error.message, error.next_step, "settings", now)

    def suspect(self, why: str, now: float) -> None:
        """The session said something that it would not say."""
        self._kill(f"the session sent garbage: {why}", now)

    def _kill(self, reason: str, now: float) -> None:
        self._gateway.actions.append(KillSession(self.watch.generation, reason))
        self._replace(Trigger.SESSION_HUNG, reason, now)

    def _replace(self, trigger: Trigger, cause: str, now: float) -> None:
        """There is no session any more: what comes next."""
        gateway, asked = self._gateway, self._leaving
        self.watch.ended()
        self.session_pid = self._leave_from_s = None
        self._detached(now)
        state = gateway.connection.state
        if state is State.STOPPING:
            gateway.session_lost("the bridge is shutting down", now)
            self._stopped(now)
            return
        if state is State.REFUSED:  # why it was refused stays what matters
            gateway.log(cause, now)
        elif asked:
            self._spawn(now)
        else:
            self._again(trigger, cause, now)
        gateway.session_lost(cause, now)

    def _again(self, trigger: Trigger, cause: str, now: float) -> None:
        gateway, watch = self._gateway, self.watch
        until_s = watch.suspended_until(now)
        if until_s is None:
            gateway.transition(
                trigger,
                now,
                cause=cause,
                reason="session_hung" if trigger is Trigger.SESSION_HUNG else "session_exited",
                next_step=AGAIN,
                next_attempt_msc=gateway.time_msc(watch.lost(now)),
                attempt=watch.attempt,
                generation=watch.generation,
            )
            return
        watch.resume_at(until_s)
        gateway.transition(
            Trigger.TOO_MANY_RESTARTS,
            now,
            cause=f"the session had to be replaced too often within an hour; last: {cause}",
            reason="too_many_restarts",
            next_step="find out why, see docs/operating.md; then `mt5bridge reconnect`, or wait for the next attempt",
            next_attempt_msc=gateway.time_msc(until_s),
            generation=watch.generation,
        )

    # ---- time ----------------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When something falls due."""
        due = self.watch.next_deadline()
        if self._leave_from_s is None:
            return due
        return self._leave_from_s if due is None else min(due, self._leave_from_s)

    def on_time(self, now: float) -> None:
        """Do what has fallen due."""
        watch = self.watch
        if watch.overdue(now):
            ending = watch.ending
            self._kill(
                "the session did not end in time" if ending else "the session does not answer: a call to the terminal hangs", now
            )
        if self._leave_from_s is not None:
            self._leave(now)
            if self._leave_from_s is not None and now >= self._leave_from_s:
                self._leave_from_s = now + LOOK_AGAIN_S
        if watch.start_at_s is not None and now >= watch.start_at_s:
            if self._gateway.connection.state is State.SUSPENDED:
                self._gateway.transition(Trigger.RETRY, now, cause="the pause is over", reason="bridge", next_step=AGAIN)
            self._spawn(now)
        if watch.attempt_at_s is not None and now >= watch.attempt_at_s:
            self._attach(now)

    def _attach(self, now: float) -> None:
        self.watch.attempt_at_s = None
        attempt = self.watch.attempt + 1
        self._gateway.transition(
            Trigger.ATTEMPT,
            now,
            cause="attaching to the terminal",
            attempt=attempt,
            generation=self.watch.generation,
        )
        identity = self.standing.identity
        self._gateway.link.append(link.pack(link.Connect(attempt, identity.login, identity.server)))

    # ---- what the session says -----------------------------------------------------------------------------------------------

    def heard(self, message: link.FromSession, now: float) -> None:
        """Any message is progress; some change the connection."""
        watch = self.watch
        if isinstance(message, link.Busy):
            watch.progressed(now, message.limit_s)
            return
        watch.progressed(now)
        if isinstance(message, link.Ready):
            self.session_pid = message.pid
        if isinstance(message, link.Lost):
            self._lost(message, now)
        elif self._leaving:
            return
        elif isinstance(message, link.Health):
            watch.checked(now)
            self.standing.healthy(message, now)
        elif isinstance(message, link.Gone):
            self.standing.gone(message.symbols, now)
        elif isinstance(message, link.Ready):
            watch.ready = True
            if self._gateway.connection.accepts(Trigger.ATTEMPT):
                self._attach(now)
        elif isinstance(message, link.Attached):
            self._attached(message, now)
        elif isinstance(message, link.AttachFailed):
            self._attach_failed(message, now)
        elif isinstance(message, link.Misconfigured):
            self._refuse(message.message, message.next_step, "settings", now)

    def _attached(self, message: link.Attached, now: float) -> None:
        if not self._gateway.connection.accepts(Trigger.ATTACHED):
            return
        self.watch.attached(now)
        self._refusals = 0
        self.attached = True
        self.standing.attached(message, now)
        self._gateway.streams_resumed()

    def _attach_failed(self, message: link.AttachFailed, now: float) -> None:
        gateway = self._gateway
        if not gateway.connection.accepts(Trigger.ATTACH_FAILED):
            return
        found = advice(message.code, message.text, message.reason)
        self._refusals = self._refusals + 1 if found.refused else 0
        cause = f"{found.cause}: {message.function}: {message.text}"
        if self._refusals > 1:  # once may be chance
            self._refuse(cause, found.next_step, found.reason, now, message.code)
            return
        again_s = self.watch.lost(now, found.every_s)
        gateway.transition(
            Trigger.ATTACH_FAILED,
            now,
            cause=cause,
            reason=found.reason,
            cause_code=message.code or None,
            next_step=found.next_step,
            next_attempt_msc=gateway.time_msc(again_s),
            attempt=self.watch.attempt,
        )

    def _refuse(self, cause: str, next_step: str, reason: str, now: float, code: int | None = None) -> None:
        """Trying again would change nothing, or do harm."""
        if self._gateway.connection.accepts(Trigger.REFUSED):
            self.watch.start_at_s = self.watch.attempt_at_s = None
            self._gateway.transition(Trigger.REFUSED, now, cause=cause, reason=reason, cause_code=code, next_step=next_step)

    def _lost(self, message: link.Lost, now: float) -> None:
        self._detached(now)
        gateway = self._gateway
        if self._leaving or not gateway.connection.accepts(Trigger.TERMINAL_LOST):
            return
        again_s = self.watch.lost(now)
        gateway.transition(
            Trigger.TERMINAL_LOST,
            now,
            cause=f"the connection to the terminal broke: {message.function}: {message.text}",
            reason="link_lost",
            cause_code=message.code,
            next_step=AGAIN,
            next_attempt_msc=gateway.time_msc(again_s),
            attempt=self.watch.attempt,
        )


LOOK_AGAIN_S = 0.05
"""While an order is under way, the end is tried again this often."""
