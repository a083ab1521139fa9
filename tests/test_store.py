from __future__ import annotations

import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.terminal.simulator.clock import SimulatedClock
from bridge.terminal.simulator.store import Store
from bridge.terminal.simulator.world import World
from tests.account_walks import ACTIONS, act, walk
from tests.scripted_market import QUOTES, START_MSC, Desk, market


def books(world: World) -> list[Any]:
    ledger = world.server.ledger
    kept = [getattr(ledger, name) for name in ("positions", "orders", "history", "deals", "balance", "next_order", "next_deal")]
    return [*kept, world.server.watch]


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32), st.lists(st.sampled_from(ACTIONS), min_size=3, max_size=25), st.integers(1, 5))
def test_a_world_goes_on_from_its_file_as_if_never_stopped(
    tmp_path_factory: pytest.TempPathFactory, seed: int, actions: list[str], every: int
) -> None:
    quotes = {**QUOTES, "EURUSD": walk(seed, 1.1, 0.0002, 5, 3e-4), "XAUUSD": walk(seed + 3, 2000.0, 0.3, 2, 5e-4)}
    path = tmp_path_factory.mktemp("state") / "state.db"
    desk, dice = Desk(quotes), random.Random(seed)
    store = Store(path)
    for number, what in enumerate(actions):
        act(desk, what, dice)
        store.save(desk.world)
        if number % every == 0:
            store.close()
            store, restored = Store(path), World(market(quotes), START_MSC)
            assert store.load(restored)
            restored.advance(desk.now_msc)  # time in which nothing changed need not have been kept
            assert books(restored) == books(desk.world)
            desk.world = restored
    store.close()


def test_a_new_file_has_nothing(tmp_path: Path) -> None:
    store, world = Store(tmp_path / "state.db"), Desk().world
    assert store.load(world) is False
    assert store.load_clock(0.0, 0, 1.0) is None
    store.close()


def test_only_changes_are_written(tmp_path: Path) -> None:
    store, desk = Store(tmp_path / "state.db"), Desk()
    store.save(desk.world)
    total = store._db.total_changes
    desk.wait(1000)
    store.save(desk.world)
    assert store._db.total_changes == total
    desk.ask("symbol_select", "AAPL", True)
    store.save(desk.world)
    assert store._db.total_changes > total
    store.close()


def test_the_clock_goes_on_while_no_terminal_runs(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    running = SimulatedClock.starting(START_MSC, monotonic_s=5.0, speed=10.0)
    store.save_clock(running, START_MSC + 100, 1_000_000)
    clock = store.load_clock(77.0, 1_002_000, 1.0)
    assert clock is not None
    assert clock.now_msc(77.0) == START_MSC + 20_100
    assert clock.now_msc(78.0) == START_MSC + 21_100
    assert clock.start_msc == START_MSC
    store.save_clock(running.hold(6.0), START_MSC + 100, 1_000_000)
    held = store.load_clock(77.0, 1_002_000, 1.0)
    assert held is not None
    assert held.now_msc(99.0) == START_MSC + 100
    store.close()


def test_a_file_belongs_to_one_account(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    store.identify({"login": 1, "seed": 2})
    store.identify({"login": 1, "seed": 2})
    with pytest.raises(ConfigError, match="is of login 1, not 7"):
        store.identify({"login": 7, "seed": 2})
    store.close()


def test_a_file_serves_one_terminal(tmp_path: Path) -> None:
    first = Store(tmp_path / "state.db")
    with pytest.raises(ConfigError, match="another terminal uses it"):
        Store(tmp_path / "state.db")
    first.close()
    Store(tmp_path / "state.db").close()


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be looked at " * 20)
    with pytest.raises(ConfigError, match="is not a state file"):
        Store(path)
    assert path.read_text().startswith("not a database")
    with pytest.raises(ConfigError, match="cannot be used"):
        Store(tmp_path / "missing" / "state.db")


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, desk = Store(tmp_path / "state.db"), Desk()
    store.save(desk.world)
    desk.buy()
    monkeypatch.setattr(store, "_set", lambda *_: (_ for _ in ()).throw(sqlite3.OperationalError("disk is full")))
    with pytest.raises(sqlite3.OperationalError):
        store.save(desk.world)
    monkeypatch.undo()
    again = Desk().world
    assert store.load(again)
    assert again.server.ledger.positions == {}
    store.close()
