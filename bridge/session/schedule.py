"""Which call comes next: trading before reading, short before long, first come first served among equals."""

from __future__ import annotations

from collections import deque

from bridge.errors import DeadlinePassed
from bridge.session.link import Call, StartStream

URGENT = 0
RANKS: dict[str, int] = {
    "order": URGENT,
    "order_check": 1, "margin": 1, "profit": 1, "trace": 1,
    "account": 2, "positions": 2, "orders": 2, "history_orders": 2, "deals": 2,
    "tick": 3, "symbol": 3, "symbols": 3, "find_symbol": 3, "terminal": 3,
    "rates": 5, "ticks": 5,
    "account_call": 2, "terminal_call": 3, "symbol_select": 3, "history_call": 5,
}  # fmt: skip
"""Rank of each method; the lowest goes first."""
STREAM_RANK = 4
_LAST = 5


class Schedule:
    """Calls and stream starts that wait for the terminal."""

    def __init__(self) -> None:
        self._queues: tuple[deque[Call | StartStream], ...] = tuple(deque() for _ in range(_LAST + 1))
        self._count = 0

    def add(self, item: Call | StartStream) -> None:
        """Put it behind those of its rank."""
        rank = STREAM_RANK if isinstance(item, StartStream) else RANKS.get(item.method, _LAST)
        self._queues[rank].append(item)
        self._count += 1

    def take(self) -> Call | StartStream | None:
        """The next one, or `None`."""
        for queue in self._queues:
            if queue:
                self._count -= 1
                return queue.popleft()
        return None

    @property
    def urgent(self) -> bool:
        """Whether an order waits."""
        return bool(self._queues[URGENT])

    @property
    def precedes_streams(self) -> bool:
        """Whether a call waits that goes before the starts of streams."""
        return any(self._queues[:STREAM_RANK])

    def __bool__(self) -> bool:
        return self._count > 0

    def __len__(self) -> int:
        return self._count

    def forget(self, topic: str) -> None:
        """Nobody wants this stream any more: do not start it."""
        queue = self._queues[STREAM_RANK]
        kept = [item for item in queue if not (isinstance(item, StartStream) and item.topic == topic)]
        if len(kept) != len(queue):
            self._count -= len(queue) - len(kept)
            queue.clear()
            queue.extend(kept)


def too_late(call: Call, now: float) -> DeadlinePassed | None:
    """The refusal of a call that would begin now, when its deadline has passed; it is never executed late."""
    if now <= call.deadline_s:
        return None
    return DeadlinePassed(
        f"{call.method} was still waiting {1000 * (now - call.deadline_s):.0f} ms after its deadline and was not executed",
        next_step="decide anew; allow more time if this repeats",
        method=call.method,
    )
