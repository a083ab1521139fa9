"""The options of `mt5bridge terminal`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from bridge.__main__ import commands
from bridge.errors import ConfigError
from bridge.simulator_settings import PROFILES, host_and_port, recording, settings_from
from bridge.terminal.simulator.profile import PROFILES as BROKERS


def test_every_profile_of_the_command_exists() -> None:
    assert set(PROFILES.values()) == set(BROKERS)
    (profile,) = (option for option in commands.commands["terminal"].params if option.name == "profile")
    assert profile.type.choices == tuple(PROFILES)  # type: ignore[attr-defined]


def test_host_and_port() -> None:
    assert host_and_port("127.0.0.1:5557") == ("127.0.0.1", 5557)
    assert host_and_port("tcp://localhost:0") == ("localhost", 0)


@pytest.mark.parametrize("text", ["", "5557", ":5557", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000"])
def test_what_is_not_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        host_and_port(text)


def test_a_recordings_symbol(tmp_path: Path) -> None:
    file = tmp_path / "EURUSD_2024.csv"
    file.touch()
    assert recording(str(file)) == ("EURUSD", file)
    assert recording(f"GOLD={file}") == ("GOLD", file)
    with pytest.raises(ConfigError, match="no such file"):
        recording(str(tmp_path / "GBPUSD.csv"))


def test_the_start_is_server_time_as_it_is_read() -> None:
    settings = settings_from(
        listen="127.0.0.1:0",
        state=None,
        replay=(),
        speed=2.0,
        seed=5,
        start=datetime(2026, 3, 4, 12),
        held=True,
        profile="netting",
        fresh=True,
        zone="UTC",
        exit_with_parent=False,
    )
    assert settings.start_msc == 1_772_625_600_000
    assert (settings.seed, settings.speed, settings.held, settings.profile) == (5, 2.0, True, "netting")
    assert (settings.fresh, settings.zone) == (True, "UTC")
