"""Long histories, fetched in parts: where the part behind another one begins. No I/O.

Where ticks go on is known only from the last tick before. So that a client need not wait for one part before it asks for the next,
it asks for what comes *behind* a request that it has sent, by that one's id; the bridge fills in the place as soon as it has given
the answer. How many parts are under way is up to the client, and each of them is an ordinary request: orders go before it, and
those who ask for the same part share one call to the terminal.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from bridge.codec import decode_records_of, pack
from bridge.errors import BridgeError, Busy, InvalidParameters
from bridge.messages import GetRates, GetTicks
from bridge.replies import Records
from bridge.ticks import RECORD_BYTES, TIME_BYTES

W = TypeVar("W")

History = GetRates | GetTicks
Place = tuple[bytes, str]
"""Who asked, and the id of the request."""
REMEMBERED = 1_000
"""Answered requests that something can still be asked for behind."""
MOST_WAITING = 1_000
NOTHING = pack(Records(0, b""))
"""The answer behind the end."""


@dataclass(slots=True)
class _Open(Generic[W]):
    """A request that is not answered yet, and those behind it."""

    request: History
    waiting: list[W] = field(default_factory=list)


@dataclass(slots=True)
class _End:
    """How a request ended: the second with which the next part begins (of ticks) or ends (of bars), None behind the end of the
    history, or the error that it came to."""

    request: History
    outcome: int | BridgeError | None


class Parts(Generic[W]):
    """The requests for history of all clients; `W` is whoever waits."""

    def __init__(self) -> None:
        self._open: dict[Place, _Open[W]] = {}
        self._ends: OrderedDict[Place, _End] = OrderedDict()
        self._waiting = 0

    def begun(self, place: Place, request: History) -> None:
        """A request came; others may be asked for behind it."""
        self._ends.pop(place, None)
        self._open.setdefault(place, _Open(request))

    def resolve(self, place: Place, request: History, waiter: W) -> History | bytes | None:
        """The request with its place filled in; or its answer, where there is nothing more; or None: `waiter` waits until the one
        before is answered. Raises the error of that one, `InvalidParameters`, `Busy`."""
        if request.behind is None:
            return request
        former = (place[0], request.behind)
        known = self._open.get(former) or self._ends.get(former)
        if known is None or place == former:
            raise InvalidParameters(
                f"no request {request.behind!r} for history is known to go on from",
                next_step="ask by time, or send it on the same connection soon after the request before it",
                field="behind",
                value=request.behind,
            )
        if not _fit(known.request, request):
            raise InvalidParameters(
                f"request {request.behind!r} asked for another history",
                next_step="give the same symbol, timeframe or kind of ticks",
                field="behind",
                value=request.behind,
            )
        if isinstance(known, _Open):
            if self._waiting >= MOST_WAITING:
                raise Busy(f"{self._waiting} parts of histories wait", next_step="ask for fewer at a time")
            self._waiting += 1
            known.waiting.append(waiter)
            return None
        if isinstance(known.outcome, BridgeError):
            raise known.outcome
        if known.outcome is None:
            return NOTHING
        if isinstance(request, GetTicks):
            return replace(request, from_s=known.outcome, behind=None)
        return replace(request, start=0, from_s=None, to_s=known.outcome, behind=None)

    def answered(self, place: Place, outcome: bytes | BridgeError) -> list[W]:
        """A request was answered; those who waited for that."""
        part = self._open.pop(place, None)
        if part is None:
            return []
        end = outcome if isinstance(outcome, BridgeError) else _next_s(part.request, outcome)
        self._ends[place] = _End(part.request, end)
        if len(self._ends) > REMEMBERED:
            self._ends.popitem(last=False)
        self._waiting -= len(part.waiting)
        return part.waiting


def _fit(former: History, request: History) -> bool:
    if isinstance(former, GetTicks):
        return isinstance(request, GetTicks) and (former.symbol, former.kind) == (request.symbol, request.kind)
    return isinstance(request, GetRates) and (former.symbol, former.timeframe) == (request.symbol, request.timeframe)


def _next_s(request: History, packed: bytes) -> int | None:
    """Where the next part begins or ends; None where the answer had fewer rows than were asked for."""
    rows, records = decode_records_of(packed)
    if rows < request.count:
        return None
    if isinstance(request, GetTicks):
        return _second(records, rows - 1)
    before_s = _second(records, 0) - 1  # by time, because a bar that opens meanwhile would shift positions
    return None if before_s < 0 or request.from_s is not None else before_s


def _second(records: memoryview, row: int) -> int:
    begin = row * RECORD_BYTES
    return int.from_bytes(records[begin : begin + TIME_BYTES], "little", signed=True)
