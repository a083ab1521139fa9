"""Many symbols at the same total rate of ticks: what one tick costs must not depend on how many symbols there are.

The bridge is fed with what a session would send, over the link of a session in a process of its own, so that each side carries the
same messages. What the session itself spends is measured apart, with a terminal whose calls cost next to nothing
(`benchmarks.market`), and told beside.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from benchmarks import streaming, ticks
from benchmarks.market import session_cost
from benchmarks.rounds import Measure, Sample, Size

FEW = 10
RATE = 20_000
SECONDS = 3.0
"""Of a round: several heartbeats, which name every topic."""
SESSION_RATE = 2_000
SESSION_S = 2.0
PATH = (
    f"CPU of the bridge's process for one of {RATE:,} ticks a second, against {FEW} symbols"
    f" (session: its own CPU at {SESSION_RATE:,} ticks a second, a terminal call counting nothing)"
)


@contextlib.contextmanager
def side(size: Size, *, symbols: int) -> Iterator[Measure]:
    """So many symbols. The figure is µs of the bridge for one tick."""
    session = session_cost(symbols, SESSION_RATE, SESSION_S * size.share)
    messages = size.of(int(RATE * SECONDS))
    with streaming.ours(ticks.read, "process", bursts=1, messages=messages, records=1, symbols=symbols, rate=RATE) as measure:

        def cost() -> Sample:
            told = measure()
            cpu_us = {name: value for name, value in told.cpu_us.items() if name != "source"}
            return replace(told, value=told.cpu_us["bridge"], cpu_us={**cpu_us, "session": session.tick_us}, more=session.figures)

        yield cost
