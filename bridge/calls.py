"""The calls that the session has not answered yet, and the orders among them, each of which is sent once. No I/O.

Part of the gateway, kept apart because it is a subject of its own: requests (`messages`), the books of orders (`outcomes`) and
the session's messages (`session.link`) meet here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.connection import TRADES
from bridge.errors import AccountChanged, BridgeError, Busy, DeadlinePassed, NotConnected, OutcomeUnknown, TimedOut
from bridge.messages import Request, RequestMessage, SendOrder
from bridge.outcomes import OrderEntry, Outcomes, Waiter
from bridge.peers import Peer
from bridge.session import link
from bridge.session.owner import OF_ACCOUNT
from bridge.shared import Key, Shared

if TYPE_CHECKING:
    from bridge.gateway import Gateway


@dataclass(frozen=True, slots=True)
class Asker:
    """Who waits for the answer of a call, under which request id, and how long."""

    routing_id: bytes
    message: RequestMessage
    deadline_s: float


@dataclass(slots=True)
class Pending:
    """A call that the session has not answered yet. Several may have asked the same (`key`); an order has one asker here, and
    `unknown` says that its client was told that the outcome is unknown."""

    askers: list[Asker]
    peer: Peer | None
    begun_s: float
    key: Key | None = None
    unknown: bool = False

    @property
    def message(self) -> RequestMessage:
        """The request, as the first asker sent it."""
        return self.askers[0].message

    @property
    def order(self) -> bool:
        """Whether it is an order."""
        return self.message.method == SendOrder.method

    @property
    def deadline_s(self) -> float:
        """When the next asker has to be answered as it is; an order that was told to be unknown is waited for without end."""
        return float("inf") if self.unknown else min(asker.deadline_s for asker in self.askers)


class Calls:
    """What the session was asked to do. At most `limit` calls wait at a time, of which reads leave a tenth to orders; `grace_s`
    is how long after a call's deadline the session may take to say that it did not begin it."""

    def __init__(self, gateway: Gateway, limit: int, grace_s: float) -> None:
        self._gateway = gateway
        self._limit = limit
        self._grace_s = grace_s
        self._outcomes = Outcomes()
        self.shared = Shared()
        self._pending: dict[int, Pending] = {}
        self._flights: dict[Key, Pending] = {}
        self._last = 0
        self.soonest_s = float("inf")

    def forward(
        self, routing_id: bytes, message: RequestMessage, request: Request[Any], peer: Peer | None, deadline_s: float, now_s: float
    ) -> None:
        """Pass a request on to the session, unless its answer is known or on its way. Raises `NotConnected`, `Busy`,
        `AccountChanged`."""
        order = isinstance(request, SendOrder)
        gateway = self._gateway
        now = gateway.connection.now
        if gateway.attached and gateway.foreign and (order or message.method in OF_ACCOUNT):
            raise AccountChanged(now.cause, next_step=now.next_step, state=now.state)
        if not gateway.attached or (order and gateway.connection.state not in TRADES):
            raise NotConnected(
                f"the terminal is not available: {now.cause}",
                next_step=now.next_step or "wait for the connection",
                state=now.state,
            )
        late_s = deadline_s + self._grace_s
        self.soonest_s = min(self.soonest_s, late_s)
        key = self.shared.key(request, message)
        if key is not None and self._share(key, Asker(routing_id, message, late_s), now_s):
            return
        if len(self._pending) >= (self._limit if order else self._limit - self._limit // 10):
            raise Busy(f"{len(self._pending)} requests are waiting for the terminal", next_step="send fewer at a time")
        self._send(Pending([Asker(routing_id, message, late_s)], peer, now_s, key), deadline_s)

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
            self._gateway.reply(asker.routing_id, asker.message.id, known, now_s)
            return True
        flight = self._flights.get(key)
        if flight is not None:
            flight.askers.append(asker)
            self.shared.hits += 1
        return flight is not None

    def known(self, routing_id: bytes, message: RequestMessage, request: SendOrder, now: float) -> bool:
        """Whether an order's id came before; then it is answered, or waits for the same outcome. Raises `IdReused`, `Busy`."""
        entry = self._outcomes.admit(message.id, request.request, (routing_id, message.id))
        if entry is None:
            return False
        if entry.outcome is not None:
            self._gateway.reply(routing_id, message.id, entry.outcome, now)
        return True

    @property
    def orders_under_way(self) -> bool:
        """Whether the session has an order to answer."""
        return any(call.order for call in self._pending.values())

    def withdraw(self, order_id: str) -> None:
        """The order was not even passed on: its id is free again."""
        self._outcomes.withdraw(order_id)

    def answered(self, call_id: int, outcome: bytes | BridgeError, now: float) -> None:
        """The session has answered a call."""
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
                    self._send(Pending(patient, pending.peer, now, pending.key), deadline_s)
        self._settle(pending, outcome, now)

    def on_time(self, now: float) -> None:
        """Answer those whose time is up."""
        if now >= self.soonest_s:
            for call_id in [call_id for call_id, pending in self._pending.items() if now >= pending.deadline_s]:
                self._expired(call_id, now)
            self.soonest_s = min((pending.deadline_s for pending in self._pending.values()), default=float("inf"))

    def _settle(self, pending: Pending, outcome: bytes | BridgeError, now: float) -> None:
        """Answer a call: an order to everybody who waits for it, anything else to those who asked."""
        if not pending.order:
            for asker in pending.askers:
                self._gateway.reply(asker.routing_id, asker.message.id, outcome, now)
            return
        if pending.peer is not None:  # an order counts once, also one that was unknown before
            pending.peer.orders_failed += isinstance(outcome, BridgeError) - pending.unknown
            pending.peer.orders_done += not isinstance(outcome, BridgeError)
        pending.unknown = isinstance(outcome, OutcomeUnknown)

        def answer(waiter: Waiter, entry: OrderEntry) -> None:
            self._gateway.reply(*waiter, outcome, now)

        self._outcomes.settle(pending.message.id, outcome, answer)

    def _expired(self, call_id: int, now: float) -> None:
        """The deadline of an asker passed without an answer. An order stays in the books: its outcome may still come."""
        pending = self._pending[call_id]
        if pending.order:
            self._settle(
                pending,
                OutcomeUnknown(
                    "no answer to the order in time; it may have been executed",
                    next_step="look at positions, orders and deals, or repeat the request with the same id",
                ),
                now,
            )
            return
        error = TimedOut("the terminal did not answer in time", next_step="try again")
        waiting = [asker for asker in pending.askers if now < asker.deadline_s]
        for asker in pending.askers:
            if asker not in waiting:
                self._gateway.reply(asker.routing_id, asker.message.id, error, now)
        pending.askers = waiting
        if not waiting:
            del self._pending[call_id]
            if pending.key is not None:
                self._flights.pop(pending.key, None)

    def lost(self, cause: str, now: float) -> None:
        """The session is gone or cannot be trusted: what it had not answered fails."""
        pending, self._pending = self._pending, {}
        self._flights.clear()
        self.shared.clear()
        self.soonest_s = float("inf")
        for call in pending.values():
            if call.order:
                self._settle(
                    call,
                    OutcomeUnknown(
                        f"{cause} while the order was under way; it may have been executed",
                        next_step="look at positions, orders and deals before sending another",
                    ),
                    now,
                )
            else:
                self._settle(call, NotConnected(cause, next_step="try again", state=self._gateway.connection.now.state), now)
