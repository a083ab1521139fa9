"""What the gateway does about its session: start it, attach, replace it when it ends or hangs, end it. No I/O.

Part of the gateway, kept apart because it is a subject of its own: the connection's table (`connection`), the watch (`watch`) and
the session's messages (`session.link`) meet here.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from bridge.advice import advice
from bridge.connection import READS, State, Trigger
from bridge.replies import Status, TopicStatus
from bridge.session import link
from bridge.watch import Watch, WatchSettings

if TYPE_CHECKING:
    from bridge.gateway import Gateway


@dataclass(frozen=True, slots=True)
class StartSession:
    """The loop is to start a session of this generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class KillSession:
    """The loop is to kill the session of this generation, if it still runs."""

    generation: int
    reason: str


AGAIN = "none: the bridge tries again by itself"


class Supervision:
    """The session's life, seen from the gateway."""

    def __init__(self, gateway: Gateway, settings: WatchSettings, random: Random) -> None:
        self._gateway = gateway
        self.watch = Watch(settings, random)
        self.begun = False
        self.session_pid: int | None = None
        self._refusals = 0

    # ---- life ----------------------------------------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """The bridge starts."""
        self.begun = True
        self._gateway.transition(Trigger.START, now, cause="the bridge starts its session")
        self._spawn(now)

    def _spawn(self, now: float) -> None:
        generation = self.watch.started(now)
        self._gateway.counters["sessions_started"] += 1
        self._gateway.actions.append(StartSession(generation))

    def stop(self, now: float) -> None:
        """The bridge is to end."""
        gateway = self._gateway
        if not gateway.connection.accepts(Trigger.STOP):
            return
        gateway.transition(Trigger.STOP, now, cause="the bridge is shutting down", next_step="none")
        self.watch.stopping(now)
        if self.watch.running:
            gateway.link.append(link.pack(link.Stop()))
        else:
            self._stopped(now)

    def _stopped(self, now: float) -> None:
        self._gateway.transition(Trigger.STOPPED, now, cause="the bridge has stopped", next_step="start the bridge")

    def exited(self, generation: int, cause: str, now: float) -> None:
        """The session's process has ended."""
        if generation != self.watch.generation or not self.watch.running:
            return
        self._replace(Trigger.SESSION_EXITED, cause, now)

    def suspect(self, why: str, now: float) -> None:
        """The session said something that it would not say."""
        self._kill(f"the session sent garbage: {why}", now)

    def _kill(self, reason: str, now: float) -> None:
        self._gateway.actions.append(KillSession(self.watch.generation, reason))
        self._replace(Trigger.SESSION_HUNG, reason, now)

    def _replace(self, trigger: Trigger, cause: str, now: float) -> None:
        gateway = self._gateway
        self.watch.ended()
        self.session_pid = None
        state = gateway.connection.state
        if state in (State.STOPPING, State.STOPPED):
            gateway.session_lost("the bridge is shutting down", now)
            if state is State.STOPPING:
                self._stopped(now)
            return
        if state is State.REFUSED:  # why it was refused stays what matters
            refused = gateway.connection.now
            gateway.transition(trigger, now, cause=refused.cause, cause_code=refused.cause_code, next_step=refused.next_step)
            gateway.log(cause, now)
        else:
            again_s = self.watch.lost(now)
            gateway.transition(
                trigger,
                now,
                cause=cause,
                next_step=AGAIN,
                next_attempt_msc=gateway.time_msc(again_s),
                attempt=self.watch.attempt,
                generation=self.watch.generation,
            )
        gateway.session_lost(cause, now)

    # ---- time ----------------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When something falls due."""
        return self.watch.next_deadline()

    def on_time(self, now: float) -> None:
        """Do what has fallen due."""
        watch = self.watch
        if watch.overdue(now):
            if self._gateway.connection.state is State.STOPPING:
                self._kill("the session did not end in time", now)
            else:
                self._kill("the session does not answer: a call to the terminal hangs", now)
        if watch.start_at_s is not None and now >= watch.start_at_s:
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
        self._gateway.link.append(link.pack(link.Connect(attempt)))

    # ---- what the session says -----------------------------------------------------------------------------------------------

    def heard(self, message: link.FromSession, now: float) -> None:
        """Any message is progress; some change the connection."""
        watch = self.watch
        if isinstance(message, link.Busy):
            watch.progressed(now, message.limit_s)
            return
        watch.progressed(now)
        if isinstance(message, link.Health):
            watch.checked(now)
            self._health(message, now)
        elif isinstance(message, link.Ready):
            watch.ready = True
            self.session_pid = message.pid
            if self._gateway.connection.accepts(Trigger.ATTEMPT):
                self._attach(now)
        elif isinstance(message, link.Attached):
            self._attached(message, now)
        elif isinstance(message, link.AttachFailed):
            self._attach_failed(message, now)
        elif isinstance(message, link.Lost) and self._gateway.connection.accepts(Trigger.TERMINAL_LOST):
            self._lost(Trigger.TERMINAL_LOST, "the connection to the terminal broke", message, now)

    def _attached(self, message: link.Attached, now: float) -> None:
        gateway = self._gateway
        if not gateway.connection.accepts(Trigger.ATTACHED):
            return
        self.watch.attached(now)
        self._refusals = 0
        account = message.account
        gateway.transition(
            Trigger.ATTACHED,
            now,
            cause=f"attached to {message.terminal.name}, build {message.version[1]}",
            login=account.login,
            server=account.server,
        )
        if not message.terminal.connected:
            self._broker_down(now)
        gateway.streams_resumed()

    def _attach_failed(self, message: link.AttachFailed, now: float) -> None:
        found = advice(message.code, message.text)
        self._refusals = self._refusals + 1 if found.refused else 0
        if self._refusals > 1 and self._gateway.connection.accepts(Trigger.CREDENTIALS_REFUSED):  # once may be chance
            self._gateway.transition(
                Trigger.CREDENTIALS_REFUSED,
                now,
                cause=f"{found.cause}: {message.text}",
                cause_code=message.code,
                next_step=found.next_step,
            )
            return
        if self._gateway.connection.accepts(Trigger.ATTACH_FAILED):
            self._lost(Trigger.ATTACH_FAILED, found.cause, message, now, next_step=found.next_step)

    def _lost(
        self, trigger: Trigger, cause: str, message: link.Lost | link.AttachFailed, now: float, next_step: str = AGAIN
    ) -> None:
        again_s = self.watch.lost(now)
        self._gateway.transition(
            trigger,
            now,
            cause=f"{cause}: {message.function}: {message.text}",
            cause_code=message.code,
            next_step=next_step,
            next_attempt_msc=self._gateway.time_msc(again_s),
            attempt=self.watch.attempt,
        )
        self._gateway.streams_paused(now)

    def _health(self, message: link.Health, now: float) -> None:
        connection = self._gateway.connection
        if not message.connected and connection.accepts(Trigger.BROKER_DOWN):
            self._broker_down(now)
        elif message.connected and connection.accepts(Trigger.BROKER_UP):
            self._gateway.transition(Trigger.BROKER_UP, now, cause="the terminal is connected to the trade server again")

    def _broker_down(self, now: float) -> None:
        self._gateway.transition(
            Trigger.BROKER_DOWN,
            now,
            cause="the terminal has no connection to the trade server",
            next_step="check the internet connection of the terminal's machine; the terminal reconnects by itself",
        )

    # ---- status --------------------------------------------------------------------------------------------------------------

    def status(self, software: str, started: float, now: float) -> Status:
        """Everything that the gateway knows of itself."""
        gateway = self._gateway
        age_ms = self.watch.age_ms(now)
        connection = gateway.connection
        topics = tuple(
            TopicStatus(topic.name if topic.exact else f"{topic.name}*", topic.sequence, topic.subscribers, topic.stream.value)
            for topic in gateway.topics
            if topic.subscribers and not topic.name.startswith("client:")
        )
        return Status(
            software=software,
            healthy=connection.state is State.CONNECTED and not self.watch.overdue(now),
            uptime_s=round(now - started, 3),
            connection=connection.now,
            session_age_ms=age_ms if connection.state in READS or self.watch.running else None,
            session_pid=self.session_pid,
            clients=tuple(peer.status(now) for peer in gateway.peers),
            topics=topics,
            counters=dict(gateway.counters),
        )
