"""What subscribers of ticks and bars were given against what the terminal has: the same records, in the same order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from bridge.ticks import RECORD_BYTES
from tests.faults.verdict import Compared, compare, rows_of
from tests.receiver import Part

ODD = ("malformed", "duplicate", "unknown")
"""Counters of a client that count nonsense."""


@dataclass(slots=True)
class Delivered:
    """The sums of some subscriptions."""

    ticks: Compared = field(default_factory=Compared)
    bars: Compared = field(default_factory=Compared)
    subscriptions: int = 0
    gaps: int = 0
    replayed: int = 0
    backfilled: int = 0
    wrong: list[str] = field(default_factory=list)


def delivered(name: str, parts: Sequence[Part], histories: Mapping[str, bytes], *, whole: bool) -> Delivered:
    """Compare every topic of every part with its history; with `whole` nothing may be missing at the end of it."""
    found = Delivered(subscriptions=len(parts))
    for number, part in enumerate(parts):
        found.gaps += len(part.gaps)
        found.wrong += [f"{name} {number}: {gap}" for gap in part.gaps[:3]]
        found.replayed += part.counters.get("replayed", 0)
        found.backfilled += part.counters.get("backfilled", 0)
        if part.snapshots:
            found.wrong.append(f"{name} {number}: {part.snapshots} snapshots in the middle")
        nonsense = {key: part.clients_counters.get(key) for key in ODD if part.clients_counters.get(key)}
        if nonsense or part.counters.get("malformed"):
            found.wrong.append(f"{name} {number}: {nonsense} {part.counters}")
        for topic, history in histories.items():
            rows = bytes.fromhex(part.began.get(topic, "") + part.records.get(topic, ""))
            compared = against(topic, rows, history, whole=whole)
            (found.ticks if topic.startswith("tick:") else found.bars).add(compared)
            if compared.lost or compared.duplicated or compared.out_of_order or (whole and not compared.received):
                found.wrong.append(f"{name} {number}, {topic}: {compared}")
            elif not is_part(rows, history, whole=whole):
                found.wrong.append(f"{name} {number}, {topic}: the same records, but in another order")
    return found


def is_part(rows: bytes, history: bytes, *, whole: bool) -> bool:
    """Whether they are a part of the history as it stands; with `whole`, one up to its end."""
    if whole:
        return bool(rows) and history.endswith(rows)
    at = history.find(rows)
    while at % RECORD_BYTES and at >= 0:
        at = history.find(rows, at + 1)
    return at >= 0


def against(topic: str, rows: bytes, history: bytes, *, whole: bool) -> Compared:
    """What is lost, doubled or out of order."""
    if is_part(rows, history, whole=whole):
        return Compared(received=len(rows) // RECORD_BYTES)
    if not rows:
        return Compared(lost=len(history) // RECORD_BYTES)
    if not whole:
        wanted = rows_of(history)
        last = rows[-RECORD_BYTES:]
        if last in wanted:
            history = b"".join(wanted[: len(wanted) - wanted[::-1].index(last)])
    found = compare(rows, history)
    found.out_of_order = sum(time_of(topic, after) < time_of(topic, before) for before, after in pairwise(rows_of(rows)))
    return found


def time_of(topic: str, rows: bytes) -> int:
    """The time of the last record, in ms of a tick and s of a bar."""
    at = len(rows) - RECORD_BYTES + (40 if topic.startswith("tick:") else 0)
    return int.from_bytes(rows[at : at + 8], "little")
