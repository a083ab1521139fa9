from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.errors import ConfigError
from bridge.terminal.simulator.clock import server_time_msc
from bridge.terminal.simulator.settings import TerminalSettings, furnish

UTC_MSC = 1_704_880_800_000


def furnished(**changes: Any) -> Any:
    return furnish(TerminalSettings(**changes), utc_msc=UTC_MSC, monotonic_s=10.0)


def test_without_a_start_it_is_now() -> None:
    made = furnished()
    assert made.clock.now_msc(10.0) == made.world.now_msc == server_time_msc(UTC_MSC)
    assert made.world.call("account_info", [], made.world.now_msc)[2][0] == 5_000_001
    assert (made.replay, made.store) == (None, None)


def test_start_speed_and_hold() -> None:
    clock = furnished(start_msc=1_000_000_000_000, speed=60.0, held=True).clock
    assert (clock.now_msc(500.0), clock.speed, clock.held) == (1_000_000_000_000, 60.0, True)


def test_account_settings() -> None:
    made = furnished(login=7, password="pw", server="Test", profile="netting", balance=123.0, fresh=True)
    account = made.world.call("account_info", [], made.world.now_msc)[2]
    assert account[0] == 7
    assert account[7] == 0
    assert account[10] == 123.0
    assert made.world.call("login", [7, "pw", "Test", None], made.world.now_msc)[0] == 1
    assert made.world.call("login", [5_000_001, "pw", "Test", None], made.world.now_msc)[0] == -6


def test_replayed_and_synthetic_symbols_live_side_by_side(tmp_path: Path) -> None:
    file = tmp_path / "ticks.csv"
    file.write_text("time_msc,bid,ask\n" + "".join(f"{UTC_MSC + k * 500},1.1,1.1002\n" for k in range(10)))
    made = furnished(recordings=(("EURUSD", file),))
    start_msc = made.clock.start_msc
    assert start_msc == server_time_msc(UTC_MSC) - 1
    assert made.replay.symbols() == ["EURUSD"]
    assert made.world.call("symbol_info_tick", ["EURUSD"], start_msc)[0] == -4
    assert made.world.call("symbol_info_tick", ["USDJPY"], start_msc)[0] == 1
    assert made.world.call("symbol_info_tick", ["EURUSD"], start_msc + 2)[2][1] == 1.1


def test_server_time_is_that_of_the_zone(tmp_path: Path) -> None:
    assert furnished(zone="UTC").clock.start_msc == UTC_MSC
    assert furnished(zone="Europe/Athens").clock.start_msc == UTC_MSC + 2 * 3_600_000
    file = tmp_path / "ticks.csv"
    file.write_text(f"time_msc,bid,ask\n{UTC_MSC},1.1,1.1002\n")
    assert furnished(zone="UTC+5", recordings=(("EURUSD", file),)).clock.start_msc == UTC_MSC + 5 * 3_600_000 - 1


def test_symbols_of_a_broker_with_suffixes_have_a_market() -> None:
    made = furnished(profile="suffixed")
    for name in ("EURUSD.r", "US500.cash", "GOLD", "BTCUSD", "AAPL.US"):
        assert made.world.call("symbol_select", [name, True], made.world.now_msc)[2] is True
        assert made.world.call("symbol_info_tick", [name], made.world.now_msc)[0] == 1
    assert made.world.call("symbol_info", ["EURUSD"], made.world.now_msc)[0] == -4


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"profile": "x"}, "no broker profile 'x'; choose one of hedging-cfd"),
        ({"zone": "Mars/Olympus"}, "'Mars/Olympus' is no time zone; write it as America/New_York+7"),
        ({"speed": -1.0}, "speed must be a positive number, not -1.0"),
        ({"speed": float("nan")}, "speed must be a positive number, not nan"),
        ({"speed": float("inf")}, "not inf; inf goes with recorded ticks only"),
        ({"recordings": (("EURUSD", Path("no/such.csv")),)}, "a recording cannot be replayed: no"),
        ({"recordings": (("FOO", Path("x")),)}, "has no symbol 'FOO'"),
    ],
)
def test_wrong_settings(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        furnished(**changes)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_state_file_belongs_to_its_settings(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    furnished(state=state).store.close()
    with pytest.raises(ConfigError, match="is of seed 1, not 2"):
        furnished(state=state, seed=2)
    again = furnished(state=state, start_msc=5)
    assert again.clock.start_msc == server_time_msc(UTC_MSC), "the kept clock wins"
    again.store.close()
