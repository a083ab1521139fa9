"""The fault runs, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults import connection
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
}
SMOKE = "smoke"
"""Each run once, small."""


def smoke(seed: int) -> Outcome:
    """Each run once, small."""
    whole = Outcome(SMOKE, seed)
    for name, entry in RUNS.items():
        part = entry.run(seed, entry.small)
        whole.counts[name] = part.counts
        whole.figures[name] = part.figures
        whole.wrong += [f"{name}: {text}" for text in part.wrong]
    return whole
