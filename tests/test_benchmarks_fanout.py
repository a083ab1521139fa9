"""The benchmarks with many subscribers, each of them as small as it can be; no figure is asserted."""

from __future__ import annotations

from benchmarks import fanout, mixed
from benchmarks.report import as_object
from benchmarks.rounds import Size, run
from benchmarks.table import BENCHMARKS

TINY = Size(1, 0.01)


def test_what_a_mixed_crowd_should_get() -> None:
    assert mixed.expected([range(mixed.SYMBOLS)], 2_500) == 2_500
    assert mixed.expected([range(20)], 1_010) == 30
    followed = [mixed.followed(number) for number in range(mixed.FEW)]
    assert all(len(symbols) == mixed.EACH and symbols.stop <= mixed.SYMBOLS for symbols in followed)


def test_fanout() -> None:
    with fanout.reference(TINY, subscribers=3) as raw, fanout.ours(TINY, subscribers=3) as bridged:
        for told in (raw(), bridged()):
            assert set(told.cpu_us) == {"one subscriber", "all of them"}


def test_a_mixed_crowd_loses_nothing() -> None:
    result = run(next(row for row in BENCHMARKS if row.name == "fanout-mixed"), TINY)
    assert (result.lost, result.ratio) == (0, 1.0)
    told = as_object(result, {})
    assert {"gaps", "oldest event ms"} <= set(told["more"]["ours"])
    assert told["stretch"] is None
