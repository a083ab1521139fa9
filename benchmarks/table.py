"""The benchmarks and their targets."""

from __future__ import annotations

from functools import partial

from benchmarks import batches, requests, simulator, ticks
from benchmarks.rounds import Benchmark

BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark(
        name="ticks", group="ticks", what=f"one tick a message, {ticks.PATH}",
        ours=ticks.ours, reference=ticks.reference,
        better="higher", unit="ticks/s", target=0.40, stretch=0.60,
    ),
    Benchmark(
        name="batches-100", group="batches", what=f"100 ticks a message into numpy, {batches.PATH}",
        ours=partial(batches.ours, records=100), reference=partial(batches.reference, records=100),
        better="higher", unit="ticks/s", target=0.60, stretch=0.80,
    ),
    Benchmark(
        name="batches-1000", group="batches", what=f"1,000 ticks a message into numpy, {batches.PATH}",
        ours=partial(batches.ours, records=1_000), reference=partial(batches.reference, records=1_000),
        better="higher", unit="ticks/s", target=0.75, stretch=0.90,
    ),
    Benchmark(
        name="requests", group="requests", what=f"order_check, one after the other, {requests.PATH}",
        ours=requests.ours, reference=requests.reference,
        better="lower", unit="µs p50", target=1.6, stretch=1.3,
    ),
    Benchmark(
        name="simulator-m1", group="simulator", what="a year of M1 bars, against the limit",
        ours=partial(simulator.bars, timeframe=simulator.M1, days=365), reference=partial(simulator.limit, limit_ms=1_000.0),
        better="lower", unit="ms", target=1.0, stretch=0.5,
    ),
    Benchmark(
        name="simulator-ticks", group="simulator", what="a day of ticks, against the limit",
        ours=simulator.day_of_ticks, reference=partial(simulator.limit, limit_ms=300.0),
        better="lower", unit="ms", target=1.0, stretch=0.5,
    ),
    Benchmark(
        name="simulator-d1", group="simulator", what="20 years of D1 bars, against the limit",
        ours=partial(simulator.bars, timeframe=simulator.D1, days=7_305, until_s=simulator.IN_2030_S),
        reference=partial(simulator.limit, limit_ms=1_000.0),
        better="lower", unit="ms", target=1.0, stretch=0.5,
    ),
    Benchmark(
        name="simulator-calls", group="simulator", what=f"symbol_info_tick, one after the other, {simulator.PATH}",
        ours=simulator.ours, reference=simulator.reference,
        better="lower", unit="µs p50", target=6.0, stretch=4.0,
    ),
)  # fmt: skip
"""Every row, in the order in which they run."""

GROUPS: tuple[str, ...] = tuple(dict.fromkeys(benchmark.group for benchmark in BENCHMARKS))


def chosen(names: tuple[str, ...]) -> tuple[Benchmark, ...]:
    """The rows of these names or groups, or all; `KeyError` for a name that is none."""
    for name in names:
        if not any(name in (benchmark.name, benchmark.group) for benchmark in BENCHMARKS):
            raise KeyError(name)
    return tuple(item for item in BENCHMARKS if not names or item.name in names or item.group in names)
