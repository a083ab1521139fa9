"""The calls that the session has not answered yet, and the orders among them, each of which is sent once. No I/O.

Part of the gateway, kept apart because it is a subject of its own: requests (`messages`), the books of orders (`outcomes`) and
the session's messages (`session.link`) meet here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.connection import TRADES
from bridge.errors import AccountChanged, BridgeError, Busy, NotConnected, OutcomeUnknown, TimedOut
from bridge.messages import Request, RequestMessage, SendOrder
from bridge.outcomes import OrderEntry, Outcomes, Waiter
from bridge.peers import Peer
from bridge.session import link
from bridge.session.owner import OF_ACCOUNT

if TYPE_CHECKING:
    from bridge.gateway import Gateway


@dataclass(slots=True)
class Pending:
    """A call that the session has not answered yet; `unknown` is an order's whose client was told that its outcome is unknown."""

    message: RequestMessage
    routing_id: bytes
    deadline_s: float
    peer: Peer | None
    unknown: bool = False


class Calls:
    """What the session was asked to do. At most `limit` calls wait at a time, of which reads leave a tenth to orders; `grace_s`
    is how long after a call's deadline the session may take to say that it did not begin it."""

    def __init__(self, gateway: Gateway, limit: int, grace_s: float) -> None:
        self._gateway = gateway
        self._limit = limit
        self._grace_s = grace_s
        self._outcomes = Outcomes()
        self._pending: dict[int, Pending] = {}
        self._last = 0
        self.soonest_s = float("inf")

    def forward(
        self, routing_id: bytes, message: RequestMessage, request: Request[Any], peer: Peer | None, deadline_s: float
    ) -> None:
        """Pass a request on to the session. Raises `NotConnected`, `Busy`, `AccountChanged`."""
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
        if len(self._pending) >= (self._limit if order else self._limit - self._limit // 10):
            raise Busy(f"{len(self._pending)} requests are waiting for the terminal", next_step="send fewer at a time")
        self._last += 1
        late_s = deadline_s + self._grace_s
        self._pending[self._last] = Pending(message, routing_id, late_s, peer)
        self.soonest_s = min(self.soonest_s, late_s)
        self._gateway.link.append(link.pack(link.Call(self._last, message.method, message.params, deadline_s)))

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
        return any(call.message.method == SendOrder.method for call in self._pending.values())

    def withdraw(self, order_id: str) -> None:
        """The order was not even passed on: its id is free again."""
        self._outcomes.withdraw(order_id)

    def answered(self, call_id: int, outcome: bytes | BridgeError, now: float) -> None:
        """The session has answered a call."""
        pending = self._pending.pop(call_id, None)
        if pending is not None:
            self._settle(pending, outcome, now)

    def on_time(self, now: float) -> None:
        """Answer the calls whose time is up."""
        if now >= self.soonest_s:
            for call_id in [call_id for call_id, pending in self._pending.items() if now >= pending.deadline_s]:
                self._expired(call_id, now)
            self.soonest_s = min((pending.deadline_s for pending in self._pending.values()), default=float("inf"))

    def _settle(self, pending: Pending, outcome: bytes | BridgeError, now: float) -> None:
        """Answer a call: an order to everybody who waits for it, anything else to the one who asked."""
        if pending.message.method != SendOrder.method:
            self._gateway.reply(pending.routing_id, pending.message.id, outcome, now)
            return
        if pending.peer is not None:  # an order counts once, also one that was unknown before
            pending.peer.orders_failed += isinstance(outcome, BridgeError) - pending.unknown
            pending.peer.orders_done += not isinstance(outcome, BridgeError)
            pending.unknown = isinstance(outcome, BridgeError)

        def answer(waiter: Waiter, entry: OrderEntry) -> None:
            self._gateway.reply(*waiter, outcome, now)

        self._outcomes.settle(pending.message.id, outcome, answer)

    def _expired(self, call_id: int, now: float) -> None:
        """The deadline of a call passed without an answer. An order stays in the books: its outcome may still come."""
        pending = self._pending[call_id]
        if pending.message.method == SendOrder.method:
            pending.deadline_s = float("inf")
            self._settle(
                pending,
                OutcomeUnknown(
                    "no answer to the order in time; it may have been executed",
                    next_step="look at positions, orders and deals, or repeat the request with the same id",
                ),
                now,
            )
        else:
            del self._pending[call_id]
            self._settle(pending, TimedOut("the terminal did not answer in time", next_step="try again"), now)

    def lost(self, cause: str, now: float) -> None:
        """The session is gone or cannot be trusted: what it had not answered fails."""
        pending, self._pending = self._pending, {}
        self.soonest_s = float("inf")
        for call in pending.values():
            if call.message.method == SendOrder.method:
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
