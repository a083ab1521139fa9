"""What a fault run found: what was injected, the figures, and everything that was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.rounds import percentile


@dataclass(slots=True)
class Outcome:
    """`wrong` has a line for each fault of the product, with what was seen; it is empty if all was well.
    `skipped` has what cannot be done here, and why not."""

    name: str
    seed: int
    counts: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong."""
        return not self.wrong

    def as_object(self) -> dict[str, Any]:
        """As plain types."""
        return {
            "name": self.name,
            "ok": self.ok,
            "seed": self.seed,
            "counts": self.counts,
            "figures": self.figures,
            "wrong": self.wrong,
            "skipped": self.skipped,
        }

    def as_lines(self) -> list[str]:
        """For people; the seed is told before the run."""
        lines = ["injected: " + _listed(self.counts)]
        lines += [f"{name}: {_listed(value) if isinstance(value, dict) else value}" for name, value in self.figures.items()]
        lines += [f"WRONG: {text}" for text in self.wrong]
        lines += [f"SKIPPED: {name}: {reason}" for name, reason in self.skipped.items()]
        return [*lines, f"{self.name}: {'ok' if self.ok else f'NOT ok, {len(self.wrong)} wrong; repeat with --seed {self.seed}'}"]


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {f'({_listed(value)})' if isinstance(value, dict) else value}" for name, value in values.items())


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Median, 95th percentile and greatest of some figures; None where there is none."""
    if not values:
        return {"p50": None, "p95": None, "max": None}
    return {"p50": round(percentile(values, 50), 3), "p95": round(percentile(values, 95), 3), "max": round(max(values), 3)}
