"""Rounds and their statistics.

Both sides run in every round, in turns, because on a shared machine the speed drifts by a factor of two between minutes while
ratios inside a round hold. Throughput: the median of the ratios inside the rounds. Latency: the best round of each side, because
everything that disturbs a round makes it slower.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class Size:
    """How much to measure: rounds, and the part of a benchmark's full load in each; and where the bridge that streams has its
    session."""

    rounds: int
    share: float
    session: Literal["thread", "process"] = "thread"

    def of(self, full: int) -> int:
        """This part of a full load, at least one."""
        return max(1, round(full * self.share))


FULL = Size(rounds=7, share=1.0)
QUICK = Size(rounds=5, share=0.25)


@dataclass(frozen=True, slots=True)
class Sample:
    """One side in one round: the figure, the CPU time of each process in µs per message, messages lost, more figures by name."""

    value: float
    cpu_us: Mapping[str, float] = field(default_factory=dict)
    lost: int = 0
    more: Mapping[str, float] = field(default_factory=dict)


Measure = Callable[[], Sample]
Side = Callable[[Size], AbstractContextManager[Measure]]
"""Starts the processes of one side and gives the function that measures one round."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One row: what is measured, against what, and which ratio (ours over reference) is wanted.

    `group` is its name on the command line, together with the other rows of the group. `stretch` is a further target, if there is
    one. What is `once` is measured once, without a round to warm up: it takes long, or must not begin warm. `median` says that what
    is better lower is a difference, which noise makes smaller as well: the medians count, as for what is better higher.
    """

    name: str
    group: str
    what: str
    ours: Side
    reference: Side
    better: Better
    unit: str
    target: float
    stretch: float | None = None
    once: bool = False
    median: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """A row that was measured. A result with lost messages does not count, and `met` is then false."""

    benchmark: Benchmark
    ours: Sample
    reference: Sample
    ratio: float
    rounds: int

    @property
    def lost(self) -> int:
        """Messages lost by either side in any round."""
        return self.ours.lost + self.reference.lost

    @property
    def met(self) -> bool:
        """Whether the ratio reaches the target."""
        return not self.lost and reaches(self.ratio, self.benchmark.target, self.benchmark.better)

    @property
    def met_stretch(self) -> bool:
        """Whether the ratio reaches the further target; not where there is none."""
        stretch = self.benchmark.stretch
        return stretch is not None and not self.lost and reaches(self.ratio, stretch, self.benchmark.better)


def reaches(ratio: float, target: float, better: Better) -> bool:
    """Whether a ratio is on the good side of a target."""
    return ratio >= target if better == "higher" else ratio <= target


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed (nearest rank). `values` must not be empty."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def run(benchmark: Benchmark, size: Size) -> Result:
    """Measure one benchmark: both sides run all the time, one of them works, the one that begins changes from round to round."""
    ours: list[Sample] = []
    reference: list[Sample] = []
    with benchmark.reference(size) as measure_reference, benchmark.ours(size) as measure_ours:
        if not benchmark.once:
            measure_reference(), measure_ours()  # caches, connections and allocators warm up
        for number in range(1 if benchmark.once else size.rounds):
            if number % 2:
                ours.append(measure_ours())
                reference.append(measure_reference())
            else:
                reference.append(measure_reference())
                ours.append(measure_ours())
    return conclude(benchmark, ours, reference)


def conclude(benchmark: Benchmark, ours: Sequence[Sample], reference: Sequence[Sample]) -> Result:
    """The result of rounds: for throughput the medians of the ratio and of each side, for latency the best round of each side."""
    if benchmark.better == "higher" or benchmark.median:
        ratio = statistics.median(mine.value / theirs.value for mine, theirs in zip(ours, reference, strict=True))
        mine, theirs = _middle(ours), _middle(reference)
    else:
        mine, theirs = _best(ours), _best(reference)
        ratio = mine.value / theirs.value
    return Result(benchmark, mine, theirs, ratio, len(ours))


def _middle(samples: Sequence[Sample]) -> Sample:
    """Median of the figures, least CPU time (it is nearly free of noise), all losses."""
    return Sample(
        value=statistics.median(sample.value for sample in samples),
        cpu_us=_least([sample.cpu_us for sample in samples]),
        lost=sum(sample.lost for sample in samples),
        more=_least([sample.more for sample in samples]),
    )


def _best(samples: Sequence[Sample]) -> Sample:
    return Sample(
        value=min(sample.value for sample in samples),
        cpu_us=_least([sample.cpu_us for sample in samples]),
        lost=sum(sample.lost for sample in samples),
        more=_least([sample.more for sample in samples]),
    )


def _least(samples: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: min(sample[name] for sample in samples) for name in samples[0]}
