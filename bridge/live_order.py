"""One order in the gateway: where it is, and who waits for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from bridge.decisions import digest
from bridge.entries import Intent, Kind
from bridge.errors import BridgeError
from bridge.peers import Peer
from bridge.placement import Placement


class Phase(Enum):
    """Where an order is."""

    WRITING = "its intent is on the way to the journal"
    SENT = "the session has it"
    UNKNOWN = "it may or may not have been executed"
    SETTLING = "its outcome is on the way to the journal"
    SETTLED = "its outcome is known"


@dataclass(frozen=True, slots=True)
class Waiter:
    """Who waits for the outcome of an order, and until when."""

    routing_id: bytes
    late_s: float


@dataclass(slots=True, eq=False)
class LiveOrder:
    """One order. `outcome` is what is answered: a packed `OrderOutcome`, or an error."""

    intent: Intent
    placement: Placement
    deadline_s: float
    phase: Phase
    begun_s: float
    peer: Peer | None = None
    params: bytes = b""
    waiters: list[Waiter] = field(default_factory=list)
    outcome: bytes | BridgeError | None = None
    kind: Kind | None = None

    @property
    def id(self) -> str:
        """The id that its client made."""
        return self.intent.id

    @property
    def digest(self) -> str:
        """What stands in the audit for the request's parameters."""
        return digest(self.params) if self.params else ""
