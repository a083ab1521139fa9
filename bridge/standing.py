"""What a terminal that answers says about itself, and what the connection makes of it: its account, its link to the trade server,
its permissions, its server's clock. No I/O.

Part of the gateway, kept apart because it is a subject of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.clock import ServerClock
from bridge.conditions import Conditions, Identity, findings
from bridge.connection import State, Trigger
from bridge.replies import ClockOffset, Condition
from bridge.session import link

if TYPE_CHECKING:
    from bridge.gateway import Gateway

CLOCK_PATIENCE_S = 30.0
"""A clock whose offset is not known is worth a word only after this long."""


class Standing:
    """The terminal as it was last seen. `identity` is the account that the bridge serves: the configured one, or the one that the
    terminal was logged in to when the bridge first attached."""

    def __init__(self, gateway: Gateway, configured: Identity) -> None:
        self._gateway = gateway
        self._configured = self.identity = configured
        self.conditions = Conditions()
        self.clock = ServerClock()
        self._served: str | None = None
        self.health: link.Health | None = None
        self.health_s: float | None = None
        self._attached_s = 0.0
        self._gone: tuple[str, ...] = ()
        self._quoted_s: float | None = None

    # ---- whose account -------------------------------------------------------------------------------------------------------

    def configure(self, configured: Identity) -> None:
        """The configuration was read again."""
        if configured != self._configured:
            self._configured = self.identity = configured

    def forget(self) -> None:
        """Whoever is logged in next is served, where the configuration does not say who."""
        self.identity = self._configured

    @property
    def foreign(self) -> bool:
        """Whether the terminal is logged in to another account than the bridge's."""
        conditions = self.conditions.now  # mostly none, and asked for with every request
        return bool(conditions) and any(condition.reason == "wrong_account" for condition in conditions)

    @property
    def served(self) -> tuple[int, str] | None:
        """Login and server of the account that is served, once they are known."""
        login = self.identity.login
        server = self.identity.server or self._served
        return None if login is None or not server else (login, server)

    # ---- what the session says -----------------------------------------------------------------------------------------------

    def attached(self, message: link.Attached, now: float) -> None:
        """The terminal answers: connected, or degraded at once."""
        found = link.standing(message.account, message.terminal)
        self._attached_s, self._gone = now, ()
        if self.identity.login is None:
            self.identity = Identity(found.login, found.server, self.identity.path)
        if self._served != found.server and self.identity.mismatch(found) is None:
            if self._served is not None:
                self._gateway.server_changed()
            self._served, self.clock, self._quoted_s = found.server, ServerClock(), None
        self.health = link.Health(message.terminal.connected, message.terminal.ping_last, found)
        self.health_s = now
        self._find(now)
        degrading, identity = self.conditions.degrading, self.identity
        present = degrading or self.conditions.stopping
        self._gateway.transition(
            Trigger.ATTACHED if degrading is None else Trigger.ATTACHED_IMPAIRED,
            now,
            cause=f"attached to {message.terminal.name}, build {message.version[1]}" if present is None else present.message,
            reason="attached" if present is None else present.reason,
            next_step="" if present is None else present.next_step,
            login=identity.login,
            server=identity.server or found.server,
            conditions=self.conditions.now,
            clock=self.offset(now),
        )
        self._gateway.account_is_ours(not self.foreign, now)

    def healthy(self, message: link.Health, now: float) -> None:
        """A regular look at the terminal."""
        gateway = self._gateway
        if not gateway.attached:
            return
        self.health, self.health_s = message, now
        if not message.connected:
            gateway.dealing.tracing.disconnected()
        ours = self.identity.mismatch(message.standing) is None  # another account's server has another clock
        if ours and message.quote is not None:
            self._quoted_s = max(self._quoted_s or 0.0, message.quote[1] / 1e3)
        clock = ours and message.quote is not None and self.clock.heard(*message.quote, gateway.wall_msc(now), now)
        self._reconsider(now, clock)

    def gone(self, symbols: list[str], now: float) -> None:
        """Symbols that are streamed and that the terminal does not have any more."""
        self._gone = tuple(sorted(symbols))
        self._reconsider(now, clock=False)

    def ended(self) -> None:
        """The terminal cannot be asked any more."""
        self.health = None
        self.conditions.clear()

    def offset(self, now: float) -> ClockOffset:
        """The trade server's clock."""
        return self.clock.offset(now)

    def reached_s(self, wall_s: float, now: float) -> float | None:
        """A time that the trade server's clock has reached for certain, as near to its present one as is known; None before
        anything is."""
        offset = self.offset(now)
        if offset.offset_s is not None and offset.confidence == "high":
            return wall_s + offset.offset_s
        return self._quoted_s

    # ---- what follows --------------------------------------------------------------------------------------------------------

    def _find(self, now: float) -> bool:
        assert self.health is not None
        patient = now - self._attached_s < CLOCK_PATIENCE_S
        found = findings(
            self.health.standing,
            self.identity,
            connected=self.health.connected,
            clock_known=patient or self.offset(now).offset_s is not None,
            gone=self._gone,
            journal=self._gateway.dealing.journal.trouble,
            trading=self._gateway.dealing.rules.halt.state,
        )
        return self.conditions.update(found, self._gateway.time_msc(now))

    def reconsider(self, now: float) -> None:
        """Something else than the terminal has changed."""
        self._reconsider(now, clock=False)

    def _reconsider(self, now: float, clock: bool) -> None:
        """Follow the table where something has changed, and say so once."""
        if self.health is None or self._gateway.connection.state is State.STOPPING:
            return  # nothing is told of a terminal that is being left
        before, was_foreign = self.conditions.now, self.foreign
        degraded = self.conditions.degrading
        changed = self._find(now)
        if not changed and not clock:
            return
        worst, news = self.conditions.degrading, self.conditions.beyond(before)
        present = worst or self.conditions.stopping or (news[0] if news else None)
        if degraded is None and worst is not None:
            trigger, told = Trigger.IMPAIRED, worst.message
        elif degraded is not None and worst is None:
            trigger, told = Trigger.RECOVERED, _RECOVERED[degraded.reason]
        else:
            trigger, told = Trigger.NOTICED, f"the trade server's clock: {_words(self.offset(now))}"
            over = Conditions(before).beyond(self.conditions.now)
            if over:
                told = f"no longer: {'; '.join(condition.message for condition in over)}"
        self._tell(trigger, now, told, present)
        if self.foreign != was_foreign:
            self._gateway.account_is_ours(not self.foreign, now)

    def _tell(self, trigger: Trigger, now: float, told: str, present: Condition | None) -> None:
        """The headline is what is wrong at present, if anything is, and else what has changed."""
        self._gateway.transition(
            trigger,
            now,
            cause=told if present is None else present.message,
            reason="" if present is None else present.reason,
            next_step="" if present is None else present.next_step,
            conditions=self.conditions.now,
            clock=self.offset(now),
        )


def _words(offset: ClockOffset) -> str:
    known = "not known" if offset.offset_s is None else f"{offset.offset_s / 3600:+g} h from UTC"
    return f"{known} (confidence {offset.confidence})"


_RECOVERED = {
    "broker_down": "the terminal is connected to the trade server again",
    "wrong_account": "the terminal is logged in to the bridge's account again",
}
