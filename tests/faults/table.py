"""The fault runs, by name."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults import connection, flood, fuzz, intruders, market_data, recorder, trading
from tests.faults.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Run:
    """`run(seed, count)` injects so many faults; `count` is how many unless told otherwise, `small` how many in `smoke`."""

    what: str
    run: Callable[[int, int], Outcome]
    count: int
    small: int


RUNS: dict[str, Run] = {
    "connection": Run("terminals killed and hung, broker links dropped, accounts switched", connection.run, count=26, small=13),
    "market-data": Run(
        "subscribers stopped and cut off, bridges, sessions and terminals killed, bursts, bad networks",
        market_data.run,
        count=market_data.FULL,
        small=8,
    ),
    "trading": Run(
        "bridges, sessions, terminals and clients killed around orders, orders executed and not answered",
        trading.run,
        count=1_000,
        small=6,
    ),
    "intruders": Run("attempts to get in without a key, or further in than it allows", intruders.run, count=100, small=3),
    "recorder": Run("recorders, bridges and terminals killed while it records", recorder.run, count=100, small=4),
    "fuzz": Run("random and changed messages to every socket", fuzz.run, count=1_000_000, small=10_000),
    "flood": Run("connections, clients and requests in numbers, in percent of what is promised", flood.run, count=100, small=10),
}
SMOKE = "smoke"
"""Each run once, small."""


def outcome_of(name: str, entry: Run, seed: int, count: int) -> Outcome:
    """Do a run; one that cannot go on has failed."""
    try:
        return entry.run(seed, count)
    except Exception:
        return Outcome(name, seed, wrong=[f"the run could not go on: {traceback.format_exc()}"])


def smoke(seed: int) -> Outcome:
    """Each run once, small."""
    whole = Outcome(SMOKE, seed)
    for name, entry in RUNS.items():
        part = outcome_of(name, entry, seed, entry.small)
        whole.counts[name] = part.counts
        whole.figures[name] = part.figures
        whole.wrong += [f"{name}: {text}" for text in part.wrong]
        whole.skipped |= {f"{name}: {what}": reason for what, reason in part.skipped.items()}
    return whole
