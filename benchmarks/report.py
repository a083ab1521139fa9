"""Results as JSON objects and as lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.rounds import Result


def as_object(result: Result, machine: Mapping[str, str | int]) -> dict[str, Any]:
    """One row as plain types. `ratio` is ours over reference; `better` says which side of `target` is the good one."""
    benchmark = result.benchmark
    return {
        "name": benchmark.name,
        "ours": _rounded(result.ours.value),
        "reference": _rounded(result.reference.value),
        "ratio": round(result.ratio, 3),
        "target": benchmark.target,
        "met": result.met,
        "stretch": benchmark.stretch,
        "met_stretch": result.met_stretch,
        "better": benchmark.better,
        "unit": benchmark.unit,
        "rounds": result.rounds,
        "lost": result.lost,
        "cpu_us": {"ours": _all_rounded(result.ours.cpu_us), "reference": _all_rounded(result.reference.cpu_us)},
        "more": {"ours": _all_rounded(result.ours.more), "reference": _all_rounded(result.reference.more)},
        "what": benchmark.what,
        "machine": dict(machine),
    }


def as_lines(result: Result) -> list[str]:
    """One row for people."""
    benchmark = result.benchmark
    sign = ">=" if benchmark.better == "higher" else "<="
    verdict = "no: messages were lost" if result.lost else "yes" if result.met else "no"
    further = ""
    if benchmark.stretch is not None:
        further = f" (stretch {sign} {benchmark.stretch:.2f}: {'yes' if result.met_stretch else 'no'})"
    lines = [
        f"{benchmark.name}: {benchmark.what}",
        f"  ours {_figure(result.ours.value)}, reference {_figure(result.reference.value)} {benchmark.unit}"
        f" ({result.rounds} rounds)",
        f"  ratio {result.ratio:.2f}, target {sign} {benchmark.target:.2f}: {verdict}{further}, lost {result.lost}",
    ]
    for side, sample in (("ours", result.ours), ("reference", result.reference)):
        if sample.cpu_us:
            told = ", ".join(f"{name} {value:.2f}" for name, value in sample.cpu_us.items())
            lines.append(f"  CPU µs per message, {side}: {told}")
        if sample.more:
            lines.append(f"  {side}: " + ", ".join(f"{name} {_figure(value)}" for name, value in sample.more.items()))
    return lines


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _all_rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: _rounded(value) for name, value in values.items()}
