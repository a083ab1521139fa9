"""The benchmarks of the simulated terminal run; no figure is asserted but what was made."""

from __future__ import annotations

from benchmarks import simulator
from benchmarks.rounds import Size

TINY = Size(1, 0.01)


def test_history_is_made_anew_in_every_round() -> None:
    with simulator.bars(TINY, timeframe=simulator.D1, days=30) as measure:
        assert measure().more == measure().more == {"rows": 22}
    with simulator.day_of_ticks(TINY) as measure:
        sample = measure()
    assert sample.value > 0
    assert sample.more["rows"] > 20_000
    with simulator.limit(TINY, limit_ms=300.0) as measure:
        assert measure().value == 300.0


def test_both_sides_of_a_call_run_for_real() -> None:
    with simulator.reference(TINY) as echo, simulator.ours(TINY) as terminal:
        assert echo().value > 0
        assert terminal().value > 0
