"""The benchmarks of requests: last ticks, many at a time, history. Each of them as small as it can be; no figure is asserted."""

from __future__ import annotations

import pytest

from benchmarks import aio, cached, history, pipelined
from benchmarks.rounds import Size
from bridge.messages import MAX_ROWS
from bridge.ticks import BAR_STRUCT, RECORD_BYTES, iter_bars, iter_ticks

TINY = Size(1, 0.01)


def test_the_history_can_be_asked_for_in_parts() -> None:
    terminal: history.HistoryTerminal = history.HistoryTerminal()  # type: ignore[abstract]
    newest = list(iter_bars(terminal.rates_from_pos("A", "M1", 5, 3)))
    assert [bar.time for bar in newest] == [newest[-1].time - 120, newest[-1].time - 60, newest[-1].time]
    before = list(iter_bars(terminal.rates_from("A", "M1", newest[0].time - 1, 2)))
    assert [bar.time for bar in before] == [newest[0].time - 120, newest[0].time - 60]
    assert terminal.rates_from("A", "M1", history.BEGIN_S - 1, 5) == b""
    assert len(terminal.rates_from("A", "M1", history.BEGIN_S, 5)) == BAR_STRUCT.size
    ticks = list(iter_ticks(terminal.ticks_from("A", history.BEGIN_S + 7, 15)))
    assert [tick.time_msc - 1_000 * history.BEGIN_S for tick in ticks] == [7_000 + 100 * number for number in range(15)]


@pytest.mark.parametrize("kind", ["bars", "ticks"])
def test_history_has_rows_for_every_round(kind: history.Kind) -> None:
    rows = len(history.records(kind)) // RECORD_BYTES
    assert rows == history.ROWS[kind] + history.SPARE > history.ROWS[kind] > MAX_ROWS


def test_last_ticks() -> None:
    with cached.reference(TINY) as raw, cached.ours(TINY) as bridged:
        assert raw().value > 0
        assert set(bridged().cpu_us) == {"bridge", "client"}


def test_the_asyncio_client() -> None:
    with aio.ours(TINY) as bridged:
        assert bridged().value > 0
        assert set(bridged().cpu_us) == {"bridge", "client"}


def test_many_requests_at_a_time() -> None:
    with pipelined.reference(TINY) as raw, pipelined.ours(TINY) as bridged:
        assert raw().value > 0
        assert set(bridged().cpu_us) == {"bridge", "client"}


def test_history() -> None:
    with history.reference(TINY, kind="bars") as raw, history.ours(TINY, kind="bars") as bridged:
        assert raw().more["ms"] > 0
        assert bridged().more["ms"] > 0
        assert bridged().value > 0, "the second round asks for other bars"
