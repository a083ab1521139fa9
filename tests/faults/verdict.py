"""What the clients of a fault run received and were told, against the terminal's own books and history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from bridge.messages import FOREIGN
from bridge.ticks import RECORD_BYTES, last_tick
from bridge.trading import Order
from clients import events
from tests.faults.sequences import WRONG_ACCOUNT, word
from tests.faults.witness import Identity, Seen, Sent, told_apart

LATE_HEARTBEAT_S = 1.5
"""How much longer than its period a heartbeat may take: the machine may be busy, the gateway may not be."""


def rows_of(packed: bytes) -> list[bytes]:
    """The records one by one."""
    return [packed[at : at + RECORD_BYTES] for at in range(0, len(packed), RECORD_BYTES)]


# ---- streams ---------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Streams:
    """What a client received: the tick records of each symbol without those of another account, gaps, and events that do not follow
    the one before them."""

    ticks: dict[str, bytearray] = field(default_factory=dict)
    gaps: list[events.Gap] = field(default_factory=list)
    irregular: list[str] = field(default_factory=list)


def streams(seen: Iterable[Seen]) -> Streams:
    """Go through what a client received: sequences count one by one in each topic, unless a gap says what is missing."""
    found = Streams()
    newest: dict[str, int] = {}
    for item in (event.item for event in seen):
        if isinstance(item, events.Gap):
            found.gaps.append(item)
            newest.pop(item.topic, None)
            continue
        if isinstance(item, events.Stale | events.Fresh):
            continue  # the client's own, and only where it is asked for
        topic = topic_of(item)
        before = newest.get(topic)
        if before is not None and item.sequence != before + 1:
            found.irregular.append(f"{topic}: event {item.sequence} after {before}")
        newest[topic] = item.sequence
        if isinstance(item, events.Ticks) and not item.snapshot and not item.flags & FOREIGN:
            found.ticks.setdefault(item.symbol, bytearray()).extend(item.records)
    return found


def topic_of(item: events.Item) -> str:
    """The topic of an event of those that the clients subscribe."""
    names = {
        events.Connection: "connection", events.TradeUpdate: "trade", events.OpenTrades: "trade", events.Heartbeat: "heartbeat",
    }  # fmt: skip
    return item.topic if isinstance(item, events.Ticks | events.Bars | events.Other | events.Gap) else names.get(type(item), "?")


@dataclass(slots=True)
class Compared:
    """Ticks that were received against those of the history."""

    received: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0

    def add(self, other: Compared) -> None:
        """Count together."""
        self.received += other.received
        self.lost += other.lost
        self.duplicated += other.duplicated
        self.out_of_order += other.out_of_order


def compare(received: bytes, history: bytes) -> Compared:
    """`history` has every tick from the second of the first received one to the end."""
    mine, all_rows = rows_of(received), rows_of(history)
    if not mine:
        return Compared(lost=len(all_rows))
    wanted = all_rows[all_rows.index(mine[0]) if mine[0] in all_rows else 0 :]
    times = [last_tick(row).time_msc for row in mine]
    return Compared(
        received=len(mine),
        lost=(Counter(wanted) - Counter(mine)).total(),
        duplicated=(Counter(mine) - Counter(wanted)).total(),
        out_of_order=sum(after < before for before, after in pairwise(times)),
    )


def foreign(seen: Sequence[Seen], switched: Sequence[tuple[float, float]]) -> tuple[int, list[str]]:
    """How many events of market data were marked as another account's, and which were marked wrongly.

    All of them are to be marked between the announcement of the wrong account and the end of it; none outside of `switched`, the
    times from a switch until all was well again.
    """
    marked, found, degraded = 0, [], False
    for event in seen:
        item = event.item
        if isinstance(item, events.Connection):
            degraded = word(item.connection) == WRONG_ACCOUNT
        elif isinstance(item, events.Ticks) and not item.snapshot:
            mark = bool(item.flags & FOREIGN)
            marked += mark
            if degraded and not mark:
                found.append(f"{item.topic} {item.sequence} is not marked although the account is known to be another")
            elif mark and not any(begin <= event.at_s <= end for begin, end in switched):
                found.append(f"{item.topic} {item.sequence} is marked as another account's")
    return marked, found


def strangers(seen: Iterable[Seen], known: Collection[Identity]) -> list[str]:
    """The events about these positions of another account: there is to be none."""
    return [
        f"trade {item.sequence}: {item.trade.kind} tells of another account's position {item.trade.position.ticket}"
        for item in (event.item for event in seen)
        if isinstance(item, events.TradeUpdate) and item.trade.position and told_apart(item.trade.position) in known
    ]


def heartbeat_gaps_s(seen: Iterable[Seen]) -> tuple[list[float], float]:
    """The times between heartbeats, by the bridge's own clock, and their period; in seconds."""
    beats = [event.item for event in seen if isinstance(event.item, events.Heartbeat) and not event.item.snapshot]
    period_s = beats[0].heartbeat.period_ms / 1e3 if beats else 0.0
    return [(after.time_us - before.time_us) / 1e6 for before, after in pairwise(beats)], period_s


# ---- orders ----------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Books:
    """The orders that were sent, by what their client was told, against what the account has."""

    done: int = 0
    refused: int = 0
    unknown: int = 0
    unknown_executed: int = 0
    twice: int = 0
    wrong: list[str] = field(default_factory=list)


def books(sent: Sequence[Sent], executed: Mapping[str, list[Order]]) -> Books:
    """`executed` has the account's orders by comment."""
    found = Books()
    for order in sent:
        orders = executed.get(order.comment, [])
        if len(orders) > 1:
            found.twice += 1
            found.wrong.append(f"{order.comment} was executed {len(orders)} times: {[item.ticket for item in orders]}")
        if order.outcome == "done":
            found.done += 1
            if [item.ticket for item in orders] != [order.ticket]:
                found.wrong.append(f"{order.comment} was answered as order {order.ticket}, and the account has {len(orders)} of it")
        elif order.outcome == "refused":
            found.refused += 1
            if orders:
                found.wrong.append(f"{order.comment} was refused ({order.error}), and was executed as {orders[0].ticket}")
        else:
            found.unknown += 1
            found.unknown_executed += bool(orders)
    unsent = executed.keys() - {order.comment for order in sent}
    found.wrong += [f"the account has an order that nobody sent: {comment}" for comment in sorted(unsent)]
    return found
