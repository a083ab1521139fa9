"""Time that passes as recorded ticks are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bridge.mt5api.structs import TICK_DTYPE
from bridge.terminal.simulator.pace import AHEAD, FOLLOWED_S, PacedClock, PacedReplay
from bridge.terminal.simulator.settings import TerminalSettings, furnish
from tests.scripted_market import START_MSC, START_S


def recorded(count: int, gap_msc: int) -> Any:
    rows = np.zeros(count, TICK_DTYPE)
    rows["time_msc"] = START_MSC + np.arange(count) * gap_msc
    rows["time"] = rows["time_msc"] // 1000
    rows["bid"] = rows["ask"] = 1.0 + np.arange(count) * 1e-5
    return rows


def test_time_stands_until_somebody_reads() -> None:
    replay = PacedReplay({"EURUSD": recorded(5_000, 10)})
    assert replay.now_msc(0.0) == replay.now_msc(1_000.0) == 0
    replay.ticks("EURUSD", 0, 2**60)  # what the terminal itself looks at does not count
    assert replay.now_msc(1_000.0) == 0
    replay.first_ticks("EURUSD", START_MSC, 10, START_MSC)
    assert replay.now_msc(1_000.0) == START_MSC + (AHEAD - 1) * 10 + 1


def test_the_slowest_symbol_that_is_followed_sets_the_pace() -> None:
    replay = PacedReplay({"EURUSD": recorded(5_000, 10), "GBPUSD": recorded(5_000, 1)})
    replay.now_msc(1.0)
    for symbol in ("EURUSD", "GBPUSD"):
        replay.first_ticks(symbol, START_MSC, 10, START_MSC)
    assert replay.now_msc(1.0) == START_MSC + AHEAD
    replay.first_ticks("EURUSD", START_MSC, 10_000, START_MSC + AHEAD)
    assert replay.now_msc(2.0) == START_MSC + AHEAD, "GBPUSD was not read since"
    replay.first_ticks("EURUSD", START_MSC, 10_000, START_MSC + AHEAD)
    assert replay.now_msc(1.0 + FOLLOWED_S) > START_MSC + AHEAD, "nobody follows GBPUSD any more"


def test_a_program_that_reads_in_small_parts_gets_everything_and_never_waits() -> None:
    rows = recorded(7_777, 3)
    replay = PacedReplay({"EURUSD": rows})
    place, rounds = 0, 0
    while place < rows.size:
        now_msc = max(START_MSC, replay.now_msc(rounds * 0.001))
        read = replay.first_ticks("EURUSD", int(rows["time_msc"][place]), 400, now_msc)
        assert read.size or rounds == 0
        place += read.size
        rounds += 1
    assert replay.now_msc(9.0) == int(rows["time_msc"][-1]) + 1, "time ends with the recording"
    assert rounds < 30


def test_a_paced_terminal(tmp_path: Path) -> None:
    file, state = tmp_path / "EURUSD.csv", tmp_path / "state.db"
    lines = (f"{START_MSC + place * 100},1.1,1.1002" for place in range(3_000))
    file.write_text("time_msc,bid,ask\n" + "\n".join(lines) + "\n")
    settings = TerminalSettings(recordings=(("EURUSD", file),), speed=float("inf"), zone="UTC", fresh=True, state=state)
    made = furnish(settings, utc_msc=START_MSC, monotonic_s=50.0)
    assert isinstance(made.clock, PacedClock)

    def read(clock: Any, world: Any, monotonic_s: float) -> int:
        now_msc = clock.now_msc(monotonic_s)
        return len(world.call("copy_ticks_from", ["EURUSD", START_S, 100_000, -1], now_msc)[2]) // 60

    assert [read(made.clock, made.world, 50.0 + part) for part in range(5)] == [0, 1000, 2000, 3000, 3000]
    held = made.clock.hold(60.0)
    assert (held.held, held.now_msc(70.0), held.release(71.0).now_msc(71.0)) == (True, START_MSC + 299_901, START_MSC + 299_901)
    assert made.store
    made.store.save_clock(held.release(71.0), held.now_msc(71.0), START_MSC)
    made.store.close()
    again = furnish(settings, utc_msc=START_MSC + 10**6, monotonic_s=3.0)
    assert again.clock.now_msc(3.0) == START_MSC + 299_901, "time does not pass while nobody reads"
    assert again.store
    again.store.close()
