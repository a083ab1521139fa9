"""The calls that the session has not answered yet. No I/O.

Part of the gateway, kept apart because it is a subject of its own: requests (`messages`), the answers that clients share (`shared`)
and the session's messages (`session.link`) meet here. Orders have a life of their own (`execution`); to the session they are calls
as well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Raw

from bridge.codec import pack
from bridge.errors import AccountChanged, BridgeError, Busy, DeadlinePassed, NotConnected, TimedOut
from bridge.messages import GetRates, GetTicks, Request, RequestMessage
from bridge.parts import History, Parts
from bridge.session import link
from bridge.session.owner import OF_ACCOUNT
from bridge.shared import Key, Shared

if TYPE_CHECKING:
    from bridge.gateway import Gateway

HISTORY = frozenset({GetRates.method, GetTicks.method})
HISTORIES = (GetRates, GetTicks)


class Asker(NamedTuple):
    """Who waits for the answer of a call, under which request id, and how long. A named tuple, because one is made for every
    request."""

    routing_id: bytes
    message: RequestMessage
    deadline_s: float


@dataclass(slots=True)
class Pending:
    """A read that the session has not answered yet. Several may have asked the same (`key`)."""

    askers: list[Asker]
    begun_s: float
    key: Key | None = None

    @property
    def message(self) -> RequestMessage:
        """The request, as the first asker sent it."""
        return self.askers[0].message

    @property
    def deadline_s(self) -> float:
        """When the next asker has to be answered as it is."""
        return min(asker.deadline_s for asker in self.askers)


@dataclass(frozen=True, slots=True)
class OwnCall:
    """A call of the gateway's own: `done` gets the answer; `lost` why none will come, because the session is gone."""

    done: Callable[[bytes | BridgeError, float], None]
    lost: Callable[[str, float], None]


