"""The life of each order in the gateway: request, intent in the journal, session, outcome in the journal, answer.

No I/O. An order is in one phase at a time:

```
WRITING ── durable ──> SENT ── outcome ──> SETTLING ── durable ──> SETTLED
   │                    └──── lost, unknown ──> UNKNOWN ── traced ──────^
   └── not written, too late, not connected ──> refused: nothing was sent, its id is free again
```

Nothing is sent before its intent is durable, nothing is sent twice, and what has an outcome is answered with it, whoever asks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bridge.connection import TRADES, State
from bridge.entries import Entry, Intent, Settlement
from bridge.errors import AccountChanged, BridgeError, Busy, DeadlinePassed, NotConnected, OutcomeUnknown, Stopping
from bridge.live_order import LiveOrder, Phase, Waiter
from bridge.messages import RequestMessage, SendOrder
from bridge.outcomes import LOOK_FIRST, kind_of, packed, readable, reused, unpacked
from bridge.peers import Peer
from bridge.placement import Placement, comment_token
from bridge.trading import TradeRequest

if TYPE_CHECKING:
    from bridge.dealing import Dealing
    from bridge.gateway import Gateway


class Execution:
    """All orders that the bridge knows of: those under way, those of unknown outcome, and the newest `limit` of the others."""

    def __init__(self, gateway: Gateway, dealing: Dealing, max_orders: int, grace_s: float, limit: int = 10_000) -> None:
        self._gateway = gateway
        self._dealing = dealing
        self._max_orders = max_orders
        self._grace_s = grace_s
        self._limit = limit
        self._orders: OrderedDict[str, LiveOrder] = OrderedDict()
        self._open: dict[str, LiveOrder] = {}
        self._under_way: set[str] = set()
        self.soonest_s = float("inf")

    # ---- in ------------------------------------------------------------------------------------------------------------------

    def receive(self, routing_id: bytes, message: RequestMessage, request: SendOrder, peer: Peer | None, now: float) -> None:
        """A client wants an order, or to know what became of it. Raises what refuses it; then nothing was sent."""
        known = self._orders.get(message.id)
        if known is not None:  # before all that could refuse it: what may have been executed must not be called "not executed"
            self._ask_again(known, Waiter(routing_id, self._late_s(message, now)), request.request, now)
            return
        deadline_s = self._check(message, now)
        self._begin(routing_id, message, request, peer, deadline_s, now)

    def _late_s(self, message: RequestMessage, now: float) -> float:
        try:
            return self._gateway.deadline_s(message, True, now) + self._grace_s
        except DeadlinePassed:
            return now

    def _ask_again(self, known: LiveOrder, waiter: Waiter, request: TradeRequest, now: float) -> None:
        if known.intent.request != request:
            raise reused()
        if known.phase is Phase.SETTLED:
            assert known.outcome is not None
            self._gateway.reply(waiter.routing_id, known.id, known.outcome, now)
            return
        known.waiters.append(waiter)
        self.soonest_s = min(self.soonest_s, waiter.late_s)

    def _check(self, message: RequestMessage, now: float) -> float:
        """The deadline of an order that may begin. Raises what it is that forbids it."""
        gateway = self._gateway
        if gateway.connection.state is State.STOPPING:
            raise Stopping("the bridge is shutting down", next_step="connect again when it has been started anew")
        deadline_s = gateway.deadline_s(message, True, now)
        self._check_connection()
        self._dealing.journal.check()
        if len(self._under_way) >= self._max_orders:
            raise Busy(f"{len(self._under_way)} orders are under way", next_step="wait for answers before sending more")
        return deadline_s

    def _check_connection(self) -> None:
        gateway, told = self._gateway, self._gateway.connection.now
        if gateway.attached and gateway.foreign:
            raise AccountChanged(told.cause, next_step=told.next_step, state=told.state)
        if not gateway.attached or gateway.connection.state not in TRADES:
            raise NotConnected(
                f"the terminal is not available: {told.cause}",
                next_step=told.next_step or "wait for the connection",
                state=told.state,
            )

    def _begin(
        self,
        routing_id: bytes,
        message: RequestMessage,
        request: SendOrder,
        peer: Peer | None,
        deadline_s: float,
        now: float,
    ) -> None:
        gateway = self._gateway
        journal = self._dealing.journal
        token = comment_token(message.id, request.request.comment)
        placement = self._dealing.placement(request, message, peer, token, now)
        intent = Intent(
            id=message.id,
            client=peer.name if peer is not None else "",
            login=journal.login,
            server=journal.server,
            request=request.request,
            token=token,
            time_us=gateway.time_us(now),
            server_s=gateway.reached_s(now),
        )
        order = LiveOrder(intent, placement, deadline_s, Phase.WRITING, now, peer, bytes(message.params))
        order.waiters.append(Waiter(routing_id, deadline_s + self._grace_s))
        self.soonest_s = min(self.soonest_s, deadline_s + self._grace_s)
        self._orders[order.id] = self._open[order.id] = order
        self._under_way.add(order.id)
        journal.write(intent, order.id)

    # ---- what the journal says -----------------------------------------------------------------------------------------------

    def opened(self, open_entries: Iterable[Entry], recent: Iterable[Entry], now: float) -> None:
        """The journal of the bridge's account is open: what an earlier run left without an outcome is looked for."""
        for order_id in [order.id for order in self._orders.values() if order.phase in (Phase.UNKNOWN, Phase.SETTLED)]:
            del self._orders[order_id]
            self._open.pop(order_id, None)
        for entry in recent:
            if entry.settlement is not None and entry.settlement.kind != "not_sent":  # the id of what was not sent is free
                self._remember(entry)
        for entry in open_entries:
            self._adopt(entry, now)

    def _remember(self, entry: Entry) -> LiveOrder:
        order = LiveOrder(entry.intent, Placement(entry.intent.request, entry.intent.token), 0.0, Phase.SETTLED, 0.0)
        if entry.settlement is not None:
            order.kind = entry.settlement.kind
            order.outcome = unpacked(entry.settlement)
            self._dealing.claim(order, entry.settlement.order)
        self._orders[order.id] = order
        return order

    def _adopt(self, entry: Entry, now: float) -> LiveOrder:
        """An order of an earlier run whose outcome is not known."""
        order = self._remember(entry)
        self._enter(order, Phase.UNKNOWN)
        if not isinstance(order.outcome, OutcomeUnknown):
            order.outcome = OutcomeUnknown("the bridge ended while the order was under way", next_step=LOOK_FIRST)
        self._open[order.id] = order
        self._dealing.tracing.add(order, now)
        return order

    def intent_written(self, order_id: str, now: float) -> None:
        """The intent is durable: now the terminal may see it, if it is not too late."""
        order = self._orders[order_id]
        try:
            if now > order.deadline_s:
                raise DeadlinePassed(
                    f"the order was written down {1000 * (now - order.deadline_s):.0f} ms after its deadline and was not executed",
                    next_step="decide anew; allow more time if this repeats",
                )
            if self._gateway.connection.state is not State.STOPPING:  # what was accepted before comes to its end
                self._check_connection()
            elif not self._gateway.attached:
                raise Stopping("the bridge is shutting down; nothing was sent", next_step="send it again when it has been started")
        except BridgeError as error:
            self._settle(order, error, now)
            return
        self._enter(order, Phase.SENT)
        self._dealing.send(order, now)

    def intent_refused(self, order_id: str, error: BridgeError, now: float) -> None:
        """The intent could not be written: nothing is sent."""
        order = self._orders.pop(order_id)
        order.outcome = error
        self._close(order, now)

    def intent_known(self, order_id: str, entry: Entry, now: float) -> None:
        """The id is in the journal already, from long ago: its outcome is answered, or looked for."""
        order = self._orders.pop(order_id)
        self._open.pop(order_id)
        self._under_way.discard(order_id)
        if entry.intent.request != order.intent.request:
            order.outcome = reused()
            self._close(order, now)
            return
        known = self._remember(entry) if entry.settlement and entry.settlement.kind != "unknown" else self._adopt(entry, now)
        known.waiters = order.waiters
        if known.phase is Phase.SETTLED:
            self._answer(known, now)

    def settled(self, order_id: str, now: float) -> None:
        """The outcome is durable, or cannot be made so: it is told all the same."""
        order = self._orders.get(order_id)
        if order is None or order.phase is not Phase.SETTLING:
            return
        if order.kind == "not_sent":
            del self._orders[order_id]
            self._close(order, now)
            return
        self._enter(order, Phase.SETTLED)
        self._close(order, now)

    # ---- what the session says -----------------------------------------------------------------------------------------------

    def answered(self, order: LiveOrder, outcome: bytes | BridgeError, now: float) -> None:
        """The session has sent the order, or says why not."""
        if order.phase is Phase.SENT:
            self._settle(order, readable(outcome), now)

    def lost(self, order: LiveOrder, cause: str, now: float) -> None:
        """The session ended with the order in its hands."""
        if order.phase is Phase.SENT:
            told = f"{cause} while the order was under way; it may have been executed"
            self._settle(order, OutcomeUnknown(told, next_step=LOOK_FIRST), now)

    def resolved(self, order_id: str, outcome: bytes | BridgeError, evidence: str, now: float) -> None:
        """It was found out what became of an order of unknown outcome."""
        order = self._orders.get(order_id)
        if order is not None and order.phase in (Phase.UNKNOWN, Phase.SETTLED):
            self._settle(order, outcome, now, evidence)

    def _enter(self, order: LiveOrder, phase: Phase) -> None:
        order.phase = phase
        if phase in (Phase.UNKNOWN, Phase.SETTLED):  # it is waited for, but in nobody's way
            self._under_way.discard(order.id)
        else:
            self._under_way.add(order.id)

    def given_up(self, order_id: str, error: OutcomeUnknown, evidence: str, now: float) -> None:
        """It is not looked for any more, and stays unknown: a person has to look."""
        order = self._orders.get(order_id)
        if order is not None and order.phase is Phase.UNKNOWN:
            order.outcome = error
            self._dealing.journal.write(
                Settlement(order.id, "unknown", packed(error), self._gateway.time_us(now), evidence=evidence), order.id
            )

    def client(self, order_id: str) -> str:
        """The name of the client that gave an order."""
        order = self._orders.get(order_id)
        return "" if order is None else order.intent.client

    def _settle(self, order: LiveOrder, outcome: bytes | BridgeError, now: float, evidence: str = "") -> None:
        """Write down what became of an order; it is told when that is durable."""
        gateway = self._gateway
        order.kind, ticket, deal = kind_of(outcome)
        order.outcome = outcome
        self._dealing.claim(order, ticket)
        self._count(order)
        self._dealing.journal.write(
            Settlement(order.id, order.kind, packed(outcome), gateway.time_us(now), ticket, deal, evidence), order.id
        )
        if order.kind == "unknown":
            self._enter(order, Phase.UNKNOWN)
            self._dealing.tracing.add(order, now)
        else:
            self._enter(order, Phase.SETTLING)

    def _count(self, order: LiveOrder) -> None:
        if order.peer is not None and order.kind != "unknown":
            failed = order.kind in ("rejected", "not_sent", "not_executed")
            order.peer.orders_failed += failed
            order.peer.orders_done += not failed

    # ---- answers -------------------------------------------------------------------------------------------------------------

    def _close(self, order: LiveOrder, now: float) -> None:
        """Nothing more will become of it."""
        self._under_way.discard(order.id)
        self._dealing.settled(order, now)
        self._open.pop(order.id, None)
        self._answer(order, now)
        # Ten thousand of them are remembered: what nobody asks for any more need not be.
        order.params, order.peer, order.placement = b"", None, Placement(order.intent.request, order.intent.token)
        while len(self._orders) > self._limit + len(self._open):
            oldest = next(iter(self._orders.values()))
            if oldest.phase is not Phase.SETTLED:
                self._orders.move_to_end(oldest.id)
                continue
            del self._orders[oldest.id]

    def _answer(self, order: LiveOrder, now: float) -> None:
        assert order.outcome is not None
        waiters, order.waiters = order.waiters, []
        for waiter in waiters:
            self._gateway.reply(waiter.routing_id, order.id, order.outcome, now)

    def on_time(self, now: float) -> None:
        """Answer those whose time is up."""
        if now < self.soonest_s:
            return
        self.soonest_s = float("inf")
        for order in list(self._open.values()):
            late = [waiter for waiter in order.waiters if now >= waiter.late_s]
            if late:
                order.waiters = [waiter for waiter in order.waiters if now < waiter.late_s]
                for waiter in late:
                    self._gateway.reply(waiter.routing_id, order.id, self._so_far(order), now)
            self.soonest_s = min([self.soonest_s, *(waiter.late_s for waiter in order.waiters)])

    def ending(self, now: float) -> None:
        """The bridge ends: who still waits is told what is known."""
        for order in list(self._open.values()):
            waiters, order.waiters = order.waiters, []
            for waiter in waiters:
                self._gateway.reply(waiter.routing_id, order.id, self._so_far(order), now)

    def _so_far(self, order: LiveOrder) -> bytes | BridgeError:
        """What is known of an order for whose outcome somebody cannot wait any longer."""
        if order.phase is Phase.WRITING:
            return OutcomeUnknown(
                "the order was not written down in time; it is refused if its deadline has passed when it is",
                next_step="repeat the request with the same id to learn what became of it",
            )
        if order.outcome is not None:
            return order.outcome
        return OutcomeUnknown("no answer to the order in time; it may have been executed", next_step=LOOK_FIRST)

    @property
    def under_way(self) -> bool:
        """Whether an order is on its way, or its outcome."""
        return bool(self._under_way)
