"""A mixed crowd of subscribers at a steady rate: nothing may be lost, on as few cores as there are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from benchmarks.crowd import Seen, Wanted, await_subscribers, crowd
from benchmarks.fanout import events_of, told_what_to_publish
from benchmarks.inside import Order
from benchmarks.rounds import Measure, Sample, Size
from benchmarks.served import PATIENCE_S, running_bridge
from benchmarks.stub import topic_of

SYMBOLS, RATE = 1_000, 20_000
FEW, EACH = 64, 20
"""Subscribers of some symbols each, and of how many."""
ALL = 8
"""Subscribers of all symbols."""
SECONDS = 20.0
PROCESSES = 2
PATH = (
    f"{SYMBOLS:,} symbols at {RATE:,} ticks a second in total, {FEW} subscribers of {EACH} symbols each and {ALL} of all,"
    " against the events that they should get"
)


def followed(subscriber: int) -> range:
    """The symbols of one of the subscribers that follow some."""
    return range(subscriber * EACH % SYMBOLS, subscriber * EACH % SYMBOLS + EACH)


def expected(subscribers: list[range], ticks: int) -> int:
    """Events that subscribers should get of ticks of all symbols in turns."""
    return sum(len(range(place, ticks, SYMBOLS)) for followed in subscribers for place in followed)


def _subscribers() -> list[range]:
    """Those of all symbols first, so that each process gets the same number of them."""
    return [range(SYMBOLS)] * ALL + [followed(number) for number in range(FEW)]


def _prefixes(symbols: range) -> Wanted:
    return [topic_of(place).encode() + b"\0" for place in symbols]


@contextlib.contextmanager
def ours(size: Size) -> Iterator[Measure]:
    """A bridge whose session is in a process of its own. The figure is the number of events that came."""
    subscribers = _subscribers()
    with (
        told_what_to_publish() as (control, endpoint),
        running_bridge("unused", path=endpoint, stand_in="benchmarks.source") as (bridge, requests),
        crowd(events_of(requests), list(map(_prefixes, subscribers)), PROCESSES) as crowds,
    ):
        counts = [sum(place in followed for followed in subscribers) for place in range(SYMBOLS)]
        await_subscribers(requests, {topic_of(place): count for place, count in enumerate(counts)})

        def measure() -> Sample:
            ticks = size.of(int(SECONDS * RATE))
            before_s = bridge.ask("cpu")
            for number, process in enumerate(crowds):
                process.tell((expected(subscribers[number::PROCESSES], ticks), True))
            control.send(Order(ticks, symbols=SYMBOLS, rate=RATE).to_bytes())
            told: list[Seen] = [process.hear(PATIENCE_S + ticks / RATE) for process in crowds]
            cpu_us = {"bridge": (bridge.ask("cpu") - before_s) / ticks * 1e6, "subscribers": _cpu_us(told, ticks)}
            events = sum(seen.events for seen in told)
            lost = expected(subscribers, ticks) - events
            more = {
                "gaps": float(sum(seen.missing for seen in told)),
                "oldest event ms": max(seen.latest_ms for seen in told),
                "events per tick": events / ticks,
            }
            return Sample(events, cpu_us, lost, more)

        yield measure


def _cpu_us(told: list[Seen], ticks: int) -> float:
    return sum(seen.cpu_s for seen in told) / ticks * 1e6


@contextlib.contextmanager
def reference(size: Size) -> Iterator[Measure]:
    """What should come."""
    yield lambda: Sample(expected(_subscribers(), size.of(int(SECONDS * RATE))))
