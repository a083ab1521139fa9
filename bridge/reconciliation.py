"""When to look for orders of unknown outcome, and when what is seen is an outcome. No I/O; time is the bridge's monotonic clock.

An order is looked for often at first, then every five seconds. Found is found at once. That it was *not* executed takes a minute of
looks that find nothing, each complete and with the terminal connected to its trade server from one look to the next: time without
a connection does not count, and after one has come back some of it has to pass before nothing means anything. Then it is looked for
now and then for ten minutes more: what appears late is told, too.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from itertools import count
from math import inf
from typing import Literal

from bridge.candidates import DEAL, PENDING, Verdict, keeps_comments
from bridge.errors import BridgeError
from bridge.placement import Trace, TraceOrder
from bridge.reconcile import judge
from bridge.trading import OrderResult, TradeRequest

LOOKS_S = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
"""When to look first, in seconds after the order became unknown."""
PERIOD_S = 5.0
ABSENT_S = 60.0
"""So long nothing must be found, of time in which it could have been."""
RECONNECTED_S = 15.0
"""So much of it after the last time that the connection was away: a terminal needs a while to be in step with its server."""
WHOLE_S = 10.0
"""An order that is proven is told without all of its deals when the history does not have them by then, and one that is recognised
by its fields alone when its token has not appeared on another by then."""
LATE_PERIOD_S = 60.0
LATE_S = 600.0
"""For so long, and so often, it is looked for what was not found, and for what cannot be told apart."""
LOST_S = 90.0
"""An answer that has not come by then does not come any more."""
MARGIN_S = 60
"""How much earlier than the server's time of the intent the order is looked for: that clock is measured."""
UNCERTAIN_S = 86_400
"""The same while the server's clock was not known: it may be up to 14 hours from UTC."""
RESTART_S = 3_600
"""How much later than that an order of an earlier run can have been executed, if only its fields show that it is that."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question for the session; the answer is given to `answered` with its key."""

    key: int
    trace: TraceOrder


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of the order `id`. `result` is there for `done`, `partial` and `placed`; `unknown` ends the search without an
    outcome. `late` is true for what appeared after the order had been called `not_executed`.
    """

    id: str
    kind: Literal["done", "partial", "placed", "not_executed", "unknown"]
    evidence: str
    result: OrderResult | None = None
    late: bool = False


@dataclass(slots=True)
class _Sought:
    """An order that is looked for. `absent_s` is the time that counts, `steady_s` how much of it since the connection was away."""

    id: str
    sent: TradeRequest
    token: str
    since_s: float
    from_s: int
    to_s: float
    order: int
    deal: int
    due_s: float
    certain: bool
    looks: int = 0
    asked: int | None = None
    asked_s: float = -inf
    seen_s: float | None = None
    absent_s: float = 0.0
    steady_s: float = 0.0
    proven_s: float | None = None
    not_executed: bool = False
    evidence: str = ""


class Reconciliation:
    """The orders that are looked for, by their request ids."""

    def __init__(self) -> None:
        self._sought: dict[str, _Sought] = {}
        self._asked: dict[int, str] = {}
        self._tickets: dict[int, str] = {}
        self._keys = count(1)
        self._attached = True
        self._keeps_comments = False

    def __len__(self) -> int:
        return len(self._sought)

    def __contains__(self, order_id: str) -> bool:
        return order_id in self._sought

    def add(
        self, order_id: str, sent: TradeRequest, token: str, now: float, *, time_us: int, server_s: float | None = None,
        order: int = 0, deal: int = 0, restarted: bool = False,
    ) -> None:  # fmt: skip
        """Look for an order from now on. `time_us` (UTC) and `server_s` are of its intent, `order` and `deal` the tickets of its
        answer, if it had any; `restarted` is for an order of an earlier run of the bridge."""
        if order_id in self._sought:
            return
        around, margin_s = (server_s, MARGIN_S) if server_s is not None else (time_us / 1e6, UNCERTAIN_S)
        to_s = around + margin_s + RESTART_S if restarted else inf
        self._sought[order_id] = _Sought(
            order_id,
            sent,
            token,
            now,
            max(0, int(around - margin_s)),
            to_s,
            order,
            deal,
            now + LOOKS_S[0],
            certain=server_s is not None,
        )

    def forget(self, order_id: str) -> None:
        """It need not be looked for any more."""
        found = self._sought.pop(order_id, None)
        if found is not None and found.asked is not None:
            del self._asked[found.asked]

    # ---- time --------------------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """When to ask next; infinity while there is no session to ask."""
        if not self._attached:
            return inf
        return min((item.due_s if item.asked is None else item.asked_s + LOST_S for item in self._sought.values()), default=inf)

    def due(self, now: float) -> list[Ask]:
        """The questions to ask now; for each order one at a time."""
        if not self._attached:
            return []
        asks = []
        for item in self._sought.values():
            if item.asked is not None and now - item.asked_s >= LOST_S:
                self._interrupted(item)
                item.due_s = now
            if item.asked is None and item.due_s <= now:
                item.asked, item.asked_s = next(self._keys), now
                self._asked[item.asked] = item.id
                # By its token it is recognised whenever it was: where the server's time is not known, all of the history counts.
                from_s = item.from_s if item.certain or not item.token else 0
                asks.append(Ask(item.asked, TraceOrder(item.sent, item.token, from_s, item.order, item.deal)))
        return asks

    # ---- the connection ----------------------------------------------------------------------------------------------------------

    def detached(self) -> None:
        """There is no session that could be asked; answers that are awaited do not come."""
        self._attached = False
        for item in self._sought.values():
            self._interrupted(item)

    def attached(self, now: float) -> None:
        """There is one again."""
        self._attached = True
        for item in self._sought.values():
            item.due_s = min(item.due_s, now)

    def disconnected(self) -> None:
        """The terminal has no connection to its trade server, or had none for a moment."""
        for item in self._sought.values():
            item.seen_s, item.steady_s = None, 0.0

    def _interrupted(self, item: _Sought) -> None:
        if item.asked is not None:
            del self._asked[item.asked]
        item.asked, item.seen_s, item.steady_s = None, None, 0.0

    # ---- answers -----------------------------------------------------------------------------------------------------------------

    def answered(self, key: int, answer: Trace | BridgeError, now: float, claimed: Container[int] = ()) -> Resolution | None:
        """An answer of the session; the outcome, when that is certain by now. `claimed` has the order tickets of other requests.

        A resolution other than `not_executed` is the last one of its order.
        """
        order_id = self._asked.pop(key, None)
        if order_id is None:
            return None
        item = self._sought[order_id]
        item.asked = None
        item.looks += 1
        item.due_s = self._next_look(item, now)
        if isinstance(answer, BridgeError) or not answer.connected:
            item.seen_s, item.steady_s = None, 0.0
            found = None if isinstance(answer, BridgeError) else self._judged(item, answer, claimed)
        else:
            found = self._judged(item, answer, claimed)
            if item.seen_s is not None:
                longest_s = LATE_PERIOD_S if item.absent_s >= ABSENT_S else 2 * PERIOD_S
                between_s = min(max(0.0, item.asked_s - item.seen_s), longest_s)
                item.absent_s += between_s
                item.steady_s += between_s
            item.seen_s = now
        return self._resolved(item, found, now) or self._given_up(item, now)

    def _next_look(self, item: _Sought, now: float) -> float:
        if now - item.since_s >= LOOKS_S[-1] and item.looks >= len(LOOKS_S):
            over = item.not_executed or item.absent_s >= ABSENT_S + PERIOD_S
            return now + (LATE_PERIOD_S if over else PERIOD_S)
        later = [item.since_s + wait_s for wait_s in LOOKS_S if item.since_s + wait_s > now]
        return later[0] if later else now + PERIOD_S

    def _judged(self, item: _Sought, trace: Trace, claimed: Container[int]) -> Verdict:
        self._keeps_comments = self._keeps_comments or keeps_comments(trace)
        verdict = judge(
            item.sent, item.token, trace, _Others(claimed, self._tickets, item.id), item.from_s, to_s=item.to_s, order=item.order,
            deal=item.deal, comments_kept=self._keeps_comments,
        )  # fmt: skip
        if verdict.result is None or verdict.sure:
            return verdict
        if item.not_executed:
            return replace(verdict, kind="ambiguous", result=None)
        for other in self._sought.values():  # an equal order that is not found yet may be what was found
            if other.id != item.id and _alike(other.sent, item.sent):
                evidence = f"{verdict.evidence}; or it is that of request {other.id}"
                return replace(verdict, kind="ambiguous", evidence=evidence, result=None)
        return verdict

    def _resolved(self, item: _Sought, verdict: Verdict | None, now: float) -> Resolution | None:
        if verdict is None:
            return None
        item.evidence = verdict.evidence
        if verdict.kind != "nothing" and verdict.kind != "ambiguous":  # noqa: PLR1714 - so the types are narrowed
            item.proven_s = now if item.proven_s is None else item.proven_s
            if not (verdict.whole and verdict.sure) and now - item.proven_s < WHOLE_S:
                item.due_s = min(item.due_s, now + 1.0)
                return None
            self.forget(item.id)
            if verdict.result is not None and verdict.result.order:
                self._tickets.setdefault(verdict.result.order, item.id)
            evidence = f"late: {verdict.evidence}" if item.not_executed else verdict.evidence
            return Resolution(item.id, verdict.kind, evidence, verdict.result, item.not_executed)
        item.proven_s = None
        absent = item.seen_s == now and item.absent_s >= ABSENT_S and item.steady_s >= RECONNECTED_S
        if verdict.kind == "nothing" and absent and not item.not_executed:
            item.not_executed = True
            item.due_s = now + LATE_PERIOD_S
            if item.sent.action not in (DEAL, PENDING):  # another request may bring about the same later
                self.forget(item.id)
            looked = f"{item.looks} looks in {item.absent_s:.0f} s of connection"
            return Resolution(item.id, "not_executed", f"{verdict.evidence}; {looked}")
        return None

    def _given_up(self, item: _Sought, now: float) -> Resolution | None:
        """Ten minutes after it could have been settled, the search ends."""
        if item.id not in self._sought or item.absent_s < ABSENT_S + LATE_S:
            return None
        self.forget(item.id)
        return None if item.not_executed else Resolution(item.id, "unknown", item.evidence)


class _Others:
    """The tickets of other requests: those that the caller knows, and those that were found here."""

    def __init__(self, claimed: Container[int], found: dict[int, str], order_id: str) -> None:
        self._claimed, self._found, self._id = claimed, found, order_id

    def __contains__(self, ticket: object) -> bool:
        return ticket in self._claimed or self._found.get(ticket, self._id) != self._id  # type: ignore[call-overload]


def _alike(one: TradeRequest, other: TradeRequest) -> bool:
    """Whether an execution of one could be taken for one of the other, but for the comment."""
    same = (one.action, one.symbol, one.type, one.magic, one.position) == (
        other.action, other.symbol, other.type, other.magic, other.position,
    )  # fmt: skip
    return same and abs(one.volume - other.volume) < 1e-7
