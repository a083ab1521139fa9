"""The options of `mt5bridge terminal` as settings of the simulated terminal; whatever is wrong is one `ConfigError`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from bridge.errors import ConfigError
from bridge.terminal.simulator.recording import RecordingError, symbol_and_file
from bridge.terminal.simulator.settings import TerminalSettings

PROFILES = {
    "hedging": "hedging-cfd",
    "netting": "netting",
    "exchange": "netting-exchange",
    "suffixed": "suffixed",
    "nolev-darwin": "nolev-darwin",
    "instant": "instant",
}
"""Broker profile by the name that the command line gives it."""


def settings_from(
    *,
    listen: str,
    state: Path | None,
    replay: tuple[str, ...],
    speed: float,
    seed: int,
    start: datetime | None,
    held: bool,
    profile: str,
    fresh: bool,
    zone: str,
    exit_with_parent: bool,
) -> TerminalSettings:
    """The settings. Raises `ConfigError`."""
    return TerminalSettings(
        listen=host_and_port(listen),
        seed=seed,
        speed=speed,
        start_msc=None if start is None else int(start.replace(tzinfo=UTC).timestamp() * 1000),
        held=held,
        recordings=tuple(recording(text) for text in replay),
        profile=PROFILES[profile],
        fresh=fresh,
        zone=zone,
        state=state,
        exit_with_parent=exit_with_parent,
    )


def host_and_port(text: str) -> tuple[str, int]:
    """`HOST:PORT`, or `tcp://HOST:PORT`. Raises `ConfigError`."""
    host, colon, port = text.removeprefix("tcp://").rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(f"--listen: not HOST:PORT: {text!r}", next_step="write it as 127.0.0.1:5557")
    return host, int(port)


def recording(text: str) -> tuple[str, Path]:
    """`SYMBOL=FILE`, or `FILE` whose name begins with the symbol. Raises `ConfigError`."""
    try:
        symbol, path = symbol_and_file(text)
    except RecordingError as error:
        raise ConfigError(f"--replay: {error}", next_step="name the symbol: SYMBOL=FILE") from None
    if not path.is_file():
        raise ConfigError(f"--replay: no such file: {path}", next_step="check the path")
    return symbol, path
