"""Finding out what became of orders of unknown outcome: the session is asked what the terminal shows of them. No I/O.

Part of the gateway, kept apart because it is a subject of its own: orders (`execution`), the rules of when to look and what to
make of it (`reconciliation`) and the session's calls (`calls`) meet here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from bridge import codec
from bridge.errors import BridgeError, MalformedMessage, OrderNotExecuted, OutcomeUnknown
from bridge.live_order import LiveOrder
from bridge.outcomes import LOOK_FIRST
from bridge.placement import Trace
from bridge.reconciliation import Ask, Reconciliation, Resolution
from bridge.replies import OrderOutcome, TradeEvent

if TYPE_CHECKING:
    from bridge.dealing import Dealing
    from bridge.gateway import Gateway

DEADLINE_S = 30.0
"""A look that has waited for so long behind others is not begun any more."""
_decode_trace = msgspec.msgpack.Decoder(Trace).decode


class Tracing:
    """The orders that are looked for."""

    def __init__(self, gateway: Gateway, dealing: Dealing) -> None:
        self._gateway = gateway
        self._dealing = dealing
        self._reconciliation = Reconciliation()
        self._reconciliation.detached()

    def add(self, order: LiveOrder, now: float) -> None:
        """Look for an order, from now on."""
        intent = order.intent
        details = order.outcome.details if isinstance(order.outcome, BridgeError) else {}
        self._reconciliation.add(
            order.id,
            intent.request,
            intent.token,
            now,
            time_us=intent.time_us,
            server_s=intent.server_s,
            order=details.get("order") or 0,
            deal=details.get("deal") or 0,
            restarted=not order.begun_s,
        )

    # ---- the connection ------------------------------------------------------------------------------------------------------

    def attached(self, now: float) -> None:
        """The session can be asked."""
        self._reconciliation.attached(now)

    def detached(self) -> None:
        """It cannot."""
        self._reconciliation.detached()

    def disconnected(self) -> None:
        """The terminal has no connection to its trade server."""
        self._reconciliation.disconnected()

    # ---- time ----------------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """When something has to be asked next."""
        return self._reconciliation.next_deadline()

    def on_time(self, now: float) -> None:
        """Ask the session what is due."""
        for ask in self._reconciliation.due(now):
            self._gateway.calls.ask("trace", codec.pack(ask.trace), now + DEADLINE_S, partial(self._answered, ask), _nothing)

    # ---- answers -------------------------------------------------------------------------------------------------------------

    def _answered(self, ask: Ask, answer: bytes | BridgeError, now: float) -> None:
        found = answer if isinstance(answer, BridgeError) else _read(answer)
        resolution = self._reconciliation.answered(ask.key, found, now, self._dealing.claims)
        if resolution is not None:
            self._resolved(resolution, now)

    def _resolved(self, resolution: Resolution, now: float) -> None:
        execution, evidence = self._dealing.execution, resolution.evidence
        if resolution.kind == "unknown":
            told = OutcomeUnknown(f"it cannot be found out what became of the order: {evidence}", next_step=LOOK_FIRST)
            execution.given_up(resolution.id, told, evidence, now)
        elif resolution.kind == "not_executed":
            error = OrderNotExecuted(
                "the order has left no trace: it was not executed",
                next_step="send it under a new id, if it is still wanted",
                evidence=evidence,
            )
            execution.resolved(resolution.id, error, evidence, now)
        else:
            assert resolution.result is not None
            outcome = codec.pack(OrderOutcome(resolution.kind, resolution.result))
            execution.resolved(resolution.id, outcome, evidence, now)
        client = execution.client(resolution.id)
        event = TradeEvent("order_resolved", client=client, request_id=resolution.id, reason=f"{resolution.kind}: {evidence}")
        self._gateway.publish("trade", codec.plain_body(event), now)


def _read(answer: bytes) -> Trace | BridgeError:
    try:
        return _decode_trace(answer)
    except msgspec.MsgspecError as error:
        return MalformedMessage(f"the session's answer cannot be read: {error}")


def _nothing(cause: str, now: float) -> None:
    """The session is gone: `detached` is told as well."""