class Calls:
    """What the session was asked to do. At most `limit` reads of clients wait at a time; `grace_s` is how long after a call's
    deadline the session may take to say that it did not begin it."""

    def __init__(self, gateway: Gateway, limit: int, grace_s: float) -> None:
        self._gateway = gateway
        self._limit = limit
        self._grace_s = grace_s
        self.shared = Shared()
        self._pending: dict[int, Pending] = {}
        self._own: dict[int, OwnCall] = {}
        self._flights: dict[Key, Pending] = {}
        self._parts: Parts[tuple[Asker, History]] = Parts()
        self._behind: deque[tuple[Asker, History]] = deque()
        self._last = 0
        self.soonest_s = float("inf")

    # ---- the gateway's own ---------------------------------------------------------------------------------------------------

    def ask(
        self,
        method: str,
        params: bytes,
        deadline_s: float,
        done: Callable[[bytes | BridgeError, float], None],
        lost: Callable[[str, float], None],
    ) -> None:
        """Ask the session something on the gateway's own account; it is not begun after `deadline_s`."""
        self._last += 1
        self._own[self._last] = OwnCall(done, lost)
        self._gateway.link.append(link.pack(link.Call(self._last, method, Raw(params), deadline_s)))

    # ---- reads of clients ----------------------------------------------------------------------------------------------------

    def forward(self, routing_id: bytes, message: RequestMessage, request: Request[Any], deadline_s: float, now_s: float) -> None:
        """Pass a request on to the session, unless its answer is known or on its way. Raises `NotConnected`, `Busy`,
        `AccountChanged`."""
        gateway = self._gateway
        now = gateway.connection.now
        attached = gateway.attached
        if attached and message.method in OF_ACCOUNT and gateway.foreign:
            raise AccountChanged(now.cause, next_step=now.next_step, state=now.state)
        if not attached:
            raise NotConnected(
                f"the terminal is not available: {now.cause}",
                next_step=now.next_step or "wait for the connection",
                state=now.state,
            )
        asker = Asker(routing_id, message, deadline_s + self._grace_s)
        if isinstance(request, HISTORIES):
            self._parts.begun((routing_id, message.id), request)
            self._behind.append((asker, request))
            self._fetch(now_s)
        else:
            self._read(asker, request, now_s)

    def _read(self, asker: Asker, request: Request[Any], now_s: float) -> None:
        """Have the terminal asked, unless the answer is known or on its way. Raises `Busy`."""
        self.soonest_s = min(self.soonest_s, asker.deadline_s)
        key = self.shared.key(request, asker.message)
        if key is not None and self._share(key, asker, now_s):
            return
        if len(self._pending) >= self._limit:
            raise Busy(f"{len(self._pending)} requests are waiting for the terminal", next_step="send fewer at a time")
        self._send(Pending([asker], now_s, key), asker.deadline_s - self._grace_s)

    def _fetch(self, now: float) -> None:
        """Ask for the parts of histories whose place is known; one that is answered at once shows the place of the next."""
        while self._behind:
            asker, request = self._behind.popleft()
            try:
                found = self._parts.resolve((asker.routing_id, asker.message.id), request, (asker, request))
                if isinstance(found, bytes):
                    self._reply(asker, found, now)
                elif found is not None:
                    if found is not request:
                        asker = asker._replace(message=replace(asker.message, params=Raw(pack(found))))
                    self._read(asker, found, now)
            except BridgeError as error:
                self._reply(asker, error, now)

    def _reply(self, asker: Asker, outcome: bytes | BridgeError, now: float) -> None:
        self._gateway.reply(asker.routing_id, asker.message.id, outcome, now)
        if asker.message.method in HISTORY:
            self._behind += self._parts.answered((asker.routing_id, asker.message.id), outcome)

    def _send(self, pending: Pending, deadline_s: float) -> None:
        """Give a call to the session; it is not begun after `deadline_s`."""
        self._last += 1
        self._pending[self._last] = pending
        if pending.key is not None:
            self._flights[pending.key] = pending
        message = pending.message
        self._gateway.link.append(link.pack(link.Call(self._last, message.method, message.params, deadline_s)))

    def _share(self, key: Key, asker: Asker, now_s: float) -> bool:
        """Whether the answer is there already, or on its way for somebody else."""
        known = self.shared.known(key, now_s)
        if known is not None:
            self._reply(asker, known, now_s)
            return True
        flight = self._flights.get(key)
        if flight is not None:
            flight.askers.append(asker)
        return flight is not None

    # ---- answers -------------------------------------------------------------------------------------------------------------

    def answered(self, call_id: int, outcome: bytes | BridgeError, now: float) -> None:
        """The session has answered a call."""
        own = self._own.pop(call_id, None)
        if own is not None:
            own.done(outcome, now)
            return
        pending = self._pending.pop(call_id, None)
        if pending is None:
            return
        if pending.key is not None:
            self._flights.pop(pending.key, None)
            if isinstance(outcome, bytes):
                self.shared.keep(pending.key, outcome, pending.begun_s, self._gateway.server_s(now))
            elif isinstance(outcome, DeadlinePassed):  # it was the first asker's
                patient = [asker for asker in pending.askers[1:] if now < asker.deadline_s - self._grace_s]
                if patient:
                    pending.askers = [asker for asker in pending.askers if asker not in patient]
                    deadline_s = max(asker.deadline_s for asker in patient) - self._grace_s
                    self._send(Pending(patient, now, pending.key), deadline_s)
        self._settle(pending, outcome, now)

    def _settle(self, pending: Pending, outcome: bytes | BridgeError, now: float) -> None:
        for asker in pending.askers:
            self._reply(asker, outcome, now)
        if self._behind:
            self._fetch(now)

    def on_time(self, now: float) -> None:
        """Answer those whose time is up."""
        if now >= self.soonest_s:
            for call_id in [call_id for call_id, pending in self._pending.items() if now >= pending.deadline_s]:
                self._expired(call_id, now)
            self.soonest_s = min((pending.deadline_s for pending in self._pending.values()), default=float("inf"))

    def _expired(self, call_id: int, now: float) -> None:
        """The deadline of an asker passed without an answer."""
        pending = self._pending[call_id]
        error = TimedOut("the terminal did not answer in time", next_step="try again")
        waiting = [asker for asker in pending.askers if now < asker.deadline_s]
        for asker in pending.askers:
            if asker not in waiting:
                self._reply(asker, error, now)
        pending.askers = waiting
        if not waiting:
            del self._pending[call_id]
            if pending.key is not None:
                self._flights.pop(pending.key, None)
        self._fetch(now)

    def lost(self, cause: str, now: float) -> None:
        """The session is gone or cannot be trusted: what it had not answered fails."""
        pending, self._pending = self._pending, {}
        own, self._own = self._own, {}
        self._flights.clear()
        self.shared.clear()
        self.soonest_s = float("inf")
        error = NotConnected(cause, next_step="try again", state=self._gateway.connection.now.state)
        for call in pending.values():
            self._settle(call, error, now)
        for asked in own.values():
            asked.lost(cause, now)
