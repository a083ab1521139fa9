"""The benchmarks and their targets."""

from __future__ import annotations

from functools import partial

from benchmarks import (
    aio,
    batches,
    burst,
    cached,
    fanout,
    frozen,
    history,
    memory,
    mixed,
    orders,
    pipelined,
    requests,
    simulator,
    symbols,
    ticks,
    traders,
)  # fmt: skip
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
        name="aio", group="aio", what=f"order_check, one after the other, {aio.PATH}",
        ours=aio.ours, reference=aio.reference,
        better="lower", unit="µs p50", target=2.0, stretch=1.6,
    ),
    Benchmark(
        name="cached", group="cached", what=f"last tick of a streamed symbol, {cached.PATH}",
        ours=cached.ours, reference=cached.reference,
        better="lower", unit="µs p50", target=1.5, stretch=1.2,
    ),
    Benchmark(
        name="pipelined", group="pipelined", what=f"order_check, {pipelined.PATH}",
        ours=pipelined.ours, reference=pipelined.reference,
        better="higher", unit="requests/s", target=0.40, stretch=0.60,
    ),
    Benchmark(
        name="history-bars", group="history", what=f"{history.ROWS['bars']:,} bars to a DataFrame, {history.PATH}",
        ours=partial(history.ours, kind="bars"), reference=partial(history.reference, kind="bars"),
        better="higher", unit="rows/s", target=0.60, stretch=0.80,
    ),
    Benchmark(
        name="history-ticks", group="history", what=f"{history.ROWS['ticks']:,} ticks to a DataFrame, {history.PATH}",
        ours=partial(history.ours, kind="ticks"), reference=partial(history.reference, kind="ticks"),
        better="higher", unit="rows/s", target=0.60, stretch=0.80,
    ),
    *(
        Benchmark(
            name=f"memory-{count}", group="memory", what=f"{memory.TICKS:,} ticks of {count:,} symbols, {memory.PATH}",
            ours=partial(memory.ours, symbols=count), reference=memory.reference,
            better="lower", unit="MiB", target=1.3, once=True,
        ) for count in (10, 100, 1_000)
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
    Benchmark(
        name="symbols-100", group="symbols", what=f"100 streamed symbols, {symbols.PATH}",
        ours=partial(symbols.side, symbols=100), reference=partial(symbols.side, symbols=symbols.FEW),
        better="lower", unit="µs of CPU", target=1.3, stretch=1.1,
    ),
    Benchmark(
        name="symbols-1000", group="symbols", what=f"1,000 streamed symbols, {symbols.PATH}",
        ours=partial(symbols.side, symbols=1_000), reference=partial(symbols.side, symbols=symbols.FEW),
        better="lower", unit="µs of CPU", target=1.3, stretch=1.1,
    ),
    *(
        Benchmark(
            name=f"fanout-{count}", group="fanout", what=f"{count} subscribers, {fanout.PATH}",
            ours=partial(fanout.ours, subscribers=count), reference=partial(fanout.reference, subscribers=count),
            better="lower", unit="µs of CPU", target=2.0, stretch=1.2, median=True,
        ) for count in (8, 32, 64)
    ),
    Benchmark(
        name="fanout-mixed", group="fanout", what=mixed.PATH,
        ours=mixed.ours, reference=mixed.reference,
        better="higher", unit="events", target=1.0, once=True,
    ),
    Benchmark(
        name="burst", group="burst", what=f"published one tick a message: {burst.PATH}",
        ours=burst.published, reference=burst.reference,
        better="higher", unit="ticks", target=1.0,
    ),
    Benchmark(
        name="burst-blocked", group="burst", what=f"after a call to the terminal that took {burst.BLOCKED_S:.0f} s: {burst.PATH}",
        ours=burst.blocked, reference=partial(burst.reference, whole=True),
        better="higher", unit="ticks", target=1.0,
    ),
    Benchmark(
        name="orders-added", group="orders", what=f"p50 {orders.PATH}",
        ours=orders.added, reference=partial(simulator.limit, limit_ms=orders.LIMIT_MS),
        better="lower", unit="ms p50", target=1.0,
    ),
    Benchmark(
        name="orders-simulator", group="orders", what=f"over the simulated terminal, p50 {orders.PATH}",
        ours=orders.added_to_simulator, reference=partial(simulator.limit, limit_ms=orders.LIMIT_MS),
        better="lower", unit="ms p50", target=1.0,
    ),
    *(
        Benchmark(
            name=f"orders-intents-{count}", group="orders", what=f"an intent made durable, {count} under way, against the limit",
            ours=partial(orders.intents, under_way=count), reference=partial(simulator.limit, limit_ms=orders.INTENT_MS),
            better="lower", unit="ms p50", target=1.0,
        ) for count in (1, orders.TOGETHER)
    ),
    Benchmark(
        name="orders-clients", group="orders", what=traders.PATH,
        ours=traders.ours, reference=traders.reference,
        better="higher", unit="orders", target=1.0, once=True,
    ),
    Benchmark(
        name="frozen", group="frozen", what=f"ping of the gateway, {frozen.PATH}",
        ours=frozen.ours, reference=frozen.reference,
        better="lower", unit="µs p99", target=3.0, stretch=1.5,
    ),
)  # fmt: skip
"""Every row, in the order in which they run."""

LONG: frozenset[str] = frozenset({"frozen", "orders-clients", "memory-10", "memory-100", "memory-1000"})
"""Rows that take minutes: without `--quick` they run only by name."""
QUICK_ONES: frozenset[str] = frozenset(
    {
        "ticks", "batches-100", "batches-1000", "requests", "aio", "cached", "pipelined", "history-bars", "fanout-32",
        "simulator-m1", "simulator-ticks", "simulator-d1", "simulator-calls", "frozen",
    }
)  # fmt: skip
"""Rows that `--quick` runs, in a minute altogether; the others only by name."""

GROUPS: tuple[str, ...] = tuple(dict.fromkeys(benchmark.group for benchmark in BENCHMARKS))


def chosen(names: tuple[str, ...], quick: bool = False) -> tuple[Benchmark, ...]:
    """The rows of these names or groups, or without any those that do not take long; `KeyError` for a name that is none."""
    for name in names:
        if not any(name in (benchmark.name, benchmark.group) for benchmark in BENCHMARKS):
            raise KeyError(name)
    if not names:
        return tuple(item for item in BENCHMARKS if (item.name in QUICK_ONES if quick else item.name not in LONG))
    return tuple(item for item in BENCHMARKS if item.name in names or item.group in names)
