"""Orders in the gateway: the rules they have to keep, their journal, their life, and the search for lost ones. No I/O.

Part of the gateway, kept apart because it is a subject of its own: limits (`limits`), the journal (`journalling`), the orders
(`execution`), and the orders of unknown outcome (`tracing`) meet here.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from functools import partial
from typing import TYPE_CHECKING, Any

from bridge import codec, decisions
from bridge.claims import NOBODY, Claims
from bridge.entries import AuditRecord, Entry, Opened, Query, Written
from bridge.errors import BridgeError, ConfigError
from bridge.execution import Execution
from bridge.halt import NOTE
from bridge.journalling import Journalling
from bridge.limits import Limits, Rules
from bridge.live_order import LiveOrder
from bridge.messages import GetJournal, RequestMessage, SendOrder
from bridge.mt5api.constants import TRADE_ACTION_CLOSE_BY, TRADE_ACTION_DEAL, TRADE_ACTION_PENDING
from bridge.outcomes import told
from bridge.peers import Peer
from bridge.placement import Placement
from bridge.replies import JournalEntries, TradingState
from bridge.tracing import Tracing

if TYPE_CHECKING:
    from bridge.gateway import Gateway

EARLY_S = 2.0
"""How long an order waits for the journal to be opened."""
MOST_EARLY = 1_000
MAKERS = (TRADE_ACTION_DEAL, TRADE_ACTION_PENDING, TRADE_ACTION_CLOSE_BY)
TRADES = "trades"
"""The note of what has been told on `trade`."""


class Dealing:
    """Orders, from the request to the answer."""

    def __init__(self, gateway: Gateway, max_orders: int, grace_s: float) -> None:
        self._gateway = gateway
        self.rules = Rules()
        self._limits_wrong = False
        self._early: list[partial[None]] = []
        self._early_s = float("inf")
        self.claims = Claims()
        self.journal = Journalling(gateway, self)
        self.execution = Execution(gateway, self, max_orders, grace_s)
        self.tracing = Tracing(gateway, self)

    # ---- requests ------------------------------------------------------------------------------------------------------------

    def receive(self, routing_id: bytes, message: RequestMessage, request: SendOrder, peer: Peer | None, now: float) -> None:
        """A client wants an order, or to know what became of it. Raises what refuses it; then nothing was sent. One that comes
        while the journal is being opened waits for that."""
        if self._gateway.attached and self.journal.opening and len(self._early) < MOST_EARLY:
            self._early.append(partial(self._receive, routing_id, message, request, peer))
            self._early_s = min(self._early_s, now + EARLY_S)
            return
        self._receive(routing_id, message, request, peer, now)

    def _begin_early(self, now: float) -> None:
        """The journal is open, or will not be for a while."""
        early, self._early = self._early, []
        self._early_s = float("inf")
        for receive in early:
            routing_id, message = receive.args[:2]
            try:
                receive(now)
            except BridgeError as error:
                self._gateway.reply(routing_id, message.id, error, now)

    def _receive(self, routing_id: bytes, message: RequestMessage, request: SendOrder, peer: Peer | None, now: float) -> None:
        try:
            self.execution.receive(routing_id, message, request, peer, now)
        except BridgeError as error:
            self.journal.audit(decisions.refused(message, _name(peer), error, self._gateway.time_us(now), 0))
            raise

    def placement(self, request: SendOrder, message: RequestMessage, peer: Peer | None, token: str, now: float) -> Placement:
        """An order as the session gets it, with the limits that it has to keep. Raises what forbids it."""
        name = _name(peer)
        limits, dry_run = self.rules.judge(request.request, name, message.client, now), self.rules.dry_run(name)
        self.journal.audit(decisions.accepted(message, name, limits, self._gateway.time_us(now), 0, dry_run=dry_run))
        return Placement(request.request, token, dry_run=dry_run, limits=limits)

    def send(self, order: LiveOrder, now: float) -> None:
        """Give the session an order whose intent is durable."""
        execution = self.execution
        self._gateway.calls.ask(
            SendOrder.method,
            codec.pack(order.placement),
            order.deadline_s,
            lambda outcome, now: execution.answered(order, outcome, now),
            lambda cause, now: execution.lost(order, cause, now),
        )

    def settled(self, order: LiveOrder, now: float) -> None:
        """It is known what became of an order."""
        why = decisions.because(order.outcome) if isinstance(order.outcome, BridgeError) else ""
        self.journal.audit(
            AuditRecord(
                self._gateway.time_us(now),
                order.intent.client,
                SendOrder.method,
                order.id,
                order.digest,
                order.kind or "",
                why,
                round((now - order.begun_s) * 1e6),
            )
        )

    def limits_changed(self, limits: Limits | ConfigError, now: float) -> None:
        """The limits were read again; those that cannot be read change nothing."""
        if isinstance(limits, ConfigError):
            self._limits_wrong = True
            self._gateway.log(f"the limits stay as they were: {limits}", now)
            return
        if self._limits_wrong:
            self._limits_wrong = False
            self._gateway.log("the limits can be read again", now)
        changes = self.rules.adopt(limits)
        if changes:
            self._gateway.log(f"limits changed: {changes}", now)
            self.journal.audit(decisions.adopted(changes, self._gateway.time_us(now)))

    # ---- the kill switch -----------------------------------------------------------------------------------------------------

    def halt(self, message: RequestMessage, reason: str, by: str, now: float) -> TradingState:
        """Only what reduces exposure is sent from now on."""
        return self._switched(message, by, self.rules.halt.halt(reason, by, self._gateway.time_msc(now)), now)

    def resume(self, message: RequestMessage, by: str, now: float) -> TradingState:
        """Trade on."""
        return self._switched(message, by, self.rules.halt.resume(by, self._gateway.time_msc(now)), now)

    def _switched(self, message: RequestMessage, by: str, state: TradingState, now: float) -> TradingState:
        self.journal.note(NOTE, self.rules.halt.note())
        self.journal.audit(decisions.switched(message, by, state, self._gateway.time_us(now)))
        self._gateway.conditions_changed(now)
        return state

    # ---- what happens on the account -----------------------------------------------------------------------------------------

    def claim(self, order: LiveOrder, ticket: int) -> None:
        """The ticket is of this order; that of one which it only modifies or removes is somebody else's."""
        if order.intent.request.action in MAKERS:
            self.claims.claim(order.id, order.intent.client, ticket)

    def own(self, event: dict[str, Any]) -> None:
        """Say in an event of `trade` whose order it comes from."""
        deal, order, position = event.get("deal"), event.get("order"), event.get("position")
        owner = self.claims.owner(
            deal["order"] if deal else 0, order["ticket"] if order else 0, position["identifier"] if position else 0
        )
        if owner is not NOBODY:
            event["request_id"], event["client"] = owner.request_id, owner.client

    def keep_trades(self, state: bytes) -> None:
        """Up to where the events of `trade` have been told: a next run of the bridge goes on from there."""
        self.journal.note(TRADES, b64encode(state).decode())

    def last_trades(self) -> bytes | None:
        """Up to where an earlier run has told them."""
        noted = self.journal.notes.get(TRADES)
        return None if noted is None else b64decode(noted)

    # ---- the journal ---------------------------------------------------------------------------------------------------------

    def show(self, routing_id: bytes, message: RequestMessage, request: GetJournal, now: float) -> None:
        """Answer with entries of the journal. Raises what keeps it from being read."""

        def found(entries: tuple[Entry, ...] | BridgeError, now: float) -> None:
            outcome = entries if isinstance(entries, BridgeError) else codec.pack(JournalEntries(tuple(map(told, entries))))
            self._gateway.reply(routing_id, message.id, outcome, now)

        self.journal.query(Query(request.since_us, request.unknown, request.count), found)

    def journalled(self, written: Written, now: float) -> None:
        """What the scribe says."""
        self.journal.received(written, now)

    def opened(self, opened: Opened, now: float) -> None:
        """The journal of the bridge's account is open."""
        self.rules.halt.restored(opened.notes.get(NOTE), self._gateway.time_msc(now))
        self.execution.opened(opened.open_entries, opened.recent, now)
        self.known(now)

    def known(self, now: float) -> None:
        """The journal is open, or it is known why not: what waited for that goes on."""
        self._gateway.conditions_changed(now)
        self._gateway.journal_opened()
        self._begin_early(now)

    # ---- time ----------------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """When something falls due."""
        return min(self._early_s, self.execution.soonest_s, self.tracing.next_deadline(), self.journal.next_deadline())

    def on_time(self, now: float) -> None:
        """Do what has fallen due."""
        self.journal.on_time(now)
        if now >= self._early_s:
            self._begin_early(now)
        self.execution.on_time(now)
        self.tracing.on_time(now)


def _name(peer: Peer | None) -> str:
    return "" if peer is None else peer.name
