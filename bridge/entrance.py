"""Where keys are asked for: who is let in, what each may ask for and follow, and what is written down about it. No I/O.

Part of the gateway (`gateway.entrance`), kept apart because it is a subject of its own; without keys there is none, and whoever
reaches the sockets, on this machine alone, may do everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.access import STEERING, Access, Allowed
from bridge.entries import AuditRecord
from bridge.errors import Busy, ConfigError
from bridge.messages import Request, RequestMessage
from bridge.rates import Rates
from bridge.rights import Rights
from bridge.zap import Verdict, Zap

if TYPE_CHECKING:
    from bridge.gateway import Gateway, GatewaySettings

LINES = 100
"""Lines of the audit about this at once; after that, as many in a minute. What is more is counted, and told in one line."""
PERIOD_S = 60.0
REQUEST_BURST_S, CONNECTION_BURST_S = 2, 10
"""What a name or an address may do at once, after a while of rest: what it may do in so many seconds."""


@dataclass(frozen=True, slots=True)
class CutEvents:
    """The loop is to cut every connection for events; those who may come back do so by themselves, and lose nothing."""


class Entrance:
    """Keys at work."""

    def __init__(self, gateway: Gateway, access: Access, settings: GatewaySettings) -> None:
        """With `addresses` in the settings only these may connect, beside this machine."""
        self._gateway = gateway
        self._rights = Rights(access, gateway.peers, self._not_allowed)
        connections = Rates(settings.connections_per_s, settings.connections_per_s * CONNECTION_BURST_S)
        self._zap = Zap(access, self._judged, settings.addresses, connections)
        self._requests = Rates(settings.requests_per_s, settings.requests_per_s * REQUEST_BURST_S)
        self._now = 0.0
        self._lines = 0
        self._unwritten = 0
        self._since_s = float("-inf")
        gateway.counters.update(connections_admitted=0, connections_refused=0, not_allowed=0, too_often=0)

    # ---- connections ---------------------------------------------------------------------------------------------------------

    def judge(self, frames: Sequence[bytes], now: float) -> list[bytes]:
        """The answer to a question of ZAP."""
        self._now = now
        return self._zap.answer(frames, self._gateway.time_us(now), now)

    def _judged(self, verdict: Verdict) -> None:
        self._gateway.counters["connections_admitted" if verdict.admitted else "connections_refused"] += 1
        who = f"{verdict.address} {verdict.key_id[:16]}".strip()
        if verdict.admitted:
            self._write(verdict.name, "connect", "admitted", f"from {who}")
        else:
            self._write(verdict.name, "connect", "not_allowed", f"from {who}: {verdict.reason}")

    def changed(self, keys: tuple[Allowed, ...] | ConfigError, now: float) -> None:
        """Another list of keys is in force; one that cannot be read is told, and changes nothing."""
        self._now = now
        if isinstance(keys, ConfigError):
            self._gateway.log(f"the list of keys cannot be read, and stays as it was: {keys}", now)
            return
        less = self._rights.replace(keys)
        self._write("", "keys", "changed", f"{len(keys)} keys are allowed")
        for key in less:
            self._write(key.name, "keys", "cut off", f"key {key.id[:16]}")
        if less:
            self.forget_subscriptions()
            self._gateway.events_cut(now)
            self._gateway.actions.append(CutEvents())

    # ---- messages ------------------------------------------------------------------------------------------------------------

    def admit(self, user: str, message: RequestMessage, now: float) -> tuple[Allowed, RequestMessage]:
        """See `Rights.admit`. Raises `NotAllowed`; `Busy` where its name asks too often, which an admin may who steers."""
        self._now = now
        key, message = self._rights.admit(user, message, self._gateway.time_us(now), now)
        wait_s = 0.0 if message.method in STEERING else self._requests.take(key.name, now)
        if wait_s:
            self._gateway.counters["too_often"] += 1
            if self._requests.worth_a_word(key.name, now):
                self._write(key.name, "access", "too_often", f"more than requests_per_s; refused first: {message.method}")
            raise Busy(
                f"{key.name} asks too often; nothing was done",
                next_step="wait, ask for more at once, or raise requests_per_s where the bridge runs",
                retry_after_ms=max(1, round(wait_s * 1_000)),
            )
        return key, message

    def narrowed(self, key: Allowed, request: Request[Any], now: float) -> Request[Any]:
        """See `Rights.narrowed`. Raises `NotAllowed`."""
        return self._rights.narrowed(key, request, now)

    def may_follow(self, user: str, frame: bytes, now: float) -> bool:
        """See `Rights.may_follow`."""
        self._now = now
        if self._rights.may_follow(user, frame, self._gateway.time_us(now)):
            return True
        self._gateway.counters["refused_subscriptions"] += 1
        return False

    def follows(self, user: str, wire: bytes) -> None:
        """A subscription has been accepted."""
        self._rights.follows(user, wire)

    def forget_subscriptions(self) -> None:
        """Every connection for events is about to be cut."""
        self._rights.forget_subscriptions()

    def _not_allowed(self, name: str, words: str) -> None:
        self._gateway.counters["not_allowed"] += 1
        self._write(name, "access", "not_allowed", words)

    # ---- the audit -----------------------------------------------------------------------------------------------------------

    def _write(self, name: str, method: str, decision: str, detail: str) -> None:
        """A line of the audit, unless somebody makes too many."""
        if self._now - self._since_s >= PERIOD_S:
            unwritten, self._unwritten = self._unwritten, 0
            self._since_s, self._lines = self._now, 0
            if unwritten:
                self._write("", "access", "more", f"{unwritten} more of the kind in the minute before")
        if self._lines >= LINES:
            self._unwritten += 1
            return
        self._lines += 1
        record = AuditRecord(self._gateway.time_us(self._now), name, method, "", "", decision, detail)
        self._gateway.dealing.journal.audit(record)
