"""The benchmarks' table, statistics and output; no figure is asserted here, because a busy machine would fail it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import benchmarks.__main__ as command
from benchmarks import batches, frozen, requests, streaming, stub, ticks
from benchmarks.machine import describe, one_line
from benchmarks.report import as_lines, as_object
from benchmarks.rounds import FULL, QUICK, Benchmark, Better, Measure, Sample, Size, conclude, percentile, reaches, run
from benchmarks.table import BENCHMARKS, GROUPS, LONG, QUICK_ONES, chosen
from bridge.terminal.metatrader import open_terminal
from bridge.ticks import RECORD_BYTES, last_tick
from bridge.trading import TradeRequest

KEYS = {"name", "ours", "reference", "ratio", "target", "met", "unit", "rounds", "machine"}


def side(values: list[float], lost: int = 0) -> object:
    @contextmanager
    def start(size: Size) -> Iterator[Measure]:
        left = iter([0.0, *values])
        yield lambda: Sample(next(left), {"bridge": 2.0}, lost, {"p99 µs": 9.0})

    return start


def benchmark(ours: list[float], reference: list[float], better: Better = "higher", lost: int = 0) -> Benchmark:
    return Benchmark(
        name="example", group="examples", what="an example", ours=side(ours, lost), reference=side(reference),  # type: ignore[arg-type]
        better=better, unit="ticks/s", target=0.5 if better == "higher" else 2.0, stretch=0.9 if better == "higher" else 1.1,
    )  # fmt: skip


# ---- table -----------------------------------------------------------------------------------------------------------------------


def test_names_are_unique_and_groups_are_complete() -> None:
    names = [row.name for row in BENCHMARKS]
    assert len(set(names)) == len(names)
    wanted = {"ticks", "batches", "requests", "cached", "pipelined", "history", "symbols", "fanout", "burst", "memory", "frozen"}
    assert wanted <= set(GROUPS)
    assert {row.name for row in chosen((), quick=True)} == QUICK_ONES
    assert {row.name for row in BENCHMARKS} - {row.name for row in chosen(())} == LONG
    assert [row.name for row in chosen(("frozen",))] == ["frozen"]
    assert [row.name for row in chosen(("batches",))] == ["batches-100", "batches-1000"]
    assert [row.name for row in chosen(("batches-100", "ticks"))] == ["ticks", "batches-100"]
    with pytest.raises(KeyError, match="nonsense"):
        chosen(("ticks", "nonsense"))


@pytest.mark.parametrize("row", BENCHMARKS, ids=lambda row: row.name)
def test_stretch_is_beyond_target(row: Benchmark) -> None:
    if row.stretch is not None:
        assert reaches(row.stretch, row.target, row.better)
        assert row.stretch != row.target
    assert row.what
    assert row.unit


def test_targets_are_those_that_were_set() -> None:
    wanted = {
        "ticks": (0.40, 0.60), "batches-100": (0.60, 0.80), "batches-1000": (0.75, 0.90), "requests": (1.6, 1.3),
        "aio": (2.0, 1.6),
        "frozen": (3.0, 1.5), "cached": (1.5, 1.2), "pipelined": (0.40, 0.60), "history-bars": (0.60, 0.80),
        "history-ticks": (0.60, 0.80), "symbols-100": (1.3, 1.1), "symbols-1000": (1.3, 1.1), "fanout-8": (2.0, 1.2),
        "fanout-32": (2.0, 1.2), "fanout-64": (2.0, 1.2), "fanout-mixed": (1.0, None), "burst": (1.0, None),
        "burst-blocked": (1.0, None),
    }  # fmt: skip
    assert {row.name: (row.target, row.stretch) for row in BENCHMARKS if row.name in wanted} == wanted


# ---- statistics ------------------------------------------------------------------------------------------------------------------


def test_percentile_is_nearest_rank() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, percent) for percent in (0, 1, 50, 99, 100)] == [1.0, 1.0, 50.0, 99.0, 100.0]
    assert percentile([7.0], 50) == 7.0
    assert percentile([2.0, 1.0], 50) == 1.0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.integers(0, 100))
def test_percentile_is_one_of_the_values(values: list[float], percent: int) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100


def test_throughput_is_the_median_of_the_ratios_inside_rounds() -> None:
    # The machine was four times as fast in the last round: the ratio of the medians would be wrong.
    result = run(benchmark([10.0, 30.0, 400.0], [100.0, 100.0, 800.0]), Size(3, 1.0))
    assert result.ratio == pytest.approx(0.3)
    assert (result.ours.value, result.reference.value, result.rounds) == (30.0, 100.0, 3)
    assert not result.met


def test_latency_is_the_best_round_of_each_side() -> None:
    result = run(benchmark([90.0, 30.0, 50.0], [20.0, 40.0, 25.0], "lower"), Size(3, 1.0))
    assert result.ratio == pytest.approx(1.5)
    assert result.met
    assert not result.met_stretch


def test_of_differences_the_medians_count() -> None:
    row = replace(benchmark([9.0, 30.0, 50.0], [10.0, 10.0, 10.0], "lower"), median=True)
    result = run(row, Size(3, 1.0))
    assert (result.ratio, result.ours.value, result.reference.value) == (pytest.approx(3.0), 30.0, 10.0)


def test_what_is_measured_once_does_not_warm_up() -> None:
    measured: list[str] = []

    @contextmanager
    def counted(size: Size) -> Iterator[Measure]:
        def measure() -> Sample:
            measured.append("measured")
            return Sample(1.0)

        yield measure

    result = run(replace(benchmark([], []), ours=counted, reference=counted, once=True), Size(5, 1.0))
    assert (result.rounds, len(measured)) == (1, 2)


def test_where_there_is_no_stretch_none_is_met() -> None:
    result = run(replace(benchmark([99.0], [100.0]), stretch=None), Size(1, 1.0))
    assert result.met
    assert not result.met_stretch
    assert not any("stretch" in line for line in as_lines(result))


def test_a_loss_never_meets_a_target() -> None:
    result = run(benchmark([99.0, 99.0], [100.0, 100.0], lost=1), Size(2, 1.0))
    assert result.ratio > 0.9
    assert (result.lost, result.met, result.met_stretch) == (2, False, False)
    assert any("messages were lost" in line for line in as_lines(result))


def test_cpu_time_is_the_least_of_the_rounds() -> None:
    row = benchmark([], [])
    result = conclude(row, [Sample(1.0, {"bridge": 5.0}), Sample(2.0, {"bridge": 3.0})], [Sample(1.0), Sample(1.0)])
    assert result.ours.cpu_us == {"bridge": 3.0}


def test_a_quick_run_is_shorter_but_has_rounds_enough() -> None:
    assert 5 <= QUICK.rounds <= FULL.rounds
    assert QUICK.of(60_000) < FULL.of(60_000) == 60_000
    assert QUICK.of(1) == 1


def test_a_round_whose_ticks_are_others_than_published_is_refused() -> None:
    told = (0.5, 0.1, 0.1, 0, 10 * streaming.BID)
    assert streaming.sample(told, 10, 1, {}).value == pytest.approx(20.0)
    with pytest.raises(RuntimeError, match="other ticks"):
        streaming.sample((0.5, 0.1, 0.1, 0, 9 * streaming.BID), 10, 1, {})
    assert streaming.sample((0.5, 0.1, 0.1, 1, 9 * streaming.BID), 10, 1, {}).lost == 1


# ---- output ----------------------------------------------------------------------------------------------------------------------


def test_an_object_has_what_is_promised() -> None:
    machine = describe()
    told = json.loads(json.dumps(as_object(run(benchmark([50.0], [100.0]), Size(1, 1.0)), machine)))
    assert set(told) >= KEYS
    assert (told["name"], told["ours"], told["reference"], told["ratio"], told["target"]) == ("example", 50.0, 100.0, 0.5, 0.5)
    assert told["met"] is True
    assert told["met_stretch"] is False
    assert told["cpu_us"]["ours"] == {"bridge": 2.0}
    assert {"cpu", "cores", "python", "pyzmq", "libzmq", "msgpack"} <= set(told["machine"])
    assert str(machine["libzmq"]) in one_line(machine)


def test_the_command_prints_one_object_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (benchmark([50.0] * 5, [100.0] * 5), benchmark([1.0] * 5, [100.0] * 5))
    monkeypatch.setattr(command, "chosen", lambda names, quick: rows)
    answer = CliRunner().invoke(command.main, ["--json", "--quick"])
    assert answer.exit_code == 0, answer.output
    assert [json.loads(line)["met"] for line in answer.output.splitlines()] == [True, False]
    plain = CliRunner().invoke(command.main, ["--rounds", "2"])
    assert plain.exit_code == 0
    assert "ratio 0.50, target >= 0.50: yes" in plain.output
    assert "ratio 0.01, target >= 0.50: no" in plain.output


def test_the_command_names_what_there_is() -> None:
    answer = CliRunner().invoke(command.main, ["nonsense"])
    assert answer.exit_code == 2
    assert "ticks" in answer.output
    assert "nonsense" in answer.output


# ---- the parts -------------------------------------------------------------------------------------------------------------------


def test_the_stub_is_a_terminal_of_the_bridge() -> None:
    terminal = open_terminal("benchmarks.stub:StubTerminal")
    assert terminal.check(TradeRequest()).retcode == 0
    assert terminal.ticks_from("EURUSD", 0, 10) == stub.TICK
    assert last_tick(stub.TICK).bid == streaming.BID
    assert last_tick(stub.batch(31)).time_msc - last_tick(stub.TICK).time_msc == 3_000
    assert terminal.info().connected


def test_a_burst_stays_below_every_high_water_mark() -> None:
    assert max(ticks.MESSAGES, *batches.MESSAGES.values()) < streaming.HIGH_WATER
    assert all(records * count * RECORD_BYTES <= 64e6 for records, count in batches.MESSAGES.items())


@pytest.mark.parametrize("size", [FULL, QUICK, Size(1, 0.25), Size(50, 1.0)])
def test_every_round_fits_into_the_freeze(size: Size) -> None:
    assert 2 * (size.rounds + 1) * frozen.round_s(size) <= frozen.freeze_s(size) - frozen.RESERVE_S
    assert frozen.freeze_s(FULL) == 100.0


def test_the_session_is_frozen_while_it_is_measured() -> None:
    tiny = Size(3, 0.01)
    with frozen.ours(tiny) as measure:
        told = measure()
        assert told.more["pings"] > 10
        assert told.more["frozen for s"] == frozen.freeze_s(tiny)


def test_both_sides_run_for_real() -> None:
    """The smallest round that there is: everything starts, nothing is lost, everything ends."""
    tiny = Size(1, 0.01)
    with ticks.reference(tiny) as raw, ticks.ours(tiny) as bridged:
        assert raw().lost == bridged().lost == 0
    with requests.ours(tiny) as bridged:
        assert set(bridged().cpu_us) == {"bridge", "client"}
